//! The reference backend: secrets in this process's memory, with everything that the contract knows.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::{
    Capabilities, Error, ErrorKind, Listed, Metadata, NewSecret, Operation, Page, PageToken, PutMode, Result,
    Secret, SecretBackend, SecretBytes, SecretPath, Stamp, Timestamp, VersionId, VersionMeta, VersionState,
    Written,
};

/// A backend that keeps secrets in memory and forgets them when it is dropped.
///
/// It is the reference implementation of the contract, and what tests of everything above a backend stand on.
/// Its capabilities can be taken away one by one, to see how callers get on with a poorer service. Versions
/// are counted per path from 1, and go on counting after a purge.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> secrets_backend::Result<()> {
/// use secrets_backend::{MemoryBackend, NewSecret, PutMode, SecretBackend, SecretPath};
///
/// let backend = MemoryBackend::new();
/// let path: SecretPath = "app/api-key".parse().expect("a path");
/// backend.put(&path, &NewSecret::new("s3cr3t"), &PutMode::Create).await?;
/// assert_eq!(backend.get(&path, None).await?.value.expose(), b"s3cr3t");
/// # Ok(()) }
/// ```
#[derive(Default)]
pub struct MemoryBackend {
    config: MemoryConfig,
    secrets: Mutex<BTreeMap<SecretPath, History>>,
}

/// What a [`MemoryBackend`] can do and where its limits are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// What it admits to; each can be switched off. Default: everything, values up to 1 MiB, paths up to
    /// [`SecretPath::MAX_PREFIXED_LEN`] bytes.
    pub capabilities: Capabilities,
    /// How many secrets a page of a listing holds; at least 1. Default: 100.
    pub page_size: usize,
    /// How many versions of a secret are kept; at least 1. The oldest go first. Default: 100.
    pub max_versions: usize,
}

/// All versions of one path. An empty one is what a purge leaves, so that no version id is given twice.
#[derive(Default)]
struct History {
    last_number: u64,
    versions: Vec<Version>,
    deleted: bool,
}

struct Version {
    number: u64,
    value: SecretBytes,
    metadata: Metadata,
    stamp: Option<Stamp>,
    created: Timestamp,
}

impl MemoryBackend {
    /// An empty backend with all capabilities.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty backend with the given capabilities and limits.
    #[must_use]
    pub fn with_config(config: MemoryConfig) -> Self {
        Self { config, secrets: Mutex::default() }
    }

    /// Each change under this lock is done as a whole, so a panic elsewhere leaves nothing half-done.
    fn secrets(&self) -> MutexGuard<'_, BTreeMap<SecretPath, History>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: ErrorKind, operation: Operation, path: &SecretPath) -> Error {
        Error::new(kind, operation, self.to_string()).with_path(path)
    }

    fn read(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        let secrets = self.secrets();
        let found = match at {
            None => secrets.get(path).and_then(History::current),
            Some(id) => secrets.get(path).and_then(|history| history.version(id)),
        };
        found.map(Version::secret).ok_or_else(|| self.error(ErrorKind::NotFound, Operation::Get, path))
    }

    fn check_limits(&self, path: &SecretPath, secret: &NewSecret) -> Result<()> {
        let Capabilities { max_value, max_path, .. } = self.config.capabilities;
        let detail = if secret.value.len() > max_value {
            format!("a value has at most {max_value} bytes")
        } else if path.as_str().len() > max_path {
            format!("a path has at most {max_path} bytes")
        } else if secret.metadata.encoded_len() > Metadata::MAX_LEN {
            format!("metadata has at most {} bytes", Metadata::MAX_LEN)
        } else {
            return Ok(());
        };
        Err(self.error(ErrorKind::InvalidInput, Operation::Put, path).with_detail(detail))
    }

    fn check_mode(&self, path: &SecretPath, mode: &PutMode, current: Option<&Version>) -> Result<()> {
        let capabilities = self.config.capabilities;
        let kind = match (mode, current) {
            (PutMode::Create, _) if !capabilities.atomic_create => ErrorKind::Unsupported,
            (PutMode::Replace(_), _) if !capabilities.atomic_replace => ErrorKind::Unsupported,
            (PutMode::Create, Some(_)) => ErrorKind::AlreadyExists,
            (PutMode::Replace(id), current) if current.map(Version::id).as_ref() != Some(id) => {
                ErrorKind::Conflict
            }
            _ => return Ok(()),
        };
        Err(self.error(kind, Operation::Put, path))
    }
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            capabilities: Capabilities::all(1 << 20, SecretPath::MAX_PREFIXED_LEN),
            page_size: 100,
            max_versions: 100,
        }
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").field("config", &self.config).finish_non_exhaustive()
    }
}

impl fmt::Display for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl SecretBackend for MemoryBackend {
    fn capabilities(&self) -> Capabilities {
        self.config.capabilities
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.read(path, at)
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        paths.iter().map(|path| self.read(path, None)).collect()
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.check_limits(path, secret)?;
        let mut secrets = self.secrets();
        self.check_mode(path, mode, secrets.get(path).and_then(History::current))?;
        let kept = if self.config.capabilities.versions { self.config.max_versions } else { 1 };
        let id = secrets.entry(path.clone()).or_default().push(secret, kept);
        Ok(Written::version(id).with_stamp(secret.stamp.clone()))
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        let mut secrets = self.secrets();
        let history = secrets.get_mut(path).filter(|history| history.current().is_some());
        let history = history.ok_or_else(|| self.error(ErrorKind::NotFound, Operation::Delete, path))?;
        if self.config.capabilities.recoverable_delete {
            history.deleted = true;
        } else {
            history.versions.clear();
        }
        Ok(Written::default())
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        if !self.config.capabilities.recoverable_delete {
            return Err(self.error(ErrorKind::Unsupported, Operation::Undelete, path));
        }
        let mut secrets = self.secrets();
        let history = secrets.get_mut(path).filter(|history| history.deleted);
        history.ok_or_else(|| self.error(ErrorKind::NotFound, Operation::Undelete, path))?.deleted = false;
        Ok(Written::default())
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        let mut secrets = self.secrets();
        let history = secrets.get_mut(path).filter(|history| !history.versions.is_empty());
        let history = history.ok_or_else(|| self.error(ErrorKind::NotFound, Operation::Purge, path))?;
        history.versions.clear();
        history.deleted = false;
        Ok(Written::default())
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        let secrets = self.secrets();
        let history = secrets.get(path).filter(|history| !history.versions.is_empty());
        let history = history.ok_or_else(|| self.error(ErrorKind::NotFound, Operation::Versions, path))?;
        Ok(history.metas())
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let start = match (page, prefix) {
            (Some(token), _) => Bound::Excluded(token.as_str()),
            (None, Some(prefix)) => Bound::Included(prefix.as_str()),
            (None, None) => Bound::Unbounded,
        };
        let secrets = self.secrets();
        let mut live = secrets
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(path, _)| prefix.is_none_or(|prefix| path.as_str().starts_with(prefix.as_str())))
            .filter(|(path, _)| prefix.is_none_or(|prefix| path.is_under(prefix)))
            .filter_map(|(path, history)| Some((path, history.current()?)));
        let items: Vec<Listed> = live
            .by_ref()
            .take(self.config.page_size.max(1))
            .map(|(path, current)| current.listed(path))
            .collect();
        let more = live.next().is_some();
        let next = items.last().filter(|_| more).map(|last| PageToken::new(last.path.as_str()));
        Ok(Page::new(items, next))
    }
}

impl History {
    /// The version that a plain read sees.
    fn current(&self) -> Option<&Version> {
        self.versions.last().filter(|_| !self.deleted)
    }

    /// A version by id; the current one of a deleted secret is hidden with it.
    fn version(&self, id: &VersionId) -> Option<&Version> {
        let number = id.number()?;
        let hidden = self.versions.last().filter(|_| self.deleted).map(|last| last.number);
        self.versions.iter().find(|version| version.number == number && hidden != Some(number))
    }

    fn push(&mut self, secret: &NewSecret, kept: usize) -> VersionId {
        self.last_number += 1;
        self.deleted = false;
        self.versions.push(Version {
            number: self.last_number,
            value: secret.value.duplicate(),
            metadata: secret.metadata.clone(),
            stamp: secret.stamp.clone(),
            created: Timestamp::now(),
        });
        let surplus = self.versions.len().saturating_sub(kept.max(1));
        self.versions.drain(..surplus);
        VersionId::from_number(self.last_number)
    }

    fn metas(&self) -> Vec<VersionMeta> {
        let mut metas: Vec<VersionMeta> = self.versions.iter().map(Version::meta).collect();
        if let Some(last) = metas.last_mut().filter(|_| self.deleted) {
            last.state = VersionState::Deleted;
        }
        metas
    }
}

impl Version {
    fn id(&self) -> VersionId {
        VersionId::from_number(self.number)
    }

    fn secret(&self) -> Secret {
        let mut secret = Secret::new(self.id(), self.value.duplicate());
        secret.metadata = self.metadata.clone();
        secret.stamp = self.stamp.clone();
        secret.created = Some(self.created);
        secret
    }

    fn meta(&self) -> VersionMeta {
        let mut meta = VersionMeta::new(self.id());
        meta.created = Some(self.created);
        meta.stamp = self.stamp.clone();
        meta
    }

    fn listed(&self, path: &SecretPath) -> Listed {
        let mut listed = Listed::new(path.clone());
        listed.updated = Some(self.created);
        listed.stamp = self.stamp.clone();
        listed
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "`#[tokio::test]` expands to a runtime of the test's own")]
mod tests {
    use super::*;

    fn path() -> SecretPath {
        "app/key".parse().unwrap()
    }

    async fn put(memory: &MemoryBackend, value: &str) -> Option<u64> {
        let written = memory.put(&path(), &NewSecret::new(value), &PutMode::Upsert).await.unwrap();
        written.version.and_then(|version| version.number())
    }

    #[tokio::test]
    async fn the_oldest_versions_go_first() {
        let memory = MemoryBackend::with_config(MemoryConfig { max_versions: 3, ..MemoryConfig::default() });
        for value in ["a", "b", "c", "d", "e"] {
            put(&memory, value).await;
        }
        let numbers: Vec<_> =
            memory.versions(&path()).await.unwrap().iter().map(|meta| meta.id.number()).collect();
        assert_eq!(numbers, [Some(3), Some(4), Some(5)]);
    }

    #[tokio::test]
    async fn no_version_is_given_twice_also_after_a_purge() {
        let memory = MemoryBackend::new();
        assert_eq!(put(&memory, "a").await, Some(1));
        memory.purge(&path()).await.unwrap();
        assert_eq!(put(&memory, "b").await, Some(2));
        let stale = PutMode::Replace(VersionId::from_number(1));
        let error = memory.put(&path(), &NewSecret::new("c"), &stale).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }

    #[tokio::test]
    async fn a_deleted_version_says_so_and_older_ones_stay_readable() {
        let memory = MemoryBackend::new();
        put(&memory, "a").await;
        put(&memory, "b").await;
        memory.delete(&path()).await.unwrap();
        let states: Vec<_> = memory.versions(&path()).await.unwrap().iter().map(|meta| meta.state).collect();
        assert_eq!(states, [VersionState::Live, VersionState::Deleted]);
        assert!(memory.get(&path(), Some(&VersionId::from_number(1))).await.is_ok());
        assert!(memory.get(&path(), Some(&VersionId::from_number(2))).await.is_err());
    }
}
