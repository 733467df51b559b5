//! `yaml`: one mapping (YAML 1.2, core schema).
//!
//! Cannot carry: bytes that are not UTF-8.
//!
//! Read: text as it is; whole numbers and booleans as YAML understands them (quote what must keep its
//! spelling, such as `0x1F`); a mapping in the mapping is a segment of the path. Refused: lists, empty
//! values, other numbers, a name twice, merge keys, a second document.

use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use zeroize::Zeroizing;

use super::{CannotCarry, Fault, Pair, quoted, text, tree::Tree};

/// Writes a mapping with a quoted string per secret.
///
/// # Errors
/// [`CannotCarry`] for a value that is not UTF-8.
pub fn write(pairs: &[Pair]) -> Result<Zeroizing<Vec<u8>>, CannotCarry> {
    if pairs.is_empty() {
        return Ok(Zeroizing::new(b"{}\n".to_vec()));
    }
    let mut out = Zeroizing::new(String::new());
    for pair in pairs {
        let value = text(pair, "yaml", &[])?;
        let mut key = String::new();
        quoted::push(&mut key, &pair.name, is_plain);
        let (before, after) = if key.len() < MAX_IMPLICIT_KEY { ("", ": ") } else { ("? ", "\n: ") };
        out.push_str(before);
        out.push_str(&key);
        out.push_str(after);
        quoted::push(&mut out, value, is_plain);
        out.push('\n');
    }
    Ok(Zeroizing::new(std::mem::take(&mut *out).into_bytes()))
}

/// Reads a mapping of text and mappings.
///
/// # Errors
/// [`Fault`] with the line, for broken YAML and for what is refused above.
pub fn read(bytes: &[u8]) -> Result<Vec<Pair>, Fault> {
    let options = serde_saphyr::options! {
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        strict_booleans: true,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        // A snippet would show the file's values.
        with_snippet: false,
    };
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::whole("the file is not UTF-8 text"))?;
    let tree: Tree = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        // Only the place is taken over: the parser's words could quote the file.
        let reason = "this is not well-formed YAML of text and mappings, or a name is there twice";
        match error.location() {
            Some(location) => Fault::at(usize::try_from(location.line()).unwrap_or(usize::MAX), reason),
            None => Fault::whole(reason),
        }
    })?;
    tree.into_pairs()
}

/// As in the other languages, without what YAML's own rules leave out of `c-printable`.
fn is_plain(character: char) -> bool {
    quoted::is_plain(character) && character != '\u{85}'
}

/// YAML reads a key of more than 1,024 characters only where a `?` announces it.
const MAX_IMPLICIT_KEY: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mappings_become_segments_and_plain_scalars_text() {
        let pairs =
            read(b"db:\n  url: x y\n  port: 5432\n  zip: 01234\non: yes\nkey: |\n  a\n  b\n").unwrap();
        let names: Vec<_> =
            pairs.iter().map(|pair| (pair.name.as_str(), pair.value.expose_str().unwrap())).collect();
        assert_eq!(
            names,
            [("db/url", "x y"), ("db/port", "5432"), ("db/zip", "01234"), ("on", "yes"), ("key", "a\nb\n")]
        );
    }

    #[test]
    fn what_would_not_survive_is_refused_without_its_value() {
        for text in [
            "a: 1.10\n",
            "a:\n",
            "a: [hunter2]\n",
            "a: hunter2\na: hunter2\n",
            "a: \"hunter2\n",
            "a: &x hunter2\nb: {<<: *x}\n",
            "hunter2\n",
            "a: b\n---\na: hunter2\n",
        ] {
            let fault = read(text.as_bytes()).unwrap_err();
            assert!(!fault.to_string().contains("hunter2"), "{fault}");
        }
        assert!(read(b"a: x\nb: \"hunter2\n").unwrap_err().line.is_some());
    }

    #[test]
    fn a_name_longer_than_an_implicit_key_is_read_back() {
        for len in [1021, 1022, 1023, 5000] {
            let pairs = [Pair::new("a".repeat(len), "x"), Pair::new("b", "y")];
            assert_eq!(read(&write(&pairs).unwrap()).unwrap(), pairs, "{len} characters");
        }
    }

    #[test]
    fn ten_thousand_levels_are_an_error_and_no_crash() {
        assert!(read("[".repeat(10_000).as_bytes()).is_err());
        assert!(read("{a: ".repeat(10_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            values in prop::collection::vec(".*|\\PC*|[\\x00-\\x20\"\\\\\u{85}\u{feff}\u{2028}\u{1f511}]*", 0..5),
        ) {
            let pairs: Vec<Pair> =
                values.iter().enumerate().map(|(index, value)| Pair::new(format!("a/{index}"), value.as_str())).collect();
            prop_assert_eq!(read(&write(&pairs).unwrap()).unwrap(), pairs);
        }
    }
}
