//! The wrapper next to a backend: nothing is read or written at a place of another safe.

use std::fmt;
use std::sync::Arc;

use secrets_backend::{
    Capabilities, Error, NewSecret, Page, PageToken, PutMode, Result, Secret, SecretBackend, SecretPath,
    VersionId, VersionMeta, Written, async_trait,
};

use super::Replica;

/// A backend as a place of this safe.
#[derive(Debug)]
pub(crate) struct ReplicaBackend {
    inner: Arc<dyn SecretBackend>,
    replica: Arc<Replica>,
}

impl ReplicaBackend {
    pub(crate) const fn new(inner: Arc<dyn SecretBackend>, replica: Arc<Replica>) -> Self {
        Self { inner, replica }
    }

    async fn readable(&self, path: &SecretPath) -> Result<()> {
        self.replica.readable().await.map_err(|error| error.with_path(path))
    }

    async fn writable(&self, path: &SecretPath) -> Result<()> {
        self.replica.writable().await.map_err(|error| error.with_path(path))
    }
}

#[async_trait]
impl SecretBackend for ReplicaBackend {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.readable(path).await?;
        let answer = self.inner.get(path, at).await;
        self.replica.learn_epochs_of(answer.iter()).await;
        answer
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        if let Err(refused) = self.replica.readable().await {
            return paths.iter().map(|path| Err(again(&refused).with_path(path))).collect();
        }
        let answers = self.inner.get_many(paths).await;
        self.replica.learn_epochs_of(answers.iter().flatten()).await;
        answers
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.writable(path).await?;
        self.inner.put(path, secret, mode).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.writable(path).await?;
        self.inner.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.writable(path).await?;
        self.inner.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.writable(path).await?;
        self.inner.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.readable(path).await?;
        self.inner.versions(path).await
    }

    /// Without the safe's own objects.
    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.replica.readable().await?;
        let mut page = self.inner.list(prefix, page).await?;
        page.items.retain(|item| !item.path.is_reserved());
        Ok(page)
    }
}

/// The same failure, for each path of a batch.
fn again(error: &Error) -> Error {
    let same = Error::new(error.kind(), error.operation(), error.backend().to_owned());
    same.with_detail(error.detail().unwrap_or_default().to_owned())
}

impl fmt::Display for ReplicaBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
