//! A bound on how long one call may take.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, VersionId, VersionMeta, Written,
};

/// Ends every call that takes longer than a limit with `TimedOut`: whether it took effect is unknown then.
///
/// A batch is one call. Writing calls can have a limit of their own: some services answer `purge` when they have removed
/// something, which takes longer than anybody waits for a value. Time is tokio's, so tests can pause it.
#[derive(Debug)]
pub struct TimeoutBackend<B> {
    inner: B,
    limit: Duration,
    /// Of `put`, `delete`, `undelete` and `purge`.
    writes: Duration,
}

impl<B: SecretBackend> TimeoutBackend<B> {
    /// `inner`, with calls of at most `limit`.
    pub const fn new(inner: B, limit: Duration) -> Self {
        Self { inner, limit, writes: limit }
    }

    /// The same, with `put`, `delete`, `undelete` and `purge` of at most `limit`.
    #[must_use]
    pub fn with_writes(self, limit: Duration) -> Self {
        Self { writes: limit, ..self }
    }

    async fn within<T: Send>(
        &self,
        operation: Operation,
        path: Option<&SecretPath>,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match tokio::time::timeout(self.limit_of(operation), call).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(self.timed_out(operation, path)),
        }
    }

    const fn limit_of(&self, operation: Operation) -> Duration {
        match operation {
            Operation::Put | Operation::Delete | Operation::Undelete | Operation::Purge => self.writes,
            _ => self.limit,
        }
    }

    fn timed_out(&self, operation: Operation, path: Option<&SecretPath>) -> Error {
        let error = Error::new(ErrorKind::TimedOut, operation, self.inner.to_string())
            .with_detail(format!("no answer within {:?}", self.limit_of(operation)));
        match path {
            Some(path) => error.with_path(path),
            None => error,
        }
    }
}

impl<B: fmt::Display> fmt::Display for TimeoutBackend<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timeout({:?}, {})", self.limit, self.inner)
    }
}

#[async_trait]
impl<B: SecretBackend> SecretBackend for TimeoutBackend<B> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.within(Operation::Check, None, self.inner.check()).await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.within(Operation::Get, Some(path), self.inner.get(path, at)).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        match tokio::time::timeout(self.limit, self.inner.get_many(paths)).await {
            Ok(answers) => answers,
            Err(_elapsed) => {
                paths.iter().map(|path| Err(self.timed_out(Operation::Get, Some(path)))).collect()
            }
        }
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.within(Operation::Put, Some(path), self.inner.put(path, secret, mode)).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.within(Operation::Delete, Some(path), self.inner.delete(path)).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.within(Operation::Undelete, Some(path), self.inner.undelete(path)).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.within(Operation::Purge, Some(path), self.inner.purge(path)).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.within(Operation::Versions, Some(path), self.inner.versions(path)).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.within(Operation::List, prefix, self.inner.list(prefix, page)).await
    }
}
