//! A simulated disk that keeps what was synced, and of the rest what chance decides: for tests of a backend that
//! keeps a file.
//!
//! ```
//! use secrets_backend::conformance::disk::{Chance, Disk, Event};
//!
//! let disk = Disk::default();
//! disk.write(0, b"synced").unwrap();
//! disk.sync().unwrap();
//! disk.write(0, b"gained").unwrap();
//! disk.arrange(0, Event::SyncFails(std::io::ErrorKind::Other));
//! assert!(disk.sync().is_err());
//! // As on Linux: the failed sync took what it could not write for written, and the next one writes nothing.
//! disk.sync().unwrap();
//! assert_eq!(disk.content(), b"gained");
//! disk.cut_power(&mut Chance::new(1));
//! assert!(disk.content() == b"synced" || disk.content() == b"gained");
//! ```
//!
//! With feature `conformance-redb` the file is one that redb can keep a database in.

#[cfg(feature = "conformance-redb")]
mod redb;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk with one file on it, and the cache in front of it.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    /// What a power cut leaves for certain.
    durable: Vec<u8>,
    /// What processes see.
    cache: Vec<u8>,
    /// What was written since the last sync, in order.
    dirty: Vec<Change>,
    flag: bool,
    /// What happens at a call to come, and how many calls are left until then.
    event: Option<(u64, Event)>,
    /// The process has died: it reaches nothing any more.
    dead: bool,
    happened: bool,
    read: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// What may happen at a write, a change of length or a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The process dies there: power cut or kill, as [`Disk::cut_power`] or [`Disk::revive`] then says.
    Death,
    /// That write or change of length fails; of a write some bytes may have got through.
    WriteFails(io::ErrorKind),
    /// The next sync fails, and what was not written then is taken for written, as Linux does.
    SyncFails(io::ErrorKind),
}

impl Disk {
    /// Another disk with the same content.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Lets something happen after this many calls.
    pub fn arrange(&self, calls: u64, event: Event) {
        let mut state = self.state();
        (state.event, state.happened) = (Some((calls, event)), false);
    }

    /// Whether what was arranged has happened.
    #[must_use]
    pub fn has_happened(&self) -> bool {
        self.state().happened
    }

    /// Nothing more happens unless it is arranged.
    pub fn stop_events(&self) {
        self.state().event = None;
    }

    /// Alters one byte where the disk keeps these bytes, which the cache does not show.
    ///
    /// # Panics
    /// Where the disk does not keep them.
    pub fn damage(&self, bytes: &[u8]) {
        let mut state = self.state();
        let at = state.durable.windows(bytes.len()).position(|window| window == bytes);
        state.durable[at.expect("these bytes are on the disk") + bytes.len() / 2] ^= 1;
    }

    /// How many bytes were read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.state().read
    }

    /// What processes see of the file.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        self.state().cache.clone()
    }

    /// The same disk after everything that waits was written: what it really holds.
    #[must_use]
    pub fn as_held(&self) -> Self {
        let disk = self.duplicate();
        {
            let mut state = disk.state();
            let State { durable, dirty, .. } = &mut *state;
            dirty.drain(..).for_each(|change| apply(durable, &change));
        }
        disk.drop_clean();
        disk
    }

    fn drop_clean(&self) {
        let mut state = self.state();
        let State { durable, dirty, cache, .. } = &mut *state;
        cache.clone_from(durable);
        dirty.iter().for_each(|change| apply(cache, change));
    }

    /// Whether the process has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Another process goes on: the cache is still there.
    pub fn revive(&self) {
        self.state().dead = false;
    }

    /// The power comes back: of what was not synced, chance decides what is there, gone or torn.
    pub fn cut_power(&self, chance: &mut Chance) {
        let mut state = self.state();
        state.settle(chance);
        state.cache = state.durable.clone();
        state.flag &= chance.one_in(2);
        state.dead = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls of a process.
///
/// Each fails once the process is dead, or where a failure was arranged.
impl Disk {
    /// The length of the file, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.state().cache.len() as u64
    }

    /// Reads bytes, all of them or none.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        alive(&state)?;
        state.read += out.len() as u64;
        let start = index(offset);
        let bytes = state.cache.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    /// Changes the length; new bytes are zeros.
    pub fn set_length(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        match state.call(false)? {
            Some(Event::WriteFails(kind)) => Err(kind.into()),
            // It may have come through before the end.
            _ => {
                state.change(Change::Length(len));
                alive(&state)
            }
        }
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        match state.call(true)? {
            Some(Event::SyncFails(kind)) => {
                // What got through is what a power cut would have left; the rest is clean, and lost.
                let mut chance = Chance::new(state.cache.len() as u64 + state.dirty.len() as u64);
                state.settle(&mut chance);
                // Not that the file was cut: its length is in the file system's journal, for the next sync.
                if state.durable.len() > state.cache.len() {
                    let length = state.cache.len() as u64;
                    state.dirty.push(Change::Length(length));
                }
                Err(kind.into())
            }
            Some(_) => alive(&state),
            None => {
                let State { durable, dirty, .. } = &mut *state;
                dirty.drain(..).for_each(|change| apply(durable, &change));
                Ok(())
            }
        }
    }

    /// Writes bytes, beyond the end as well.
    pub fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        match state.call(false)? {
            Some(Event::WriteFails(kind)) => {
                // Room for some whole sectors of it, as at the end of a full disk.
                let through = data.len() / 512 / 2 * 512;
                if through > 0 {
                    state.change(Change::Write(offset, data[..through].to_vec()));
                }
                Err(kind.into())
            }
            _ => {
                state.change(Change::Write(offset, data.to_vec()));
                alive(&state)
            }
        }
    }

    /// Has the system forget what it takes for written, so that reading shows what the disk holds.
    pub fn forget_cache(&self) -> io::Result<()> {
        alive(&self.state())?;
        self.drop_clean();
        Ok(())
    }

    /// Leaves a second, empty file, which is there for other processes at once and not synced.
    pub fn raise_flag(&self) {
        let mut state = self.state();
        state.flag |= !state.dead;
    }

    /// Whether that file is there.
    #[must_use]
    pub fn has_flag(&self) -> bool {
        self.state().flag
    }

    /// Removes it.
    pub fn lower_flag(&self) {
        self.state().flag = false;
    }
}

impl State {
    /// Counts a call; says what happens at it.
    fn call(&mut self, is_sync: bool) -> io::Result<Option<Event>> {
        alive(self)?;
        let Some((calls, event)) = self.event.as_mut() else { return Ok(None) };
        let due = match event {
            Event::Death => *calls == 0,
            Event::WriteFails(_) => !is_sync && *calls == 0,
            Event::SyncFails(_) => is_sync && *calls == 0,
        };
        *calls = calls.saturating_sub(1);
        if !due {
            return Ok(None);
        }
        self.happened = true;
        self.dead = *event == Event::Death;
        Ok(self.event.take().map(|(_, event)| event))
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.cache, &change);
        self.dirty.push(change);
    }

    /// Writes what chance keeps of the changes that were not synced, whole or in sectors.
    fn settle(&mut self, chance: &mut Chance) {
        let sector = if chance.one_in(2) { 512 } else { 4096 };
        for change in std::mem::take(&mut self.dirty) {
            match (chance.below(4), &change) {
                (0, _) => {}
                (1, Change::Write(offset, bytes)) => {
                    for part in sectors(*offset, bytes, sector) {
                        if chance.one_in(2) {
                            apply(&mut self.durable, &part);
                        }
                    }
                }
                _ => apply(&mut self.durable, &change),
            }
        }
    }
}

/// The parts of a write that a disk writes each as a whole.
fn sectors(offset: u64, bytes: &[u8], sector: u64) -> Vec<Change> {
    let (mut at, mut rest, mut parts) = (offset, bytes, Vec::new());
    while !rest.is_empty() {
        let length = index(sector - at % sector).min(rest.len());
        parts.push(Change::Write(at, rest[..length].to_vec()));
        (at, rest) = (at + length as u64, &rest[length..]);
    }
    parts
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, bytes) => {
            let start = index(*offset);
            let end = start + bytes.len();
            image.resize(image.len().max(end), 0);
            image[start..end].copy_from_slice(bytes);
        }
        Change::Length(length) => image.resize(index(*length), 0),
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("a simulated disk fits the memory")
}

fn alive(state: &State) -> io::Result<()> {
    if state.dead { Err(io::Error::other("the process is dead")) } else { Ok(()) }
}

/// Chance that is the same in every run.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// The chances of one seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to, and without, `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64, by Steele, Lea and Flood.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// True once in so many times.
    pub fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}
