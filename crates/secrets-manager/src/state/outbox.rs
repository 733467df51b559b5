//! Sealed versions that some replicas do not have yet: on the disk before the first replica gets them.

use redb::{ReadableTable, TableError};
use secrets_backend::SecretPath;

use super::{OUTBOX, State, StateError, into_redb};

/// A version on its way to replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    pub(crate) environment: String,
    pub(crate) path: SecretPath,
    /// The replicas that are not known to have it, by name.
    pub(crate) targets: Vec<String>,
    pub(crate) envelope: Vec<u8>,
}

impl State {
    /// Keeps a row, durably; answers its number, which is greater than those of all that are there.
    pub(crate) fn add_outgoing(&self, row: &OutboxRow) -> Result<u64, StateError> {
        let plain = row.encode().ok_or_else(|| self.damaged())?;
        self.db.write(|transaction| {
            let mut table = transaction.open_table(OUTBOX)?;
            let last = table.last()?.and_then(|(key, _)| key.value().try_into().ok()).map(u64::from_be_bytes);
            let id = last.unwrap_or_default() + 1;
            let key = id.to_be_bytes();
            let sealed = self.seal("outbox", &key, &plain).map_err(into_redb)?;
            table.insert(key.as_slice(), sealed.as_slice())?;
            Ok(id)
        })
    }

    /// Takes a replica off a row, and the row away where it was the last; without a name, the row.
    pub(crate) fn strike_outgoing(&self, id: u64, replica: Option<&str>) -> Result<(), StateError> {
        let key = id.to_be_bytes();
        self.db.write(|transaction| {
            let mut table = transaction.open_table(OUTBOX)?;
            let Some(sealed) = table.get(key.as_slice())?.map(|row| row.value().to_vec()) else {
                return Ok(());
            };
            let mut row = self.open_outgoing(&key, &sealed).map_err(into_redb)?;
            row.targets.retain(|name| replica.is_some_and(|replica| name != replica));
            match row.encode().filter(|_| !row.targets.is_empty()) {
                Some(plain) => {
                    let sealed = self.seal("outbox", &key, &plain).map_err(into_redb)?;
                    table.insert(key.as_slice(), sealed.as_slice())?;
                }
                None => drop(table.remove(key.as_slice())?),
            }
            Ok(())
        })
    }

    /// All rows, oldest first.
    pub(crate) fn outgoing(&self) -> Result<Vec<(u64, OutboxRow)>, StateError> {
        let rows = self.db.read(|transaction| {
            let table = match transaction.open_table(OUTBOX) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let rows =
                table.iter()?.map(|row| row.map(|(key, row)| (key.value().to_vec(), row.value().to_vec())));
            rows.collect::<Result<Vec<_>, _>>().map_err(Into::into)
        })?;
        let opened = |(key, sealed): (Vec<u8>, Vec<u8>)| {
            let id = key.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| self.damaged())?;
            Ok((id, self.open_outgoing(&key, &sealed)?))
        };
        rows.unwrap_or_default().into_iter().map(opened).collect()
    }

    fn open_outgoing(&self, key: &[u8], sealed: &[u8]) -> Result<OutboxRow, StateError> {
        let plain = self.open("outbox", key, sealed)?;
        OutboxRow::decode(&plain).ok_or_else(|| self.damaged())
    }
}

impl OutboxRow {
    /// None where a name is longer than a row has room for.
    fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(64 + self.envelope.len());
        put(&mut bytes, &self.environment)?;
        put(&mut bytes, self.path.as_str())?;
        bytes.push(u8::try_from(self.targets.len()).ok()?);
        for target in &self.targets {
            put(&mut bytes, target)?;
        }
        bytes.extend(&self.envelope);
        Some(bytes)
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let environment = take(&mut bytes)?;
        let path = SecretPath::parse(&take(&mut bytes)?).ok()?;
        let (&count, rest) = bytes.split_first()?;
        bytes = rest;
        let targets = (0..count).map(|_| take(&mut bytes)).collect::<Option<_>>()?;
        Some(Self { environment, path, targets, envelope: bytes.to_vec() })
    }
}

fn put(bytes: &mut Vec<u8>, text: &str) -> Option<()> {
    bytes.extend(u16::try_from(text.len()).ok()?.to_be_bytes());
    bytes.extend(text.as_bytes());
    Some(())
}

fn take(bytes: &mut &[u8]) -> Option<String> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use getrandom::SysRng;
    use proptest::prelude::*;
    use secrets_crypto::{RootKey, SafeId};

    use super::*;

    fn row(path: &str, targets: &[&str]) -> OutboxRow {
        OutboxRow {
            environment: "production".to_owned(),
            path: SecretPath::parse(path).unwrap(),
            targets: targets.iter().map(|&name| name.to_owned()).collect(),
            envelope: vec![1, 2, 3],
        }
    }

    fn state(directory: &std::path::Path) -> State {
        let key = RootKey::generate(&mut SysRng).unwrap().state_key(&SafeId::from_bytes([1; 16]));
        State::new(directory.join("state.redb"), key, Duration::from_secs(1))
    }

    #[test]
    fn rows_come_in_the_order_of_their_writes_and_go_with_their_last_replica() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path());
        assert!(state.outgoing().unwrap().is_empty());
        let first = state.add_outgoing(&row("a", &["one", "two"])).unwrap();
        let second = state.add_outgoing(&row("b", &["one"])).unwrap();
        assert!(second > first);
        state.strike_outgoing(first, Some("one")).unwrap();
        let left = state.outgoing().unwrap();
        assert_eq!(left, [(first, row("a", &["two"])), (second, row("b", &["one"]))]);
        state.strike_outgoing(first, Some("two")).unwrap();
        state.strike_outgoing(first, Some("two")).unwrap();
        state.strike_outgoing(second, None).unwrap();
        assert!(state.outgoing().unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn a_row_reads_back_and_none_that_is_cut_does(
            environment in "[a-z]{1,9}", targets in proptest::collection::vec("\\PC{0,20}", 0..4),
            envelope in proptest::collection::vec(any::<u8>(), 0..40)
        ) {
            let given = OutboxRow { environment, path: SecretPath::parse("a/b").unwrap(), targets, envelope };
            let bytes = given.encode().unwrap();
            let head = bytes.len() - given.envelope.len();
            prop_assert_eq!(OutboxRow::decode(&bytes), Some(given));
            for len in 0..head {
                prop_assert_eq!(OutboxRow::decode(&bytes[..len]), None);
            }
        }
    }
}
