//! A replica that is kept from answering on purpose.

use std::fmt;

use secrets_backend::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait,
};

/// Answers everything as a backend that refuses connections does.
#[derive(Debug)]
pub(super) struct Blocked {
    pub(super) name: String,
    pub(super) can: Capabilities,
}

impl Blocked {
    fn refuse<T>(&self, operation: Operation, path: Option<&SecretPath>) -> Result<T> {
        let error = Error::new(ErrorKind::Unavailable, operation, self.name.clone());
        let error = error.with_detail("blocked on purpose");
        Err(match path {
            Some(path) => error.with_path(path),
            None => error,
        })
    }
}

#[async_trait]
impl SecretBackend for Blocked {
    fn capabilities(&self) -> Capabilities {
        self.can
    }

    async fn check(&self) -> Result<()> {
        self.refuse(Operation::Check, None)
    }

    async fn get(&self, path: &SecretPath, _at: Option<&VersionId>) -> Result<Secret> {
        self.refuse(Operation::Get, Some(path))
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        paths.iter().map(|path| self.refuse(Operation::Get, Some(path))).collect()
    }

    async fn put(&self, path: &SecretPath, _secret: &NewSecret, _mode: &PutMode) -> Result<Written> {
        self.refuse(Operation::Put, Some(path))
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.refuse(Operation::Delete, Some(path))
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.refuse(Operation::Undelete, Some(path))
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.refuse(Operation::Purge, Some(path))
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.refuse(Operation::Versions, Some(path))
    }

    async fn list(&self, prefix: Option<&SecretPath>, _page: Option<&PageToken>) -> Result<Page> {
        self.refuse(Operation::List, prefix)
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
