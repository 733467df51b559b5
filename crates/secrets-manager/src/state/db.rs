//! The database file of the state: opened per operation, shared by the processes of an installation.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::ReadableDatabase;
use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, WriteTransaction};

use crate::files::{self, FileError};

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
pub(super) struct Db {
    path: PathBuf,
    wait: Duration,
}

impl Db {
    pub(super) const fn new(path: PathBuf, wait: Duration) -> Self {
        Self { path, wait }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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
                drop(self.open_for_writing()?);
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
        let database = self.open_for_writing()?;
        let mut transaction = database.begin_write().map_err(|e| self.error(e))?;
        // Reopening after a kill then reads a saved allocator instead of scanning the file.
        transaction.set_quick_repair(true);
        let value = body(&transaction).map_err(|e| self.error(e))?;
        transaction.commit().map_err(|e| self.error(e))?;
        Ok(value)
    }

    fn open_read_only(&self) -> Result<Opened, StateError> {
        self.patiently(|| {
            let file = match files::open_existing(&self.path) {
                // Another process is just making it.
                Ok(file) if files::is_empty(&file) => return Ok(Opened::Missing),
                Ok(file) => file,
                Err(error) if error.is_missing() => return Ok(Opened::Missing),
                Err(error) => return Err(Attempt::Failed(error.into())),
            };
            let opened = FileBackend::new(file).and_then(|file| builder().open_read_only_with_backend(file));
            match opened {
                Ok(database) => Ok(Opened::Ready(database)),
                Err(DatabaseError::RepairAborted) => Ok(Opened::Unclean),
                Err(error) => Err(self.attempt(error)),
            }
        })
    }

    fn open_for_writing(&self) -> Result<Database, StateError> {
        self.patiently(|| {
            let file = files::open_or_create(&self.path).map_err(|error| Attempt::Failed(error.into()))?;
            let opened = FileBackend::new(file).and_then(|file| builder().create_with_backend(file));
            opened.map_err(|error| self.attempt(error))
        })
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
            error => Attempt::Failed(self.error(error)),
        }
    }

    fn held(&self) -> StateError {
        StateError::Held { path: self.path.clone(), waited: self.wait }
    }

    fn error(&self, error: impl Into<redb::Error>) -> StateError {
        StateError::Database { path: self.path.clone(), source: Box::new(error.into()) }
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
