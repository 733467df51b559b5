//! The journal of bulk writes: written whole before the first secret is, so that a killed bulk write is
//! carried to its end instead of being left half-done.

use std::collections::BTreeMap;

use redb::{ReadableTable, TableError};
use secrets_backend::SecretPath;
use secrets_crypto::ObjectId;

use super::{JOURNAL, Mark, State, StateError, into_redb};

/// Names one audited operation; random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OperationId(pub(crate) [u8; 16]);

/// One write of a bulk operation: sealed, and ready to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalRow {
    pub(crate) path: SecretPath,
    /// The version that it replaces; `None` where it creates.
    pub(crate) replaces: Option<u64>,
    pub(crate) envelope: Vec<u8>,
}

impl State {
    /// Writes all rows of an operation, in one durable transaction.
    pub(crate) fn write_journal(
        &self,
        operation: OperationId,
        rows: &[JournalRow],
    ) -> Result<(), StateError> {
        self.db.write(|transaction| {
            let mut table = transaction.open_table(JOURNAL)?;
            for (index, row) in (0_u32..).zip(rows) {
                let key = key(operation, index);
                let sealed = self.seal("journal", &key, &row.encode()).map_err(into_redb)?;
                table.insert(key.as_slice(), sealed.as_slice())?;
            }
            Ok(())
        })
    }

    /// The operations that were not brought to their end.
    pub(crate) fn journal(&self) -> Result<BTreeMap<OperationId, Vec<JournalRow>>, StateError> {
        let rows = self.db.read(|transaction| {
            let table = match transaction.open_table(JOURNAL) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            table
                .iter()?
                .map(|row| row.map(|(key, row)| (key.value().to_vec(), row.value().to_vec())))
                .collect::<Result<Vec<_>, _>>()
                .map_err(Into::into)
        })?;
        let mut operations: BTreeMap<OperationId, Vec<JournalRow>> = BTreeMap::new();
        for (key, row) in rows.unwrap_or_default() {
            let plain = self.open("journal", &key, &row)?;
            let operation = key.first_chunk().copied().map(OperationId).ok_or_else(|| self.damaged())?;
            let row = JournalRow::decode(&plain).ok_or_else(|| self.damaged())?;
            operations.entry(operation).or_default().push(row);
        }
        Ok(operations)
    }

    /// Drops the rows of an operation and raises the marks of what it wrote, in one transaction.
    pub(crate) fn close_journal(
        &self,
        operation: OperationId,
        marks: &[(ObjectId, Mark)],
    ) -> Result<(), StateError> {
        self.db.write(|transaction| {
            let mut table = transaction.open_table(JOURNAL)?;
            table.retain_in(key(operation, 0).as_slice()..=key(operation, u32::MAX).as_slice(), |_, _| {
                false
            })?;
            drop(table);
            self.insert_marks(transaction, marks)
        })?;
        self.remember_all(marks);
        Ok(())
    }
}

impl JournalRow {
    fn encode(&self) -> Vec<u8> {
        let path = self.path.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(11 + path.len() + self.envelope.len());
        bytes.extend(u16::try_from(path.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(path);
        // Versions start at 1.
        bytes.extend(self.replaces.unwrap_or(0).to_be_bytes());
        bytes.extend(&self.envelope);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk()?;
        let (path, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        let (replaces, envelope) = rest.split_first_chunk()?;
        Some(Self {
            path: SecretPath::parse(std::str::from_utf8(path).ok()?).ok()?,
            replaces: Some(u64::from_be_bytes(*replaces)).filter(|version| *version != 0),
            envelope: envelope.to_vec(),
        })
    }
}

fn key(operation: OperationId, index: u32) -> Vec<u8> {
    let mut key = operation.0.to_vec();
    key.extend(index.to_be_bytes());
    key
}
