//! What this installation has seen, so that an older answer is noticed; and the journal of bulk writes.
//!
//! Every row is sealed under the state key, bound to its table and row key.

mod db;
mod journal;
mod looked;
mod mark;
mod medium;
mod outbox;
mod replicas;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use getrandom::SysRng;
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, TableError, WriteTransaction};
use secrets_backend::Timestamp;
use secrets_crypto::{ObjectId, StateKey};

use crate::term::Promotion;

use db::Db;
pub use db::StateError;
pub(crate) use journal::{JournalRow, OperationId};
use looked::{FileId, Looked};
pub(crate) use mark::{Mark, MarkKind};
pub(crate) use outbox::{Change, OutboxRow};
use replicas::Remembered;

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

const MARKS: Table = TableDefinition::new("marks");
const META: Table = TableDefinition::new("meta");
const JOURNAL: Table = TableDefinition::new("journal");
const OUTBOX: Table = TableDefinition::new("outbox");
const REPLICAS: Table = TableDefinition::new("replicas");
const CONFLICTS: Table = TableDefinition::new("conflicts");
const PLACES: Table = TableDefinition::new("places");

const FORMAT: u64 = 1;

/// The state of one installation.
pub(crate) struct State {
    db: Db,
    key: StateKey,
    /// Marks of the operations under way, so that one operation opens the file once.
    seen: Mutex<HashMap<ObjectId, Option<Mark>>>,
    /// Which of them were read from the file as it is.
    looked: Mutex<Looked>,
    /// Entries of the audit log, as its last append left it.
    audit: AtomicU64,
    /// Of replicas, as of the last look.
    replicas: Mutex<Remembered>,
    /// Whether rows wait for them, as of the last look.
    outgoing: AtomicBool,
}

/// What is found when a safe is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    pub(crate) heights: Heights,
    /// The newest promotion in the environment that was asked for.
    pub(crate) promotion: Option<Promotion>,
    /// Whether a bulk write was cut short, or still runs.
    pub(crate) has_journal: bool,
    /// What was last agreed on with the backends that were asked for, in their order; see [`State::record_place`].
    pub(crate) agreed: Vec<Option<[u8; 32]>>,
}

/// What the whole installation has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heights {
    /// Highest header sequence.
    pub(crate) header: u64,
    /// Entries of the audit log when a write last ended.
    pub(crate) audit: u64,
    /// Writes to this state, counted.
    pub(crate) commit: u64,
}

impl State {
    pub(crate) fn new(path: PathBuf, key: StateKey, wait: Duration) -> Self {
        Self {
            db: Db::new(path, wait),
            key,
            seen: Mutex::default(),
            looked: Mutex::default(),
            audit: AtomicU64::new(0),
            replicas: Mutex::default(),
            outgoing: AtomicBool::new(true),
        }
    }

    /// Takes over the size of the audit log, for the next write to note.
    pub(crate) fn note_audit_size(&self, entries: u64) {
        self.audit.fetch_max(entries, Ordering::Relaxed);
    }

    /// Reads the marks of some objects in one opening; [`State::mark`] answers from them afterwards. What is remembered
    /// of replicas is read with them. A file that is as it was is not read again.
    pub(crate) fn load(&self, objects: &[ObjectId]) -> Result<(), StateError> {
        // Before it is read: what is written meanwhile makes another of it.
        let file = FileId::of(self.db.path(), Timestamp::now());
        if self.is_loaded(file, objects) {
            return Ok(());
        }
        let found = self.db.read(|transaction| {
            let glance = self.glance(transaction)?;
            let table = match transaction.open_table(MARKS) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok((glance, vec![None; objects.len()])),
                Err(error) => return Err(error.into()),
            };
            let rows = objects
                .iter()
                .map(|object| Ok(table.get(object.as_bytes().as_slice())?.map(|row| row.value().to_vec())))
                .collect::<Result<Vec<_>, redb::Error>>()?;
            Ok((glance, rows))
        })?;
        let rows = match found {
            Some((glance, rows)) => {
                self.noticed(glance)?;
                rows
            }
            None => {
                self.found_outgoing(false);
                vec![None; objects.len()]
            }
        };
        for (object, row) in objects.iter().zip(rows) {
            let mark = row.map(|row| self.open_mark(*object, &row)).transpose()?;
            self.remember(*object, mark);
        }
        self.looked().note(file, objects);
        Ok(())
    }

    /// Whether [`State::load`] would find what it found before, and so reads nothing.
    pub(crate) fn has_loaded(&self, objects: &[ObjectId]) -> bool {
        self.is_loaded(FileId::of(self.db.path(), Timestamp::now()), objects)
    }

    fn is_loaded(&self, file: Option<FileId>, objects: &[ObjectId]) -> bool {
        let seen = self.seen();
        self.looked().has(file, objects) && objects.iter().all(|object| seen.contains_key(object))
    }

    /// The mark of an object, as [`State::load`] found it or as it was recorded since.
    pub(crate) fn mark(&self, object: ObjectId) -> Result<Option<Mark>, StateError> {
        let seen = self.seen().get(&object).copied();
        match seen {
            Some(mark) => Ok(mark),
            None => {
                self.load(&[object])?;
                Ok(self.seen().get(&object).copied().flatten())
            }
        }
    }

    /// Raises marks, in one durable transaction with the size of the audit log.
    ///
    /// A mark never goes back: where another process recorded a newer one meanwhile, that one stays.
    pub(crate) fn record(&self, marks: &[(ObjectId, Mark)]) -> Result<(), StateError> {
        self.db.write(|transaction| self.insert_marks(transaction, marks))?;
        self.remember_all(marks);
        Ok(())
    }

    fn insert_marks(
        &self,
        transaction: &WriteTransaction,
        marks: &[(ObjectId, Mark)],
    ) -> Result<(), redb::Error> {
        let audit = self.audit.load(Ordering::Relaxed);
        let mut table = transaction.open_table(MARKS)?;
        for (object, mark) in marks {
            let key = object.as_bytes().as_slice();
            let stored = table.get(key)?.map(|row| row.value().to_vec());
            let stored = stored.map(|row| self.open_mark(*object, &row)).transpose();
            if stored.map_err(into_redb)?.is_some_and(|stored| stored.is_beyond(mark)) {
                continue;
            }
            table.insert(key, self.seal("marks", key, &mark.encode()).map_err(into_redb)?.as_slice())?;
        }
        self.raise(transaction, |heights| heights.audit = heights.audit.max(audit))
    }

    fn remember_all(&self, marks: &[(ObjectId, Mark)]) {
        for (object, mark) in marks {
            self.remember(*object, Some(*mark));
        }
    }

    /// What the installation as a whole has seen, and what it has agreed on with the backends at `places`, in one
    /// opening.
    pub(crate) fn survey(&self, places: &[&str], environment: &str) -> Result<Survey, StateError> {
        let term_key = term_key(environment);
        let found = self.db.read(|transaction| {
            let (heights, promotion) = match transaction.open_table(META) {
                Ok(table) => (
                    table.get(HEIGHTS)?.map(|row| row.value().to_vec()),
                    table.get(term_key.as_slice())?.map(|row| row.value().to_vec()),
                ),
                Err(TableError::TableDoesNotExist(_)) => (None, None),
                Err(error) => return Err(error.into()),
            };
            let has_journal = match transaction.open_table(JOURNAL) {
                Ok(table) => !table.is_empty()?,
                Err(TableError::TableDoesNotExist(_)) => false,
                Err(error) => return Err(error.into()),
            };
            let agreed = match transaction.open_table(PLACES) {
                Ok(table) => places
                    .iter()
                    .map(|place| Ok(table.get(place.as_bytes())?.map(|row| row.value().to_vec())))
                    .collect::<Result<_, redb::Error>>()?,
                Err(TableError::TableDoesNotExist(_)) => vec![None; places.len()],
                Err(error) => return Err(error.into()),
            };
            Ok((heights, promotion, has_journal, agreed))
        })?;
        let Some((heights, promotion, has_journal, agreed)) = found else {
            return Ok(Survey { agreed: vec![None; places.len()], ..Survey::default() });
        };
        let heights = heights.map(|row| self.open_heights(&row)).transpose()?.unwrap_or_default();
        let opened = |(place, row): (&&str, Option<Vec<u8>>)| {
            let digest = row.map(|row| self.open("places", place.as_bytes(), &row)).transpose()?;
            digest.map(|digest| digest.try_into().map_err(|_| self.damaged())).transpose()
        };
        let agreed = places.iter().zip(agreed).map(opened).collect::<Result<_, _>>()?;
        let promotion = promotion.map(|row| self.open_promotion(&term_key, &row)).transpose()?;
        Ok(Survey { heights, promotion, has_journal, agreed })
    }

    /// Notes what header and keyring the backend at `place` was left with, by their digest: as long as those of
    /// this installation are the same, nothing has to be asked there.
    pub(crate) fn record_place(&self, place: &str, digest: &[u8; 32]) -> Result<(), StateError> {
        let row = self.seal("places", place.as_bytes(), digest)?;
        self.db.write(|transaction| {
            transaction.open_table(PLACES)?.insert(place.as_bytes(), row.as_slice())?;
            self.raise(transaction, |_| {})
        })
    }

    /// Notes a promotion, unless a newer one is known.
    pub(crate) fn record_promotion(
        &self,
        environment: &str,
        promotion: &Promotion,
    ) -> Result<(), StateError> {
        let key = term_key(environment);
        let sealed = self.seal("meta", &key, &promotion.encode())?;
        self.db.write(|transaction| {
            let mut table = transaction.open_table(META)?;
            let known = table.get(key.as_slice())?.map(|row| row.value().to_vec());
            let known = known.map(|row| self.open_promotion(&key, &row)).transpose().map_err(into_redb)?;
            if known.is_none_or(|known| known.term < promotion.term) {
                table.insert(key.as_slice(), sealed.as_slice())?;
            }
            drop(table);
            self.raise(transaction, |_| {})
        })
    }

    /// The newest promotion of an environment.
    pub(crate) fn promotion(&self, environment: &str) -> Result<Option<Promotion>, StateError> {
        Ok(self.survey(&[], environment)?.promotion)
    }

    fn open_promotion(&self, key: &[u8], row: &[u8]) -> Result<Promotion, StateError> {
        Promotion::decode(&self.open("meta", key, row)?).ok_or_else(|| self.damaged())
    }

    /// Notes that a header of this sequence has been seen or written.
    pub(crate) fn record_header(&self, sequence: u64) -> Result<(), StateError> {
        self.db.write(|transaction| {
            self.raise(transaction, |heights| heights.header = heights.header.max(sequence))
        })
    }

    fn raise(
        &self,
        transaction: &WriteTransaction,
        change: impl FnOnce(&mut Heights),
    ) -> Result<(), redb::Error> {
        let mut table = transaction.open_table(META)?;
        let row = table.get(HEIGHTS)?.map(|row| row.value().to_vec());
        let mut heights = match row {
            Some(row) => self.open_heights(&row).map_err(into_redb)?,
            None => Heights::default(),
        };
        change(&mut heights);
        heights.commit += 1;
        let row = self.seal("meta", HEIGHTS, &heights.encode()).map_err(into_redb)?;
        table.insert(HEIGHTS, row.as_slice())?;
        Ok(())
    }

    /// Seals what a running write leaves in its lock.
    pub(crate) fn seal_note(&self, plain: &[u8]) -> Result<Vec<u8>, StateError> {
        self.seal("lock", &[], plain)
    }

    /// Opens what a killed write left in its lock.
    pub(crate) fn open_note(&self, note: &[u8]) -> Result<Vec<u8>, StateError> {
        self.open("lock", &[], note)
    }

    fn remember(&self, object: ObjectId, mark: Option<Mark>) {
        let mut seen = self.seen();
        if seen.len() >= SEEN_LIMIT {
            seen.clear();
            self.looked().forget();
        }
        let newest = match (seen.get(&object).copied().flatten(), mark) {
            (Some(old), Some(new)) if old.is_beyond(&new) => Some(old),
            (old, new) => new.or(old),
        };
        seen.insert(object, newest);
    }

    fn looked(&self) -> std::sync::MutexGuard<'_, Looked> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectId, Option<Mark>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_mark(&self, object: ObjectId, row: &[u8]) -> Result<Mark, StateError> {
        let plain = self.open("marks", object.as_bytes().as_slice(), row)?;
        Mark::decode(&plain).ok_or_else(|| self.damaged())
    }

    fn open_heights(&self, row: &[u8]) -> Result<Heights, StateError> {
        let plain = self.open("meta", HEIGHTS, row)?;
        let heights = Heights::decode(&plain).ok_or_else(|| self.damaged())?;
        match plain.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)) {
            Some(found) if found > FORMAT => {
                Err(StateError::NewerFormat { path: self.db.path().into(), found, known: FORMAT })
            }
            _ => Ok(heights),
        }
    }

    fn seal(&self, table: &str, key: &[u8], plain: &[u8]) -> Result<Vec<u8>, StateError> {
        self.key.seal_row(table, key, plain, &mut SysRng).map_err(|_| StateError::Random)
    }

    fn open(&self, table: &str, key: &[u8], row: &[u8]) -> Result<Vec<u8>, StateError> {
        self.key.open_row(table, key, row).map(|plain| plain.to_vec()).map_err(|_| self.damaged())
    }

    fn damaged(&self) -> StateError {
        StateError::Damaged(self.db.path().into())
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("db", &self.db).finish_non_exhaustive()
    }
}

impl Heights {
    fn encode(self) -> Vec<u8> {
        [FORMAT, self.header, self.audit, self.commit].into_iter().flat_map(u64::to_be_bytes).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else { return None };
        match *words.iter().map(|word| u64::from_be_bytes(*word)).collect::<Vec<_>>().as_slice() {
            [_, header, audit, commit, ..] => Some(Self { header, audit, commit }),
            _ => None,
        }
    }
}

/// An error of ours inside a transaction's body, on its way out.
fn into_redb(error: StateError) -> redb::Error {
    redb::Error::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

fn term_key(environment: &str) -> Vec<u8> {
    format!("term/{environment}").into_bytes()
}

const HEIGHTS: &[u8] = b"heights";
const SEEN_LIMIT: usize = 65_536;

#[cfg(test)]
mod tests {
    use secrets_crypto::{RootKey, SafeId};

    use super::*;

    const OBJECT: ObjectId = ObjectId::from_bytes([7; 16]);

    fn key() -> StateKey {
        let safe = SafeId::from_bytes([1; 16]);
        RootKey::generate(&mut SysRng).unwrap().state_key(&safe)
    }

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.redb");
        (directory, path)
    }

    fn live(version: u64) -> Mark {
        Mark { kind: MarkKind::Live, version, term: 1, content_id: [9; 32] }
    }

    #[test]
    fn a_mark_never_goes_back() {
        let (_directory, path) = scratch();
        let state = State::new(path, key(), Duration::from_secs(1));
        assert_eq!(state.mark(OBJECT).unwrap(), None);
        for version in [3, 5, 4] {
            state.record(&[(OBJECT, live(version))]).unwrap();
        }
        assert_eq!(state.mark(OBJECT).unwrap(), Some(live(5)));
        state.seen().clear();
        assert_eq!(state.mark(OBJECT).unwrap(), Some(live(5)), "nor on disk");
    }

    #[test]
    fn a_purge_that_was_begun_is_beyond_the_version_and_ended_by_the_next() {
        let (_directory, path) = scratch();
        let state = State::new(path, key(), Duration::from_secs(1));
        let purging = Mark { kind: MarkKind::Purging, ..live(2) };
        state.record(&[(OBJECT, purging), (OBJECT, live(2))]).unwrap();
        assert_eq!(state.mark(OBJECT).unwrap(), Some(purging));
        state.record(&[(OBJECT, live(3))]).unwrap();
        assert_eq!(state.mark(OBJECT).unwrap(), Some(live(3)));
    }

    #[test]
    fn a_state_whose_making_was_cut_short_is_made_anew() {
        let (_directory, path) = scratch();
        // As a kill leaves it: some length, and not yet redb's magic number.
        for leftover in [&[0; 1 << 16][..], b"re", b""] {
            crate::files::replace(&path.with_added_extension("new"), leftover).unwrap();
            let _ = std::fs::remove_file(&path);
            let state = State::new(path.clone(), key(), Duration::from_secs(1));
            state.record(&[(OBJECT, live(1))]).unwrap();
            state.seen().clear();
            assert_eq!(state.mark(OBJECT).unwrap(), Some(live(1)));
        }
    }

    #[test]
    fn a_state_whose_disk_failed_is_verified_before_it_is_believed() {
        let (_directory, path) = scratch();
        let state = State::new(path.clone(), key(), Duration::from_secs(1));
        let objects: Vec<_> = (0..=255).map(|byte| (ObjectId::from_bytes([byte; 16]), live(1))).collect();
        state.record(&objects).unwrap();
        state.record(&[(OBJECT, live(2))]).unwrap();
        let good = std::fs::read(&path).unwrap();
        let suspect = path.with_added_extension("suspect");
        // One mark of many, which nobody asks for.
        let mut damaged = good.clone();
        for place in (0..good.len() - 16).filter(|at| good[*at..].starts_with(&[200; 16])) {
            damaged[place + 20] ^= 1;
        }
        assert_ne!(damaged, good);
        std::fs::write(&path, damaged).unwrap();
        crate::files::create_new(&suspect, b"").unwrap();
        assert!(state.survey(&[""], "default").is_err(), "a reader verifies, too");
        assert!(state.record(&[(OBJECT, live(3))]).is_err());
        assert!(suspect.exists());
        std::fs::write(&path, good).unwrap();
        state.record(&[(OBJECT, live(3))]).unwrap();
        assert!(!suspect.exists());
    }

    #[test]
    fn rows_of_another_safe_are_damage() {
        let (_directory, path) = scratch();
        let wait = Duration::from_secs(1);
        State::new(path.clone(), key(), wait).record(&[(OBJECT, live(1))]).unwrap();
        let other = State::new(path, key(), wait);
        assert!(matches!(other.mark(OBJECT), Err(StateError::Damaged(_))));
        assert!(matches!(other.survey(&[""], "default"), Err(StateError::Damaged(_))));
    }

    #[test]
    fn what_was_agreed_on_is_told_for_its_place_alone() {
        let (_directory, path) = scratch();
        let state = State::new(path, key(), Duration::from_secs(1));
        state.record_place("one", &[1; 32]).unwrap();
        state.record_place("two", &[2; 32]).unwrap();
        state.record_place("one", &[3; 32]).unwrap();
        let agreed = |place| state.survey(&[place], "default").unwrap().agreed[0];
        assert_eq!([agreed("one"), agreed("two"), agreed("none")], [Some([3; 32]), Some([2; 32]), None]);
    }

    #[test]
    fn a_newer_format_is_refused() {
        let (_directory, path) = scratch();
        let state = State::new(path, key(), Duration::from_secs(1));
        let newer = [FORMAT + 1, 0, 0, 0, 0].into_iter().flat_map(u64::to_be_bytes).collect::<Vec<_>>();
        let row = state.seal("meta", HEIGHTS, &newer).unwrap();
        state
            .db
            .write(|transaction| {
                transaction.open_table(META)?.insert(HEIGHTS, row.as_slice())?;
                Ok(())
            })
            .unwrap();
        assert!(matches!(state.survey(&[""], "default"), Err(StateError::NewerFormat { found: 2, .. })));
        assert!(state.record_header(4).is_err(), "and nothing is written over it");
    }

    #[test]
    fn a_journal_is_found_until_it_is_closed() {
        let (_directory, path) = scratch();
        let state = State::new(path, key(), Duration::from_secs(1));
        let row = JournalRow { path: "a/b".parse().unwrap(), replaces: Some(4), envelope: vec![1, 2, 3] };
        let (first, second) = (OperationId([0; 16]), OperationId([255; 16]));
        state.write_journal(first, &[row.clone(), row.clone()]).unwrap();
        state.write_journal(second, std::slice::from_ref(&row)).unwrap();
        assert!(state.survey(&[""], "default").unwrap().has_journal);
        state.close_journal(first, &[(OBJECT, live(5))]).unwrap();
        assert_eq!(state.journal().unwrap().into_iter().collect::<Vec<_>>(), [(second, vec![row])]);
        state.close_journal(second, &[]).unwrap();
        assert!(!state.survey(&[""], "default").unwrap().has_journal);
        assert_eq!(state.mark(OBJECT).unwrap(), Some(live(5)));
    }

    #[test]
    fn a_promotion_is_of_its_environment_and_never_goes_back() {
        let (_directory, path) = scratch();
        let state = State::new(path, key(), Duration::from_secs(1));
        let promotion = |term| Promotion::after(None, term, &format!("place {term}"));
        for term in [2, 4, 3] {
            state.record_promotion("production", &promotion(term)).unwrap();
        }
        let found = |environment| state.survey(&[], environment).unwrap().promotion;
        assert_eq!((found("production"), found("staging")), (Some(promotion(4)), None));
        assert_eq!(state.promotion("production").unwrap(), Some(promotion(4)));
    }

    #[test]
    fn a_file_that_is_as_it_was_is_not_read_again_and_one_that_changed_is() {
        let (_directory, path) = scratch();
        let state = State::new(path.clone(), key(), Duration::from_secs(1));
        state.record(&[(OBJECT, live(1))]).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let file = || std::fs::File::options().write(true).open(&path).unwrap();
        file().set_modified(long_ago).unwrap();
        state.load(&[OBJECT]).unwrap();
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, vec![0; good.len()]).unwrap();
        file().set_modified(long_ago).unwrap();
        assert!(state.has_loaded(&[OBJECT]) && state.load(&[OBJECT]).is_ok(), "nothing is read");
        assert!(!state.has_loaded(&[ObjectId::from_bytes([8; 16])]), "another object is");
        file().set_modified(long_ago + Duration::from_nanos(1)).unwrap();
        assert!(!state.has_loaded(&[OBJECT]) && state.load(&[OBJECT]).is_err());
        std::fs::write(&path, good).unwrap();
        assert!(!state.has_loaded(&[]), "a change of this moment may be followed by another");
        state.load(&[OBJECT]).unwrap();
        assert!(!state.has_loaded(&[OBJECT]));
        file().set_modified(long_ago).unwrap();
        state.load(&[OBJECT]).unwrap();
        state.seen().clear();
        assert!(!state.has_loaded(&[OBJECT]), "what was forgotten is read again");
        assert_eq!(state.mark(OBJECT).unwrap(), Some(live(1)));
    }
}
