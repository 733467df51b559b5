//! Rows of an installation's local state: sealed, and bound to their place.

use rand_core::TryCryptoRng;
use zeroize::Zeroizing;

use crate::bytes::len16;
use crate::{Error, Result, StateKey, Suite, aead, separation};

impl StateKey {
    /// Seals a row for one place: a table's name (at most 65,535 bytes) and the row's key.
    ///
    /// The result is the suite's number followed by the seal, 73 bytes longer than a row below 16 KiB.
    ///
    /// # Errors
    /// [`Error::Random`]; [`Error::TooLarge`] for the table's name.
    pub fn seal_row<R: TryCryptoRng + ?Sized>(
        &self,
        table: &str,
        row_key: &[u8],
        plaintext: &[u8],
        rng: &mut R,
    ) -> Result<Vec<u8>> {
        let suite = Suite::detect();
        let len = len16("a table's name", table.len())?.to_be_bytes();
        let context = [separation::STATE, &len, table.as_bytes(), row_key];
        let mut out = vec![suite.number()];
        out.extend_from_slice(&aead::seal(suite, &self.0, &context, plaintext, rng)?);
        Ok(out)
    }

    /// Opens a row that was sealed for the same place.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn open_row(&self, table: &str, row_key: &[u8], row: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (&number, sealed) = row.split_first().ok_or(Error::Refused)?;
        let suite = Suite::from_number(number).ok_or(Error::Refused)?;
        let len = u16::try_from(table.len()).map_err(|_| Error::Refused)?.to_be_bytes();
        aead::open(suite, &self.0, &[separation::STATE, &len, table.as_bytes(), row_key], sealed)
    }
}
