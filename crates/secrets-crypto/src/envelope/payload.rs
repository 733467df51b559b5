//! The plaintext of an envelope: path, metadata and value, padded so that its length tells little.

use zeroize::Zeroizing;

use crate::bytes::{Reader, len16};
use crate::envelope::MAX_VALUE;
use crate::keyring::INCARNATION;
use crate::{Error, Result};

/// The parts of a plaintext.
pub(super) struct Parts<'a> {
    pub(super) path: &'a [u8],
    pub(super) metadata: &'a [u8],
    pub(super) value: &'a [u8],
}

/// The longest value whose envelope every known backend takes, for a path and metadata of these lengths in
/// bytes. `None` where the path and metadata alone are too long.
///
/// A padded payload of at most 16,128 bytes makes a text form below Azure's limit of 25 KB.
#[must_use]
pub const fn portable_value_limit(path_len: usize, metadata_len: usize) -> Option<usize> {
    match PORTABLE_LEN.checked_sub(FIXED_LEN) {
        None => None,
        Some(room) => match room.checked_sub(path_len) {
            None => None,
            Some(room) => room.checked_sub(metadata_len),
        },
    }
}

pub(super) fn encode(path: &str, metadata: &[u8], value: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let path_len = len16("a path", path.len())?;
    let metadata_len = len16("metadata", metadata.len())?;
    if value.len() > MAX_VALUE {
        return Err(Error::TooLarge { what: "a value", len: value.len(), max: MAX_VALUE });
    }
    let len = (FIXED_LEN + path.len() + metadata.len() + value.len()).next_multiple_of(BUCKET);
    // The exact length, so that no growth leaves a copy of the value behind.
    let mut out = Zeroizing::new(Vec::with_capacity(len));
    out.extend_from_slice(&path_len.to_be_bytes());
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(&INCARNATION.to_be_bytes());
    out.extend_from_slice(&metadata_len.to_be_bytes());
    out.extend_from_slice(metadata);
    // Checked above: at most `MAX_VALUE`, which fits.
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(len, 0);
    Ok(out)
}

/// `None` for every form but the one that [`encode`] writes.
pub(super) fn decode(plaintext: &[u8]) -> Option<Parts<'_>> {
    let mut reader = Reader::new(plaintext);
    let path_len = reader.u16()?;
    let path = reader.take(path_len.into())?;
    reader.u32().filter(|&incarnation| incarnation == INCARNATION)?;
    let metadata_len = reader.u16()?;
    let metadata = reader.take(metadata_len.into())?;
    let value_len = reader.len32().filter(|&len| len <= MAX_VALUE)?;
    let value = reader.take(value_len)?;
    let padding = reader.rest();
    let canonical = plaintext.len().is_multiple_of(BUCKET)
        && padding.len() < BUCKET
        && padding.iter().all(|&byte| byte == 0);
    canonical.then_some(Parts { path, metadata, value })
}

/// Plaintexts have a multiple of this length, in bytes.
pub(super) const BUCKET: usize = 256;
/// The longest plaintext.
pub(super) const MAX_LEN: usize = (FIXED_LEN + 2 * u16::MAX as usize + MAX_VALUE).next_multiple_of(BUCKET);
/// Lengths of path, metadata and value, and the incarnation.
const FIXED_LEN: usize = 2 + 4 + 2 + 4;
/// The longest portable plaintext.
const PORTABLE_LEN: usize = 16_128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_bucket_of_padding_is_refused() {
        let exact = encode("a/b", b"{}", &[1; BUCKET - FIXED_LEN - 5]).unwrap();
        assert_eq!(exact.len(), BUCKET);
        assert!(decode(&exact).is_some());
        assert!(decode(&[&exact[..], &[0; BUCKET]].concat()).is_none());
        let padded = encode("a/b", b"{}", &[1; BUCKET - FIXED_LEN - 4]).unwrap();
        assert_eq!(padded.len(), 2 * BUCKET);
        assert!(decode(&padded).is_some(), "one byte less than a whole bucket");
    }
}
