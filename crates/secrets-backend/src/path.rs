//! The validated name of a secret.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The validated name of a secret: `app/db/password`.
///
/// 1 to 8 segments separated by `/`, each 1 to 64 characters of `[A-Za-z0-9._-]`, not starting with `-` or
/// `.`; at most 200 bytes; the first segment does not start with `_`, which is kept for the safe's own
/// objects. Case matters.
///
/// ```
/// use secrets_backend::SecretPath;
///
/// let path: SecretPath = "app/db/password".parse()?;
/// assert_eq!(path.name(), "password");
/// assert!("../etc/passwd".parse::<SecretPath>().is_err());
/// # Ok::<(), secrets_backend::InvalidPath>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretPath(Arc<str>);

/// Why a text is not a path. It shows no part of the text, which may be hostile or a value typed in the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPath {
    /// There is nothing.
    #[error("a path cannot be empty")]
    Empty,
    /// More than [`SecretPath::MAX_LEN`] bytes.
    #[error("a path has at most {max} bytes, this one has {len}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// More than [`SecretPath::MAX_SEGMENTS`] segments.
    #[error("a path has at most {} segments", SecretPath::MAX_SEGMENTS)]
    TooManySegments,
    /// `//`, or a `/` at either end.
    #[error("a path has no empty segment: no `//`, no `/` at its start or end")]
    EmptySegment,
    /// A segment of more than [`SecretPath::MAX_SEGMENT_LEN`] characters.
    #[error("a segment of a path has at most {} characters", SecretPath::MAX_SEGMENT_LEN)]
    SegmentTooLong,
    /// A segment that starts with `-` or `.`.
    #[error("a segment of a path cannot start with `-` or `.`")]
    LeadingCharacter,
    /// A character outside `[A-Za-z0-9._-]`.
    #[error("a path holds letters, digits, `.`, `_`, `-` and `/` only; byte {position} is another")]
    Character {
        /// Offset in bytes, from 0.
        position: usize,
    },
    /// A first segment that starts with `_`.
    #[error("a path cannot start with `_`: that is reserved")]
    Reserved,
}

impl SecretPath {
    /// The longest path, in bytes.
    pub const MAX_LEN: usize = 200;
    /// The most segments of a path.
    pub const MAX_SEGMENTS: usize = 8;
    /// The longest segment, in bytes.
    pub const MAX_SEGMENT_LEN: usize = 64;
    /// The longest native name: a path behind the prefixes of a backend and a tenant, in bytes.
    pub const MAX_PREFIXED_LEN: usize = 400;

    /// Checks a text against the grammar.
    ///
    /// # Errors
    /// [`InvalidPath`], by the first rule that is broken.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        check(text, &OWN)?;
        if text.starts_with('_') {
            return Err(InvalidPath::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The path of one of the safe's own objects, `_secrets/…`: the grammar without the reservation.
    ///
    /// # Errors
    /// [`InvalidPath`], by the first rule that is broken.
    pub fn control(text: &str) -> Result<Self, InvalidPath> {
        check(text, &OWN)?;
        Ok(Self(text.into()))
    }

    /// A name as a backend holds it: a path that may stand behind prefixes, so it may be reserved, have more
    /// and longer segments, and up to [`SecretPath::MAX_PREFIXED_LEN`] bytes.
    ///
    /// A backend's `list` reads its own names with this; what is no name is a foreign object, and left out.
    ///
    /// # Errors
    /// [`InvalidPath`], by the first rule that is broken.
    pub fn native(text: &str) -> Result<Self, InvalidPath> {
        check(text, &NATIVE)?;
        Ok(Self(text.into()))
    }

    /// A path behind a prefix, as a backend names it: `prod-` and `a/b` give `prod-a/b`.
    ///
    /// The result is a native name, see [`SecretPath::native`].
    ///
    /// # Errors
    /// [`InvalidPath`], by the first rule that is broken.
    pub fn prefixed(prefix: &str, path: &Self) -> Result<Self, InvalidPath> {
        Self::native(&format!("{prefix}{path}"))
    }

    /// The path without a prefix that [`SecretPath::prefixed`] put before it; `None` where it has another
    /// or what is left is no path.
    #[must_use]
    pub fn without_prefix(&self, prefix: &str) -> Option<Self> {
        self.0.strip_prefix(prefix).and_then(|rest| Self::native(rest).ok())
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments, first to last.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Its last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.segments().next_back().unwrap_or_default()
    }

    /// Whether it is `prefix` or lies below it: `app/x` is under `app`, `apple` is not.
    #[must_use]
    pub fn is_under(&self, prefix: &Self) -> bool {
        self.0.strip_prefix(&*prefix.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether it belongs to the safe's own objects.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with('_')
    }
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretPath({})", self.0)
    }
}

impl FromStr for SecretPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        Self::parse(text)
    }
}

/// Equal, ordered and hashed as its text is, so that maps of paths can be searched by text.
impl Borrow<str> for SecretPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// How long a name may be, in bytes, and of how many segments.
struct Limits {
    len: usize,
    segments: usize,
    segment_len: usize,
}

const OWN: Limits = Limits {
    len: SecretPath::MAX_LEN,
    segments: SecretPath::MAX_SEGMENTS,
    segment_len: SecretPath::MAX_SEGMENT_LEN,
};

/// A prefix like `intraday-` lengthens the first segment, one like `prod/` adds some.
const NATIVE: Limits = Limits {
    len: SecretPath::MAX_PREFIXED_LEN,
    segments: SecretPath::MAX_PREFIXED_LEN,
    segment_len: SecretPath::MAX_PREFIXED_LEN,
};

fn check(text: &str, limits: &Limits) -> Result<(), InvalidPath> {
    if text.is_empty() {
        return Err(InvalidPath::Empty);
    }
    if text.len() > limits.len {
        return Err(InvalidPath::TooLong { len: text.len(), max: limits.len });
    }
    if let Some(position) = text.bytes().position(|b| !is_legal(b)) {
        return Err(InvalidPath::Character { position });
    }
    if text.split('/').count() > limits.segments {
        return Err(InvalidPath::TooManySegments);
    }
    text.split('/').try_for_each(|segment| check_segment(segment, limits))
}

fn check_segment(segment: &str, limits: &Limits) -> Result<(), InvalidPath> {
    match segment.as_bytes() {
        [] => Err(InvalidPath::EmptySegment),
        [b'-' | b'.', ..] => Err(InvalidPath::LeadingCharacter),
        bytes if bytes.len() > limits.segment_len => Err(InvalidPath::SegmentTooLong),
        _ => Ok(()),
    }
}

const fn is_legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/')
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use proptest::prelude::*;

    use super::*;

    /// Texts around the grammar: legal ones, and ones with a fault here and there.
    fn near_paths() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,63}){0,8}",
            "[A-Za-z0-9._/-]{0,210}",
            "[a-b._/-]{0,6}",
            "\\PC{0,20}",
            any::<String>(),
        ]
    }

    fn paths() -> impl Strategy<Value = SecretPath> {
        "[A-Za-z0-9][A-Za-z0-9._-]{0,20}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,20}){0,7}"
            .prop_map(|text| SecretPath::parse(&text).unwrap())
    }

    fn prefixes() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(String::new()),
            "[a-z_][a-zA-Z0-9._-]{0,30}",
            "([a-z_][a-zA-Z0-9._-]{0,30}/){1,3}",
            "([a-z_][a-zA-Z0-9._-]{0,30}/){1,3}[a-z][a-z-]{0,8}",
        ]
    }

    /// The grammar of the specification, said another way.
    fn is_path(text: &str) -> bool {
        let segments: Vec<&str> = text.split('/').collect();
        (1..=8).contains(&segments.len())
            && text.len() <= 200
            && !text.starts_with('_')
            && segments.iter().all(|segment| {
                (1..=64).contains(&segment.len())
                    && !segment.starts_with(['-', '.'])
                    && segment.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            })
    }

    proptest! {
        #[test]
        fn exactly_the_grammar_is_a_path(text in near_paths()) {
            prop_assert_eq!(SecretPath::parse(&text).is_ok(), is_path(&text));
        }

        #[test]
        fn a_path_keeps_its_text(text in near_paths()) {
            if let Ok(path) = SecretPath::parse(&text) {
                prop_assert_eq!(path.to_string(), text.as_str());
                prop_assert_eq!(path.segments().collect::<Vec<_>>().join("/"), text.as_str());
                prop_assert!(!path.is_reserved());
                prop_assert_eq!(SecretPath::control(&text), Ok(path.clone()));
                prop_assert_eq!(SecretPath::native(&text), Ok(path));
            }
        }

        #[test]
        fn a_reason_shows_no_part_of_the_text(text in "[^\\x00-\\x7f]{4,20}") {
            let invalid = SecretPath::parse(&text).unwrap_err();
            let shown = format!("{invalid} {invalid:?}");
            prop_assert!(!shown.contains(&text));
        }

        #[test]
        fn what_is_prefixed_comes_back_without_the_prefix(prefix in prefixes(), path in paths()) {
            let native = SecretPath::prefixed(&prefix, &path).unwrap();
            prop_assert_eq!(native.as_str().len(), prefix.len() + path.as_str().len());
            prop_assert_eq!(native.without_prefix(&prefix), Some(path));
        }

        #[test]
        fn what_is_left_without_a_prefix_goes_back_behind_it(prefix in prefixes(), text in near_paths()) {
            if let Ok(native) = SecretPath::native(&text)
                && let Some(path) = native.without_prefix(&prefix)
            {
                prop_assert_eq!(SecretPath::prefixed(&prefix, &path), Ok(native));
            }
        }

        #[test]
        fn two_paths_never_have_one_native_name(
            prefix in prefixes(),
            paths in prop::collection::hash_set(paths(), 2..20),
        ) {
            let natives: HashSet<_> =
                paths.iter().map(|path| SecretPath::prefixed(&prefix, path).unwrap()).collect();
            prop_assert_eq!(natives.len(), paths.len());
        }

        #[test]
        fn a_path_is_under_its_own_beginnings_and_no_others(path in paths(), other in paths()) {
            let segments: Vec<&str> = path.segments().collect();
            for count in 1..=segments.len() {
                let beginning = SecretPath::parse(&segments[..count].join("/")).unwrap();
                prop_assert!(path.is_under(&beginning));
            }
            let others: Vec<&str> = other.segments().collect();
            prop_assert_eq!(path.is_under(&other), segments.starts_with(&others));
        }
    }

    #[test]
    fn each_rule_has_its_reason() {
        let long = |segments: usize, len: usize| vec!["x".repeat(len); segments].join("/");
        let table = [
            ("", InvalidPath::Empty),
            (&long(4, 50), InvalidPath::TooLong { len: 203, max: 200 }),
            (&long(9, 1), InvalidPath::TooManySegments),
            (&long(1, 65), InvalidPath::SegmentTooLong),
            ("/a", InvalidPath::EmptySegment),
            ("a/", InvalidPath::EmptySegment),
            ("a//b", InvalidPath::EmptySegment),
            ("../../etc/passwd", InvalidPath::LeadingCharacter),
            ("a/.b", InvalidPath::LeadingCharacter),
            ("-rf", InvalidPath::LeadingCharacter),
            ("%2e%2e", InvalidPath::Character { position: 0 }),
            ("a b", InvalidPath::Character { position: 1 }),
            ("a\n", InvalidPath::Character { position: 1 }),
            ("a\0", InvalidPath::Character { position: 1 }),
            ("ab\u{202e}", InvalidPath::Character { position: 2 }),
            ("\x1b[31m", InvalidPath::Character { position: 0 }),
            ("_secrets/safe", InvalidPath::Reserved),
        ];
        for (text, reason) in table {
            assert_eq!(SecretPath::parse(text), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn the_limits_themselves_are_legal() {
        let x = |len| "x".repeat(len);
        for text in [x(64), format!("{}/{}/{}/{}", x(64), x(64), x(64), x(5)), ["x"; 8].join("/")] {
            assert!(SecretPath::parse(&text).is_ok(), "{text:?}");
        }
        assert!(SecretPath::parse(&"x".repeat(10_000)).is_err());
        assert!(SecretPath::native(&x(400)).is_ok());
        assert_eq!(SecretPath::native(&x(401)), Err(InvalidPath::TooLong { len: 401, max: 400 }));
    }

    #[test]
    fn only_control_paths_may_be_reserved() {
        assert!(SecretPath::control("_secrets/safe").unwrap().is_reserved());
        assert!(SecretPath::control("_secrets/../safe").is_err());
    }

    #[test]
    fn sets_of_paths_are_searched_by_text() {
        let paths = || ["a", "a/b", "b"].map(|text| SecretPath::parse(text).unwrap()).into_iter();
        let (hashed, sorted) = (paths().collect::<HashSet<_>>(), paths().collect::<BTreeSet<_>>());
        assert!(hashed.contains("a/b") && sorted.contains("a/b"));
        assert!(!hashed.contains("a/c") && !sorted.contains("a/c"));
    }

    #[test]
    fn debug_and_name_show_the_text_and_its_last_segment() {
        let path = SecretPath::parse("app/db/password").unwrap();
        assert_eq!(format!("{path:?}"), "SecretPath(app/db/password)");
        assert_eq!(path.name(), "password");
    }
}
