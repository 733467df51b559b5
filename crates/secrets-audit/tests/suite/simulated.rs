//! The storage of a log on a simulated disk.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use secrets_audit::{AuditLog, Result, Storage};
pub use secrets_backend::conformance::disk::Chance;
use secrets_backend::conformance::disk::{Disk as File, Event};

use super::sample::{key, origin};

/// A disk with a log and a head file, seen by any number of instances.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub log: File,
    head: File,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
pub struct State {
    has_head: bool,
    /// How many syncs were asked for.
    pub syncs: u64,
    /// How many bytes of the log were written.
    pub written: u64,
    /// Fails the next writes after this many bytes in all, as a full disk does.
    pub room: Option<usize>,
    /// Fails the next write of the log after this many bytes, as a broken disk does.
    pub fail_write: Option<usize>,
    /// Fails the next write of the head.
    pub fail_head: bool,
}

impl Disk {
    pub fn open(&self) -> Result<AuditLog> {
        AuditLog::with_storage(Box::new(self.clone()), origin(), Duration::ZERO, key())
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Fails the next sync, and takes what was not written for written, as Linux does.
    pub fn fail_sync(&self) {
        self.log.arrange(0, Event::SyncFails(io::ErrorKind::Other));
    }

    /// Cuts the power: what was not synced is there, gone or torn, as `chance` says.
    pub fn cut_power(&self, chance: &mut Chance) {
        self.log.stop_events();
        self.log.cut_power(chance);
        self.head.cut_power(chance);
        let mut state = self.state();
        (state.room, state.fail_write, state.fail_head) = (None, None, false);
    }
}

impl Storage for Disk {
    fn lock(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn unlock(&mut self) {}

    fn length(&self) -> io::Result<u64> {
        Ok(self.log.length())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let offset = offset.min(self.log.length());
        let length = usize::try_from(self.log.length() - offset).unwrap().min(into.len());
        self.log.read(offset, &mut into[..length])?;
        Ok(length)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if let Some(through) = state.fail_write.take() {
            self.log.write(offset, &bytes[..through.min(bytes.len())])?;
            return Err(io::Error::other("the disk is broken"));
        }
        let room = state.room.unwrap_or(bytes.len()).min(bytes.len());
        self.log.write(offset, &bytes[..room])?;
        state.written += room as u64;
        if let Some(left) = &mut state.room {
            *left -= room;
        }
        if room == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.log.set_length(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.state().syncs += 1;
        self.log.sync()
    }

    fn read_head(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state().has_head.then(|| self.head.content()))
    }

    fn write_head(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.has_head = true;
        let fails = std::mem::take(&mut state.fail_head);
        let through = if fails { bytes.len() / 2 } else { bytes.len() };
        self.head.write(0, &bytes[..through])?;
        if fails { Err(io::Error::other("the disk is broken")) } else { Ok(()) }
    }
}
