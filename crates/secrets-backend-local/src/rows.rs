//! The bytes of the rows. Specified in `docs/spec/local-store.md`.
//!
//! Each row starts with its format and ends with a checksum over table, key and content: bytes that rotted,
//! or a row under another's key, are noticed before they are believed. A checksum is no authentication:
//! that is what sealing is for.

use secrets_backend::{Metadata, SecretPath, Stamp, Timestamp};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::engine::Table;
use crate::fault::Fault;

/// What is known of an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EnvironmentRow {
    /// The highest number that a purged version had: no secret starts at or below it, so that a version id
    /// never means two things.
    pub(crate) floor: u64,
    /// How many secrets are live.
    pub(crate) live: u64,
}

/// What a listing shows of a secret, and where its versions are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexRow {
    /// Whether the secret is deleted; its versions are still there then.
    pub(crate) deleted: bool,
    /// Number of the newest version.
    pub(crate) newest: u64,
    /// Number of the oldest version that is kept.
    pub(crate) oldest: u64,
    /// When the newest version was written.
    pub(crate) updated: Timestamp,
    /// The stamp of the newest version.
    pub(crate) stamp: Option<Stamp>,
}

/// What is known of a version without its value. Whether it is deleted is said by the index: only the newest
/// can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionRow {
    pub(crate) created: Timestamp,
    pub(crate) stamp: Option<Stamp>,
}

/// The key of the one row of [`Table::Environment`].
pub(crate) const ENVIRONMENT_KEY: &[u8] = b"environment";
const FORMAT: u8 = 1;
const CHECKSUM_LEN: usize = 8;

/// The key of a version: its path, a zero byte (which no path holds), its number.
pub(crate) fn version_key(path: &SecretPath, number: u64) -> Vec<u8> {
    [path.as_str().as_bytes(), &[0], &number.to_be_bytes()].concat()
}

/// The number in a version's key.
pub(crate) fn version_number(key: &[u8]) -> Result<u64, Fault> {
    let number = key.last_chunk().ok_or_else(|| damaged("versions"))?;
    Ok(u64::from_be_bytes(*number))
}

impl EnvironmentRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut row = start(Table::Environment);
        row.extend(self.floor.to_be_bytes());
        row.extend(self.live.to_be_bytes());
        finish(Table::Environment, ENVIRONMENT_KEY, row)
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, Fault> {
        let mut content = Content::of(Table::Environment, ENVIRONMENT_KEY, row)?;
        Ok(Self { floor: content.u64()?, live: content.u64()? })
    }
}

impl IndexRow {
    pub(crate) fn encode(&self, path: &SecretPath) -> Vec<u8> {
        let mut row = start(Table::Index);
        row.push(u8::from(self.deleted));
        row.extend(self.newest.to_be_bytes());
        row.extend(self.oldest.to_be_bytes());
        row.extend(self.updated.as_millis().to_be_bytes());
        row.extend(stamp_text(self.stamp.as_ref()).bytes());
        finish(Table::Index, path.as_str().as_bytes(), row)
    }

    pub(crate) fn decode(key: &[u8], row: &[u8]) -> Result<Self, Fault> {
        let mut content = Content::of(Table::Index, key, row)?;
        Ok(Self {
            deleted: content.bool()?,
            newest: content.u64()?,
            oldest: content.u64()?,
            updated: Timestamp::from_millis(content.u64()?),
            stamp: content.stamp()?,
        })
    }
}

impl VersionRow {
    pub(crate) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut row = start(Table::Versions);
        row.extend(self.created.as_millis().to_be_bytes());
        row.extend(stamp_text(self.stamp.as_ref()).bytes());
        finish(Table::Versions, key, row)
    }

    pub(crate) fn decode(key: &[u8], row: &[u8]) -> Result<Self, Fault> {
        let mut content = Content::of(Table::Versions, key, row)?;
        Ok(Self { created: Timestamp::from_millis(content.u64()?), stamp: content.stamp()? })
    }
}

/// The row of metadata (JSON, or nothing) and value.
pub(crate) fn encode_value(key: &[u8], metadata: &[u8], value: &[u8]) -> Zeroizing<Vec<u8>> {
    // Sized exactly: a buffer that grew would leave copies behind that nobody wipes.
    let length = 1 + 4 + metadata.len() + value.len() + CHECKSUM_LEN;
    let mut row = Zeroizing::new(Vec::with_capacity(length));
    row.push(FORMAT);
    // The length is at most `Metadata::MAX_LEN`, checked before.
    row.extend(u32::try_from(metadata.len()).unwrap_or(u32::MAX).to_be_bytes());
    row.extend_from_slice(metadata);
    row.extend_from_slice(value);
    let checksum = checksum(Table::Values, key, &row);
    row.extend(checksum);
    row
}

/// The metadata and the value of a row; the value keeps the row's buffer, so that there is no second copy.
pub(crate) fn decode_value(
    key: &[u8],
    mut row: Zeroizing<Vec<u8>>,
) -> Result<(Metadata, Zeroizing<Vec<u8>>), Fault> {
    let mut content = Content::of(Table::Values, key, &row)?;
    let length = usize::try_from(content.u32()?).map_err(|_| damaged("values"))?;
    let metadata = content.take(length)?;
    let metadata = if metadata.is_empty() {
        Metadata::default()
    } else {
        // The parser's error may quote what it met: it is not passed on.
        serde_json::from_slice(metadata).map_err(|_| damaged("values"))?
    };
    let start = row.len() - CHECKSUM_LEN - content.rest.len();
    let end = row.len() - CHECKSUM_LEN;
    row.truncate(end);
    row.drain(..start);
    Ok((metadata, row))
}

fn start(table: Table) -> Vec<u8> {
    debug_assert_ne!(table, Table::Values, "a value's row is built in a wiped buffer");
    vec![FORMAT]
}

fn finish(table: Table, key: &[u8], mut row: Vec<u8>) -> Vec<u8> {
    row.extend(checksum(table, key, &row));
    row
}

/// The first bytes of SHA-256 over table, length of the key, key and content.
fn checksum(table: Table, key: &[u8], content: &[u8]) -> [u8; CHECKSUM_LEN] {
    let hash = Sha256::new()
        .chain_update([table as u8])
        .chain_update((key.len() as u64).to_be_bytes())
        .chain_update(key)
        .chain_update(content)
        .finalize();
    let mut first = [0; CHECKSUM_LEN];
    first.copy_from_slice(&hash[..CHECKSUM_LEN]);
    first
}

fn stamp_text(stamp: Option<&Stamp>) -> String {
    stamp.map(ToString::to_string).unwrap_or_default()
}

/// The content of a row, between format and checksum, while it is being read.
struct Content<'a> {
    rest: &'a [u8],
    table: &'static str,
}

impl<'a> Content<'a> {
    fn of(table: Table, key: &[u8], row: &'a [u8]) -> Result<Self, Fault> {
        let name = match table {
            Table::Environment => "environment",
            Table::Index => "index",
            Table::Versions => "versions",
            Table::Values => "values",
        };
        let (content, sum) = row.split_last_chunk::<CHECKSUM_LEN>().ok_or_else(|| damaged(name))?;
        if *sum != checksum(table, key, content) {
            return Err(damaged(name));
        }
        match content.split_first() {
            Some((&FORMAT, rest)) => Ok(Self { rest, table: name }),
            Some((&newer, _)) => Err(Fault::new(
                secrets_backend::ErrorKind::Unsupported,
                format!("a row of format {newer}: a newer version of this program wrote it"),
            )),
            None => Err(damaged(name)),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| damaged(self.table))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| damaged(self.table))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_be_bytes)
    }

    fn bool(&mut self) -> Result<bool, Fault> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(damaged(self.table)),
        }
    }

    fn stamp(&mut self) -> Result<Option<Stamp>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(self.rest).map_err(|_| damaged(self.table))?;
        text.parse().map(Some).map_err(|_| damaged(self.table))
    }
}

fn damaged(table: &'static str) -> Fault {
    Fault::damaged(format!("a row of table {table} is damaged"))
}

#[cfg(test)]
mod tests {
    use secrets_backend::{ContentId, ErrorKind, StampKind};

    use super::*;

    fn path() -> SecretPath {
        "app/key".parse().unwrap()
    }

    fn index() -> IndexRow {
        let stamp = Stamp::new(StampKind::Secret, 3, Some(1), 7, ContentId::new([9; 32]), None);
        IndexRow {
            deleted: true,
            newest: 12,
            oldest: 3,
            updated: Timestamp::from_millis(1_700_000_000_000),
            stamp: Some(stamp),
        }
    }

    #[test]
    fn rows_read_back_as_written() {
        let key = path().as_str().as_bytes().to_vec();
        assert_eq!(IndexRow::decode(&key, &index().encode(&path())).unwrap(), index());
        let version = VersionRow { created: Timestamp::from_millis(5), stamp: None };
        let key = version_key(&path(), 12);
        assert_eq!(VersionRow::decode(&key, &version.encode(&key)).unwrap(), version);
        assert_eq!(version_number(&key).unwrap(), 12);
        let environment = EnvironmentRow { floor: 4, live: 2 };
        assert_eq!(EnvironmentRow::decode(&environment.encode()).unwrap(), environment);
        let mut metadata = Metadata::default();
        metadata.description = Some("what it is".to_owned());
        let json = serde_json::to_vec(&metadata).unwrap();
        let row = encode_value(&key, &json, b"value");
        assert_eq!(row.capacity(), row.len(), "the buffer grew and left a copy behind");
        let (again, value) = decode_value(&key, row).unwrap();
        assert_eq!((again, value.as_slice()), (metadata, b"value".as_slice()));
    }

    #[test]
    fn a_row_has_the_bytes_of_the_specification() {
        let key = version_key(&path(), 1);
        assert_eq!(key, b"app/key\0\0\0\0\0\0\0\0\x01");
        let row = encode_value(&key, b"{}", b"v");
        assert_eq!(row[..8], *b"\x01\0\0\0\x02{}v");
        assert_eq!(row[8..], checksum(Table::Values, &key, &row[..8]));
        // SHA-256("d" ‖ u64 16 ‖ key ‖ content), first 8 bytes, computed with Python's hashlib.
        assert_eq!(row[8..], CHECKSUM_OF_EXAMPLE);
    }

    const CHECKSUM_OF_EXAMPLE: [u8; 8] = [0xac, 0xca, 0xa8, 0xf1, 0x42, 0x21, 0xfa, 0x8d];

    #[test]
    fn every_flipped_bit_and_every_truncation_of_a_row_is_noticed() {
        let key = path().as_str().as_bytes().to_vec();
        let good = index().encode(&path());
        for position in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[position] ^= 1 << bit;
                let fault = IndexRow::decode(&key, &bad).unwrap_err();
                assert_eq!(fault.kind(), ErrorKind::Tampered, "bit {bit} of byte {position}");
            }
            assert!(IndexRow::decode(&key, &good[..position]).is_err(), "{position} bytes");
        }
    }

    #[test]
    fn a_row_under_another_key_or_in_another_table_is_noticed() {
        let key = version_key(&path(), 1);
        let row = encode_value(&key, b"", b"value");
        assert!(decode_value(&version_key(&path(), 2), row.clone()).is_err());
        assert!(VersionRow::decode(&key, &row).is_err());
        decode_value(&key, row).unwrap();
    }

    #[test]
    fn a_row_of_a_newer_format_is_unsupported() {
        let key = path().as_str().as_bytes().to_vec();
        let mut row = index().encode(&path());
        row.truncate(row.len() - CHECKSUM_LEN);
        row[0] = 2;
        let row = finish(Table::Index, &key, row);
        assert_eq!(IndexRow::decode(&key, &row).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
