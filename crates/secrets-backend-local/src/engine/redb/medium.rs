//! What redb's one file is kept on: the store's directory, or the disk that the tests simulate.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;
use rustix::fs::{Advice, fadvise};

use super::errors::opening;
use crate::fault::Fault;
use crate::files::{Access, Home};

/// Where the file is, and whether it may be believed as it is read.
///
/// After a failed sync Linux takes the pages that it could not write for written ones: they are read as if they
/// were on the disk, and the next sync succeeds without them. Such a file is *suspect* until what the disk really
/// holds has been read and verified.
pub(super) trait Medium {
    type Storage: StorageBackend;

    /// The file, which must be there.
    fn open(&self, access: Access) -> Result<Self::Storage, Fault>;

    /// Whether a sync failed since the file was last verified.
    fn is_suspect(&self) -> Result<bool, Fault>;

    /// Keeps everybody from believing the file before it is verified. As far as it can: it is called when the
    /// disk has just failed.
    fn suspect(&self);

    /// Writes what can still be written, and forgets what was only believed to be.
    fn forget_cache(&self) -> Result<(), Fault>;

    /// The file was verified.
    fn trust(&self) -> Result<(), Fault>;
}

/// The file in the store's directory.
#[derive(Debug)]
pub(super) struct Directory<'a> {
    pub(super) home: &'a Home,
    /// The same for this process alone, where the file that tells all of them could not be made.
    pub(super) suspected: &'a AtomicBool,
}

impl Directory<'_> {
    fn file(&self, access: Access) -> Result<File, Fault> {
        let file =
            self.home.open_file(FILE, access)?.ok_or_else(|| Fault::damaged("store.redb is missing"))?;
        let length = file.metadata().map_err(|error| Fault::io("measuring the store", error))?.len();
        // redb would start afresh in an empty file.
        if length == 0 { Err(Fault::damaged("store.redb is empty")) } else { Ok(file) }
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> Result<u64, Fault> {
        let file = self.file(Access::Read)?;
        file.metadata()
            .map(|metadata| metadata.len())
            .map_err(|error| Fault::io("measuring the store", error))
    }
}

impl Medium for Directory<'_> {
    type Storage = FileBackend;

    fn open(&self, access: Access) -> Result<FileBackend, Fault> {
        FileBackend::new(self.file(access)?).map_err(opening)
    }

    fn is_suspect(&self) -> Result<bool, Fault> {
        Ok(self.suspected.load(Ordering::Acquire) || self.home.contains(SUSPECT)?)
    }

    fn suspect(&self) {
        self.suspected.store(true, Ordering::Release);
        // Each is a help where the other fails; this process knows in any case.
        let _ = self.home.open_or_create_file(SUSPECT);
        let _ = self.forget_cache();
    }

    fn forget_cache(&self) -> Result<(), Fault> {
        let doing = "reading the store anew after a failed sync";
        let file = self.file(Access::Read)?;
        file.sync_all().map_err(|error| Fault::io(doing, error))?;
        fadvise(&file, 0, None, Advice::DontNeed).map_err(|errno| Fault::io(doing, errno.into()))
    }

    fn trust(&self) -> Result<(), Fault> {
        self.home.remove(SUSPECT)?;
        self.suspected.store(false, Ordering::Release);
        Ok(())
    }
}

pub(super) const FILE: &str = "store.redb";
pub(super) const NEW_FILE: &str = "store.redb.new";
/// There while the file is suspect.
const SUSPECT: &str = "store.suspect";
