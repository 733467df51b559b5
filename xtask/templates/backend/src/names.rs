//! Between paths and the names of the service, injectively both ways.
//!
//! A service with a narrower alphabet needs an escape: choose a character that the service allows, escape
//! every character of a path that it does not allow, and the escape character itself, as that character
//! and two hexadecimal digits. Where the service ignores case, escape upper-case letters too. The property
//! tests below hold for any mapping that is right.
#![cfg_attr(not(test), expect(dead_code, reason = "until the methods of the backend use them"))]

use secrets_backend::SecretPath;

/// The longest name that the service takes, in bytes.
pub(crate) const MAX_NAME: usize = 512;

/// The name of the service for a path.
pub(crate) fn to_native(path: &SecretPath) -> String {
    path.as_str().to_owned()
}

/// The path that has this name; `None` for a foreign object.
pub(crate) fn from_native(name: &str) -> Option<SecretPath> {
    let path = SecretPath::native(name).ok()?;
    // Another spelling of the same path is not ours: one path, one name.
    (to_native(&path) == name).then_some(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_path_comes_back_from_its_name(text in "[A-Za-z0-9_][A-Za-z0-9._-]{0,20}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,20}){0,7}") {
            let path = SecretPath::native(&text).unwrap();
            prop_assert_eq!(from_native(&to_native(&path)), Some(path));
        }

        #[test]
        fn a_name_comes_back_from_its_path(name in "[A-Za-z0-9%._/-]{0,40}") {
            if let Some(path) = from_native(&name) {
                prop_assert_eq!(to_native(&path), name);
            }
        }
    }

    #[test]
    fn the_longest_path_has_a_name() {
        let longest = SecretPath::native(&"x".repeat(SecretPath::MAX_PREFIXED_LEN)).unwrap();
        assert!(to_native(&longest).len() <= MAX_NAME);
    }
}
