//! A replica's service and the way to it: what comes back is what the weather makes of the truth.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrets_backend::{
    Capabilities, ContentId, Error, ErrorKind, MemoryBackend, MemoryConfig, NewSecret, Operation, Page,
    PageToken, PutMode, Result, Secret, SecretBackend, SecretPath, Timestamp, VersionId, VersionMeta,
    Written, async_trait,
};

use super::arrivals::Arrivals;
use super::fault::{Fault, Phase};
use super::scene::{FOREVER, Scene};

/// What a service can do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ability {
    All,
    /// Versions, and no conditions.
    Unconditional,
    /// Neither.
    Plain,
}

/// A service: its truth, which tests look at from behind.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) index: usize,
    pub(super) memory: MemoryBackend,
    /// When each version came, by the service's clock.
    times: Mutex<HashMap<(SecretPath, VersionId), Timestamp>>,
    pub(super) arrivals: Arrivals,
    /// What somebody purged here.
    purged: Mutex<HashSet<(SecretPath, ContentId)>>,
}

impl Service {
    pub(super) fn new(index: usize, ability: Ability) -> Self {
        let mut config = MemoryConfig::default();
        config.page_size = 2;
        config.capabilities.atomic_create = matches!(ability, Ability::All);
        config.capabilities.atomic_replace = matches!(ability, Ability::All);
        config.capabilities.versions = !matches!(ability, Ability::Plain);
        config.capabilities.recoverable_delete = !matches!(ability, Ability::Plain);
        let memory = MemoryBackend::with_config(config);
        Self {
            index,
            memory,
            times: Mutex::default(),
            arrivals: Arrivals::default(),
            purged: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("replica {}", self.index)
    }
}

impl Service {
    pub(super) fn is_purged(&self, path: &SecretPath, content: &ContentId) -> bool {
        locked(&self.purged).contains(&(path.clone(), *content))
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        let gone = self.memory.versions(path).await.unwrap_or_default();
        let contents = gone.into_iter().filter_map(|meta| Some((path.clone(), meta.stamp?.content_id)));
        locked(&self.purged).extend(contents);
        self.memory.purge(path).await
    }
}

/// One installation's way to a service.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) service: Arc<Service>,
    pub(super) installation: usize,
    /// Which of its processes: another number for each.
    pub(super) process: u64,
    pub(super) scene: Arc<Scene>,
}

impl Link {
    fn error(&self, kind: ErrorKind, operation: Operation) -> Error {
        Error::new(kind, operation, self.service.name())
    }

    /// A call: some time on the way, and what the weather makes of it. The lies are its caller's.
    async fn call<T>(
        &self,
        operation: Operation,
        effect: impl Future<Output = Result<T>>,
    ) -> (Option<Fault>, Result<T>) {
        tokio::time::sleep(self.scene.draw(|random| random.millis(1, 40))).await;
        let fault = self.scene.weather(self.service.index, self.installation, operation);
        let writes = !matches!(operation, Operation::Get | Operation::List | Operation::Versions);
        let unknown = if writes { ErrorKind::TimedOut } else { ErrorKind::Unavailable };
        let fails = |kind| Err(self.error(kind, operation));
        let answer = match fault {
            Some(Fault::Refused | Fault::BadTls | Fault::ServerError) => fails(ErrorKind::Unavailable),
            Some(Fault::Hang) => pending().await,
            Some(Fault::Slow) => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                effect.await
            }
            Some(Fault::Reset) => fails(unknown),
            Some(Fault::AnswerLost) => {
                drop(effect.await);
                fails(unknown)
            }
            Some(Fault::Truncated) => {
                drop(effect.await);
                fails(if writes { ErrorKind::TimedOut } else { ErrorKind::Tampered })
            }
            Some(Fault::Drip) => {
                let answer = effect.await;
                tokio::time::sleep(FOREVER).await;
                answer
            }
            Some(Fault::Throttled) => {
                Err(self.error(ErrorKind::RateLimited, operation).with_retry_after(Duration::from_secs(2)))
            }
            Some(Fault::Expired) => fails(ErrorKind::Unauthenticated),
            Some(Fault::Partition) => {
                drop(effect.await);
                pending().await
            }
            _ => effect.await,
        };
        self.scene.tell(|| {
            let outcome = answer.as_ref().err().map(Error::kind);
            let fault = fault.map(Fault::name);
            format!(
                "{}:     {operation:?} at {}: {fault:?} {outcome:?}",
                self.installation,
                self.service.name()
            )
        });
        (fault, answer)
    }

    async fn read(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        let memory = &self.service.memory;
        let (fault, answer) = self.call(Operation::Get, memory.get(path, at)).await;
        self.service.arrivals.looked(self.process, path);
        let mut answer = match fault {
            Some(Fault::Missing) => {
                return Err(self.error(ErrorKind::NotFound, Operation::Get).with_path(path));
            }
            Some(Fault::StaleRead) => self.before(path).await.or(answer),
            Some(Fault::Swapped) => self.another(path).await.or(answer),
            _ => answer,
        }?;
        if fault == Some(Fault::BitFlip) {
            let mut bytes = answer.value.expose().to_vec();
            let at = self.scene.draw(|random| random.below(8 * bytes.len()));
            bytes[at / 8] ^= 1 << (at % 8);
            answer.value = bytes.into();
        }
        answer.created = self.time(path, &answer.version);
        Ok(answer)
    }

    /// When a version came; by the second, where the service knows no conditions, as Azure Key Vault has it.
    fn time(&self, path: &SecretPath, version: &VersionId) -> Option<Timestamp> {
        let time = locked(&self.service.times).get(&(path.clone(), version.clone())).copied()?;
        let precision = if self.capabilities().atomic_create { 1 } else { 1_000 };
        Some(Timestamp::from_millis(time.as_millis() / precision * precision))
    }

    /// The version before the current one, as a cache may still have it.
    async fn before(&self, path: &SecretPath) -> Result<Secret> {
        let versions = self.service.memory.versions(path).await?;
        let none = || self.error(ErrorKind::NotFound, Operation::Get);
        let mut newest = versions.iter().rev();
        let (last, before) = (newest.next().ok_or_else(none)?, newest.next().ok_or_else(none)?);
        if !self.capabilities().atomic_create && self.time(path, &last.id) == self.time(path, &before.id) {
            self.service.arrivals.hidden(path);
        }
        self.service.memory.get(path, Some(&before.id)).await
    }

    /// What is stored under another name.
    async fn another(&self, path: &SecretPath) -> Result<Secret> {
        let page = self.service.memory.list(None, None).await?;
        let other = page.items.iter().find(|item| item.path != *path);
        let other = other.ok_or_else(|| self.error(ErrorKind::NotFound, Operation::Get))?;
        self.service.memory.get(&other.path, None).await
    }

    async fn store(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let written = self.service.memory.put(path, secret, mode).await?;
        self.scene.tell(|| {
            let stamp = secret.stamp.as_ref().map(|stamp| format!("{} {}", stamp.version, stamp.content_id));
            format!("{}:     stored {path} {}", self.installation, stamp.unwrap_or_default())
        });
        if !self.capabilities().atomic_create
            && let Some(stamp) = &secret.stamp
        {
            self.service.arrivals.arrived(self.process, path, stamp);
        }
        if let Some(version) = &written.version {
            let now = self.scene.service_time();
            locked(&self.service.times).insert((path.clone(), version.clone()), now);
        }
        Ok(written)
    }
}

#[async_trait]
impl SecretBackend for Link {
    fn capabilities(&self) -> Capabilities {
        self.service.memory.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.call(Operation::Check, self.service.memory.check()).await.1
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.read(path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        secrets_backend::get_each(self, paths, 2).await
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let is_primary = self.scene.is_primary(self.service.index);
        let phase = if is_primary { Phase::PrimaryPut } else { Phase::Replication };
        self.scene.reach(phase, self.installation).await;
        if self.scene.swallows(self.service.index, self.installation) {
            return Ok(Written::version(VersionId::from_number(u64::MAX)).with_stamp(secret.stamp.clone()));
        }
        let (fault, answer) = self.call(Operation::Put, self.store(path, secret, mode)).await;
        if fault == Some(Fault::Duplicate) && self.store(path, secret, mode).await.is_ok() {
            self.service.arrivals.delivered_twice(path);
        }
        answer
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.call(Operation::Delete, self.service.memory.delete(path)).await.1
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.call(Operation::Undelete, self.service.memory.undelete(path)).await.1
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.call(Operation::Purge, self.service.purge(path)).await.1
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        let mut versions = self.call(Operation::Versions, self.service.memory.versions(path)).await.1?;
        for meta in &mut versions {
            meta.created = self.time(path, &meta.id);
        }
        if !self.capabilities().atomic_create {
            // In the order that such a service and its backend can tell.
            versions.sort_by_key(|meta| (meta.created, meta.stamp.as_ref().map(|stamp| stamp.version)));
        }
        Ok(versions)
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let (fault, answer) = self.call(Operation::List, self.service.memory.list(prefix, page)).await;
        let mut found = answer?;
        for item in &mut found.items {
            if let Ok(current) = self.service.memory.get(&item.path, None).await {
                item.updated = self.time(&item.path, &current.version);
            }
        }
        match fault {
            Some(Fault::ListOmits) => drop(found.items.pop()),
            Some(Fault::ListRepeats) => {
                let again = found.items.clone();
                found.items.extend(again);
            }
            Some(Fault::ListLoops) => found.next = Some(PageToken::new("a")),
            _ => {}
        }
        Ok(found)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.service.name())
    }
}

pub(super) fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
