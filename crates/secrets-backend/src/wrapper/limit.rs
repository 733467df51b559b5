//! A bound on how many calls run at once.

use std::fmt;

use async_trait::async_trait;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, VersionId, VersionMeta, Written,
};

/// Lets a number of calls through at once; the others wait in the order of their coming.
///
/// A batch is one call. A call that is dropped while it waits gives its place up.
#[derive(Debug)]
pub struct LimitBackend<B> {
    inner: B,
    limit: usize,
    permits: Semaphore,
}

impl<B: SecretBackend> LimitBackend<B> {
    /// `inner`, with at most `limit` (at least 1) calls at once.
    pub fn new(inner: B, limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self { inner, limit, permits: Semaphore::new(limit) }
    }

    async fn permit(&self, operation: Operation, path: Option<&SecretPath>) -> Result<SemaphorePermit<'_>> {
        self.permits.acquire().await.map_err(|closed| {
            // Nothing closes it; should that change, no call is let through unbounded.
            let error =
                Error::new(ErrorKind::Unexpected, operation, self.inner.to_string()).with_source(closed);
            match path {
                Some(path) => error.with_path(path),
                None => error,
            }
        })
    }
}

impl<B: fmt::Display> fmt::Display for LimitBackend<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit({}, {})", self.limit, self.inner)
    }
}

#[async_trait]
impl<B: SecretBackend> SecretBackend for LimitBackend<B> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        let _permit = self.permit(Operation::Check, None).await?;
        self.inner.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        let _permit = self.permit(Operation::Get, Some(path)).await?;
        self.inner.get(path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        match self.permits.acquire().await {
            Ok(_permit) => self.inner.get_many(paths).await,
            Err(_closed) => {
                let error = |path| {
                    Error::new(ErrorKind::Unexpected, Operation::Get, self.inner.to_string()).with_path(path)
                };
                paths.iter().map(|path| Err(error(path))).collect()
            }
        }
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let _permit = self.permit(Operation::Put, Some(path)).await?;
        self.inner.put(path, secret, mode).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        let _permit = self.permit(Operation::Delete, Some(path)).await?;
        self.inner.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        let _permit = self.permit(Operation::Undelete, Some(path)).await?;
        self.inner.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        let _permit = self.permit(Operation::Purge, Some(path)).await?;
        self.inner.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        let _permit = self.permit(Operation::Versions, Some(path)).await?;
        self.inner.versions(path).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let _permit = self.permit(Operation::List, prefix).await?;
        self.inner.list(prefix, page).await
    }
}
