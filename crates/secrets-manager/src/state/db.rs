//! The database of the state: opened per operation, shared by the processes of an installation.

#[cfg(test)]
mod power;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{
    Builder, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, WriteTransaction,
};

use super::medium::{Medium, StateFile};
use crate::files::FileError;

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database.
    #[error("{path}: {source}", path = path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// What went wrong in it.
        source: Box<redb::Error>,
    },
    /// Another process held it all the while.
    #[error("another process holds {path}; waited {} ms", waited.as_millis(), path = path.display())]
    Held {
        /// The database file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A row fails authentication or is no row of this version.
    #[error("{path}: a row is damaged or belongs to another safe", path = .0.display())]
    Damaged(PathBuf),
    /// A newer version of this program wrote it.
    #[error("{path} has format {found}; this version knows {known}", path = path.display())]
    NewerFormat {
        /// The database file.
        path: PathBuf,
        /// The format it has.
        found: u64,
        /// The newest format known here.
        known: u64,
    },
    /// The system's randomness failed.
    #[error("the system's source of randomness failed")]
    Random,
}

/// The file, and how long to wait for other processes.
#[derive(Debug)]
pub(super) struct Db<M = StateFile> {
    medium: M,
    wait: Duration,
}

impl Db {
    pub(super) const fn new(path: PathBuf, wait: Duration) -> Self {
        Self { medium: StateFile::new(path), wait }
    }
}

impl<M: Medium> Db<M> {
    pub(super) fn path(&self) -> &Path {
        self.medium.path()
    }

    /// Reads in one snapshot; `None` where there is no file yet.
    pub(super) fn read<T>(
        &self,
        body: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<Option<T>, StateError> {
        let database = match self.open_read_only()? {
            Opened::Ready(database) => database,
            Opened::Missing => return Ok(None),
            Opened::Unclean => {
                // One writer's open repairs it; then it can be read beside others again.
                self.written(self.open_for_writing()?, |_| Ok(()))?;
                match self.open_read_only()? {
                    Opened::Ready(database) => database,
                    Opened::Missing | Opened::Unclean => return Err(self.held()),
                }
            }
        };
        let transaction = database.begin_read().map_err(|e| self.error(e))?;
        body(&transaction).map(Some).map_err(|e| self.error(e))
    }

    /// Writes in one durable transaction.
    pub(super) fn write<T>(
        &self,
        body: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StateError> {
        self.written(self.open_for_writing()?, |database| {
            let mut transaction = database.begin_write()?;
            // Reopening after a kill then reads a saved allocator instead of scanning the file.
            transaction.set_quick_repair(true);
            let value = body(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    /// Works and closes. What the disk fails meanwhile makes the file suspect, whatever is answered.
    fn written<T>(
        &self,
        database: Database,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StateError> {
        let answer = work(&database);
        // Before the lock is let go of with the closing.
        self.suspect_after(answer.as_ref().err());
        let closed = database.close().map_err(redb::Error::from);
        self.suspect_after(closed.err().as_ref());
        answer.map_err(|error| self.error(error))
    }

    /// redb does not tell a failed sync from a failed write, so either is taken for the worse.
    fn suspect_after(&self, failure: Option<&redb::Error>) {
        let failed = match failure {
            Some(redb::Error::Io(error)) => error.kind() != std::io::ErrorKind::InvalidData,
            Some(redb::Error::PreviousIo) => true,
            _ => false,
        };
        if failed {
            self.medium.suspect();
        }
    }

    fn open_read_only(&self) -> Result<Opened, StateError> {
        if self.medium.is_suspect() {
            return Ok(Opened::Unclean);
        }
        self.patiently(|| {
            let Some(file) = self.medium.open().map_err(|error| Attempt::Failed(error.into()))? else {
                return Ok(Opened::Missing);
            };
            match builder().open_read_only_with_backend(file) {
                Ok(database) => Ok(Opened::Ready(database)),
                Err(DatabaseError::RepairAborted) => Ok(Opened::Unclean),
                Err(error) => Err(self.attempt(error)),
            }
        })
    }

    fn open_for_writing(&self) -> Result<Database, StateError> {
        self.patiently(|| {
            let failed = |error: FileError| Attempt::Failed(error.into());
            let file = match self.medium.open_for_writing().map_err(failed)? {
                Some(file) => file,
                None => {
                    self.medium.make(&|file| self.make(file)).map_err(Attempt::Failed)?;
                    self.medium.open_for_writing().map_err(failed)?.ok_or(Attempt::Busy)?
                }
            };
            let suspect = self.medium.is_suspect();
            if suspect {
                self.medium.forget_cache().map_err(failed)?;
            }
            let opened = builder().set_check_integrity_on_open(suspect).create_with_backend(file);
            let database = opened.map_err(|error| self.attempt(error))?;
            if suspect {
                self.medium.trust().map_err(failed)?;
            } else if self.medium.is_suspect() {
                // The process that had it open before this one has failed.
                return Err(Attempt::Busy);
            }
            Ok(database)
        })
    }

    fn make(&self, file: M::Storage) -> Result<(), StateError> {
        let made = builder().create_with_backend(file).and_then(Database::close);
        made.map_err(|error| self.error(error))
    }

    /// Tries until it works, fails for good, or the wait is over.
    fn patiently<T>(&self, attempt: impl Fn() -> Result<T, Attempt>) -> Result<T, StateError> {
        let deadline = Instant::now() + self.wait;
        let mut pause = Duration::from_micros(500);
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(Attempt::Failed(error)) => return Err(error),
                Err(Attempt::Busy) if Instant::now() >= deadline => return Err(self.held()),
                Err(Attempt::Busy) => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(16));
                }
            }
        }
    }

    fn attempt(&self, error: DatabaseError) -> Attempt {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Attempt::Busy,
            error => {
                let error = redb::Error::from(error);
                self.suspect_after(Some(&error));
                Attempt::Failed(self.error(error))
            }
        }
    }

    fn held(&self) -> StateError {
        StateError::Held { path: self.path().into(), waited: self.wait }
    }

    fn error(&self, error: impl Into<redb::Error>) -> StateError {
        StateError::Database { path: self.path().into(), source: Box::new(error.into()) }
    }
}

enum Opened {
    Ready(ReadOnlyDatabase),
    Missing,
    Unclean,
}

enum Attempt {
    Busy,
    Failed(StateError),
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

/// Bytes of cache; the default of 1 GiB would let a repair take that much.
const CACHE: usize = 16 * 1024 * 1024;
