//! What the state's database is kept on: a file, or the disk that the tests simulate.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::db::StateError;
use crate::files::{self, FileError};

/// Where the database is, and whether it may be believed as it is read.
///
/// After a failed sync Linux takes the pages that it could not write for written ones. Such a file is *suspect*
/// until what the disk really holds has been read and verified.
pub(super) trait Medium: fmt::Debug {
    type Storage: StorageBackend;

    fn path(&self) -> &Path;

    /// The file for reading; `None` where it was not made yet.
    fn open(&self) -> Result<Option<Self::Storage>, FileError>;

    /// The file for writing; `None` where it was not made yet.
    fn open_for_writing(&self) -> Result<Option<Self::Storage>, FileError>;

    /// Makes the file, all or nothing; `fill` puts an empty database into it.
    fn make(&self, fill: &dyn Fn(Self::Storage) -> Result<(), StateError>) -> Result<(), StateError>;

    /// Whether the disk failed since the file was last verified.
    fn is_suspect(&self) -> bool;

    /// Keeps everybody from believing the file before it is verified, as far as it can.
    fn suspect(&self);

    /// Writes what can still be written, and forgets what was only believed to be.
    fn forget_cache(&self) -> Result<(), FileError>;

    /// The file was verified.
    fn trust(&self) -> Result<(), FileError>;
}

/// The file of an installation.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    /// For this process, where the file that tells all of them could not be made.
    suspected: AtomicBool,
}

impl StateFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, suspected: AtomicBool::new(false) }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.path.with_added_extension(suffix)
    }

    fn existing(&self, file: Result<File, FileError>) -> Result<Option<FileBackend>, FileError> {
        match file {
            Err(error) if error.is_missing() => Ok(None),
            // A version before this one was killed in making it.
            Ok(file) if files::is_empty(&file) => Ok(None),
            file => self.backend(file?).map(Some),
        }
    }

    fn backend(&self, file: File) -> Result<FileBackend, FileError> {
        let io = |error| FileError::Io { path: self.path.clone(), source: io::Error::other(error) };
        FileBackend::new(file).map_err(io)
    }
}

impl Medium for StateFile {
    type Storage = FileBackend;

    fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> Result<Option<FileBackend>, FileError> {
        self.existing(files::open_existing(&self.path))
    }

    fn open_for_writing(&self) -> Result<Option<FileBackend>, FileError> {
        self.existing(files::open_existing_to_write(&self.path))
    }

    fn make(&self, fill: &dyn Fn(FileBackend) -> Result<(), StateError>) -> Result<(), StateError> {
        let lock = files::open_or_create(&self.beside("lock"))?;
        lock.lock().map_err(|source| FileError::Io { path: self.beside("lock"), source })?;
        if self.open()?.is_some() {
            return Ok(());
        }
        // Under another name until it is whole: redb does not open a file that was cut short in the making.
        let new = self.beside("new");
        fill(self.backend(files::create_empty(&new)?)?)?;
        Ok(files::rename(&new, &self.path)?)
    }

    fn is_suspect(&self) -> bool {
        self.suspected.load(Ordering::Acquire) || self.beside("suspect").symlink_metadata().is_ok()
    }

    fn suspect(&self) {
        self.suspected.store(true, Ordering::Release);
        // Each is a help where the other fails; this process knows in any case.
        let _ = files::open_or_create(&self.beside("suspect"));
        let _ = self.forget_cache();
    }

    fn forget_cache(&self) -> Result<(), FileError> {
        let file = files::open_existing(&self.path)?;
        let forgotten = file.sync_all().and_then(|()| files::forget_cache(&file));
        forgotten.map_err(|source| FileError::Io { path: self.path.clone(), source })
    }

    fn trust(&self) -> Result<(), FileError> {
        files::remove(&self.beside("suspect"))?;
        self.suspected.store(false, Ordering::Release);
        Ok(())
    }
}
