//! What a backend may show of a sealed secret.

use std::fmt;
use std::str::FromStr;

/// What a backend may show of a sealed secret, outside its ciphertext.
///
/// A stamp is a *claim* until the envelope beside it has been opened. Where a service has little room, term
/// and parent are absent and the content id is cut; [`Stamp::agrees_with`] compares on what both have.
///
/// Its text form, for tags and fields of a service, is one line of at most 180 characters:
/// `secret;3;1;5f3a0001;<content id>;<parent>`, with `-` for what is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// A value, or the mark of its deletion.
    pub kind: StampKind,
    /// The logical version: 1, 2, 3 …
    pub version: u64,
    /// Fencing number of the primary that took the write.
    pub term: Option<u64>,
    /// Id of the tenant's epoch key that wraps the data key.
    pub epoch: u32,
    /// Identity of header and payload; re-wrapping keeps it.
    pub content_id: ContentId,
    /// Content id of the version before; `None` where there is none or the service had no room.
    pub parent: Option<ContentId>,
}

/// What a sealed version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "envelope version 1 has these two types and no others")]
pub enum StampKind {
    /// A value.
    Secret,
    /// The mark of a deletion.
    Tombstone,
}

/// SHA-256 of a sealed version without its wrap, whole (32 bytes) or cut to its first 20.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentId {
    bytes: [u8; 32],
    len: u8,
}

/// A text that is not a stamp. It shows no part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stamp")]
pub struct InvalidStamp;

impl Stamp {
    /// A stamp with everything in it.
    #[must_use]
    pub const fn new(
        kind: StampKind,
        version: u64,
        term: Option<u64>,
        epoch: u32,
        content_id: ContentId,
        parent: Option<ContentId>,
    ) -> Self {
        Self { kind, version, term, epoch, content_id, parent }
    }

    /// Whether two stamps say the same, on what both have. The epoch is left out: re-wrapping changes it.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        fn both<T>(a: Option<T>, b: Option<T>, same: impl Fn(T, T) -> bool) -> bool {
            a.zip(b).is_none_or(|(a, b)| same(a, b))
        }
        self.kind == other.kind
            && self.version == other.version
            && self.content_id.matches(&other.content_id)
            && both(self.term, other.term, |a, b| a == b)
            && both(self.parent, other.parent, |a, b| a.matches(&b))
    }

    /// Whether it marks a deletion.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.kind == StampKind::Tombstone
    }
}

impl ContentId {
    /// Length of a cut content id, in bytes.
    pub const CUT_LEN: usize = 20;

    /// A whole content id.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self { bytes, len: 32 }
    }

    /// A content id of 32 or of 20 bytes; `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let len = match bytes.len() {
            32 => 32,
            Self::CUT_LEN => 20,
            _ => return None,
        };
        let mut whole = [0; 32];
        whole[..bytes.len()].copy_from_slice(bytes);
        Some(Self { bytes: whole, len })
    }

    /// Its bytes: 32, or 20 where it is cut.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The same, cut to its first 20 bytes.
    #[must_use]
    pub fn cut(&self) -> Self {
        let mut bytes = [0; 32];
        bytes[..Self::CUT_LEN].copy_from_slice(&self.bytes[..Self::CUT_LEN]);
        Self { bytes, len: 20 }
    }

    /// Whether both agree on the bytes that both have.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let len = usize::from(self.len.min(other.len));
        self.bytes[..len] == other.bytes[..len]
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentId({self})")
    }
}

impl FromStr for ContentId {
    type Err = InvalidStamp;

    fn from_str(text: &str) -> Result<Self, InvalidStamp> {
        if !text.len().is_multiple_of(2) || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidStamp);
        }
        let bytes: Vec<u8> =
            text.as_bytes().chunks(2).map(|pair| hex_digit(pair[0]) << 4 | hex_digit(pair[1])).collect();
        Self::from_slice(&bytes).ok_or(InvalidStamp)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            StampKind::Secret => "secret",
            StampKind::Tombstone => "tombstone",
        };
        write!(f, "{kind};{};", self.version)?;
        match self.term {
            Some(term) => write!(f, "{term}")?,
            None => f.write_str("-")?,
        }
        write!(f, ";{:08x};{};", self.epoch, self.content_id)?;
        match self.parent {
            Some(parent) => write!(f, "{parent}"),
            None => f.write_str("-"),
        }
    }
}

impl FromStr for Stamp {
    type Err = InvalidStamp;

    fn from_str(text: &str) -> Result<Self, InvalidStamp> {
        fn absent<T: FromStr>(text: &str) -> Result<Option<T>, InvalidStamp> {
            if text == "-" { Ok(None) } else { text.parse().map(Some).map_err(|_| InvalidStamp) }
        }
        let fields: Vec<&str> = text.split(';').collect();
        let &[kind, version, term, epoch, content_id, parent] = fields.as_slice() else {
            return Err(InvalidStamp);
        };
        let stamp = Self {
            kind: match kind {
                "secret" => StampKind::Secret,
                "tombstone" => StampKind::Tombstone,
                _ => return Err(InvalidStamp),
            },
            version: version.parse().map_err(|_| InvalidStamp)?,
            term: absent(term)?,
            epoch: u32::from_str_radix(epoch, 16).map_err(|_| InvalidStamp)?,
            content_id: content_id.parse()?,
            parent: absent(parent)?,
        };
        // One text for one stamp: no leading zeros or signs.
        if stamp.to_string() == text { Ok(stamp) } else { Err(InvalidStamp) }
    }
}

const fn hex_digit(byte: u8) -> u8 {
    if byte.is_ascii_digit() { byte - b'0' } else { byte - b'a' + 10 }
}
