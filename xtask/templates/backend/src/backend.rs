//! The contract, method by method.

use std::fmt;

use secrets_backend::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait,
};

use crate::__Name__Config;

/// Secrets in __Name__.
///
/// Constructing it contacts nothing. One connection pool serves all its calls.
#[derive(Debug)]
pub struct __Name__Backend {
    config: __Name__Config,
}

impl __Name__Backend {
    /// A backend at the configured place.
    #[must_use]
    pub const fn new(config: __Name__Config) -> Self {
        Self { config }
    }

    fn error(&self, kind: ErrorKind, operation: Operation, path: Option<&SecretPath>) -> Error {
        let error = Error::new(kind, operation, self.to_string());
        match path {
            Some(path) => error.with_path(path),
            None => error,
        }
    }

    /// What every method answers until it is written.
    fn unwritten(&self, operation: Operation, path: Option<&SecretPath>) -> Error {
        self.error(ErrorKind::Unsupported, operation, path).with_detail("this method is not written yet")
    }
}

/// A short name for people; no credential.
impl fmt::Display for __Name__Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "__NAME__ at {}", self.config.address)
    }
}

#[async_trait]
impl SecretBackend for __Name__Backend {
    /// Claim only what the service does in one atomic step.
    fn capabilities(&self) -> Capabilities {
        Capabilities::all(64 * 1024, SecretPath::MAX_PREFIXED_LEN)
    }

    async fn check(&self) -> Result<()> {
        Err(self.unwritten(Operation::Check, None))
    }

    async fn get(&self, path: &SecretPath, _at: Option<&VersionId>) -> Result<Secret> {
        Err(self.unwritten(Operation::Get, Some(path)))
    }

    /// A service without a batch answers with `secrets_backend::get_each(self, paths, 8).await`.
    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        paths.iter().map(|path| Err(self.unwritten(Operation::Get, Some(path)))).collect()
    }

    async fn put(&self, path: &SecretPath, _secret: &NewSecret, _mode: &PutMode) -> Result<Written> {
        Err(self.unwritten(Operation::Put, Some(path)))
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        Err(self.unwritten(Operation::Delete, Some(path)))
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        Err(self.unwritten(Operation::Undelete, Some(path)))
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        Err(self.unwritten(Operation::Purge, Some(path)))
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        Err(self.unwritten(Operation::Versions, Some(path)))
    }

    async fn list(&self, prefix: Option<&SecretPath>, _page: Option<&PageToken>) -> Result<Page> {
        Err(self.unwritten(Operation::List, prefix))
    }
}
