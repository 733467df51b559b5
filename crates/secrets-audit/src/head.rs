//! The head file: what an append must know of the log, so that it never reads it.

use sha2::{Digest as _, Sha256};

use crate::{Error, Frontier, Result, TreeHash, VerifyingKey};

/// The end of a log: how much there is, and what the next entry and checkpoint are made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The length of the log in bytes.
    pub(crate) bytes: u64,
    /// The leaf hash of the last entry; zeros before the first.
    pub(crate) last: TreeHash,
    /// The Merkle tree over all entries.
    pub(crate) frontier: Frontier,
}

impl Head {
    pub(crate) const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Moves on by one entry whose line has this length.
    pub(crate) fn push(&mut self, leaf: TreeHash, line: usize) {
        self.bytes += line as u64;
        self.last = leaf;
        self.frontier.push(leaf);
    }

    /// The head file of a log signed by `key`.
    pub(crate) fn encode(&self, key: &VerifyingKey) -> Vec<u8> {
        let mut out = Vec::with_capacity(LENGTH);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.size().to_be_bytes());
        out.extend_from_slice(&self.bytes.to_be_bytes());
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(self.last.as_bytes());
        for root in self.frontier.roots() {
            out.extend_from_slice(root.as_bytes());
        }
        // Always the same length: a rewrite in place never leaves an old end behind.
        out.resize(LENGTH - CHECKSUM, 0);
        out.extend_from_slice(&Sha256::digest(&out));
        out
    }

    /// The head in a head file; `None` where it is torn, so that the log has to be asked.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFormat`] for a whole file of a later format, [`Error::WrongKey`] for one of another log.
    pub(crate) fn decode(file: &[u8], key: &VerifyingKey) -> Result<Option<Self>> {
        let Some((body, checksum)) = file.split_last_chunk::<CHECKSUM>() else { return Ok(None) };
        let Some(body) = body.strip_prefix(MAGIC) else { return Ok(None) };
        if Sha256::new().chain_update(MAGIC).chain_update(body).finalize()[..] != checksum[..] {
            return Ok(None);
        }
        let mut fields = Fields(body);
        let format = u16::from_be_bytes(fields.take().unwrap_or_default());
        if format != FORMAT {
            return Err(Error::UnsupportedFormat(format));
        }
        let Some((public, head)) = fields.head() else { return Ok(None) };
        if &public != key.as_bytes() {
            return Err(Error::WrongKey);
        }
        Ok(Some(head))
    }
}

/// Reads fixed fields one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn head(&mut self) -> Option<([u8; 32], Head)> {
        let _reserved: [u8; 2] = self.take()?;
        let size = u64::from_be_bytes(self.take()?);
        let bytes = u64::from_be_bytes(self.take()?);
        let public = self.take()?;
        let last = TreeHash::from_bytes(self.take()?);
        let roots =
            (0..size.count_ones()).map(|_| self.take().map(TreeHash::from_bytes)).collect::<Option<_>>()?;
        Some((public, Head { bytes, last, frontier: Frontier::from_parts(size, roots)? }))
    }
}

const MAGIC: &[u8; 4] = b"SEVA";
const FORMAT: u16 = 1;
const CHECKSUM: usize = 32;
/// Magic, format, reserved, size, bytes, key, last hash, room for 64 roots, checksum.
const LENGTH: usize = 4 + 2 + 2 + 8 + 8 + 32 + 32 + 64 * 32 + CHECKSUM;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SigningKey, leaf_hash};

    fn sample(size: u8) -> (Head, VerifyingKey) {
        let mut head = Head::default();
        for number in 0..size {
            head.push(leaf_hash(&[number]), 100);
        }
        (head, SigningKey::from_seed(&[1; 32]).verifying_key())
    }

    #[test]
    fn a_head_survives_its_file() {
        for size in [0, 1, 2, 7, 8, 255] {
            let (head, key) = sample(size);
            let file = head.encode(&key);
            assert_eq!(file.len(), LENGTH);
            assert_eq!(Head::decode(&file, &key).unwrap(), Some(head));
        }
    }

    #[test]
    fn any_flipped_byte_and_any_truncation_is_torn() {
        let (head, key) = sample(7);
        let file = head.encode(&key);
        for index in 0..file.len() {
            let mut flipped = file.clone();
            flipped[index] ^= 1;
            assert_eq!(Head::decode(&flipped, &key).unwrap(), None, "byte {index}");
            assert_eq!(Head::decode(&file[..index], &key).unwrap(), None, "length {index}");
        }
    }

    #[test]
    fn another_key_and_a_later_format_are_told_from_a_torn_file() {
        let (head, key) = sample(3);
        let other = SigningKey::from_seed(&[2; 32]).verifying_key();
        assert!(matches!(Head::decode(&head.encode(&key), &other), Err(Error::WrongKey)));

        let mut later = head.encode(&key);
        later.truncate(LENGTH - CHECKSUM);
        later[5] = 2;
        later.extend_from_slice(&Sha256::digest(&later));
        assert!(matches!(Head::decode(&later, &key), Err(Error::UnsupportedFormat(2))));
    }
}
