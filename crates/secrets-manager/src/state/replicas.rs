//! What is remembered of replicas, and which secrets they have in versions that were written without each other.
//!
//! It is read with every look at the state, so that asking for it costs nothing.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableError};
use secrets_backend::Timestamp;
use secrets_crypto::ObjectId;
use secrets_multicloud::{Breaker, Memory};

use super::{CONFLICTS, OUTBOX, REPLICAS, State, StateError, Table};

/// A table as a reader has it.
type Rows = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// What was read, and is kept in memory.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// By environment and name.
    replicas: HashMap<String, Memory>,
    contested: HashSet<ObjectId>,
}

/// What a look at the state finds beside what it was for.
pub(super) struct Glance {
    replicas: Vec<(Vec<u8>, Vec<u8>)>,
    contested: Vec<Vec<u8>>,
}

impl State {
    pub(super) fn glance(&self, transaction: &ReadTransaction) -> Result<Glance, redb::Error> {
        let replicas = match opened(transaction, REPLICAS)? {
            Some(table) => table
                .iter()?
                .map(|row| row.map(|(key, row)| (key.value().to_vec(), row.value().to_vec())))
                .collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        let contested = match opened(transaction, CONFLICTS)? {
            Some(table) => {
                table.iter()?.map(|row| row.map(|(key, _)| key.value().to_vec())).collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        let has_outgoing = match opened(transaction, OUTBOX)? {
            Some(table) => !table.is_empty()?,
            None => false,
        };
        // While the file is held: a write of another thread is before it or after it.
        self.found_outgoing(has_outgoing);
        Ok(Glance { replicas, contested })
    }

    /// Keeps what was found in memory.
    pub(super) fn noticed(&self, glance: Glance) -> Result<(), StateError> {
        let opened = |(name, row): (Vec<u8>, Vec<u8>)| {
            let plain = self.open("replicas", &name, &row)?;
            let name = String::from_utf8(name).map_err(|_| self.damaged())?;
            Ok((name, decode(&plain).ok_or_else(|| self.damaged())?))
        };
        let replicas = glance.replicas.into_iter().map(opened).collect::<Result<_, StateError>>()?;
        let object = |key: Vec<u8>| key.try_into().map(ObjectId::from_bytes).map_err(|_| self.damaged());
        let contested = glance.contested.into_iter().map(object).collect::<Result<_, StateError>>()?;
        *self.remembered() = Remembered { replicas, contested };
        Ok(())
    }

    pub(super) fn found_outgoing(&self, has_outgoing: bool) {
        self.outgoing.store(has_outgoing, Ordering::Release);
    }

    /// Whether rows wait for replicas, as of the last look.
    pub(crate) fn has_outgoing(&self) -> bool {
        self.outgoing.load(Ordering::Acquire)
    }

    /// What is remembered of a replica of an environment, as of the last look.
    pub(crate) fn replica(&self, environment: &str, name: &str) -> Memory {
        self.remembered().replicas.get(&key(environment, name)).copied().unwrap_or_default()
    }

    /// Remembers it. Where that cannot be written, this process does all the same.
    pub(crate) fn remember_replica(
        &self,
        environment: &str,
        name: &str,
        memory: Memory,
    ) -> Result<(), StateError> {
        let key = key(environment, name);
        let row = self.seal("replicas", key.as_bytes(), &encode(&memory))?;
        self.remembered().replicas.insert(key.clone(), memory);
        self.db.write(|transaction| {
            transaction.open_table(REPLICAS)?.insert(key.as_bytes(), row.as_slice())?;
            Ok(())
        })
    }

    /// Whether versions of a secret were written without each other, as of the last look.
    pub(crate) fn is_contested(&self, object: ObjectId) -> bool {
        self.remembered().contested.contains(&object)
    }

    /// Notes whether they were.
    pub(crate) fn contest(&self, object: ObjectId, is_contested: bool) -> Result<(), StateError> {
        let key = object.as_bytes().as_slice();
        let row = self.seal("conflicts", key, &[])?;
        if is_contested {
            self.remembered().contested.insert(object);
        }
        self.db.write(|transaction| {
            let mut table = transaction.open_table(CONFLICTS)?;
            if is_contested {
                table.insert(key, row.as_slice())?;
            } else {
                table.remove(key)?;
            }
            Ok(())
        })?;
        if !is_contested {
            self.remembered().contested.remove(&object);
        }
        Ok(())
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One backend can serve several environments, and lack something in one of them alone.
fn key(environment: &str, name: &str) -> String {
    format!("{environment}/{name}")
}

fn opened(transaction: &ReadTransaction, table: Table) -> Result<Option<Rows>, redb::Error> {
    match transaction.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn encode(memory: &Memory) -> Vec<u8> {
    let time = |time: Option<Timestamp>| time.map_or(0, |time| time.as_millis());
    let times = [time(memory.breaker.opened), time(memory.answered), time(memory.in_step)];
    let mut bytes = memory.breaker.failures.to_be_bytes().to_vec();
    bytes.extend(times.into_iter().flat_map(u64::to_be_bytes));
    bytes
}

fn decode(bytes: &[u8]) -> Option<Memory> {
    let (failures, rest) = bytes.split_first_chunk()?;
    let (times, []) = rest.as_chunks::<8>() else { return None };
    let [opened, answered, in_step] = *times else { return None };
    let time =
        |bytes| Some(u64::from_be_bytes(bytes)).filter(|millis| *millis != 0).map(Timestamp::from_millis);
    let mut memory = Memory::default();
    memory.breaker = Breaker::new(u32::from_be_bytes(*failures), time(opened));
    memory.answered = time(answered);
    memory.in_step = time(in_step);
    Some(memory)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use getrandom::SysRng;
    use secrets_crypto::{RootKey, SafeId};

    use super::*;

    fn two(directory: &std::path::Path) -> [State; 2] {
        let root = RootKey::generate(&mut SysRng).unwrap();
        let key = || root.state_key(&SafeId::from_bytes([1; 16]));
        [(); 2].map(|()| State::new(directory.join("state.redb"), key(), Duration::from_secs(1)))
    }

    #[test]
    fn what_one_process_remembers_of_a_replica_the_next_knows() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = two(directory.path());
        let mut memory = Memory::default();
        memory.breaker = Breaker::new(3, Some(Timestamp::from_millis(5)));
        memory.in_step = Some(Timestamp::from_millis(9));
        one.remember_replica("production", "east", memory).unwrap();
        assert_eq!(one.replica("production", "east"), memory);
        assert_eq!(other.replica("production", "east"), Memory::default(), "not looked yet");
        other.load(&[]).unwrap();
        let of = |environment, name| other.replica(environment, name);
        assert_eq!((of("production", "east"), of("production", "west")), (memory, Memory::default()));
        assert_eq!(of("staging", "east"), Memory::default(), "another environment was not compared");
    }

    #[test]
    fn a_conflict_is_known_until_it_is_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = two(directory.path());
        let objects = [ObjectId::from_bytes([1; 16]), ObjectId::from_bytes([2; 16])];
        one.contest(objects[0], true).unwrap();
        other.load(&objects).unwrap();
        assert_eq!(objects.map(|object| other.is_contested(object)), [true, false]);
        other.contest(objects[0], false).unwrap();
        one.load(&objects).unwrap();
        assert_eq!(objects.map(|object| one.is_contested(object)), [false, false]);
    }

    #[test]
    fn a_memory_reads_back_and_none_of_another_length_does() {
        let mut memory = Memory::default();
        memory.answered = Some(Timestamp::from_millis(7));
        let bytes = encode(&memory);
        assert_eq!(decode(&bytes), Some(memory));
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), None, "{len}");
        }
    }
}
