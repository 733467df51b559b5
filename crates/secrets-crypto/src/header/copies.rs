//! The header's file: two copies, so that a torn write or a damaged sector leaves one.
//!
//! This module knows bytes and offsets; reading, writing and syncing are the caller's.

use super::{Header, codec};
use crate::{Error, HeaderKey, KdfLimits, Result, RootKey, SlotSecret};

use super::slot::SlotInfo;

/// The two copies of a header, as read from its file.
#[derive(Clone, Debug)]
pub struct Copies([Result<Header>; 2]);

/// How one copy was found, once the safe is unlocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyState {
    /// As it should be.
    Current,
    /// Sound, with an older sequence: the last write was interrupted. Write it again.
    Older,
    /// Damaged. Write it again, and warn.
    Damaged,
    /// Its checksum holds, but someone without the root key changed it. Warn loudly.
    Forged,
}

/// One write of the file: these bytes at this offset, then sync.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyWrite {
    /// Where, in bytes from the start of the file.
    pub offset: u64,
    /// A whole copy of [`COPY_LEN`] bytes; zeros behind the header, so that nothing old stays.
    pub bytes: Vec<u8>,
}

/// What unlocking a file gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnlockedFile {
    /// The header that was used; its MAC holds.
    pub header: Header,
    /// The root key.
    pub root: RootKey,
    /// The slot that opened.
    pub slot: SlotInfo,
    /// How each copy was found, in the order of the file.
    pub copies: [CopyState; 2],
}

impl Copies {
    /// Reads both copies from the file's content, which may be short.
    #[must_use]
    pub fn read(image: &[u8]) -> Self {
        let first = image.get(..COPY_LEN).unwrap_or(image);
        let second = image.get(COPY_LEN..FILE_LEN).or_else(|| image.get(COPY_LEN..)).unwrap_or(&[]);
        Self([read_copy(first), read_copy(second)])
    }

    /// The readable copies, best first: the highest sequence, then the first of the file.
    ///
    /// # Errors
    /// [`Error::UnsupportedFormat`] where a sound copy has a newer format, whatever the other is: the file
    /// must not be written then. [`Error::Malformed`] where no copy is readable.
    pub fn in_order(&self) -> Result<Vec<&Header>> {
        let newer = |copy: &Result<Header>| copy.as_ref().err().copied().filter(is_newer);
        if let Some(error) = self.0.iter().find_map(newer) {
            return Err(error);
        }
        let mut readable: Vec<&Header> = self.0.iter().filter_map(|copy| copy.as_ref().ok()).collect();
        readable.sort_by_key(|header| std::cmp::Reverse(header.sequence()));
        if readable.is_empty() { Err(Error::Malformed("each copy of the header")) } else { Ok(readable) }
    }

    /// The best readable copy, of which nothing is authenticated yet.
    ///
    /// # Errors
    /// As [`Copies::in_order`].
    pub fn best(&self) -> Result<&Header> {
        self.in_order().map(|copies| copies[0])
    }

    /// Unlocks the best copy that opens and whose MAC holds.
    ///
    /// The second copy costs a key derivation only where the first one was forged, or where its slots differ.
    ///
    /// # Errors
    /// As [`Copies::in_order`], then as [`Header::unlock`] for the best copy.
    pub fn unlock(&self, secret: &SlotSecret<'_>, limits: &KdfLimits) -> Result<UnlockedFile> {
        let readable = self.in_order()?;
        let mut failure = Error::WrongSecret;
        for (i, header) in readable.iter().enumerate() {
            if i > 0 && failure != Error::HeaderForged && header.slots == readable[0].slots {
                break;
            }
            match header.unlock(secret, limits) {
                Ok(unlocked) => {
                    let key = unlocked.root.header_key(&header.safe);
                    let copies = [0, 1].map(|copy| self.state(copy, header, &key));
                    let header = (*header).clone();
                    return Ok(UnlockedFile { header, root: unlocked.root, slot: unlocked.slot, copies });
                }
                Err(error) if i == 0 => failure = error,
                Err(_) => {}
            }
        }
        Err(failure)
    }

    /// The two writes that put a new header in the place of both copies, to be synced one by one in this
    /// order: the copy that is worth less comes first, so that a sound one exists at every moment.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where the encoded header does not fit a copy; [`Error::UnsupportedFormat`] where
    /// a sound copy has a newer format.
    pub fn writes(&self, encoded: &[u8]) -> Result<[CopyWrite; 2]> {
        if let Err(error @ Error::UnsupportedFormat { .. }) = self.in_order() {
            return Err(error);
        }
        let worth = |copy: usize| self.0[copy].as_ref().ok().map(Header::sequence);
        let order = if worth(0) < worth(1) { [0, 1] } else { [1, 0] };
        let bytes = pad(encoded)?;
        Ok(order.map(|copy| CopyWrite { offset: (copy * COPY_LEN) as u64, bytes: bytes.clone() }))
    }

    /// The content of a new file.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where the encoded header does not fit a copy.
    pub fn new_file(encoded: &[u8]) -> Result<Vec<u8>> {
        pad(encoded).map(|copy| copy.repeat(2))
    }

    fn state(&self, copy: usize, used: &Header, key: &HeaderKey) -> CopyState {
        match &self.0[copy] {
            Err(_) => CopyState::Damaged,
            Ok(header) if header.verify_mac(key).is_err() => CopyState::Forged,
            Ok(header) if header.sequence() < used.sequence() => CopyState::Older,
            Ok(_) => CopyState::Current,
        }
    }
}

/// Length of one copy, and the most that an encoded header may have.
pub const COPY_LEN: usize = 16 * 1024;
/// Length of the file.
pub const FILE_LEN: usize = 2 * COPY_LEN;

fn read_copy(copy: &[u8]) -> Result<Header> {
    let damaged = Error::Malformed("a copy of the header");
    let len = codec::encoded_len(copy).ok_or(damaged)?;
    let (header, rest) = copy.split_at_checked(len).ok_or(damaged)?;
    if rest.len() != COPY_LEN - len || rest.iter().any(|&byte| byte != 0) {
        return Err(damaged);
    }
    Header::decode(header)
}

const fn is_newer(error: &Error) -> bool {
    matches!(error, Error::UnsupportedFormat { .. })
}

fn pad(encoded: &[u8]) -> Result<Vec<u8>> {
    if encoded.len() > COPY_LEN {
        return Err(Error::TooLarge { what: "the header", len: encoded.len(), max: COPY_LEN });
    }
    let mut copy = encoded.to_vec();
    copy.resize(COPY_LEN, 0);
    Ok(copy)
}
