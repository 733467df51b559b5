//! redb's file on a simulated disk.

use std::io;

use redb::StorageBackend;
pub(super) use secrets_backend::conformance::disk::{Chance, Disk, Event};

use super::medium::Medium;
use crate::fault::Fault;
use crate::files::Access;

/// The file of a store.
#[derive(Debug)]
pub(super) struct File(Disk);

impl File {
    pub(super) fn on(disk: &Disk) -> Self {
        Self(disk.clone())
    }
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.length())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_length(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// The flag of the disk stands for the file `store.suspect`.
impl Medium for Disk {
    type Storage = File;

    fn open(&self, _: Access) -> Result<File, Fault> {
        Ok(File::on(self))
    }

    fn is_suspect(&self) -> Result<bool, Fault> {
        Ok(self.has_flag())
    }

    fn suspect(&self) {
        self.raise_flag();
    }

    fn forget_cache(&self) -> Result<(), Fault> {
        self.sync().and_then(|()| Self::forget_cache(self)).map_err(|error| Fault::io("in a test", error))
    }

    fn trust(&self) -> Result<(), Fault> {
        self.lower_flag();
        Ok(())
    }
}
