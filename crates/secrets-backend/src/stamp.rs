//! What a backend may show of a sealed secret.

use std::fmt;
use std::str::FromStr;

/// What a backend may show of a sealed secret, outside its ciphertext.
///
/// A stamp is a *claim* until the envelope beside it has been opened. Where a service has little room, term
/// and parent are absent and the content id is cut; [`Stamp::agrees_with`] compares on what both have.
///
/// Its text form, for tags and fields of a service, is one line of at most 190 characters:
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
            text.as_bytes().chunks(2).map(|pair| 16 * hex_digit(pair[0]) + hex_digit(pair[1])).collect();
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content_ids() -> impl Strategy<Value = ContentId> {
        (any::<[u8; 32]>(), any::<bool>()).prop_map(|(bytes, cut)| {
            let whole = ContentId::new(bytes);
            if cut { whole.cut() } else { whole }
        })
    }

    fn stamps() -> impl Strategy<Value = Stamp> {
        (
            any::<bool>(),
            any::<u64>(),
            any::<Option<u64>>(),
            any::<u32>(),
            content_ids(),
            prop::option::of(content_ids()),
        )
            .prop_map(|(tombstone, version, term, epoch, content_id, parent)| {
                let kind = if tombstone { StampKind::Tombstone } else { StampKind::Secret };
                Stamp::new(kind, version, term, epoch, content_id, parent)
            })
    }

    proptest! {
        #[test]
        fn the_text_of_a_stamp_is_read_back(stamp in stamps()) {
            let text = stamp.to_string();
            prop_assert!(text.len() <= 190, "{}", text.len());
            prop_assert_eq!(text.parse::<Stamp>(), Ok(stamp));
        }

        #[test]
        fn a_stamp_has_one_text(stamp in stamps(), at in any::<prop::sample::Index>(), other in any::<char>()) {
            let mut text: Vec<char> = stamp.to_string().chars().collect();
            let at = at.index(text.len());
            text[at] = other;
            let text: String = text.into_iter().collect();
            if let Ok(read) = text.parse::<Stamp>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            prop_assert_eq!(text.parse::<Stamp>().is_ok_and(|stamp| stamp.to_string() != text), false);
        }

        #[test]
        fn a_stamp_agrees_with_itself_cut_and_in_another_epoch(stamp in stamps(), epoch in any::<u32>()) {
            let mut poor = stamp.clone();
            poor.content_id = stamp.content_id.cut();
            poor.term = None;
            poor.parent = None;
            poor.epoch = epoch;
            prop_assert!(stamp.agrees_with(&poor) && poor.agrees_with(&stamp));
        }
    }

    #[test]
    fn a_stamp_disagrees_in_kind_version_content_term_and_parent() {
        let id = |byte| ContentId::new([byte; 32]);
        let stamp = Stamp::new(StampKind::Secret, 3, Some(1), 7, id(3), Some(id(2)));
        let others = [
            Stamp { kind: StampKind::Tombstone, ..stamp.clone() },
            Stamp { version: 4, ..stamp.clone() },
            Stamp { term: Some(2), ..stamp.clone() },
            Stamp { content_id: id(4), ..stamp.clone() },
            Stamp { content_id: id(4).cut(), ..stamp.clone() },
            Stamp { parent: Some(id(1)), ..stamp.clone() },
        ];
        for other in others {
            assert!(!stamp.agrees_with(&other) && !other.agrees_with(&stamp), "{other}");
        }
    }

    #[test]
    fn a_stamp_reads_as_specified() {
        let id = |byte| ContentId::new([byte; 32]);
        let whole = Stamp::new(StampKind::Secret, 3, Some(1), 0x5f3a_0001, id(0xab), Some(id(2)));
        let (a, b) = ("ab".repeat(32), "02".repeat(32));
        assert_eq!(whole.to_string(), format!("secret;3;1;5f3a0001;{a};{b}"));
        assert_eq!(format!("{:?}", whole.content_id), format!("ContentId({a})"));
        let poor = Stamp::new(StampKind::Tombstone, 9, None, 1, id(0xab).cut(), None);
        assert_eq!(poor.to_string(), format!("tombstone;9;-;00000001;{};-", "ab".repeat(20)));
    }

    #[test]
    fn near_stamps_are_refused() {
        let id = "ab".repeat(32);
        let good = format!("secret;3;1;5f3a0001;{id};-");
        assert!(good.parse::<Stamp>().is_ok());
        for bad in [
            String::new(),
            format!("Secret;3;1;5f3a0001;{id};-"),
            format!("secret;03;1;5f3a0001;{id};-"),
            format!("secret;+3;1;5f3a0001;{id};-"),
            format!("secret;3;1;5F3A0001;{id};-"),
            format!("secret;3;1;5f3a001;{id};-"),
            format!("secret;3;1;5f3a0001;{};-", id.to_uppercase()),
            format!("secret;3;1;5f3a0001;{};-", &id[..62]),
            format!("secret;3;1;5f3a0001;{};-", &id[..63]),
            format!("secret;18446744073709551616;1;5f3a0001;{id};-"),
            format!("secret;3;;5f3a0001;{id};-"),
            format!("secret;-;1;5f3a0001;{id};-"),
            format!("{good};"),
            format!(" {good}"),
            format!("{good}\n"),
        ] {
            assert_eq!(bad.parse::<Stamp>(), Err(InvalidStamp), "{bad:?}");
        }
    }
}
