//! One operation on the store: directory, lock, format, engine, and all of it closed again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::config::{Engine as EngineKind, InvalidConfig, LocalConfig};
use crate::engine::{self, Engine, Rows, Write};
use crate::fault::Fault;
use crate::files::Home;
use crate::format;
use crate::lock::{Lock, Share};

/// A store on disk, opened for each operation.
#[derive(Debug)]
pub(crate) struct Store {
    config: LocalConfig,
    engine: Box<dyn Engine>,
    opens: AtomicU64,
}

impl Store {
    pub(crate) fn new(config: LocalConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        let engine: Box<dyn Engine> = match config.engine {
            EngineKind::Redb => Box::<crate::engine::redb::Redb>::default(),
            #[cfg(feature = "sled")]
            EngineKind::Sled => Box::new(crate::engine::sled::Sled),
            #[cfg(not(feature = "sled"))]
            EngineKind::Sled => return Err(InvalidConfig::EngineNotBuilt(EngineKind::Sled)),
        };
        Ok(Self { config, engine, opens: AtomicU64::new(0) })
    }

    pub(crate) fn config(&self) -> &LocalConfig {
        &self.config
    }

    /// How often the engine was opened so far.
    pub(crate) fn opens(&self) -> u64 {
        self.opens.load(Ordering::Relaxed)
    }

    /// Reads within one snapshot; `None` where there is no store yet.
    pub(crate) fn read<T>(
        &self,
        mut work: impl FnMut(&dyn Rows) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let Some(home) = self.existing()? else { return Ok(None) };
        let mut answer = None;
        let mut keep = |rows: &dyn Rows| {
            answer = Some(work(rows)?);
            Ok(())
        };
        let deadline = self.deadline();
        let lock = Lock::take(&home, self.engine.reading(), deadline)?;
        match self.open(|engine| engine.read(&home, &self.config.environment, deadline, &mut keep)) {
            Err(fault) if fault.wants_repair() => {
                // Readers cannot repair: become the only one, open once for writing, read again.
                drop(lock);
                let _lock = Lock::take(&home, Share::Exclusive, deadline)?;
                self.open(|engine| engine.repair(&home))?;
                self.open(|engine| engine.read(&home, &self.config.environment, deadline, &mut keep))?;
            }
            outcome => outcome?,
        }
        Ok(answer)
    }

    /// Takes the store for writing, waiting for others until `deadline`; where there is none, it is made, or
    /// `None` is the answer.
    pub(crate) fn take(&self, make: bool, deadline: Instant) -> Result<Option<Writing<'_>>, Fault> {
        let (home, lock) = if make {
            self.make(deadline)?
        } else {
            let Some(home) = self.existing()? else { return Ok(None) };
            let lock = Lock::take(&home, Share::Exclusive, deadline)?;
            (home, lock)
        };
        Ok(Some(Writing { store: self, home, deadline, _lock: lock }))
    }

    fn make(&self, deadline: Instant) -> Result<(Home, Lock), Fault> {
        let home = Home::create(&self.config.directory)?;
        if !format::is_there(&home)? {
            // The lock is part of the store: it is private before it is made.
            home.make_private()?;
        }
        let lock = Lock::take(&home, Share::Exclusive, deadline)?;
        if format::is_there(&home)? {
            home.check_private()?;
            format::check(&home, self.config.engine)?;
        } else {
            check_unused(&home)?;
            format::write(&home, self.config.engine)?;
        }
        if !self.engine.exists(&home)? {
            self.guarded(|engine| engine.create(&home, deadline))?;
        }
        Ok((home, lock))
    }

    pub(crate) fn compact(&self) -> Result<bool, Fault> {
        let Some(home) = self.existing()? else { return Ok(false) };
        let deadline = self.deadline();
        let _lock = Lock::take(&home, Share::Exclusive, deadline)?;
        let before = self.engine.size(&home)?;
        self.open(|engine| engine.compact(&home, deadline))?;
        Ok(self.engine.size(&home)? < before)
    }

    /// Bytes on disk.
    pub(crate) fn size(&self) -> Result<u64, Fault> {
        match self.existing()? {
            Some(home) => self.engine.size(&home),
            None => Ok(0),
        }
    }

    /// The store's directory, where there is a store of this engine and of a format that is known.
    fn existing(&self) -> Result<Option<Home>, Fault> {
        let Some(home) = Home::open(&self.config.directory)? else { return Ok(None) };
        if !format::is_there(&home)? {
            return check_unused(&home).map(|()| None);
        }
        home.check_private()?;
        format::check(&home, self.config.engine)?;
        // The format file comes first; without the engine's files nothing was ever acknowledged.
        Ok(self.engine.exists(&home)?.then_some(home))
    }

    fn open<T>(&self, work: impl FnOnce(&dyn Engine) -> Result<T, Fault>) -> Result<T, Fault> {
        self.opens.fetch_add(1, Ordering::Relaxed);
        self.guarded(work)
    }

    /// Turns a panic of an engine into a fault: both engines trust their files and may panic over damaged
    /// ones. Nothing outlives the call that a panic could have left half-done.
    fn guarded<T>(&self, work: impl FnOnce(&dyn Engine) -> Result<T, Fault>) -> Result<T, Fault> {
        catch_unwind(AssertUnwindSafe(|| work(&*self.engine)))
            .unwrap_or_else(|_| Err(Fault::damaged("the engine gave up on the store's files")))
    }

    fn deadline(&self) -> Instant {
        self.deadline_of(Instant::now())
    }

    /// Until when an operation that came at `start` waits for others.
    pub(crate) fn deadline_of(&self, start: Instant) -> Instant {
        // A wait beyond what the clock can count is as good as an hour.
        start.checked_add(self.config.lock_wait).unwrap_or(start + std::time::Duration::from_secs(3600))
    }
}

/// The store, taken for writing.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    store: &'a Store,
    home: Home,
    deadline: Instant,
    _lock: Lock,
}

impl Writing<'_> {
    /// Writes within one transaction, durably.
    pub(crate) fn transact(&self, work: &mut Write<'_>) -> Result<(), Fault> {
        let Self { store, home, deadline, .. } = self;
        store.open(|engine| engine.write(home, &store.config.environment, *deadline, work))
    }
}

/// Refuses to take a directory without format file for unused when an engine's files are in it.
fn check_unused(home: &Home) -> Result<(), Fault> {
    for name in engine::FILES {
        if home.contains(name)? {
            return Err(Fault::damaged("the format file of the store is missing"));
        }
    }
    Ok(())
}
