//! The contract over the store: limits, threads, errors.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrets_backend::{
    Capabilities, Error, ErrorKind, Metadata, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, Timestamp, VersionId, VersionMeta, Written,
};

use crate::config::{InvalidConfig, LocalConfig};
use crate::engine::RowsMut;
use crate::fault::Fault;
use crate::group::{Change, Group};
use crate::operations::{self, Put};
use crate::store::Store;

/// Secrets in one directory of this machine.
///
/// The store is opened for each operation, in a thread of tokio's blocking pool; writes of this value and its
/// clones that wait at the same time share one opening and one transaction, each with an answer of its own.
/// Dropping a future leaves its operation to end by itself. Nothing is made on disk before the first write:
/// until then every secret is `NotFound` and every listing empty. What is stored is stored as it comes: this
/// crate encrypts nothing.
///
/// Beyond the contract of [`SecretBackend`], by kind:
///
/// - [`Unavailable`](ErrorKind::Unavailable): the disk is full or failed, or another process held the store
///   for the whole of [`LocalConfig::lock_wait`]; the detail names it;
/// - [`TimedOut`](ErrorKind::TimedOut): the disk failed during the commit, so that the outcome is unknown;
/// - [`Tampered`](ErrorKind::Tampered): the files are damaged;
/// - [`PermissionDenied`](ErrorKind::PermissionDenied): the files, or their directory, are open to others,
///   belong to another user or are symbolic links;
/// - [`Unsupported`](ErrorKind::Unsupported): a newer version of this program wrote the store;
/// - [`InvalidInput`](ErrorKind::InvalidInput): a value, metadata or a path over the limit, a page token of
///   another listing, or a store that the other engine made.
#[derive(Clone)]
pub struct LocalBackend {
    store: Arc<Store>,
    writes: Arc<Group>,
    name: Arc<str>,
}

/// What a store takes on disk and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes of the engine's files, all environments together.
    pub bytes: u64,
    /// Secrets of this environment that are not deleted.
    pub live: u64,
}

impl LocalBackend {
    /// A store as configured. Nothing is opened or made.
    ///
    /// # Errors
    /// [`InvalidConfig`] where the configuration can never work, such as an engine that this build lacks.
    pub fn new(config: LocalConfig) -> Result<Self, InvalidConfig> {
        let name = format!("local at {}", config.directory.display());
        let store = Arc::new(Store::new(config)?);
        Ok(Self { writes: Arc::new(Group::new(Arc::clone(&store))), store, name: name.into() })
    }

    /// How often the engine has been opened by this value: once per operation, also for a
    /// [`get_many`](SecretBackend::get_many) of any length, once for all writes that share a transaction, and
    /// twice more by the first reader after an unclean stop.
    #[must_use]
    pub fn opens(&self) -> u64 {
        self.store.opens()
    }

    /// Gives unused space back to the file system; answers whether there was any. It blocks all other use of
    /// the store meanwhile. With sled it does nothing.
    ///
    /// # Errors
    /// As any write, under [`Operation::Check`].
    pub async fn compact(&self) -> Result<bool> {
        self.run(Operation::Check, None, Store::compact).await
    }

    /// What the store takes on disk and holds. Its cost does not grow with the number of secrets.
    ///
    /// # Errors
    /// As any read, under [`Operation::Check`].
    pub async fn stats(&self) -> Result<Stats> {
        self.run(Operation::Check, None, |store| {
            let live = store.read(operations::live)?.unwrap_or(0);
            Ok(Stats { bytes: store.size()?, live })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        path: Option<&SecretPath>,
        work: impl FnOnce(&Store) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        let outcome = tokio::task::spawn_blocking(move || work(&store)).await.unwrap_or_else(|error| {
            // Cancelled with the runtime, or a bug: an engine's panic is caught further down.
            Err(Fault::new(ErrorKind::Unexpected, "the operation did not end").with_source(error))
        });
        outcome.map_err(|fault| fault.into_error(operation, &self.name, path))
    }

    /// Runs work that finds nothing where there is no store.
    async fn find<T: Send + 'static>(
        &self,
        operation: Operation,
        path: &SecretPath,
        work: impl FnOnce(&Store) -> Result<Option<T>, Fault> + Send + 'static,
    ) -> Result<T> {
        self.run(operation, Some(path), |store| work(store)?.ok_or_else(|| ErrorKind::NotFound.into())).await
    }

    /// Writes, in one transaction with what else waits to be written.
    async fn change(&self, operation: Operation, path: &SecretPath, change: Change) -> Result<Written> {
        let answer = self.writes.run(change).await;
        answer.map_err(|fault| fault.into_error(operation, &self.name, Some(path)))
    }

    /// Refuses what can never be stored; gives the metadata as it is stored.
    fn check_limits(&self, path: &SecretPath, secret: &NewSecret) -> Result<Vec<u8>, Fault> {
        let Capabilities { max_value, max_path, .. } = self.capabilities();
        let refuse = |what: String| Err(Fault::new(ErrorKind::InvalidInput, what));
        if secret.value.len() > max_value {
            return refuse(format!("a value has at most {max_value} bytes"));
        }
        if path.as_str().len() > max_path {
            return refuse(format!("a path has at most {max_path} bytes"));
        }
        if secret.metadata == Metadata::default() {
            return Ok(Vec::new());
        }
        let metadata = serde_json::to_vec(&secret.metadata)
            .map_err(|error| Fault::new(ErrorKind::Unexpected, "encoding metadata").with_source(error))?;
        if metadata.len() > Metadata::MAX_LEN {
            return refuse(format!("metadata has at most {} bytes", Metadata::MAX_LEN));
        }
        Ok(metadata)
    }
}

impl fmt::Debug for LocalBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBackend").field("config", self.store.config()).finish_non_exhaustive()
    }
}

impl fmt::Display for LocalBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[async_trait]
impl SecretBackend for LocalBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities::all(self.store.config().max_value, SecretPath::MAX_PREFIXED_LEN)
    }

    async fn check(&self) -> Result<()> {
        self.run(Operation::Check, None, |store| {
            store.read(|rows| operations::live(rows).map(drop)).map(drop)
        })
        .await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        let (wanted, at) = (path.clone(), at.cloned());
        self.find(Operation::Get, path, move |store| {
            store.read(|rows| operations::get(rows, &wanted, at.as_ref()))
        })
        .await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        let wanted = paths.to_vec();
        let answers = self
            .run(Operation::Get, None, move |store| {
                let answers = store.read(|rows| {
                    Ok(wanted.iter().map(|path| operations::get(rows, path, None)).collect::<Vec<_>>())
                })?;
                Ok(answers.unwrap_or_default())
            })
            .await;
        match answers {
            Ok(answers) => {
                let missing = std::iter::repeat_with(|| Err(ErrorKind::NotFound.into()));
                let answers = answers.into_iter().chain(missing).zip(paths);
                answers
                    .map(|(answer, path)| {
                        answer.map_err(|fault| fault.into_error(Operation::Get, &self.name, Some(path)))
                    })
                    .collect()
            }
            Err(error) => paths.iter().map(|path| Err(repeated(&error, path))).collect(),
        }
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let metadata = self
            .check_limits(path, secret)
            .map_err(|fault| fault.into_error(Operation::Put, &self.name, Some(path)))?;
        // The work may outlive this future, so it owns what it writes; the copy wipes itself.
        let mut copy = NewSecret::new(secret.value.duplicate());
        copy.stamp = secret.stamp.clone();
        let (target, mode) = (path.clone(), mode.clone());
        let keep = u64::from(self.store.config().keep_versions.get());
        let bytes = copy.value.len() + metadata.len();
        let put = move |rows: &mut dyn RowsMut| {
            let (path, secret, metadata, mode) = (&target, &copy, &*metadata, &mode);
            operations::put(rows, &Put { path, secret, metadata, mode, now: Timestamp::now(), keep })
        };
        self.change(Operation::Put, path, Change::making_the_store(bytes, put)).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        let target = path.clone();
        let change = Change::new(move |rows| operations::delete(rows, &target));
        self.change(Operation::Delete, path, change).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        let target = path.clone();
        let change = Change::new(move |rows| operations::undelete(rows, &target));
        self.change(Operation::Undelete, path, change).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        let target = path.clone();
        let change = Change::new(move |rows| operations::purge(rows, &target));
        self.change(Operation::Purge, path, change).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        let target = path.clone();
        self.find(Operation::Versions, path, move |store| {
            store.read(|rows| operations::versions(rows, &target))
        })
        .await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let (within, token) = (prefix.cloned(), page.cloned());
        self.run(Operation::List, prefix, move |store| {
            let page_size = usize::try_from(store.config().page_size.get()).unwrap_or(usize::MAX);
            let page =
                store.read(|rows| operations::list(rows, within.as_ref(), token.as_ref(), page_size))?;
            Ok(page.unwrap_or_default())
        })
        .await
    }
}

/// The error of a whole batch, said for one of its paths.
fn repeated(error: &Error, path: &SecretPath) -> Error {
    let again = Error::new(error.kind(), error.operation(), error.backend().to_owned()).with_path(path);
    match error.detail() {
        Some(detail) => again.with_detail(detail.to_owned()),
        None => again,
    }
}
