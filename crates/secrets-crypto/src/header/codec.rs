//! A header as bytes, without its MAC, and back.

use sha2::{Digest, Sha256};

use super::slot::{SLOT_LEN, Slot};
use super::{COPY_LEN, Header, Installation, MAC_LEN, MAX_INSTALLATIONS, MAX_SLOTS};
use crate::bytes::Reader;
use crate::{Error, InstallationId, Result, SafeId};

/// Everything up to and including the checksum.
pub(super) fn encode(header: &Header) -> Vec<u8> {
    let len = EMPTY_LEN + header.slots.len() * SLOT_LEN + header.installations.len() * INSTALLATION_LEN;
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT.to_be_bytes());
    out.extend_from_slice(&(len as u32).to_be_bytes());
    out.extend_from_slice(&header.sequence.to_be_bytes());
    out.extend_from_slice(header.safe.as_bytes());
    out.push(header.slots.len() as u8);
    header.slots.iter().for_each(|slot| slot.encode(&mut out));
    out.push(header.installations.len() as u8);
    for installation in &header.installations {
        out.extend_from_slice(installation.id.as_bytes());
        out.push(if installation.removed { 2 } else { 1 });
        out.extend_from_slice(&installation.public_key);
    }
    let checksum = Sha256::digest(&out);
    out.extend_from_slice(&checksum);
    out
}

pub(super) fn decode(bytes: &[u8]) -> Result<Header> {
    let len = encoded_len(bytes).ok_or(DAMAGED)?;
    if len != bytes.len() {
        return Err(DAMAGED);
    }
    let (body, mac) = bytes.split_last_chunk::<MAC_LEN>().ok_or(DAMAGED)?;
    let (content, checksum) = body.split_last_chunk::<CHECKSUM_LEN>().ok_or(DAMAGED)?;
    if Sha256::digest(content)[..] != *checksum {
        return Err(DAMAGED);
    }
    // Only now, so that a flipped bit in the number is damage and not a newer format.
    let found = u16::from_be_bytes([content[4], content[5]]);
    if found != FORMAT {
        return Err(Error::UnsupportedFormat { what: "the header", found });
    }
    decode_content(content, *mac).ok_or(DAMAGED)
}

/// The length that a header states, within its bounds; `None` for what does not begin as one.
///
/// Magic, format and size stay where they are in every later format, and so do checksum and MAC at the end.
pub(super) fn encoded_len(bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(bytes);
    if reader.take(MAGIC.len())? != MAGIC {
        return None;
    }
    let _format = reader.u16()?;
    reader.len32().filter(|len| (EMPTY_LEN..=COPY_LEN).contains(len))
}

fn decode_content(content: &[u8], mac: [u8; MAC_LEN]) -> Option<Header> {
    let mut reader = Reader::new(content);
    reader.take(MAGIC.len() + 6)?;
    let sequence = reader.u64()?;
    let safe = SafeId::from_bytes(reader.array()?);
    let mut slots: Vec<Slot> = Vec::new();
    for _ in 0..bounded(reader.u8()?, MAX_SLOTS)? {
        let slot = Slot::decode(&mut reader)?;
        if slots.last().is_some_and(|last| last.salt >= slot.salt) {
            return None;
        }
        slots.push(slot);
    }
    let mut installations: Vec<Installation> = Vec::new();
    for _ in 0..bounded(reader.u8()?, MAX_INSTALLATIONS)? {
        let id = InstallationId::from_bytes(reader.array()?);
        let removed = match reader.u8()? {
            1 => false,
            2 => true,
            _ => return None,
        };
        if installations.last().is_some_and(|last| last.id >= id) {
            return None;
        }
        installations.push(Installation { id, public_key: reader.array()?, removed });
    }
    reader.end()?;
    Some(Header { sequence, safe, slots, installations, mac })
}

fn bounded(count: u8, max: usize) -> Option<usize> {
    Some(usize::from(count)).filter(|&count| count <= max)
}

const MAGIC: &[u8; 4] = b"SEVH";
const FORMAT: u16 = 1;
const CHECKSUM_LEN: usize = 32;
const INSTALLATION_LEN: usize = 8 + 1 + 32;
/// Magic, format, size, sequence, safe id, two counts, checksum, MAC.
const EMPTY_LEN: usize = 4 + 2 + 4 + 8 + 16 + 1 + 1 + CHECKSUM_LEN + MAC_LEN;
const DAMAGED: Error = Error::Malformed("the header");

// The fullest header fits one copy, and both counts fit their byte.
const _: () = assert!(EMPTY_LEN + MAX_SLOTS * SLOT_LEN + MAX_INSTALLATIONS * INSTALLATION_LEN <= COPY_LEN);
const _: () = assert!(MAX_SLOTS <= u8::MAX as usize);
const _: () = assert!(MAX_INSTALLATIONS <= u8::MAX as usize);
