//! A memory that fails as a script says, and remembers what it was asked and when.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use secrets_backend::{
    Capabilities, Error, ErrorKind, MemoryBackend, MemoryConfig, NewSecret, Operation, Page, PageToken,
    PutMode, Result, Secret, SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait,
};
use tokio::time::Instant;

/// What one call does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// As it should be.
    Pass,
    /// Fails and has no effect.
    Fail(ErrorKind),
    /// Is told to slow down, for so long.
    Throttle(Duration),
    /// Takes effect, and the answer is lost.
    Lose(ErrorKind),
    /// Takes this long.
    Slow(Duration),
    /// Never answers and has no effect.
    Hang,
}

#[derive(Debug)]
pub(crate) struct FaultyBackend {
    pub(crate) memory: MemoryBackend,
    script: Mutex<VecDeque<Step>>,
    calls: Mutex<Vec<(Operation, Instant)>>,
}

impl FaultyBackend {
    /// After the script, every call passes.
    pub(crate) fn new(script: impl IntoIterator<Item = Step>) -> Self {
        Self::over(MemoryConfig::default(), script)
    }

    pub(crate) fn over(config: MemoryConfig, script: impl IntoIterator<Item = Step>) -> Self {
        Self {
            memory: MemoryBackend::with_config(config),
            script: Mutex::new(script.into_iter().collect()),
            calls: Mutex::default(),
        }
    }

    /// What it was asked, in order.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.calls.lock().unwrap().iter().map(|(operation, _)| *operation).collect()
    }

    /// The times between its calls.
    pub(crate) fn pauses(&self) -> Vec<Duration> {
        self.calls.lock().unwrap().windows(2).map(|pair| pair[1].1 - pair[0].1).collect()
    }

    async fn step<T>(&self, operation: Operation, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.calls.lock().unwrap().push((operation, Instant::now()));
        let step = self.script.lock().unwrap().pop_front().unwrap_or(Step::Pass);
        let error = |kind| Error::new(kind, operation, "faulty");
        match step {
            Step::Pass => call.await,
            Step::Fail(kind) => Err(error(kind)),
            Step::Throttle(after) => Err(error(ErrorKind::RateLimited).with_retry_after(after)),
            Step::Lose(kind) => {
                let _ = call.await;
                Err(error(kind))
            }
            Step::Slow(time) => {
                tokio::time::sleep(time).await;
                call.await
            }
            Step::Hang => std::future::pending().await,
        }
    }
}

impl fmt::Display for FaultyBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl SecretBackend for FaultyBackend {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.step(Operation::Check, self.memory.check()).await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.step(Operation::Get, self.memory.get(path, at)).await.map_err(|error| error.with_path(path))
    }

    /// One step of the script for each path.
    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        let mut answers = Vec::new();
        for path in paths {
            answers.push(self.get(path, None).await);
        }
        answers
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.step(Operation::Put, self.memory.put(path, secret, mode))
            .await
            .map_err(|error| error.with_path(path))
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.step(Operation::Delete, self.memory.delete(path)).await.map_err(|error| error.with_path(path))
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.step(Operation::Undelete, self.memory.undelete(path))
            .await
            .map_err(|error| error.with_path(path))
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.step(Operation::Purge, self.memory.purge(path)).await.map_err(|error| error.with_path(path))
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.step(Operation::Versions, self.memory.versions(path))
            .await
            .map_err(|error| error.with_path(path))
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.step(Operation::List, self.memory.list(prefix, page)).await
    }
}
