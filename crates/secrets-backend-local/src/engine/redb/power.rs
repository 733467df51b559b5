//! Random work on a simulated disk that loses power, dies, fills up and fails: what was acknowledged is
//! there.

use std::collections::BTreeMap;
use std::io;

use secrets_backend::conformance::disk::{Chance, Disk, Event};
use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretPath, Timestamp, VersionId, VersionState};

use super::{builder, read, transact, write};
use crate::engine::{Rows, Table};
use crate::fault::Fault;
use crate::group::{Change, Turn, Waiting};
use crate::operations::{self, Put};
use crate::rows::{ENVIRONMENT_KEY, EnvironmentRow};
use crate::test_rounds;

const PATHS: [&str; 4] = ["a", "a/b", "c", "d/e/f"];
const KEPT: usize = 3;
/// How often something happens to one disk.
const EVENTS: u32 = 4;

#[test]
fn redb_keeps_every_acknowledged_write_through_power_cuts_kills_and_failing_disks() {
    let rounds = test_rounds(60);
    let fresh = Disk::default();
    builder().create_with_backend(fresh.clone()).unwrap().close().unwrap();
    let (mut cuts, mut seed) = (0, 0);
    while cuts < rounds {
        cuts += Run::new(seed, &fresh).run();
        seed += 1;
    }
    println!("FIGURE: {cuts} power cuts in redb's storage calls lost no acknowledged write, {seed} disks");
}

/// What the store should hold: by path, whether it is deleted, and its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    secrets: BTreeMap<&'static str, (bool, BTreeMap<u64, Vec<u8>>)>,
    floor: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Put(&'static str, Vec<u8>),
    Delete(&'static str),
    Purge(&'static str),
}

impl Step {
    fn random(chance: &mut Chance) -> Self {
        let at = PATHS[usize::try_from(chance.below(PATHS.len() as u64)).unwrap()];
        match chance.below(8) {
            0 => Self::Delete(at),
            1 => Self::Purge(at),
            choice => {
                let most = if choice == 2 { 40_000 } else { 3_000 };
                let (length, byte) = (chance.below(most), chance.below(256));
                Self::Put(at, vec![u8::try_from(byte).unwrap(); usize::try_from(length).unwrap()])
            }
        }
    }

    /// The work of production.
    fn change(&self) -> Change {
        match self.clone() {
            Self::Put(at, value) => Change::making_the_store(value.len(), move |rows| {
                let put = Put {
                    path: &path(at),
                    secret: &NewSecret::new(value.clone()),
                    metadata: &[],
                    mode: &PutMode::Upsert,
                    now: Timestamp::from_millis(7),
                    keep: KEPT as u64,
                };
                operations::put(rows, &put)
            }),
            Self::Delete(at) => Change::new(move |rows| operations::delete(rows, &path(at))),
            Self::Purge(at) => Change::new(move |rows| operations::purge(rows, &path(at))),
        }
    }

    /// What it should do; `false` where there is nothing to do it to.
    fn apply(&self, model: &mut Model) -> bool {
        match self {
            Self::Put(at, value) => {
                let floor = model.floor;
                let (deleted, versions) = model.secrets.entry(at).or_default();
                let newest = versions.last_key_value().map_or(floor, |(number, _)| *number) + 1;
                versions.insert(newest, value.clone());
                while versions.len() > KEPT {
                    versions.pop_first();
                }
                *deleted = false;
                true
            }
            Self::Delete(at) => match model.secrets.get_mut(at) {
                Some((deleted @ false, _)) => {
                    *deleted = true;
                    true
                }
                _ => false,
            },
            Self::Purge(at) => model.secrets.remove(at).is_some_and(|(_, versions)| {
                model.floor = model.floor.max(versions.last_key_value().map_or(0, |(number, _)| *number));
                true
            }),
        }
    }
}

/// Steps that share a transaction on the simulated disk, and whether each found something to do.
fn run(steps: &[Step], disk: &Disk) -> Result<Vec<bool>, Fault> {
    let (writes, answers): (Vec<_>, Vec<_>) = steps.iter().map(|step| Waiting::new(step.change())).unzip();
    let again = Turn::new(writes)
        .run(|work| write(disk, |database, watch| transact(database, watch, "default", work)));
    // One that failed half-way, so that nothing was written: the others' callers wait on.
    let waiting = again.len();
    drop(again);
    let mut outcomes = Vec::new();
    let mut failed = None;
    for mut answer in answers {
        match answer.try_recv() {
            Ok(Ok(_)) => outcomes.push(true),
            Ok(Err(fault)) if fault.kind() == ErrorKind::NotFound => outcomes.push(false),
            Ok(Err(fault)) => {
                let first = failed.get_or_insert_with(|| fault.again());
                assert_eq!(first.kind(), fault.kind(), "one answer to all in a transaction");
            }
            Err(_) => assert!(waiting > 0, "a write without an answer"),
        }
    }
    assert!(failed.is_none() || outcomes.is_empty(), "some of a transaction: {failed:?}");
    failed.map_or(Ok(outcomes), Err)
}

struct Run {
    seed: u64,
    chance: Chance,
    disk: Disk,
    model: Model,
    cuts: u64,
}

impl Run {
    fn new(seed: u64, fresh: &Disk) -> Self {
        Self { seed, chance: Chance::new(seed), disk: fresh.duplicate(), model: Model::default(), cuts: 0 }
    }

    fn run(mut self) -> u64 {
        for _ in 0..EVENTS {
            let event = self.arrange();
            let doubtful = self.work();
            self.aftermath(event, doubtful);
        }
        self.cuts
    }

    fn arrange(&mut self) -> Event {
        let kind = if self.chance.one_in(2) { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
        let event = match self.chance.below(8) {
            0 => Event::WriteFails(kind),
            1 | 2 => Event::SyncFails(kind),
            _ => Event::Death,
        };
        self.disk.arrange(self.chance.below(60), event);
        event
    }

    /// Works until it has happened; what the store then holds if the last step took effect unheard.
    fn work(&mut self) -> Option<Model> {
        for _ in 0..20 {
            let steps: Vec<_> = (0..=self.chance.below(4)).map(|_| Step::random(&mut self.chance)).collect();
            let mut after = self.model.clone();
            let possible: Vec<_> = steps.iter().map(|step| step.apply(&mut after)).collect();
            let answer = run(&steps, &self.disk);
            let (dead, happened) = (self.disk.is_dead(), self.disk.has_happened());
            match answer {
                Ok(outcomes) => {
                    assert_eq!(outcomes, possible, "seed {}: {steps:?}", self.seed);
                    self.model = after;
                }
                Err(_) if dead => return Some(after),
                Err(fault) => {
                    assert!(happened, "seed {}: {steps:?} without a reason: {fault:?}", self.seed);
                    return self.refused(&fault).then_some(after);
                }
            }
            if happened {
                return None;
            }
        }
        None
    }

    /// Whether a failure leaves open what happened; no other failure may have had an effect.
    fn refused(&self, fault: &Fault) -> bool {
        match fault.kind() {
            ErrorKind::TimedOut => true,
            ErrorKind::Unavailable => false,
            _ => panic!("seed {}: {fault:?}", self.seed),
        }
    }

    /// Whatever happened: the store opens, holds what was acknowledged, keeps what it shows, and goes on.
    fn aftermath(&mut self, event: Event, doubtful: Option<Model>) {
        self.disk.stop_events();
        let dead = event == Event::Death;
        if self.chance.below(4) < if dead { 3 } else { 1 } {
            self.cut_power();
        } else {
            self.disk.revive();
        }
        let seen = self.observe();
        let expected = doubtful.filter(|after| seen == visible(after)).unwrap_or_else(|| self.model.clone());
        assert_eq!(seen, visible(&expected), "seed {}, after {event:?}", self.seed);
        self.model = expected;
        // What was shown once stays, whatever happens to the power.
        if self.chance.one_in(2) {
            self.cut_power();
            assert_eq!(self.observe(), visible(&self.model), "seed {}, after a second cut", self.seed);
        }
        self.check_integrity();
    }

    fn cut_power(&mut self) {
        self.disk.cut_power(&mut self.chance);
        self.cuts += 1;
    }

    /// What a reader finds, repairing as the store does.
    fn observe(&self) -> (u64, Vec<Seen>) {
        let (mut floor, mut seen) = (0, Vec::new());
        let mut look = |rows: &dyn Rows| {
            seen = PATHS.iter().filter_map(|at| look_at(rows, at).transpose()).collect::<Result<_, _>>()?;
            let live = seen.iter().filter(|(_, deleted, _)| !deleted).count();
            assert_eq!(operations::live(rows)?, live as u64);
            // A secret that came and went in one transaction leaves nothing else behind.
            let environment = rows.get(Table::Environment, ENVIRONMENT_KEY)?;
            floor = environment.map_or(Ok(0), |row| EnvironmentRow::decode(&row).map(|row| row.floor))?;
            Ok(())
        };
        let answer = match read(&self.disk, "default", &mut look) {
            Err(fault) if fault.wants_repair() => {
                write(&self.disk, |_, _| Ok(())).and_then(|()| read(&self.disk, "default", &mut look))
            }
            answer => answer,
        };
        answer.unwrap_or_else(|fault| panic!("seed {}: {fault:?}", self.seed));
        (floor, seen)
    }

    fn check_integrity(&self) {
        let mut database = builder().create_with_backend(self.disk.as_held()).unwrap();
        assert!(database.check_integrity().unwrap(), "seed {}", self.seed);
    }
}

/// A path, whether it is deleted, and its versions: the value of one that is hidden cannot be read.
type Seen = (&'static str, bool, Vec<(u64, Option<Vec<u8>>)>);

/// What a reader should find: the floor of version numbers, and the secrets.
fn visible(model: &Model) -> (u64, Vec<Seen>) {
    let secret = |(at, (deleted, versions)): (&&'static str, &(bool, BTreeMap<u64, Vec<u8>>))| {
        let mut versions: Vec<_> =
            versions.iter().map(|(number, value)| (*number, Some(value.clone()))).collect();
        if let Some((_, newest)) = versions.last_mut().filter(|_| *deleted) {
            *newest = None;
        }
        (*at, *deleted, versions)
    };
    (model.floor, model.secrets.iter().map(secret).collect())
}

fn look_at(rows: &dyn Rows, at: &'static str) -> Result<Option<Seen>, Fault> {
    let metas = match operations::versions(rows, &path(at)) {
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(None),
        metas => metas?,
    };
    let deleted = metas.last().is_some_and(|newest| newest.state == VersionState::Deleted);
    let mut versions = Vec::new();
    for meta in &metas {
        let number = meta.id.number().unwrap();
        let value = match meta.state {
            VersionState::Deleted => None,
            _ => {
                let secret = operations::get(rows, &path(at), Some(&VersionId::from_number(number)))?;
                Some(secret.value.expose().to_vec())
            }
        };
        versions.push((number, value));
    }
    Ok(Some((at, deleted, versions)))
}

fn path(at: &str) -> SecretPath {
    at.parse().unwrap()
}
