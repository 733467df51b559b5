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
