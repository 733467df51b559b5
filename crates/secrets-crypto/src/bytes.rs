//! Reading and writing big-endian fields, without a panic on any input.

use rand_core::TryCryptoRng;

use crate::{Error, Result};

/// Reads fields from the front of a byte string; `None` once it is too short.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(front)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*front)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A `u32` that counts bytes which follow.
    pub(crate) fn len32(&mut self) -> Option<usize> {
        self.u32().and_then(|len| usize::try_from(len).ok())
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// `Some` when everything was read.
    pub(crate) fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }
}

/// Fills a buffer with randomness.
pub(crate) fn fill<R: TryCryptoRng + ?Sized>(rng: &mut R, out: &mut [u8]) -> Result<()> {
    rng.try_fill_bytes(out).map_err(|_| Error::Random)
}

/// A length as the `u16` that a format has room for.
pub(crate) fn len16(what: &'static str, len: usize) -> Result<u16> {
    u16::try_from(len).map_err(|_| Error::TooLarge { what, len, max: u16::MAX.into() })
}

/// A random number that is not zero, not `taken`: the id of an epoch or a tenant root key.
pub(crate) fn fresh_u32<R: TryCryptoRng + ?Sized>(rng: &mut R, taken: impl Fn(u32) -> bool) -> Result<u32> {
    // 32 draws fail only with a broken source: a map never holds more than a few hundred ids.
    for _ in 0..32 {
        let mut bytes = [0; 4];
        fill(rng, &mut bytes)?;
        let id = u32::from_be_bytes(bytes);
        if id != 0 && !taken(id) {
            return Ok(id);
        }
    }
    Err(Error::Random)
}
