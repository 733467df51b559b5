//! A record of how long calls took and how they ended.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{
    Capabilities, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret, SecretBackend,
    SecretPath, VersionId, VersionMeta, Written,
};

/// Where measurements go. Neither value nor path ever reaches it: a path is a secret's name, and a label
/// per name would let a metrics store grow without bound.
pub trait Metrics: fmt::Debug + Send + Sync + 'static {
    /// One answer: what was asked, how it failed (`None` where it did not), how long the caller waited.
    fn record(&self, operation: Operation, failure: Option<ErrorKind>, elapsed: Duration);
}

/// Records every call.
///
/// A batch is recorded once per path, each with the time of the whole. A call whose future is dropped is not
/// recorded. Time is tokio's, so tests can pause it.
#[derive(Debug)]
pub struct MetricsBackend<B, M> {
    inner: B,
    metrics: M,
}

impl<B: SecretBackend, M: Metrics> MetricsBackend<B, M> {
    /// `inner`, with its calls recorded in `metrics`.
    pub const fn new(inner: B, metrics: M) -> Self {
        Self { inner, metrics }
    }

    async fn timed<T: Send>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let start = Instant::now();
        let answer = call.await;
        self.metrics.record(operation, failure(&answer), start.elapsed());
        answer
    }
}

impl<M: Metrics + ?Sized> Metrics for std::sync::Arc<M> {
    fn record(&self, operation: Operation, failure: Option<ErrorKind>, elapsed: Duration) {
        (**self).record(operation, failure, elapsed);
    }
}

impl<B: fmt::Display, M> fmt::Display for MetricsBackend<B, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metrics({})", self.inner)
    }
}

#[async_trait]
impl<B: SecretBackend, M: Metrics> SecretBackend for MetricsBackend<B, M> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.timed(Operation::Check, self.inner.check()).await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.timed(Operation::Get, self.inner.get(path, at)).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        let start = Instant::now();
        let answers = self.inner.get_many(paths).await;
        let elapsed = start.elapsed();
        answers.iter().for_each(|answer| self.metrics.record(Operation::Get, failure(answer), elapsed));
        answers
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.timed(Operation::Put, self.inner.put(path, secret, mode)).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.timed(Operation::Delete, self.inner.delete(path)).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.timed(Operation::Undelete, self.inner.undelete(path)).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.timed(Operation::Purge, self.inner.purge(path)).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.timed(Operation::Versions, self.inner.versions(path)).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.timed(Operation::List, self.inner.list(prefix, page)).await
    }
}

fn failure<T>(answer: &Result<T>) -> Option<ErrorKind> {
    answer.as_ref().err().map(crate::Error::kind)
}
