//! When what goes wrong, and to whom: the one place where faults begin and end.

mod begin;

use std::future::pending;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrets_backend::conformance::disk::Disk;
use secrets_backend::{Operation, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::fault::{Befalls, Fault, Phase};
use super::matrix::Matrix;
use super::random::Random;

/// A fault of the schedule, and when it sets in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) fault: Fault,
    pub(super) phase: Phase,
    /// How often the phase is passed before.
    pub(super) passes: usize,
}

/// A fault of services that has set in.
#[derive(Debug)]
struct Weather {
    fault: Fault,
    phase: Phase,
    replica: usize,
    /// Whose calls; of a partition one installation's.
    installation: Option<usize>,
    calls: usize,
    has_struck: bool,
}

/// What befell the process that reached a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Killed: what it wrote is in the cache.
    Kill,
    /// The power went: what it did not sync may be gone.
    PowerCut,
    /// The same, and syncs were lies.
    LiedTo,
    /// Killed, and a file of its state was deleted.
    FileGone,
    /// Killed, and an older copy of its state was put back.
    OldFile,
}

/// The files of an installation.
#[derive(Clone, Debug, Default)]
pub(super) struct Disks {
    pub(super) state: Disk,
    pub(super) audit: Disk,
    /// Beside the audit log.
    pub(super) head: Disk,
    pub(super) header: Disk,
}

impl Disks {
    pub(super) fn all(&self) -> [&Disk; 4] {
        [&self.state, &self.audit, &self.head, &self.header]
    }

    /// The same as it is now, whatever becomes of it.
    pub(super) fn duplicate(&self) -> Self {
        let [state, audit, head, header] = self.all().map(Disk::duplicate);
        Self { state, audit, head, header }
    }
}

/// What the rest of a simulation asks before it does something.
#[derive(Debug)]
pub(super) struct Scene {
    inner: Mutex<Inner>,
    began: Instant,
    /// What happened, where somebody wants to know.
    told: Option<Mutex<Vec<String>>>,
    /// By installation: told when a process ended.
    pub(super) ended: [Notify; super::INSTALLATIONS],
    /// By installation: told when another process of it is to run beside.
    pub(super) second: [Notify; super::INSTALLATIONS],
}

#[derive(Debug)]
struct Inner {
    planned: Vec<Planned>,
    weather: Vec<Weather>,
    matrix: Matrix,
    random: Random,
    primary: usize,
    disks: [Disks; super::INSTALLATIONS],
    /// Disks on which something was arranged, and what.
    arranged: Vec<(Disk, Fault, Phase)>,
    ends: [Option<End>; super::INSTALLATIONS],
    lying: [bool; super::INSTALLATIONS],
    /// Writes that fail yet because the file system is read-only.
    read_only: [u32; super::INSTALLATIONS],
    /// Milliseconds by which each machine's clock is off.
    skew: [i64; super::INSTALLATIONS],
}

impl Scene {
    pub(super) fn new(seed: u64, planned: Vec<Planned>, is_told: bool) -> Self {
        let inner = Inner {
            planned,
            weather: Vec::new(),
            matrix: Matrix::default(),
            random: Random::new(seed, 2),
            primary: 0,
            disks: <[Disks; super::INSTALLATIONS]>::default(),
            arranged: Vec::new(),
            ends: <[Option<End>; super::INSTALLATIONS]>::default(),
            lying: [false; super::INSTALLATIONS],
            read_only: [0; super::INSTALLATIONS],
            skew: [0; super::INSTALLATIONS],
        };
        let none = <[Notify; super::INSTALLATIONS]>::default;
        let told = is_told.then(Mutex::default);
        Self { inner: Mutex::new(inner), began: Instant::now(), told, ended: none(), second: none() }
    }

    /// Tells what happens, where somebody wants to know.
    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if let Some(told) = &self.told {
            let line = format!("{:>7} ms  {}", self.elapsed(), what());
            told.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    pub(super) fn told(&self) -> Vec<String> {
        let told = self.told.as_ref().map(|told| told.lock().unwrap_or_else(PoisonError::into_inner).clone());
        told.unwrap_or_default()
    }

    /// A process has come to this point of an operation: what is planned for it sets in.
    pub(super) async fn reach(&self, phase: Phase, installation: usize) {
        let is_over = {
            let mut inner = self.inner();
            let begins = inner.due(phase);
            for fault in begins {
                self.tell(|| format!("{installation}: {} sets in, {}", fault.name(), phase.name()));
                inner.begin(fault, phase, installation, self);
            }
            inner.ends[installation].is_some()
        };
        if is_over {
            self.die(installation).await;
        }
    }

    /// The process does nothing any more.
    pub(super) async fn die(&self, installation: usize) {
        self.ended[installation].notify_one();
        pending::<()>().await;
    }

    /// Whether a disk of this installation died under a write; if so, the process is at its end.
    pub(super) async fn survive(&self, installation: usize) {
        let is_dead = {
            let mut inner = self.inner();
            let disks = &inner.disks[installation];
            let is_dead = disks.all().into_iter().any(Disk::is_dead);
            if is_dead {
                inner.ends[installation] = Some(End::PowerCut);
            }
            is_dead
        };
        if is_dead {
            self.die(installation).await;
        }
    }

    /// Whether a service says that it has stored what it throws away.
    pub(super) fn swallows(&self, replica: usize, by: usize) -> bool {
        self.strike(replica, by, |fault| fault == Fault::Unstored).is_some()
    }

    /// What befalls a call; none in fair weather.
    pub(super) fn weather(&self, replica: usize, by: usize, operation: Operation) -> Option<Fault> {
        self.strike(replica, by, |fault| fault != Fault::Unstored && meets(fault.befalls(), operation))
    }

    fn strike(&self, replica: usize, by: usize, meets: impl Fn(Fault) -> bool) -> Option<Fault> {
        let mut inner = self.inner();
        let Inner { weather, matrix, .. } = &mut *inner;
        let one = weather.iter_mut().find(|one| {
            one.replica == replica && one.installation.is_none_or(|whose| whose == by) && meets(one.fault)
        })?;
        if !one.has_struck {
            matrix.count(one.fault, one.phase);
            one.has_struck = true;
        }
        one.calls -= 1;
        let fault = one.fault;
        weather.retain(|one| one.calls > 0);
        Some(fault)
    }

    /// A draw from the schedule's chance.
    pub(super) fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.inner().random)
    }

    /// Whether a write to a file of this installation is refused.
    pub(super) fn may_write(&self, installation: usize) -> io::Result<()> {
        let left = &mut self.inner().read_only[installation];
        if *left > 0 {
            *left -= 1;
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }

    pub(super) fn disk_lies(&self, installation: usize) -> bool {
        self.inner().lying[installation]
    }

    pub(super) fn disks(&self, installation: usize) -> Disks {
        self.inner().disks[installation].clone()
    }

    pub(super) fn set_disks(&self, installation: usize, disks: Disks) {
        self.inner().disks[installation] = disks;
    }

    pub(super) fn is_primary(&self, replica: usize) -> bool {
        self.inner().primary == replica
    }

    pub(super) fn primary_name(&self) -> String {
        format!("replica {}", self.inner().primary)
    }

    pub(super) fn set_primary(&self, primary: usize) {
        self.inner().primary = primary;
    }

    /// How the process ended, once.
    pub(super) fn take_end(&self, installation: usize) -> Option<End> {
        let mut inner = self.inner();
        let end = inner.ends[installation].take();
        // A disk whose syncs were lies: its machine loses power when the operation is over.
        let lied = std::mem::take(&mut inner.lying[installation]);
        let disks = &inner.disks[installation];
        let is_dead = disks.all().into_iter().any(Disk::is_dead);
        let end = end.or(is_dead.then_some(End::PowerCut));
        if lied { Some(End::LiedTo) } else { end }
    }

    /// Counts what has happened to the disks since it was arranged.
    pub(super) fn settle(&self) {
        let mut inner = self.inner();
        let Inner { arranged, matrix, .. } = &mut *inner;
        arranged.retain(|(disk, fault, phase)| {
            let happened = disk.has_happened();
            if happened {
                matrix.count(*fault, *phase);
            }
            !happened
        });
    }

    /// Nothing goes wrong any more.
    pub(super) fn clear(&self) {
        self.settle();
        let mut inner = self.inner();
        inner.planned.clear();
        inner.weather.clear();
        inner.arranged.clear();
        inner.read_only = [0; super::INSTALLATIONS];
        inner.skew = [0; super::INSTALLATIONS];
        inner.disks.iter().for_each(|disks| {
            disks.all().into_iter().for_each(Disk::stop_events);
        });
    }

    pub(super) fn matrix(&self) -> Matrix {
        self.inner().matrix.clone()
    }

    /// The time by the clock of this installation's machine.
    pub(super) fn now(&self, installation: usize) -> Timestamp {
        let true_millis = START + self.elapsed();
        Timestamp::from_millis(true_millis.saturating_add_signed(self.inner().skew[installation]))
    }

    /// The time by a service's clock.
    pub(super) fn service_time(&self) -> Timestamp {
        Timestamp::from_millis(START + self.elapsed())
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn meets(befalls: Befalls, operation: Operation) -> bool {
    match befalls {
        Befalls::Calls => true,
        Befalls::Reads => operation == Operation::Get,
        Befalls::Writes => operation == Operation::Put,
        Befalls::Lists => operation == Operation::List,
        _ => false,
    }
}

/// An answer that takes so long is waited for by nobody.
pub(super) const FOREVER: Duration = Duration::from_secs(60);
/// When a schedule begins, by a clock that is right.
const START: u64 = 1_900_000_000_000;
