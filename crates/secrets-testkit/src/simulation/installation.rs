//! One process of an installation: the real failover over simulated services, below a model of what seals.

mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use secrets_audit::{Action, Durability, Outcome};
use secrets_backend::{
    Error, ErrorKind, Level, NewSecret, Operation, PutMode, Result, RetryBackend, RetryConfig, Secret,
    SecretBackend, SecretPath, Stamp, StampKind, TimeoutBackend, VersionId, Written,
};
use secrets_multicloud::{FailoverBackend, FailoverConfig, Replica};

use super::audit::{Audit, Unusable};
use super::keys::Keys;
use super::oracle::Oracle;
use super::scene::{FOREVER, Scene};
use super::service::{Link, Service};
use super::state::{Mark, MarkKind, State};
use super::verify::verify_function;
use write::{Current, Sent};

/// What all processes of a simulation share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) scene: Arc<Scene>,
    pub(super) oracle: Arc<Oracle>,
    pub(super) keys: Arc<Keys>,
    pub(super) services: Vec<Arc<Service>>,
    pub(super) calls: Arc<AtomicU64>,
}

/// A process.
#[derive(Debug)]
pub(super) struct Installation {
    pub(super) index: usize,
    pub(super) shared: Shared,
    pub(super) state: Arc<State>,
    pub(super) audit: Audit,
    pub(super) failover: FailoverBackend,
}

impl Installation {
    /// Starts a process; `order` is of the replicas, the primary first.
    pub(super) fn open(index: usize, shared: &Shared, order: &[usize]) -> Result<Self, Unusable> {
        let scene = Arc::clone(&shared.scene);
        let (oracle, keys) = (Arc::clone(&shared.oracle), Arc::clone(&shared.keys));
        let state = Arc::new(State::new(index, Arc::clone(&scene), oracle, keys));
        let audit = Audit::open(index, Arc::clone(&scene))?;
        let replica = |at: &usize| replica(index, shared, &state, &shared.services[*at]);
        let mut members: Vec<Replica> = order.iter().map(replica).collect();
        let primary = members.remove(0);
        let journal = Arc::clone(&state);
        let mut config = FailoverConfig::default();
        // The one waits for all replicas, the other for the primary.
        config.ack = if index == 0 { Level::All } else { Level::Primary };
        let draws = Arc::clone(&scene);
        let failover = FailoverBackend::over(primary, members, journal, config)
            .with_clock(move || scene.now(index))
            .with_draw(move |below| {
                draws.draw(|random| random.below(usize::try_from(below).unwrap_or(1)) as u64)
            });
        Ok(Self { index, shared: shared.clone(), state, audit, failover })
    }

    pub(super) async fn get(&self, path: &SecretPath) -> Result<()> {
        let answer = self.failover.get(path, None).await;
        self.release(path, answer).await
    }

    pub(super) async fn get_many(&self, paths: &[SecretPath]) -> Result<()> {
        let answers = self.failover.get_many(paths).await;
        for (path, answer) in paths.iter().zip(answers) {
            drop(self.release(path, answer).await);
        }
        Ok(())
    }

    /// What the audit wrapper and the sealing one do with an answer before they pass it on.
    async fn release(&self, path: &SecretPath, answer: Result<Secret>) -> Result<()> {
        let op = self.op();
        let opened = match answer {
            Ok(secret) => Some(self.opened(path, &secret).await?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let stamp = opened.as_ref().map(|(stamp, _)| stamp);
        self.audit.append(op, Action::SecretRead, Outcome::Ok, stamp, Durability::Synced).await?;
        let oracle = &self.shared.oracle;
        self.shared
            .scene
            .tell(|| format!("{}: read {path}: {:?}", self.index, stamp.map(ToString::to_string)));
        match &opened {
            Some((stamp, _)) if stamp.is_tombstone() => oracle.observed(self.index, path, stamp.version),
            Some((stamp, value)) => {
                let chance = self.shared.scene.draw(super::random::Random::split);
                if !self.shared.scene.disk_lies(self.index) && !self.audit.is_durable(op, chance) {
                    oracle.broke(5, format!("{path}: released without a durable entry"));
                }
                oracle.released(self.index, path, stamp, value);
            }
            None => match self.state.mark(path)? {
                Some(mark) if mark.kind != MarkKind::Live => {}
                _ => oracle.missed(self.index, path),
            },
        }
        Ok(())
    }

    async fn opened(&self, path: &SecretPath, secret: &Secret) -> Result<(Stamp, Vec<u8>)> {
        let tampered = || Error::new(ErrorKind::Tampered, Operation::Get, "seal").with_path(path);
        let (stamp, value) = self.shared.keys.open(path, None, secret.value.expose()).ok_or_else(tampered)?;
        self.note(path, &stamp).await;
        Ok((stamp, value))
    }

    async fn note(&self, path: &SecretPath, stamp: &Stamp) {
        if self.state.note(path, &Mark::of(stamp)).await {
            self.shared.oracle.noted(self.index, path, stamp.version);
        }
    }

    pub(super) async fn put(&self, path: &SecretPath, value: &[u8]) -> Result<Written> {
        self.audited(Action::SecretWrite, async {
            let mut attempts = 4;
            loop {
                attempts -= 1;
                let current = self.current(path).await?;
                match self.write(path, StampKind::Secret, current.as_ref(), value).await {
                    Err(error) if attempts > 0 && someone_else_wrote(&error) => {
                        if self.is_contested(path).await {
                            return Err(error);
                        }
                    }
                    answer => return answer,
                }
            }
        })
        .await
    }

    /// Whether somebody has to decide between versions first.
    async fn is_contested(&self, path: &SecretPath) -> bool {
        let secret = self.failover.get(path, None).await;
        secret.is_ok_and(|secret| secret.served.is_some_and(|served| served.conflict))
    }

    pub(super) async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.audited(Action::SecretDelete, async {
            let live = self.current(path).await?.filter(|one| one.stored && !one.stamp.is_tombstone());
            let live = live.ok_or_else(|| missing(path))?;
            self.write(path, StampKind::Tombstone, Some(&live), &[]).await
        })
        .await
    }

    pub(super) async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.audited(Action::SecretUndelete, async {
            let tombstone = self.current(path).await?.filter(|one| one.stored && one.stamp.is_tombstone());
            let tombstone = tombstone.ok_or_else(|| missing(path))?;
            let versions = self.failover.versions(path).await?;
            let is_value = |stamp: &Stamp| !stamp.is_tombstone();
            let last = versions.iter().rev().find(|meta| meta.stamp.as_ref().is_some_and(is_value));
            let last = last.ok_or_else(|| missing(path))?;
            let secret = self.failover.get(path, Some(&last.id)).await?;
            let (_, value) = self
                .shared
                .keys
                .open(path, last.id.number(), secret.value.expose())
                .ok_or_else(|| missing(path))?;
            self.write(path, StampKind::Secret, Some(&tombstone), &value).await
        })
        .await
    }

    pub(super) async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.audited(Action::SecretPurge, async {
            let current = self.current(path).await?.filter(|one| one.stored).ok_or_else(|| missing(path))?;
            let begun = Mark { kind: MarkKind::Purging, ..Mark::of(&current.stamp) };
            if !self.state.note(path, &begun).await {
                return Err(Error::new(ErrorKind::Unavailable, Operation::Purge, "local state"));
            }
            let gone = Current { stored: false, ..current };
            self.write_as(Sent::Purge, path, StampKind::Tombstone, Some(&gone), &[]).await
        })
        .await
    }

    /// Puts a secret's newest version under a fresh wrap.
    pub(super) async fn rewrap(&self, path: &SecretPath) -> Result<Written> {
        self.audited(Action::SecretWrite, async {
            let secret = self.failover.get(path, None).await?;
            let stamp = secret.stamp.clone().ok_or_else(|| missing(path))?;
            let fresh = self.shared.keys.rewrap(secret.value.expose()).ok_or_else(|| missing(path))?;
            self.shared.oracle.rewrapped(path);
            self.shared.scene.reach(super::Phase::Rewrap, self.index).await;
            let mode = PutMode::Replace(VersionId::from_number(stamp.version));
            self.failover.put(path, &NewSecret::new(fresh).with_stamp(stamp), &mode).await
        })
        .await
    }

    pub(super) async fn list(&self) -> Result<()> {
        secrets_backend::SecretBackendExt::list_all(&self.failover, None).await?;
        self.audit.append(self.op(), Action::SecretList, Outcome::Ok, None, Durability::Synced).await
    }

    /// A call of its own id.
    fn op(&self) -> [u8; 16] {
        u128::from(self.shared.calls.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
    }
}

fn replica(installation: usize, shared: &Shared, state: &Arc<State>, service: &Arc<Service>) -> Replica {
    let scene = Arc::clone(&shared.scene);
    let process = shared.calls.fetch_add(1, Ordering::Relaxed);
    let link = Link { service: Arc::clone(service), installation, process, scene: Arc::clone(&scene) };
    let patient = TimeoutBackend::new(link, FOREVER / 6);
    let jitter = move |longest: std::time::Duration| {
        longest * scene.draw(|random| u32::try_from(random.below(8)).unwrap_or(0)) / 8
    };
    let retried = RetryBackend::with_jitter(patient, RetryConfig::default(), jitter);
    let verify = verify_function(Arc::clone(&shared.keys), Arc::clone(state), service.name());
    Replica::new(service.name(), Arc::new(retried), verify)
}

fn someone_else_wrote(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists)
}

fn missing(path: &SecretPath) -> Error {
    Error::new(ErrorKind::NotFound, Operation::Get, "seal").with_path(path)
}
