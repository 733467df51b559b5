//! A disk that keeps what was synced, and of the rest what chance decides, by sectors of 512 or 4096 bytes.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use secrets_audit::{AuditLog, Result, Storage};

use super::sample::{key, origin};

/// A disk with a log and a head file, seen by any number of instances.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub struct State {
    log: File,
    head: Option<File>,
    /// How many syncs were asked for.
    pub syncs: u64,
    /// How many bytes of the log were read.
    pub read: u64,
    /// How many bytes of the log were written.
    pub written: u64,
    /// Fails the next writes after this many bytes in all, as a full disk does.
    pub room: Option<usize>,
    /// Fails the next write of the log after this many bytes, as a broken disk does.
    pub fail_write: Option<usize>,
    /// Fails the next write of the head.
    pub fail_head: bool,
    /// Fails the next sync, and takes what was not written for written, as Linux does.
    pub fail_sync: bool,
}

/// A file as processes see it, and as it would be found after a power cut.
#[derive(Debug, Default)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl Disk {
    pub fn open(&self) -> Result<AuditLog> {
        AuditLog::with_storage(Box::new(self.clone()), origin(), Duration::ZERO, key())
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn log(&self) -> Vec<u8> {
        self.state().log.seen.clone()
    }

    /// Cuts the power: what was not synced is there, gone or torn, as `chance` says.
    pub fn cut_power(&self, chance: &mut Chance) {
        let mut state = self.state();
        let sector = if chance.one_in(2) { 512 } else { 4096 };
        state.log.settle(chance, sector);
        if let Some(head) = &mut state.head {
            head.settle(chance, sector);
        }
        (state.room, state.fail_write) = (None, None);
        (state.fail_sync, state.fail_head) = (false, false);
    }
}

impl File {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.seen.resize(self.seen.len().max(end), 0);
        self.seen[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn persist(&mut self, sector: usize) {
        let start = (sector * SECTOR).min(self.seen.len()).min(self.durable.len());
        let end = (start + SECTOR).min(self.seen.len()).min(self.durable.len());
        self.durable[start..end].copy_from_slice(&self.seen[start..end]);
    }

    fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            self.persist(sector);
        }
    }

    fn settle(&mut self, chance: &mut Chance, size: usize) {
        // The length may have been written or not, and each sector by itself: of one size, so that the smaller
        // ones of a larger one share its fate.
        if chance.one_in(2) {
            self.durable.resize(self.seen.len(), 0);
        }
        let mut fate = (usize::MAX, false);
        for sector in std::mem::take(&mut self.dirty) {
            let larger = sector * SECTOR / size;
            if fate.0 != larger {
                fate = (larger, chance.one_in(2));
            }
            if fate.1 {
                self.persist(sector);
            }
        }
        self.seen = self.durable.clone();
    }
}

impl Storage for Disk {
    fn lock(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn unlock(&mut self) {}

    fn length(&self) -> io::Result<u64> {
        Ok(self.state().log.seen.len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        let rest = &state.log.seen[usize::try_from(offset).unwrap().min(state.log.seen.len())..];
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        state.read += length as u64;
        Ok(length)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if let Some(through) = state.fail_write.take() {
            state.log.write(usize::try_from(offset).unwrap(), &bytes[..through.min(bytes.len())]);
            return Err(io::Error::other("the disk is broken"));
        }
        let room = state.room.unwrap_or(bytes.len()).min(bytes.len());
        state.log.write(usize::try_from(offset).unwrap(), &bytes[..room]);
        state.written += room as u64;
        if let Some(left) = &mut state.room {
            *left -= room;
        }
        if room == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.state().log.seen.truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.syncs += 1;
        if std::mem::take(&mut state.fail_sync) {
            // Some of it may have got through.
            let mut chance = Chance(state.syncs);
            for sector in std::mem::take(&mut state.log.dirty) {
                if chance.one_in(2) {
                    state.log.persist(sector);
                }
            }
            return Err(io::Error::other("the disk does not answer"));
        }
        state.log.sync();
        Ok(())
    }

    fn read_head(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state().head.as_ref().map(|head| head.seen.clone()))
    }

    fn write_head(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let fails = std::mem::take(&mut state.fail_head);
        let through = if fails { bytes.len() / 2 } else { bytes.len() };
        state.head.get_or_insert_default().write(0, &bytes[..through]);
        if fails { Err(io::Error::other("the disk is broken")) } else { Ok(()) }
    }
}

/// Chance that is the same in every run.
#[derive(Debug)]
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64, by Steele, Lea and Flood.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

const SECTOR: usize = 512;
