//! The contract itself.

use std::fmt;

use async_trait::async_trait;

use crate::{NewSecret, Page, PageToken, Result, Secret, SecretPath, VersionId, VersionMeta, Written};

/// A place that stores secrets.
///
/// No method has a default body: a wrapper that forgets one does not compile. What callers find convenient
/// beyond these methods is in [`SecretBackendExt`. The conformance suite
/// (`feature = "conformance"`) checks every sentence below.
///
/// An implementation MUST:
///
/// - answer a write only when it is durable; a read after it sees it or something newer, or fails;
/// - keep a missing secret ([`NotFound`](crate::ErrorKind::NotFound)), a refused one
///   ([`PermissionDenied`](crate::ErrorKind::PermissionDenied),
///   [`Unauthenticated`](crate::ErrorKind::Unauthenticated)), an unreachable place
///   ([`Unavailable`](crate::ErrorKind::Unavailable), [`TimedOut`](crate::ErrorKind::TimedOut)) and a damaged
///   answer ([`Tampered`](crate::ErrorKind::Tampered)) apart, by status code or typed variant, never by text;
/// - name operation and path in every error, and nothing that came from a value, a body or a credential;
/// - map paths to its own names injectively, and back;
/// - stay usable when a future of it is dropped half-way;
/// - contact nothing when it is constructed;
/// - cap what it reads, bound its pages, and refuse a page token that repeats;
/// - show neither value nor credential in `Debug` and `Display`. `Display` is a short name for people,
///   like `local at /home/me/.local/share/secrets/store`.
#[async_trait]
pub trait SecretBackend: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// What it can do; a constant of this instance, nothing is contacted.
    fn capabilities(&self) -> Capabilities;

    /// Whether it can be reached and accepts its credentials: cheap, authenticated.
    async fn check(&self) -> Result<()>;

    /// The current version of a secret, or the one named by `at`.
    ///
    /// `NotFound` where there is none, or it is deleted.
    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret>;

    /// The current versions of many secrets, one answer per path, in the order of `paths`; batched where the
    /// service can, else see `get_each`.
    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>>;

    /// Writes a new version and names it.
    ///
    /// `AlreadyExists` and `Conflict` as [`PutMode`] says; `Unsupported` for a mode that the capabilities
    /// deny; `InvalidInput`, before anything is written, for what can never be stored.
    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written>;

    /// Deletes a secret, recoverably where the backend can. `get` is `NotFound` then, and the path can be
    /// written again at once. `NotFound` where there is none.
    async fn delete(&self, path: &SecretPath) -> Result<Written>;

    /// Brings the last value of a deleted secret back. `NotFound` where there is nothing to bring back;
    /// `Unsupported` where deletes are final.
    async fn undelete(&self, path: &SecretPath) -> Result<Written>;

    /// Removes a secret, deleted or not, with all its versions, for good. `NotFound` where there is none.
    async fn purge(&self, path: &SecretPath) -> Result<Written>;

    /// The versions that it still knows, oldest first. `NotFound` where it knows none; a backend without
    /// versions answers the current one.
    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>>;

    /// The secrets at and below `prefix` (all, without one), page by page. Deleted ones are left out.
    /// A prefix that holds nothing is an empty page.
    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page>;
}

/// When a `put` may write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a fourth mode would change the contract: every backend must see it")]
pub enum PutMode {
    /// Whether there is one or not.
    Upsert,
    /// Only where there is none: else `AlreadyExists`. A deleted secret counts as none.
    Create,
    /// Only where this is the current version: else `Conflict`, also where there is none.
    Replace(VersionId),
}

/// What a backend can do. A handful, on purpose: callers branch on each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// `PutMode::Create` is one atomic step.
    pub atomic_create: bool,
    /// `PutMode::Replace` is one atomic step.
    pub atomic_replace: bool,
    /// Old versions stay readable by id.
    pub versions: bool,
    /// `delete` can be undone.
    pub recoverable_delete: bool,
    /// The largest value, in bytes.
    pub max_value: usize,
    /// The longest path, in bytes.
    pub max_path: usize,
}

impl Capabilities {
    /// Everything, with the given limits in bytes.
    #[must_use]
    pub const fn all(max_value: usize, max_path: usize) -> Self {
        Self {
            atomic_create: true,
            atomic_replace: true,
            versions: true,
            recoverable_delete: true,
            max_value,
            max_path,
        }
    }
}
