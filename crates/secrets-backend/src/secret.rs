//! What goes into a backend and what comes out of it.

use std::fmt;
use std::time::Duration;

use crate::{Metadata, SecretBytes, SecretPath, Stamp, Timestamp};

/// What a backend is asked to keep.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct NewSecret {
    /// The value; an envelope in sealed mode.
    pub value: SecretBytes,
    /// What the user says about it; empty in sealed mode, where it travels inside the envelope.
    pub metadata: Metadata,
    /// In sealed mode, what the backend stores beside the value where listing can show it.
    pub stamp: Option<Stamp>,
}

impl NewSecret {
    /// A value with neither metadata nor stamp.
    #[must_use]
    pub fn new(value: impl Into<SecretBytes>) -> Self {
        Self { value: value.into(), ..Self::default() }
    }

    /// The same with metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The same with a stamp.
    #[must_use]
    pub fn with_stamp(mut self, stamp: Stamp) -> Self {
        self.stamp = Some(stamp);
        self
    }
}

/// One version of a secret, as a backend answered it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Secret {
    /// Which version this is.
    pub version: VersionId,
    /// The value; an envelope in sealed mode.
    pub value: SecretBytes,
    /// What the user said about it.
    pub metadata: Metadata,
    /// The stamp stored beside the value, if there was one.
    pub stamp: Option<Stamp>,
    /// When this version was written, by the backend's clock.
    pub created: Option<Timestamp>,
    /// Which of several replicas gave it; none where there is one.
    pub served: Option<Served>,
}

/// Which of several replicas gave an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// Its name in the configuration.
    pub by: String,
    /// Whether it stepped in for the one that should have answered.
    pub degraded: bool,
    /// How long ago it was last seen to have all that the primary has; none for the primary, and where it never was.
    pub age: Option<Duration>,
    /// Whether another version was written without this one: both are kept until somebody decides.
    pub conflict: bool,
}

impl Served {
    /// An answer of the replica of this name.
    #[must_use]
    pub fn new(by: impl Into<String>, degraded: bool) -> Self {
        Self { by: by.into(), degraded, age: None, conflict: false }
    }
}

impl Secret {
    /// A version with a value and nothing else.
    #[must_use]
    pub fn new(version: VersionId, value: impl Into<SecretBytes>) -> Self {
        Self {
            version,
            value: value.into(),
            metadata: Metadata::default(),
            stamp: None,
            created: None,
            served: None,
        }
    }
}

/// What a write did.
///
/// `put` always names the version. The others name one where they made one: in sealed mode a deletion is a
/// version of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The version that the write made.
    pub version: Option<VersionId>,
    /// The stamp of that version, in sealed mode.
    pub stamp: Option<Stamp>,
    /// Which of several replicas have it.
    pub level: Level,
}

/// How far a write has come among several replicas; the least is first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// It is durable on this machine, and no replica is known to have it.
    Local,
    /// The primary has it, and not yet each of the others.
    Primary,
    /// All have it.
    #[default]
    All,
}

impl Written {
    /// A write that made a version.
    #[must_use]
    pub const fn version(id: VersionId) -> Self {
        Self { version: Some(id), stamp: None, level: Level::All }
    }

    /// The same, as far as it has come.
    #[must_use]
    pub const fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The same with the stamp of what was written.
    #[must_use]
    pub fn with_stamp(mut self, stamp: Option<Stamp>) -> Self {
        self.stamp = stamp;
        self
    }
}

/// Names one version of one secret. Opaque: only the backend that gave it can read it.
///
/// Above the failover wrapper it is the logical number, see [`VersionId::number`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionId(String);

impl VersionId {
    /// An id as the backend writes it.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id of a numbered version.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number.to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, where the id is one (decimal, no sign, no leading zero).
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.0.parse().ok().filter(|number: &u64| number.to_string() == self.0)
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a backend knows of one version without giving its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionMeta {
    /// Which version this is.
    pub id: VersionId,
    /// When it was written, by the backend's clock.
    pub created: Option<Timestamp>,
    /// Whether its value can be read.
    pub state: VersionState,
    /// The stamp stored beside it.
    pub stamp: Option<Stamp>,
}

impl VersionMeta {
    /// A live version without time and stamp.
    #[must_use]
    pub const fn new(id: VersionId) -> Self {
        Self { id, created: None, state: VersionState::Live, stamp: None }
    }
}

/// Whether a version's value can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionState {
    /// It can.
    Live,
    /// It could again after `undelete`.
    Deleted,
    /// It is gone for good; only the number is left.
    Destroyed,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The secret's path.
    pub path: SecretPath,
    /// When its current version was written, where the listing shows it.
    pub updated: Option<Timestamp>,
    /// The stamp of its current version, where the listing shows it.
    pub stamp: Option<Stamp>,
}

impl Listed {
    /// A line with a path and nothing else.
    #[must_use]
    pub const fn new(path: SecretPath) -> Self {
        Self { path, updated: None, stamp: None }
    }
}

/// A part of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The lines, in no promised order; a path appears on one page of a listing only.
    pub items: Vec<Listed>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<PageToken>,
}

impl Page {
    /// A page with what comes after it.
    #[must_use]
    pub const fn new(items: Vec<Listed>, next: Option<PageToken>) -> Self {
        Self { items, next }
    }
}

/// Where a page of a listing starts. Opaque: only the backend that gave it can read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageToken(String);

impl PageToken {
    /// A token as the backend writes it.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_text() {
        for number in [0, 1, 42, u64::MAX] {
            assert_eq!(VersionId::from_number(number).number(), Some(number));
        }
        for text in ["", "01", "+1", "-1", " 1", "1.0", "latest", "18446744073709551616"] {
            assert_eq!(VersionId::new(text).number(), None, "{text:?}");
        }
    }
}
