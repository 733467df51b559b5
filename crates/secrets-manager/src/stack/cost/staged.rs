//! Memory behind a latency, which can be switched off, and counts what it is asked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use secrets_backend::{
    Capabilities, Error, ErrorKind, MemoryBackend, NewSecret, Operation, Page, PageToken, PutMode, Result,
    Secret, SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait,
};

/// A backend on a stage.
#[derive(Debug)]
pub(super) struct Staged {
    name: &'static str,
    memory: MemoryBackend,
    latency: Duration,
    pub(super) is_gone: AtomicBool,
    /// Reads, writes, pages.
    calls: [AtomicU64; 3],
}

impl Staged {
    pub(super) fn new(name: &'static str, latency: Duration) -> Arc<Self> {
        let (memory, is_gone) = (MemoryBackend::new(), AtomicBool::new(false));
        Arc::new(Self { name, memory, latency, is_gone, calls: Default::default() })
    }

    /// Reads, writes and pages since this was asked last.
    pub(super) fn calls(&self) -> [u64; 3] {
        self.calls.each_ref().map(|count| count.swap(0, Ordering::Relaxed))
    }

    async fn up(&self, operation: Operation, asked: u64) -> Result<&MemoryBackend> {
        let kind = match operation {
            Operation::Get | Operation::Versions => 0,
            Operation::List => 2,
            _ => 1,
        };
        self.calls[kind].fetch_add(asked, Ordering::Relaxed);
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        if self.is_gone.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, operation, self.name));
        }
        Ok(&self.memory)
    }
}

#[async_trait]
impl SecretBackend for Staged {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.up(Operation::Check, 0).await?.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.up(Operation::Get, 1).await?.get(path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        let asked = u64::try_from(paths.len()).unwrap_or(u64::MAX);
        match self.up(Operation::Get, asked).await {
            Ok(memory) => memory.get_many(paths).await,
            Err(error) => {
                let again = || Error::new(error.kind(), Operation::Get, self.name);
                paths.iter().map(|path| Err(again().with_path(path))).collect()
            }
        }
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.up(Operation::Put, 1).await?.put(path, secret, mode).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.up(Operation::Delete, 1).await?.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.up(Operation::Undelete, 1).await?.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.up(Operation::Purge, 1).await?.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.up(Operation::Versions, 1).await?.versions(path).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.up(Operation::List, 1).await?.list(prefix, page).await
    }
}

impl fmt::Display for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
