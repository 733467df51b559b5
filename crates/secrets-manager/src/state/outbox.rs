//! Sealed versions that some replicas do not have yet: on the disk before the first replica gets them.

use redb::{ReadableTable, TableError, WriteTransaction};
use secrets_backend::SecretPath;

use super::{META, OUTBOX, State, StateError, into_redb};

/// A version on its way to replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    pub(crate) environment: String,
    pub(crate) path: SecretPath,
    /// Whether all that a replica has of the secret goes before the version comes.
    pub(crate) purges: bool,
    /// Whether somebody was told that it is written, or could have read it at a replica.
    pub(crate) acknowledged: bool,
    /// The replicas that are not known to have it, by name.
    pub(crate) targets: Vec<String>,
    pub(crate) envelope: Vec<u8>,
}

/// What becomes of a row.
pub(crate) enum Change {
    /// Somebody is told that it is written.
    Acknowledge,
    /// This replica has it: whoever reads there has seen it, so it is as good as told. Without targets it is gone.
    Strike(String),
    /// It is gone.
    Remove,
    /// It is gone, unless somebody was told.
    Abandon,
}

impl State {
    /// Keeps rows, in one durable transaction; answers their numbers, which no row has had before: another process may
    /// still mean the row that had one.
    pub(crate) fn add_outgoing(&self, rows: &[OutboxRow]) -> Result<Vec<u64>, StateError> {
        let plain: Option<Vec<_>> = rows.iter().map(OutboxRow::encode).collect();
        let plain = plain.ok_or_else(|| self.damaged())?;
        self.db.write(|transaction| {
            let mut table = transaction.open_table(OUTBOX)?;
            let highest =
                table.last()?.and_then(|(key, _)| key.value().try_into().ok()).map(u64::from_be_bytes);
            let ids = self.numbers(transaction, highest.unwrap_or_default(), plain.len())?;
            for (id, plain) in ids.iter().zip(&plain) {
                let key = id.to_be_bytes();
                let sealed = self.seal("outbox", &key, plain).map_err(into_redb)?;
                table.insert(key.as_slice(), sealed.as_slice())?;
            }
            // While the file is held: a look of another thread is before it or after it.
            self.found_outgoing(true);
            Ok(ids)
        })
    }

    /// The next `count` numbers of rows, which are used up with that; `highest` is the greatest of those that are there.
    fn numbers(
        &self,
        transaction: &WriteTransaction,
        highest: u64,
        count: usize,
    ) -> Result<Vec<u64>, redb::Error> {
        let mut meta = transaction.open_table(META)?;
        let kept = meta.get(LAST)?.map(|row| row.value().to_vec());
        let kept = kept.map(|row| self.open("meta", LAST, &row)).transpose().map_err(into_redb)?;
        let last = match kept {
            Some(last) => last.try_into().map(u64::from_be_bytes).map_err(|_| into_redb(self.damaged()))?,
            None => 0,
        };
        let ids: Vec<u64> = (last.max(highest) + 1..).take(count).collect();
        if let Some(last) = ids.last() {
            let sealed = self.seal("meta", LAST, &last.to_be_bytes()).map_err(into_redb)?;
            meta.insert(LAST, sealed.as_slice())?;
        }
        Ok(ids)
    }

    /// Changes those of the rows that are there, in one durable transaction; answers which.
    pub(crate) fn change_outgoing(&self, ids: &[u64], change: &Change) -> Result<Vec<u64>, StateError> {
        self.db.write(|transaction| {
            let mut there = Vec::with_capacity(ids.len());
            let mut table = transaction.open_table(OUTBOX)?;
            for id in ids {
                let key = id.to_be_bytes();
                let Some(sealed) = table.get(key.as_slice())?.map(|row| row.value().to_vec()) else {
                    continue;
                };
                let mut row = self.open_outgoing(&key, &sealed).map_err(into_redb)?;
                there.push(*id);
                match change {
                    Change::Acknowledge => row.acknowledged = true,
                    Change::Strike(replica) => {
                        row.targets.retain(|name| name != replica);
                        row.acknowledged = true;
                    }
                    Change::Remove => row.targets.clear(),
                    Change::Abandon if row.acknowledged => {}
                    Change::Abandon => row.targets.clear(),
                }
                match row.encode().filter(|_| !row.targets.is_empty()) {
                    Some(plain) => {
                        let sealed = self.seal("outbox", &key, &plain).map_err(into_redb)?;
                        table.insert(key.as_slice(), sealed.as_slice())?;
                    }
                    None => drop(table.remove(key.as_slice())?),
                }
            }
            Ok(there)
        })
    }

    /// All rows, oldest first. What else is remembered of replicas is read with them.
    pub(crate) fn outgoing(&self) -> Result<Vec<(u64, OutboxRow)>, StateError> {
        let found = self.db.read(|transaction| {
            let glance = self.glance(transaction)?;
            let table = match transaction.open_table(OUTBOX) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok((glance, Vec::new())),
                Err(error) => return Err(error.into()),
            };
            let rows =
                table.iter()?.map(|row| row.map(|(key, row)| (key.value().to_vec(), row.value().to_vec())));
            Ok((glance, rows.collect::<Result<Vec<_>, _>>()?))
        })?;
        let Some((glance, rows)) = found else { return Ok(Vec::new()) };
        self.noticed(glance)?;
        let opened = |(key, sealed): (Vec<u8>, Vec<u8>)| {
            let id = key.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| self.damaged())?;
            Ok((id, self.open_outgoing(&key, &sealed)?))
        };
        rows.into_iter().map(opened).collect()
    }

    fn open_outgoing(&self, key: &[u8], sealed: &[u8]) -> Result<OutboxRow, StateError> {
        let plain = self.open("outbox", key, sealed)?;
        OutboxRow::decode(&plain).ok_or_else(|| self.damaged())
    }
}

/// The key of the last number that a row got.
const LAST: &[u8] = b"outbox";
const PURGES: u8 = 1;
const ACKNOWLEDGED: u8 = 2;

impl OutboxRow {
    /// None where a name is longer than a row has room for.
    fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(64 + self.envelope.len());
        bytes.push((u8::from(self.purges) * PURGES) | (u8::from(self.acknowledged) * ACKNOWLEDGED));
        put(&mut bytes, &self.environment)?;
        put(&mut bytes, self.path.as_str())?;
        bytes.push(u8::try_from(self.targets.len()).ok()?);
        for target in &self.targets {
            put(&mut bytes, target)?;
        }
        bytes.extend(&self.envelope);
        Some(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&flags, mut bytes) = bytes.split_first()?;
        if flags & !(PURGES | ACKNOWLEDGED) != 0 {
            return None;
        }
        let environment = take(&mut bytes)?;
        let path = SecretPath::parse(&take(&mut bytes)?).ok()?;
        let (&count, rest) = bytes.split_first()?;
        bytes = rest;
        let targets = (0..count).map(|_| take(&mut bytes)).collect::<Option<_>>()?;
        let (purges, acknowledged) = (flags & PURGES != 0, flags & ACKNOWLEDGED != 0);
        Some(Self { environment, path, purges, acknowledged, targets, envelope: bytes.to_vec() })
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
            purges: false,
            acknowledged: false,
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
        let ids = state.add_outgoing(&[row("a", &["one", "two"]), row("b", &["one"])]).unwrap();
        let [first, second] = ids[..] else { panic!() };
        assert!(second > first && state.add_outgoing(&[]).unwrap().is_empty());
        state.change_outgoing(&ids, &Change::Acknowledge).unwrap();
        state.change_outgoing(&[first], &Change::Strike("one".to_owned())).unwrap();
        let told = |row: OutboxRow| OutboxRow { acknowledged: true, ..row };
        let left = state.outgoing().unwrap();
        assert_eq!(left, [(first, told(row("a", &["two"]))), (second, told(row("b", &["one"])))]);
        state.change_outgoing(&ids, &Change::Strike("two".to_owned())).unwrap();
        state.change_outgoing(&ids, &Change::Strike("two".to_owned())).unwrap();
        assert_eq!(state.outgoing().unwrap().len(), 1);
        state.change_outgoing(&[second], &Change::Remove).unwrap();
        assert!(state.outgoing().unwrap().is_empty());
    }

    #[test]
    fn the_number_of_a_row_that_is_gone_is_no_other_rows() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path());
        let [gone] = state.add_outgoing(&[row("a", &["one"])]).unwrap()[..] else { panic!() };
        state.change_outgoing(&[gone], &Change::Strike("one".to_owned())).unwrap();
        let [next] = state.add_outgoing(&[row("b", &["one"])]).unwrap()[..] else { panic!() };
        // Whoever wrote the first does not know yet that it is gone.
        state.change_outgoing(&[gone], &Change::Strike("one".to_owned())).unwrap();
        state.change_outgoing(&[gone], &Change::Remove).unwrap();
        assert_eq!(state.outgoing().unwrap(), [(next, row("b", &["one"]))]);
    }

    #[test]
    fn a_row_that_a_replica_has_is_as_good_as_told() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path());
        let ids = state.add_outgoing(&[row("a", &["one", "two"])]).unwrap();
        state.change_outgoing(&ids, &Change::Strike("one".to_owned())).unwrap();
        state.change_outgoing(&ids, &Change::Abandon).unwrap();
        assert_eq!(state.outgoing().unwrap().len(), 1);
    }

    #[test]
    fn a_row_of_which_somebody_was_told_is_not_abandoned_and_of_an_abandoned_one_nobody_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path());
        let ids = state.add_outgoing(&[row("a", &["one"]), row("b", &["one"])]).unwrap();
        assert_eq!(state.change_outgoing(&ids[..1], &Change::Acknowledge).unwrap(), ids[..1]);
        state.change_outgoing(&ids, &Change::Abandon).unwrap();
        assert_eq!(state.outgoing().unwrap().len(), 1);
        assert_eq!(state.change_outgoing(&ids, &Change::Acknowledge).unwrap(), ids[..1]);
    }

    #[test]
    fn whether_something_is_outgoing_is_known_after_each_look() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path());
        state.load(&[]).unwrap();
        assert!(!state.has_outgoing());
        let ids = state.add_outgoing(&[row("a", &["one"])]).unwrap();
        assert!(state.has_outgoing());
        state.change_outgoing(&ids, &Change::Remove).unwrap();
        state.load(&[]).unwrap();
        assert!(!state.has_outgoing());
    }

    proptest! {
        #[test]
        fn a_row_reads_back_and_none_that_is_cut_does(
            environment in "[a-z]{1,9}", targets in proptest::collection::vec("\\PC{0,20}", 0..4),
            envelope in proptest::collection::vec(any::<u8>(), 0..40), purges: bool, acknowledged: bool
        ) {
            let path = SecretPath::parse("a/b").unwrap();
            let given = OutboxRow { environment, path, purges, acknowledged, targets, envelope };
            let bytes = given.encode().unwrap();
            let head = bytes.len() - given.envelope.len();
            prop_assert_eq!(OutboxRow::decode(&bytes), Some(given));
            for len in 0..head {
                prop_assert_eq!(OutboxRow::decode(&bytes[..len]), None);
            }
        }
    }
}
