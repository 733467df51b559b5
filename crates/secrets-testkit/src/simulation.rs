//! Deterministic simulation: installations, replicas and disks, and everything that can go wrong between them.
//!
//! One seed is one schedule. Time is virtual and chance is the seed's, so a schedule that breaks a promise breaks it in
//! every run. What is real: failover, journal order, draining, plan and apply (`secrets-multicloud`), retries, timeouts
//! and reading back (`secrets-backend`), envelopes and headers (`secrets-crypto`), the audit log (`secrets-audit`). What
//! is modelled: the services, the state's file, and the manager's order of calls.

mod arrivals;
mod audit;
mod check;
mod fault;
mod header;
mod heal;
mod installation;
mod keys;
mod log;
mod matrix;
mod oracle;
mod random;
mod scene;
mod schedule;
mod service;
mod state;
mod verify;
mod world;

use std::fmt;

pub use fault::{Fault, Phase};
pub use matrix::Matrix;
use schedule::Schedule;
use world::World;

/// A promise that a schedule broke.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The schedule; it breaks it in every run.
    pub seed: u64,
    /// Which promise, as `docs/testing.md` counts them.
    pub invariant: u8,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} breaks invariant {}: {}", self.seed, self.invariant, self.what)
    }
}

/// Runs the schedule of a seed; answers which faults struck when.
///
/// # Errors
/// The first promise that it breaks.
pub fn run(seed: u64) -> Result<Matrix, Violation> {
    in_virtual_time(schedule(seed, false)).0
}

/// The same, with what happened, line by line.
pub fn tell(seed: u64) -> (Result<Matrix, Violation>, Vec<String>) {
    in_virtual_time(schedule(seed, true))
}

fn in_virtual_time<T>(schedule: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(schedule)
}

async fn schedule(seed: u64, is_told: bool) -> (Result<Matrix, Violation>, Vec<String>) {
    let schedule = Schedule::draw(seed);
    let mut world = World::new(seed, &schedule, is_told);
    let outcome = outcome(seed, &schedule, &mut world).await;
    (outcome, world.shared.scene.told())
}

async fn outcome(seed: u64, schedule: &Schedule, world: &mut World) -> Result<Matrix, Violation> {
    let broken = |world: &World| {
        let broken = world.shared.oracle.broken()?;
        Some(Violation { seed, invariant: broken.invariant, what: broken.what })
    };
    for turn in &schedule.turns {
        world.run(turn).await;
        if let Some(violation) = broken(world) {
            return Err(violation);
        }
    }
    heal::heal(world).await;
    check::at_the_end(world);
    broken(world).map_or_else(|| Ok(world.shared.scene.matrix()), Err)
}

/// Runs the schedules of these seeds on all processors.
///
/// # Errors
/// The broken promise of the lowest seed that broke one.
///
/// # Panics
/// When a thread panics.
pub fn run_all(seeds: std::ops::Range<u64>) -> Result<Matrix, Violation> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    std::thread::scope(|scope| {
        let part = |first: u64| {
            let own = seeds.clone().skip(usize::try_from(first).unwrap_or_default());
            let step = usize::try_from(threads).unwrap_or(1);
            scope.spawn(move || {
                own.step_by(step).try_fold(Matrix::default(), |mut matrix, seed| {
                    matrix.add(&run(seed)?);
                    Ok::<_, Violation>(matrix)
                })
            })
        };
        let parts: Vec<_> = (0..threads).map(part).collect();
        let mut matrix = Matrix::default();
        let mut failure: Option<Violation> = None;
        for part in parts {
            match part.join().expect("a thread of schedules") {
                Ok(of_part) => matrix.add(&of_part),
                Err(violation) if failure.as_ref().is_none_or(|one| violation.seed < one.seed) => {
                    failure = Some(violation);
                }
                Err(_) => {}
            }
        }
        failure.map_or(Ok(matrix), Err)
    })
}

/// How many replicas there are; the first decides at first.
const REPLICAS: usize = 3;
/// How many installations write.
const INSTALLATIONS: usize = 2;
/// How many turns a schedule has.
const OPERATIONS: usize = 20;
/// The secrets.
const PATHS: [&str; 3] = ["a", "b/c", "d"];
/// What every value begins with.
const PLAINTEXT: &str = "PLAINTEXT-";
