//! A backend whose writes go wrong as a test wants.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;

use secrets_backend::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait,
};

/// What happens to the next write of a path that ends in `name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meddle {
    /// It takes effect, and its answer is lost.
    LoseAnswer,
    /// It takes effect, and nothing more is heard.
    Hang,
    /// It is acknowledged, and does not take effect.
    Forget,
    /// It is refused.
    Refuse(ErrorKind),
}

/// A backend whose writes go wrong as a test wants.
#[derive(Debug)]
pub struct Meddled {
    inner: Arc<dyn SecretBackend>,
    next: Mutex<Option<(&'static str, Meddle)>>,
}

impl Meddled {
    pub fn new(inner: Arc<dyn SecretBackend>) -> Arc<Self> {
        Arc::new(Self { inner, next: Mutex::new(None) })
    }

    /// Meddles with the next write of a path that ends in `name`.
    pub fn with_next(&self, name: &'static str, meddle: Meddle) {
        *self.next.lock().unwrap() = Some((name, meddle));
    }

    /// Whether that write has come.
    pub fn has_meddled(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }

    fn take(&self, path: &SecretPath) -> Option<Meddle> {
        let mut next = self.next.lock().unwrap();
        next.take_if(|(name, _)| path.as_str().ends_with(*name)).map(|(_, meddle)| meddle)
    }
}

impl fmt::Display for Meddled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl SecretBackend for Meddled {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.inner.get(path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        self.inner.get_many(paths).await
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let meddle = self.take(path);
        let failed = |kind| Err(Error::new(kind, Operation::Put, "meddled").with_path(path));
        match meddle {
            Some(Meddle::Refuse(kind)) => return failed(kind),
            Some(Meddle::Forget) => return Ok(Written::version(VersionId::new("forgotten"))),
            Some(Meddle::LoseAnswer | Meddle::Hang) | None => {}
        }
        let written = self.inner.put(path, secret, mode).await;
        match meddle {
            Some(Meddle::LoseAnswer) => failed(ErrorKind::TimedOut),
            Some(Meddle::Hang) => std::future::pending().await,
            _ => written,
        }
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.inner.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.inner.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.inner.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.inner.versions(path).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.inner.list(prefix, page).await
    }
}
