//! The newest version of one object that this installation has seen.

use secrets_backend::{ContentId, Stamp, StampKind};

/// The newest version of one object that this installation has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) kind: MarkKind,
    pub(crate) version: u64,
    pub(crate) term: u64,
    pub(crate) content_id: [u8; 32],
}

/// What that version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkKind {
    /// A value: its absence is stale.
    Live,
    /// A deletion: its absence changes nothing.
    Tombstone,
    /// A value whose purge was begun: it may be there or not.
    Purging,
}

impl Mark {
    /// The mark of an authentic version.
    pub(crate) fn of(stamp: &Stamp) -> Self {
        let mut content_id = [0; 32];
        let known = stamp.content_id.as_bytes();
        content_id[..known.len()].copy_from_slice(known);
        let kind = if stamp.is_tombstone() { MarkKind::Tombstone } else { MarkKind::Live };
        Self { kind, version: stamp.version, term: stamp.term.unwrap_or(0), content_id }
    }

    /// What the mark says as a stamp, for the next version to go on from.
    pub(crate) fn stamp(&self) -> Stamp {
        let content_id = ContentId::new(self.content_id);
        Stamp::new(StampKind::Tombstone, self.version, Some(self.term), 0, content_id, None)
    }

    /// Whether it is newer than another, or as new and further on its way out.
    pub(crate) fn is_beyond(&self, other: &Self) -> bool {
        (self.version, self.kind.rank()) > (other.version, other.kind.rank())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind.code()];
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(self.term.to_be_bytes());
        bytes.extend(self.content_id);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&code, rest) = bytes.split_first()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (term, rest) = rest.split_first_chunk()?;
        Some(Self {
            kind: MarkKind::from_code(code)?,
            version: u64::from_be_bytes(*version),
            term: u64::from_be_bytes(*term),
            content_id: rest.try_into().ok()?,
        })
    }
}

impl MarkKind {
    const fn code(self) -> u8 {
        match self {
            Self::Live => 1,
            Self::Tombstone => 2,
            Self::Purging => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Live,
            2 => Self::Tombstone,
            3 => Self::Purging,
            _ => return None,
        })
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Live | Self::Tombstone => 0,
            Self::Purging => 1,
        }
    }
}
