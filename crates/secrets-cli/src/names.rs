//! Names: of paths as they are typed, and of the variables that hold their values.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use secrets_backend::SecretPath;

use crate::failure::Failure;

/// A path as it was typed.
///
/// # Errors
/// Exit 2 with the broken rule; the text itself, which may be a value in the wrong place, is not repeated.
pub fn path(typed: &OsStr) -> Result<SecretPath, Failure> {
    let text =
        typed.to_str().ok_or_else(|| Failure::usage("this is not a path: a path is not UTF-8 text"))?;
    SecretPath::parse(text).map_err(|invalid| Failure::usage(format!("this is not a path: {invalid}")))
}

/// Many paths as they were typed.
///
/// # Errors
/// As [`path`], for the first that is none.
pub fn paths(typed: &[std::ffi::OsString]) -> Result<Vec<SecretPath>, Failure> {
    typed.iter().map(|one| path(one)).collect()
}

/// The environment variable of a path: its last segment, or all of them joined, in upper case, with `_` for
/// `.`, `-` and `/`.
#[must_use]
pub fn variable(path: &SecretPath, full: bool) -> String {
    let source = if full { path.as_str() } else { path.name() };
    source
        .chars()
        .map(|character| match character {
            '.' | '-' | '/' => '_',
            other => other.to_ascii_uppercase(),
        })
        .collect()
}

/// Names for paths, where no two may be the same.
///
/// # Errors
/// Exit 2 with both paths and the name that they share.
pub fn distinct(named: Vec<(String, SecretPath)>) -> Result<BTreeMap<String, SecretPath>, Failure> {
    let mut all = BTreeMap::new();
    for (name, path) in named {
        if let Some(other) = all.insert(name.clone(), path.clone())
            && other != path
        {
            return Err(Failure::usage(format!("`{other}` and `{path}` would both be {name}"))
                .hint("use --full-path, or choose with --only or --prefix"));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn variables_follow_the_documented_rule() {
        let path: SecretPath = "app/db-main/api.Key_1".parse().unwrap();
        assert_eq!(variable(&path, false), "API_KEY_1");
        assert_eq!(variable(&path, true), "APP_DB_MAIN_API_KEY_1");
    }

    #[test]
    fn two_paths_with_one_name_are_an_error_that_names_both() {
        let named = ["a/key", "b/key"].map(|text| ("KEY".to_owned(), text.parse().unwrap()));
        let failure = distinct(named.to_vec()).unwrap_err();
        assert_eq!(failure.to_string(), "`a/key` and `b/key` would both be KEY");
    }

    #[test]
    fn hostile_paths_are_refused_and_never_repeated() {
        for typed in [
            &b""[..],
            b"../../etc/passwd",
            b"%2e%2e",
            b"-x",
            b"a//b",
            b"_secrets/safe",
            b"a\nb",
            b"a\tb",
            b"a\0b",
            b"\xff\xfe",
            "a/\u{1f511}".as_bytes(),
            b"\x1b[2Jx",
            "a\u{202e}b".as_bytes(),
            &[b'a'; 10_240],
        ] {
            let failure = path(OsStr::from_bytes(typed)).unwrap_err();
            assert_eq!(failure.code(), crate::exit::USAGE);
            let text = failure.to_string();
            assert!(text.is_ascii() && !text.contains(['\n', '\x1b']) && text.len() < 200, "{text}");
        }
        assert!(path(OsStr::new("CON")).is_ok());
    }
}
