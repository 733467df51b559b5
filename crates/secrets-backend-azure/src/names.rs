//! Between paths and the names of the service, which are `[0-9a-zA-Z-]{1,127}` and ignore case.
//!
//! Digits and lower-case letters stand for themselves. Hyphens say the rest, by how many stand side by side:
//!
//! | in a name | in a path |
//! | --- | --- |
//! | `-` between two letters or digits | `-` |
//! | `--` | `/` |
//! | `---u`, `---d` | `_`, `.` |
//! | `---h` | `-` at any other place |
//! | `---c` | nothing: letters change their case from here on, until the next `/` or `---c` |
//! | `---z` and digits | the whole path, packed: see `packed.rs` |
//!
//! A path whose name would be longer than the service takes is packed. A name that is not the one of the path
//! that it reads as is another program's.

use secrets_backend::SecretPath;

use crate::failure::Failure;
use crate::packed;

/// The longest name: REST reference, "Object identifiers".
const MAX_NAME: usize = 127;
/// The longest path whose name fits whatever its characters are: 123 digits of base 36 hold 105 of base 66.
pub(crate) const MAX_PATH: usize = 105;
const PACKED: &str = "---z";

/// The name of a secret: 1 to 127 of `[0-9a-z-]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// The name of a path; `InvalidInput` where the path is too long.
    pub(crate) fn of(path: &SecretPath) -> Result<Self, Failure> {
        let len = path.as_str().len();
        if len > MAX_PATH {
            let detail = format!(
                "a path has at most {MAX_PATH} bytes here, prefixes included, and this one has {len}: \
                 names of Key Vault have {MAX_NAME} characters of 37 kinds"
            );
            return Err(Failure::invalid(detail));
        }
        encode(path.as_str()).map(Self).ok_or_else(|| Failure::invalid("a path that has no name here"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The path of a name, in any case; none for another program's.
pub(crate) fn path(name: &str) -> Option<SecretPath> {
    let name = name.to_ascii_lowercase();
    let text = match name.strip_prefix(PACKED) {
        Some(digits) => packed::unpack(digits)?,
        None => decode(&name)?,
    };
    let path = SecretPath::native(&text).ok()?;
    (text.len() <= MAX_PATH && encode(&text)? == name).then_some(path)
}

fn encode(path: &str) -> Option<String> {
    let readable = readable(path);
    if readable.len() <= MAX_NAME {
        return Some(readable);
    }
    packed::pack(path).map(|digits| format!("{PACKED}{digits}")).filter(|name| name.len() <= MAX_NAME)
}

fn readable(path: &str) -> String {
    let mut name = String::with_capacity(path.len() * 2);
    let (mut is_upper, mut before, mut rest) = (false, ' ', path.chars().peekable());
    while let Some(c) = rest.next() {
        if c.is_ascii_alphabetic() && c.is_ascii_uppercase() != is_upper {
            is_upper = !is_upper;
            name.push_str("---c");
        }
        match c {
            '/' => {
                is_upper = false;
                name.push_str("--");
            }
            '_' => name.push_str("---u"),
            '.' => name.push_str("---d"),
            '-' if before.is_ascii_alphanumeric()
                && rest.peek().is_some_and(|next| is_plain(*next, is_upper)) =>
            {
                name.push('-');
            }
            '-' => name.push_str("---h"),
            c => name.push(c.to_ascii_lowercase()),
        }
        before = c;
    }
    name
}

/// Whether a character stands for itself, without a change of case before it.
const fn is_plain(c: char, is_upper: bool) -> bool {
    c.is_ascii_digit() || (c.is_ascii_alphabetic() && c.is_ascii_uppercase() == is_upper)
}

/// What a name reads as; whether that path has this name is not looked at.
fn decode(name: &str) -> Option<String> {
    let mut path = String::with_capacity(name.len());
    let (mut is_upper, mut rest) = (false, name);
    while let Some(c) = rest.chars().next() {
        let hyphens = rest.len() - rest.trim_start_matches('-').len();
        let after = &rest[hyphens..];
        rest = match hyphens {
            0 => {
                path.push(if is_upper { c.to_ascii_uppercase() } else { c });
                &rest[c.len_utf8()..]
            }
            1 => {
                path.push('-');
                after
            }
            2 => {
                is_upper = false;
                path.push('/');
                after
            }
            3 | 5 => {
                if hyphens == 5 {
                    is_upper = false;
                    path.push('/');
                }
                match after.as_bytes().first()? {
                    b'u' => path.push('_'),
                    b'd' => path.push('.'),
                    b'h' => path.push('-'),
                    b'c' => is_upper = !is_upper,
                    _ => return None,
                }
                &after[1..]
            }
            _ => return None,
        };
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn native(text: &str) -> SecretPath {
        SecretPath::native(text).unwrap()
    }

    fn name(text: &str) -> String {
        Name::of(&native(text)).unwrap().as_str().to_owned()
    }

    /// Paths and native names up to the longest, many of them full of what has to be escaped.
    fn paths() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-Za-z0-9_][A-Za-z0-9._-]{0,20}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,20}){0,4}",
            "[a-bA-B_][a-bA-B._-]{0,5}(/[a-bA-B_][a-bA-B._-]{0,5}){0,3}",
            "([aA][bB]|_){20,52}",
            "[A-Za-z0-9_][A-Za-z0-9._-]{100,104}",
        ]
        .prop_filter("a native name", |text| text.len() <= MAX_PATH && SecretPath::native(text).is_ok())
    }

    proptest! {
        #[test]
        fn every_path_reads_back_from_its_name_in_any_case(text in paths()) {
            let name = name(&text);
            prop_assert!((1..=MAX_NAME).contains(&name.len()));
            prop_assert!(name.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'-'));
            prop_assert_eq!(path(&name), Some(native(&text)));
            prop_assert_eq!(path(&name.to_ascii_uppercase()), Some(native(&text)));
        }

        #[test]
        fn two_paths_have_two_names(texts in prop::collection::hash_set(paths(), 2..40)) {
            let mut of: HashMap<String, String> = HashMap::new();
            for text in texts {
                if let Some(other) = of.insert(name(&text), text.clone()) {
                    prop_assert!(false, "{} and {} have one name", text, other);
                }
            }
        }

        #[test]
        fn a_name_of_another_program_is_its_own_or_foreign(
            found in prop_oneof!["[0-9a-zA-Z-]{1,127}", "(-{1,5}|[a-d]|u|z|A|0){1,30}", "---z[0-9a-z]{0,123}"]
        ) {
            if let Some(path) = path(&found) {
                prop_assert_eq!(name(path.as_str()), found.to_ascii_lowercase());
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = path(&text);
        }
    }

    #[test]
    fn names_read_as_they_are_documented() {
        for (text, expected) in [
            ("app", "app"),
            ("app/api-key", "app--api-key"),
            ("api_key", "api---ukey"),
            ("v1.2", "v1---d2"),
            ("DATABASE_URL", "---cdatabase---uurl"),
            ("app/Key/x", "app-----ck---cey--x"),
            ("app/KEY/x", "app-----ckey--x"),
            ("a-/b", "a---h--b"),
            ("a--b", "a---h---hb"),
            ("x-", "x---h"),
            ("a-B", "a---h---cb"),
            ("A-B", "---ca-b"),
            ("_secrets/safe", "---usecrets--safe"),
        ] {
            assert_eq!(name(text), expected, "{text}");
            assert_eq!(path(expected), Some(native(text)), "{expected}");
        }
    }

    #[test]
    fn other_programs_names_are_left_alone() {
        let foreign = [
            "-app",
            "app-",
            "app--",
            "a----b",
            "a---x",
            "a---",
            "---ca---cb---c",
            "---c",
            "---z",
            "---z0a",
            "a---h-b",
        ];
        for name in foreign {
            assert_eq!(path(name), None, "{name}");
        }
    }

    #[test]
    fn the_longest_path_fits_whatever_its_characters_are() {
        for unit in ["Lg", "z", "Z", "_", "Z_.-"] {
            let text: String = format!("z{}", unit.repeat(MAX_PATH)).chars().take(MAX_PATH).collect();
            assert_eq!(path(&name(&text)), Some(native(&text)), "{unit}");
        }
        let over = native(&"a".repeat(MAX_PATH + 1));
        assert!(Name::of(&over).is_err());
        // One more does not fit at all.
        assert!(
            packed::pack(&"z".repeat(MAX_PATH + 1))
                .is_some_and(|digits| digits.len() > MAX_NAME - PACKED.len())
        );
    }

    #[test]
    fn what_a_safe_keeps_of_itself_fits_behind_a_prefix() {
        let id = "0123456789abcdef".repeat(2);
        for object in [
            format!("_secrets/tenant/{id}/keyring"),
            format!("_secrets/checkpoint/{id}"),
            format!("_secrets/term/{id}"),
        ] {
            let text = format!("Shop_PROD/eu-west.1/{object}");
            assert_eq!(path(&name(&text)), Some(native(&text)));
        }
    }
}
