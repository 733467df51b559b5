//! Runs a schedule: two installations over three replicas, one turn after the other.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use secrets_backend::conformance::disk::Disk;
use std::time::Duration;

use secrets_backend::SecretPath;
use secrets_multicloud::{Applied, ApplyConfig, Scope, Step, apply, plan};

use super::fault::Phase;
use super::header;
use super::installation::{Installation, Shared};
use super::keys::Keys;
use super::oracle::Oracle;
use super::random::Random;
use super::scene::{Disks, End, Scene};
use super::schedule::{Operation, Schedule, Turn};
use super::service::Service;
use super::{INSTALLATIONS, PATHS, check};

/// Everything there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) shared: Shared,
    pub(super) processes: Vec<Installation>,
    pub(super) order: Vec<usize>,
    /// The header that each installation acknowledged last.
    pub(super) headers: [u64; INSTALLATIONS],
    /// Files as they were at some time, for whoever puts an old one back.
    copies: [Disks; INSTALLATIONS],
    seed: u64,
    random: Random,
}

impl World {
    pub(super) fn new(seed: u64, schedule: &Schedule, is_told: bool) -> Self {
        let services = (0..).zip(schedule.abilities).map(|(at, ability)| Arc::new(Service::new(at, ability)));
        let shared = Shared {
            scene: Arc::new(Scene::new(seed, schedule.planned.clone(), is_told)),
            oracle: Arc::new(Oracle::default()),
            keys: Arc::new(Keys::new(seed)),
            services: services.collect(),
            calls: Arc::new(AtomicU64::new(1)),
        };
        let order: Vec<usize> = (0..super::REPLICAS).collect();
        let start = |index| {
            header::create(&shared, &shared.scene.disks(index).header);
            Installation::open(index, &shared, &order).expect("an empty log")
        };
        let processes = (0..INSTALLATIONS).map(start).collect();
        let copies = <[Disks; INSTALLATIONS]>::default();
        let (headers, random) = ([0; INSTALLATIONS], Random::new(seed, 4));
        let mut world = Self { shared, processes, order, headers, copies, seed, random };
        (0..INSTALLATIONS).for_each(|index| world.copy(index));
        world
    }

    pub(super) async fn run(&mut self, turn: &Turn) {
        let other = (turn.by + 1) % INSTALLATIONS;
        match turn.beside {
            Some(beside) => {
                let (first, second) =
                    tokio::join!(self.perform(turn.by, turn.first), self.perform(other, beside));
                self.keep(turn.by, first);
                self.keep(other, second);
            }
            None => {
                let done = self.perform(turn.by, turn.first).await;
                self.keep(turn.by, done);
            }
        }
        self.shared.scene.settle();
        for index in [turn.by, other] {
            if let Some(end) = self.shared.scene.take_end(index) {
                self.restart(index, end);
            }
            if self.random.one_in(4) {
                self.copy(index);
            }
        }
    }

    /// Takes over what an operation changed of the world; none where its process did not live to tell.
    fn keep(&mut self, index: usize, done: Option<Done>) {
        match done {
            Some(Done::Header(sequence)) => self.headers[index] = sequence,
            Some(Done::Promoted) => self.promote(),
            _ => {}
        }
    }

    /// One operation of one process, and of another one beside it where the scene has that; none where it was killed.
    async fn perform(&self, index: usize, (operation, path): (Operation, usize)) -> Option<Done> {
        let scene = &self.shared.scene;
        let path: SecretPath = PATHS[path].parse().expect("a path");
        scene.tell(|| format!("{index}: {operation:?} {path}"));
        let work = self.act(&self.processes[index], operation, &path);
        let beside = async {
            scene.second[index].notified().await;
            if let Ok(second) = Installation::open(index, &self.shared, &self.order) {
                self.drain(&second).await;
            }
        };
        let both = async {
            tokio::pin!(work, beside);
            tokio::select! {
                biased;
                done = &mut work => done,
                () = &mut beside => work.await,
            }
        };
        tokio::select! {
            biased;
            () = scene.ended[index].notified() => None,
            done = both => Some(done),
        }
    }

    async fn act(&self, process: &Installation, operation: Operation, path: &SecretPath) -> Done {
        let scene = &self.shared.scene;
        match operation {
            Operation::Put => {
                let value = format!(
                    "{}{}-{}",
                    super::PLAINTEXT,
                    self.seed,
                    scene.draw(|random| random.below(1 << 40))
                );
                check::acknowledged(self, process, path, &process.put(path, value.as_bytes()).await);
            }
            Operation::Delete => check::acknowledged(self, process, path, &process.delete(path).await),
            Operation::Undelete => check::acknowledged(self, process, path, &process.undelete(path).await),
            Operation::Purge => check::acknowledged(self, process, path, &process.purge(path).await),
            Operation::Rewrap => check::acknowledged(self, process, path, &process.rewrap(path).await),
            Operation::Get => drop(process.get(path).await),
            Operation::GetMany => {
                let paths = PATHS.map(|path| path.parse().expect("a path"));
                drop(process.get_many(&paths).await);
            }
            Operation::List => drop(process.list().await),
            Operation::Drain => drop(self.drain(process).await),
            Operation::Sync => drop(self.sync(process, false).await),
            Operation::Promote => {
                scene.reach(Phase::Promotion, process.index).await;
                self.drain(process).await;
                return Done::Promoted;
            }
            Operation::Header => {
                if let Some(sequence) = header::change(&self.shared, process.index).await {
                    return Done::Header(sequence);
                }
            }
        }
        // As a command does after its output.
        drop(tokio::time::timeout(Duration::from_secs(1), self.drain(process)).await);
        Done::Other
    }

    /// Whether nothing is left to be sent.
    pub(super) async fn drain(&self, process: &Installation) -> bool {
        let drained = process.failover.drain().await;
        self.shared.scene.tell(|| format!("{}: {drained:?}", process.index));
        drained.is_ok_and(|drained| drained.left == 0)
    }

    /// Whether nothing was left to be copied. `is_accepted`: a person has looked at what cannot be shown to be an ancestor.
    pub(super) async fn sync(&self, process: &Installation, is_accepted: bool) -> bool {
        let scene = &self.shared.scene;
        scene.reach(Phase::Reconcile, process.index).await;
        let Ok(plan) = plan(&process.failover, &Scope::default(), &|_, _| {}).await else { return false };
        scene.tell(|| format!("{}: {plan:?}", process.index));
        scene.reach(Phase::Reconcile, process.index).await;
        let mut config = ApplyConfig::default();
        config.accept_unproven = is_accepted;
        let mut progress = |step: &Step, applied: &Applied| {
            scene.tell(|| format!("{}: {} to {}: {applied:?}", process.index, step.path, step.to));
        };
        let applied = apply(&process.failover, &plan, &config, &mut progress).await;
        applied.is_ok() && plan.is_empty()
    }

    /// What a person does: another replica decides from now on, for everybody.
    fn promote(&mut self) {
        let primary = 1 - self.order[0];
        self.order = (0..super::REPLICAS).map(|at| if at < 2 { (at + primary) % 2 } else { at }).collect();
        self.shared.scene.set_primary(primary);
        for index in 0..INSTALLATIONS {
            self.start(index);
        }
    }

    /// Another process of the installation.
    fn start(&mut self, index: usize) {
        let process = Installation::open(index, &self.shared, &self.order).unwrap_or_else(|_| {
            // A person puts aside what is no log, and begins a new one.
            let mut disks = self.shared.scene.disks(index);
            (disks.audit, disks.head) = (Disk::default(), Disk::default());
            self.shared.scene.set_disks(index, disks);
            Installation::open(index, &self.shared, &self.order).expect("an empty log")
        });
        self.processes[index] = process;
    }

    fn restart(&mut self, index: usize, end: End) {
        self.shared.scene.tell(|| format!("{index}: {end:?}"));
        let mut disks = self.shared.scene.disks(index);
        match end {
            End::PowerCut | End::LiedTo => {
                disks.all().into_iter().for_each(|disk| disk.cut_power(&mut self.random.split()))
            }
            _ => disks.all().into_iter().for_each(Disk::revive),
        }
        let old = match end {
            End::OldFile => self.copies[index].clone(),
            _ => Disks::default(),
        };
        if matches!(end, End::OldFile | End::FileGone) {
            match self.random.below(3) {
                0 => disks.audit = old.audit.duplicate(),
                1 if end == End::OldFile => {
                    disks.header = old.header.duplicate();
                    self.headers[index] = 0;
                }
                _ => disks.state = old.state.duplicate(),
            }
        }
        self.shared.scene.set_disks(index, disks);
        self.start(index);
        match end {
            End::Kill | End::PowerCut => {}
            _ => {
                self.headers[index] = 0;
                check::forget(self, index);
            }
        }
    }

    fn copy(&mut self, index: usize) {
        self.copies[index] = self.shared.scene.disks(index).duplicate();
    }
}

/// What an operation changed of the world.
#[derive(Debug)]
enum Done {
    Header(u64),
    Promoted,
    Other,
}
