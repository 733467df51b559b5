//! A part of a backend, behind a prefix of all its names.

use std::fmt;

use async_trait::async_trait;

use crate::{
    Capabilities, Error, ErrorKind, InvalidPath, Listed, NewSecret, Operation, Page, PageToken, PutMode,
    Result, Secret, SecretBackend, SecretPath, VersionId, VersionMeta, Written,
};

/// The part of a backend whose native names start with a prefix, as a backend of its own.
///
/// The prefix is a string, not a path: `prod/` makes a folder, `intraday-` shares one. It goes before
/// every path, the safe's own objects included; listings show what is behind it and nothing else. Two
/// prefixes of which one starts with the other overlap; whoever configures them refuses that.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> secrets_backend::Result<()> {
/// use std::sync::Arc;
/// use secrets_backend::{MemoryBackend, NewSecret, PrefixBackend, PutMode, SecretBackend, SecretPath};
///
/// let whole = Arc::new(MemoryBackend::new());
/// let part = PrefixBackend::new(whole.clone(), "intraday-").expect("a prefix");
/// let path: SecretPath = "app/key".parse().expect("a path");
/// part.put(&path, &NewSecret::new("s3cr3t"), &PutMode::Create).await?;
/// assert_eq!(whole.list(None, None).await?.items[0].path.as_str(), "intraday-app/key");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PrefixBackend<B> {
    inner: B,
    prefix: String,
    /// The whole segments of the prefix, which narrow every listing: `a/b-` gives `a`.
    folder: Option<SecretPath>,
}

impl<B: SecretBackend> PrefixBackend<B> {
    /// The part of `inner` behind `prefix`: empty, or text that makes a native name when a path follows.
    ///
    /// # Errors
    /// [`InvalidPath`] where no path could follow it.
    pub fn new(inner: B, prefix: impl Into<String>) -> Result<Self, InvalidPath> {
        let prefix = prefix.into();
        SecretPath::native(&format!("{prefix}x"))?;
        let folder = prefix.rsplit_once('/').map(|(folder, _)| SecretPath::native(folder)).transpose()?;
        Ok(Self { inner, prefix, folder })
    }

    fn native(&self, operation: Operation, path: &SecretPath) -> Result<SecretPath> {
        SecretPath::prefixed(&self.prefix, path).map_err(|invalid| {
            Error::new(ErrorKind::InvalidInput, operation, self.to_string())
                .with_path(path)
                .with_detail("with the prefix it is no name")
                .with_source(invalid)
        })
    }

    fn own(&self, listed: Listed) -> Option<Listed> {
        let path = listed.path.without_prefix(&self.prefix)?;
        Some(Listed { path, ..listed })
    }
}

impl<B: fmt::Display> fmt::Display for PrefixBackend<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "prefix({}, {})", self.prefix, self.inner)
    }
}

#[async_trait]
impl<B: SecretBackend> SecretBackend for PrefixBackend<B> {
    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        Capabilities { max_path: inner.max_path.saturating_sub(self.prefix.len()), ..inner }
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        let native = self.native(Operation::Get, path)?;
        self.inner.get(&native, at).await.map_err(|error| error.with_path(path))
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        let natives: Vec<Result<SecretPath>> =
            paths.iter().map(|path| self.native(Operation::Get, path)).collect();
        let valid: Vec<SecretPath> = natives.iter().flatten().cloned().collect();
        let mut answers = self.inner.get_many(&valid).await.into_iter();
        let missing = |path| {
            Error::new(ErrorKind::Unexpected, Operation::Get, self.inner.to_string())
                .with_path(path)
                .with_detail("the batch has too few answers")
        };
        let zipped = paths.iter().zip(natives).map(|(path, native)| {
            native?;
            answers.next().unwrap_or_else(|| Err(missing(path))).map_err(|error| error.with_path(path))
        });
        zipped.collect()
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let native = self.native(Operation::Put, path)?;
        self.inner.put(&native, secret, mode).await.map_err(|error| error.with_path(path))
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        let native = self.native(Operation::Delete, path)?;
        self.inner.delete(&native).await.map_err(|error| error.with_path(path))
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        let native = self.native(Operation::Undelete, path)?;
        self.inner.undelete(&native).await.map_err(|error| error.with_path(path))
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        let native = self.native(Operation::Purge, path)?;
        self.inner.purge(&native).await.map_err(|error| error.with_path(path))
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        let native = self.native(Operation::Versions, path)?;
        self.inner.versions(&native).await.map_err(|error| error.with_path(path))
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let Some(prefix) = prefix else {
            let page = self.inner.list(self.folder.as_ref(), page).await?;
            return Ok(Page::new(
                page.items.into_iter().filter_map(|item| self.own(item)).collect(),
                page.next,
            ));
        };
        let native = self.native(Operation::List, prefix)?;
        let page = self.inner.list(Some(&native), page).await.map_err(|error| error.with_path(prefix))?;
        Ok(Page::new(page.items.into_iter().filter_map(|item| self.own(item)).collect(), page.next))
    }
}
