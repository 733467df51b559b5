//! The parts of an envelope in clear: offsets, fields, and which of their values are known.

use crate::aead::{self, WRAPPED_KEY_LEN};
use crate::bytes::Reader;
use crate::envelope::{Kind, payload};
use crate::{ContentId, Error, InstallationId, ObjectId, Result, SafeId, Suite, TenantId};

/// The header of an envelope. Until the envelope is opened, it is a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The AEAD of the payload.
    pub suite: Suite,
    /// A value, or the mark of a deletion.
    pub kind: Kind,
    /// Whose safe it belongs to.
    pub safe: SafeId,
    /// Whose secret it is.
    pub tenant: TenantId,
    /// Which secret it is.
    pub object: ObjectId,
    /// The logical version: 1, 2, 3 …
    pub version: u64,
    /// Fencing number of the primary.
    pub term: u64,
    /// The installation that wrote it.
    pub writer: InstallationId,
    /// For people, in milliseconds since 1970; never used to order.
    pub created_ms: u64,
    /// Content id of the version before.
    pub parent: Option<ContentId>,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..4].copy_from_slice(MAGIC);
        out[4] = self.suite.number();
        out[5] = match self.kind {
            Kind::Secret => 1,
            Kind::Tombstone => 2,
        };
        // 6..8: flags, none known.
        out[8..24].copy_from_slice(self.safe.as_bytes());
        out[24..40].copy_from_slice(self.tenant.as_bytes());
        out[40..56].copy_from_slice(self.object.as_bytes());
        out[56..64].copy_from_slice(&self.version.to_be_bytes());
        out[64..72].copy_from_slice(&self.term.to_be_bytes());
        out[72..80].copy_from_slice(self.writer.as_bytes());
        out[80..88].copy_from_slice(&self.created_ms.to_be_bytes());
        if let Some(parent) = &self.parent {
            out[88..].copy_from_slice(parent.as_bytes());
        }
        out
    }
}

/// Header, epoch and wrap suite.
pub(super) fn decode(bytes: &[u8]) -> Result<(Header, u32, Suite)> {
    let magic = bytes.first_chunk::<4>().ok_or(Error::Refused)?;
    if magic != MAGIC {
        return Err(other_version(magic));
    }
    // The shortest and the longest payload bound the length before anything else is looked at.
    if !(MIN_LEN..=MAX_LEN).contains(&bytes.len()) {
        return Err(Error::Refused);
    }
    decode_fields(&mut Reader::new(&bytes[MAGIC.len()..])).ok_or(Error::Refused)
}

fn decode_fields(reader: &mut Reader<'_>) -> Option<(Header, u32, Suite)> {
    let suite = Suite::from_number(reader.u8()?)?;
    let kind = match reader.u8()? {
        1 => Kind::Secret,
        2 => Kind::Tombstone,
        _ => return None,
    };
    reader.u16().filter(|&flags| flags == 0)?;
    let header = Header {
        suite,
        kind,
        safe: SafeId::from_bytes(reader.array()?),
        tenant: TenantId::from_bytes(reader.array()?),
        object: ObjectId::from_bytes(reader.array()?),
        version: reader.u64().filter(|&version| version != 0)?,
        term: reader.u64()?,
        writer: InstallationId::from_bytes(reader.array()?),
        created_ms: reader.u64()?,
        parent: Some(reader.array()?).filter(|parent| *parent != [0; 32]).map(ContentId::from_bytes),
    };
    let epoch = reader.u32()?;
    let wrap_suite = Suite::from_number(reader.u8()?)?;
    reader.array().filter(|reserved| *reserved == [0; 3])?;
    Some((header, epoch, wrap_suite))
}

/// `SEV` and another digit is another version of this format; anything else is something else.
fn other_version(magic: &[u8; 4]) -> Error {
    match magic {
        [b'S', b'E', b'V', digit @ b'2'..=b'9'] => {
            Error::UnsupportedFormat { what: "the envelope", found: (digit - b'0').into() }
        }
        _ => Error::Refused,
    }
}

const MAGIC: &[u8; 4] = b"SEV1";
/// Length of the header.
pub(super) const HEADER_LEN: usize = 120;
/// Length of the wrap's fields, before the wrapped key.
pub(super) const WRAP_FIELDS_LEN: usize = 8;
/// Where the wrapped data key begins.
pub(super) const WRAPPED_AT: usize = HEADER_LEN + WRAP_FIELDS_LEN;
/// Where the payload begins.
pub(super) const PAYLOAD_AT: usize = WRAPPED_AT + WRAPPED_KEY_LEN;
/// The shortest envelope.
const MIN_LEN: usize = PAYLOAD_AT + aead::sealed_len(payload::BUCKET);
/// The longest envelope.
pub(super) const MAX_LEN: usize = PAYLOAD_AT + aead::sealed_len(payload::MAX_LEN);
