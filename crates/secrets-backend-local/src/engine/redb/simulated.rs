//! A disk that keeps what was synced, and of the rest what chance decides.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::medium::Medium;
use crate::fault::Fault;
use crate::files::Access;

/// A disk with one file on it, and the cache in front of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    /// What a power cut leaves for certain.
    durable: Vec<u8>,
    /// What processes see.
    cache: Vec<u8>,
    /// What was written since the last sync, in order.
    dirty: Vec<Change>,
    suspect: bool,
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
pub(super) enum Event {
    /// The process dies there: power cut or kill, as [`Disk::cut_power`] or [`Disk::revive`] then says.
    Death,
    /// That write or change of length fails; of a write some bytes may have got through.
    WriteFails(io::ErrorKind),
    /// The next sync fails, and what was not written then is taken for written, as Linux does.
    SyncFails(io::ErrorKind),
}

impl Disk {
    /// Another disk with the same content.
    pub(super) fn duplicate(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Lets something happen after this many calls.
    pub(super) fn arrange(&self, calls: u64, event: Event) {
        let mut state = self.state();
        (state.event, state.happened) = (Some((calls, event)), false);
    }

    /// Whether what was arranged has happened.
    pub(super) fn has_happened(&self) -> bool {
        self.state().happened
    }

    /// Nothing more happens unless it is arranged.
    pub(super) fn stop_events(&self) {
        self.state().event = None;
    }

    /// Alters one byte where the disk keeps these bytes, which the cache does not show.
    pub(super) fn damage_durable(&self, bytes: &str) {
        let mut state = self.state();
        let part = &bytes.as_bytes()[..2000];
        let at = state.durable.windows(part.len()).position(|window| window == part).unwrap();
        state.durable[at + 1000] ^= 1;
    }

    /// How many bytes were read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.state().read
    }

    /// Shows what the disk holds, and nothing that is only believed to be there.
    pub(super) fn drop_cache(&self) {
        let mut state = self.state();
        let State { durable, dirty, .. } = &mut *state;
        dirty.drain(..).for_each(|change| apply(durable, &change));
        state.cache = state.durable.clone();
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Another process goes on: the cache is still there.
    pub(super) fn revive(&self) {
        self.state().dead = false;
    }

    /// The power comes back: of what was not synced, chance decides what is there, gone or torn.
    pub(super) fn cut_power(&self, chance: &mut Chance) {
        let mut state = self.state();
        state.settle(chance);
        state.cache = state.durable.clone();
        // A file that nobody synced, as well.
        state.suspect &= chance.one_in(2);
        state.dead = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
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
        let length = usize::try_from(sector - at % sector).unwrap().min(rest.len());
        parts.push(Change::Write(at, rest[..length].to_vec()));
        (at, rest) = (at + length as u64, &rest[length..]);
    }
    parts
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, bytes) => {
            let start = usize::try_from(*offset).unwrap();
            let end = start + bytes.len();
            image.resize(image.len().max(end), 0);
            image[start..end].copy_from_slice(bytes);
        }
        Change::Length(length) => image.resize(usize::try_from(*length).unwrap(), 0),
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        alive(&state)?;
        state.read += out.len() as u64;
        let start = usize::try_from(offset).unwrap();
        let bytes = state.cache.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
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

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        match state.call(true)? {
            Some(Event::SyncFails(kind)) => {
                // What got through is what a power cut would have left; the rest is clean, and lost.
                let mut chance = Chance(state.cache.len() as u64 + state.dirty.len() as u64);
                state.settle(&mut chance);
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

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
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
}

fn alive(state: &State) -> io::Result<()> {
    if state.dead { Err(io::Error::other("the process is dead")) } else { Ok(()) }
}

impl Medium for Disk {
    type Storage = Self;

    fn open(&self, _: Access) -> Result<Self, Fault> {
        Ok(self.clone())
    }

    fn is_suspect(&self) -> Result<bool, Fault> {
        Ok(self.state().suspect)
    }

    fn suspect(&self) {
        let mut state = self.state();
        // A dead process does nothing more.
        state.suspect |= !state.dead;
    }

    fn forget_cache(&self) -> Result<(), Fault> {
        self.sync_data().map_err(|error| Fault::io("in a test", error))?;
        self.drop_cache();
        Ok(())
    }

    fn trust(&self) -> Result<(), Fault> {
        self.state().suspect = false;
        Ok(())
    }
}

/// Chance that is the same in every run.
#[derive(Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64, by Steele, Lea and Flood.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(super) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}
