//! What callers find convenient, for every backend alike.

use std::collections::HashSet;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::each::in_order;
use crate::{
    Error, ErrorKind, Listed, NewSecret, Operation, PutMode, Result, SecretBackend, SecretPath, Written,
};

/// Conveniences over [`SecretBackend`], for users; nothing for implementors to write.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> secrets_backend::Result<()> {
/// use secrets_backend::{MemoryBackend, NewSecret, PutMode, SecretBackend, SecretBackendExt, SecretPath};
///
/// let backend = MemoryBackend::new();
/// let path: SecretPath = "app/api-key".parse().expect("a path");
/// assert!(!backend.exists(&path).await?);
/// backend.put(&path, &NewSecret::new("s3cr3t"), &PutMode::Upsert).await?;
/// assert_eq!(backend.get_str(&path).await?.as_str(), "s3cr3t");
/// assert_eq!(backend.list_all(None).await?.len(), 1);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait SecretBackendExt: SecretBackend {
    /// The current value as text, wiped when dropped.
    ///
    /// # Errors
    /// Those of `get`, and `InvalidInput` where the value is not UTF-8.
    async fn get_str(&self, path: &SecretPath) -> Result<Zeroizing<String>> {
        let secret = self.get(path, None).await?;
        secret.value.expose_str().map(|text| Zeroizing::new(text.to_owned())).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, Operation::Get, self.to_string())
                .with_path(path)
                .with_detail("the value is not UTF-8 text")
        })
    }

    /// Whether there is a secret. It reads it to know.
    ///
    /// # Errors
    /// Those of `get`, but `NotFound`.
    async fn exists(&self, path: &SecretPath) -> Result<bool> {
        match self.get(path, None).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All pages of a listing in one, each path once, in the order of the pages.
    ///
    /// # Errors
    /// Those of `list`, and `Tampered` where the listing loops (a page token repeats) or does not end within
    /// [`MAX_LISTED`] secrets and [`MAX_PAGES`] pages, or has [`MAX_EMPTY_PAGES`] without a secret in a row.
    async fn list_all(&self, prefix: Option<&SecretPath>) -> Result<Vec<Listed>> {
        let endless = |detail: &'static str| {
            let error =
                Error::new(ErrorKind::Tampered, Operation::List, self.to_string()).with_detail(detail);
            match prefix {
                Some(prefix) => error.with_path(prefix),
                None => error,
            }
        };
        let (mut listed, mut paths, mut tokens) = (Vec::new(), HashSet::new(), HashSet::new());
        let mut empty = 0;
        let mut page = self.list(prefix, None).await?;
        loop {
            empty = if page.items.is_empty() { empty + 1 } else { 0 };
            listed.extend(page.items.into_iter().filter(|item| paths.insert(item.path.clone())));
            let Some(token) = page.next else { return Ok(listed) };
            if listed.len() > MAX_LISTED || tokens.len() >= MAX_PAGES || empty >= MAX_EMPTY_PAGES {
                return Err(endless("the listing does not end"));
            }
            if !tokens.insert(token.clone()) {
                return Err(endless("the listing repeats a page token"));
            }
            page = self.list(prefix, Some(&token)).await?;
        }
    }

    /// Writes many secrets, at most `concurrency` at once; one answer per secret, in their order. One that
    /// fails does not stop the others.
    async fn put_many(
        &self,
        secrets: &[(SecretPath, NewSecret)],
        mode: &PutMode,
        concurrency: usize,
    ) -> Vec<Result<Written>> {
        let puts = secrets.iter().map(|(path, secret)| self.put(path, secret, mode)).collect();
        in_order(puts, concurrency).await
    }

    /// Deletes many secrets, at most `concurrency` at once; one answer per path, in their order. One that
    /// fails does not stop the others.
    async fn delete_many(&self, paths: &[SecretPath], concurrency: usize) -> Vec<Result<Written>> {
        in_order(paths.iter().map(|path| self.delete(path)).collect(), concurrency).await
    }
}

impl<B: SecretBackend + ?Sized> SecretBackendExt for B {}

/// The most secrets that [`SecretBackendExt::list_all`] takes before it calls a listing endless.
pub const MAX_LISTED: usize = 2_000_000;

/// The most pages in a row without a secret that [`SecretBackendExt::list_all`] takes before it calls a listing endless.
pub const MAX_EMPTY_PAGES: usize = 1_000;

/// The most pages that [`SecretBackendExt::list_all`] takes before it calls a listing endless.
pub const MAX_PAGES: usize = 100_000;
