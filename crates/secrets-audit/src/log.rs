//! The log of one installation: appending to it, and signing its checkpoints.

mod group;
mod writer;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use self::group::Group;
use self::writer::Writer;
use crate::note::NoteKey;
use crate::{
    Checkpoint, FileStorage, KeyName, NewEntry, Result, SigningKey, Storage, TreeHash, VerifyingKey,
};

/// Where a log is, and how it is named.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The log file. Its directory must exist.
    pub log: PathBuf,
    /// The head file, beside it.
    pub head: PathBuf,
    /// The origin of its checkpoints: `<safe id>.<installation id>` in hexadecimal.
    pub origin: KeyName,
    /// How long an append waits for other processes; 10 seconds is usual.
    pub lock_wait: Duration,
}

/// What an answered append is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The entries survive a power cut: for what must be known to have been tried before it is done.
    Synced,
    /// The entries survive the end of the process; the next synced append makes them durable too.
    Deferred,
}

/// Where entries came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The number of the first of them.
    pub first_seq: u64,
    /// The number of entries in the log after the last of them.
    pub size: u64,
}

/// Something that was repaired, and that a person should hear of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The head file was missing, so a cut of the log before now could not be noticed.
    #[error("the head file was missing: rebuilt from {size} entries of the log")]
    HeadMissing {
        /// The number of entries found.
        size: u64,
    },
    /// The head file was damaged, so a cut of the log before now could not be noticed.
    #[error("the head file was damaged: rebuilt from {size} entries of the log")]
    HeadTorn {
        /// The number of entries found.
        size: u64,
    },
    /// An append had been interrupted; what it left was removed. It was never acknowledged as durable.
    #[error("removed {bytes} bytes that an interrupted append left after {size} entries")]
    TornTail {
        /// The number of whole entries before.
        size: u64,
        /// The number of bytes removed.
        bytes: u64,
    },
    /// The head file could not be written; it lags behind until it can.
    #[error("the head file could not be written after {size} entries")]
    HeadNotWritten {
        /// The number of entries in the log.
        size: u64,
    },
}

/// The log of one installation, shared by all threads of a process and by processes.
///
/// An append that answers with an error acknowledged nothing. After a failed write or sync, the instance forgets
/// what it knew of the log's end; the next call verifies everything after the last durable entry anew before it
/// writes.
#[derive(Debug)]
pub struct AuditLog {
    origin: KeyName,
    public: VerifyingKey,
    group: Group,
    writer: Mutex<Writer>,
}

impl AuditLog {
    /// Opens the log in files, or makes an empty one.
    ///
    /// Entries after the head are verified and adopted, a torn last line is removed, a missing or torn head is
    /// rebuilt; see [`take_warnings`](Self::take_warnings).
    ///
    /// # Errors
    ///
    /// [`Error::Cut`](crate::Error::Cut) for a log shorter than its head,
    /// [`Error::Damaged`](crate::Error::Damaged) where a whole line after the head does not verify,
    /// [`Error::WrongKey`](crate::Error::WrongKey) for another installation's log, and those of files and locks.
    pub fn open(config: LogConfig, key: SigningKey) -> Result<Self> {
        let storage = FileStorage::open(&config.log, &config.head)?;
        Self::with_storage(Box::new(storage), config.origin, config.lock_wait, key)
    }

    /// Opens the log in any storage.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn with_storage(
        storage: Box<dyn Storage>,
        origin: KeyName,
        lock_wait: Duration,
        key: SigningKey,
    ) -> Result<Self> {
        let public = key.verifying_key();
        let writer = Writer::open(storage, lock_wait, key)?;
        Ok(Self { origin, public, group: Group::default(), writer: Mutex::new(writer) })
    }

    /// Appends entries next to each other, in order; returns when they are as durable as asked.
    ///
    /// Threads that append at the same time share one write and one sync.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`](crate::Error::InvalidEntry) before anything is written;
    /// [`Error::Busy`](crate::Error::Busy) when another process kept the lock; otherwise as [`open`](Self::open).
    /// None of the entries is then acknowledged.
    pub fn append(&self, entries: Vec<NewEntry>, durability: Durability) -> Result<Appended> {
        for entry in &entries {
            entry.check()?;
        }
        self.group
            .run(entries, durability, |batch, durability| self.with_writer(|w| w.append(batch, durability)))
    }

    /// Makes all entries durable, those of other processes too.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn sync(&self) -> Result<()> {
        self.with_writer(|writer| writer.checkpointed().map(drop))
    }

    /// The number of entries that this instance knows of; other processes may have appended since.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.with_writer(|writer| writer.head().size())
    }

    /// The leaf hash of the last entry that this instance knows of; zeros for an empty log.
    #[must_use]
    pub fn last_hash(&self) -> TreeHash {
        self.with_writer(|writer| writer.head().last)
    }

    /// Makes all entries durable, then signs the size and root of the log.
    ///
    /// The text is a signed note that Go's `sumdb/note` and any C2SP tool opens with [`vkey`](Self::vkey).
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn checkpoint(&self) -> Result<String> {
        self.with_writer(|writer| {
            let (size, root) = writer.checkpointed()?;
            let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
            Ok(checkpoint.sign(writer.key())?.to_string())
        })
    }

    /// The public key that verifies entries and checkpoints.
    #[must_use]
    pub const fn public_key(&self) -> VerifyingKey {
        self.public
    }

    /// The public key under the log's name, as others write it into their configuration.
    #[must_use]
    pub fn vkey(&self) -> NoteKey {
        NoteKey::signer(self.origin.clone(), self.public)
    }

    /// What was repaired since the last call.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<Warning> {
        self.with_writer(Writer::take_warnings)
    }

    /// A writer that panicked forgot the end of the log first, so that going on with it is safe.
    fn with_writer<T>(&self, run: impl FnOnce(&mut Writer) -> T) -> T {
        run(&mut self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
