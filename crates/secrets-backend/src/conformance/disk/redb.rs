//! The disk as the file of a redb database.

use std::io;

use redb::StorageBackend;

use super::Disk;

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        Self::read(self, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.set_length(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        Self::write(self, offset, data)
    }
}
