//! The contract itself.

use std::fmt;

use async_trait::async_trait;

use crate::{NewSecret, Page, PageToken, Result, Secret, SecretPath, VersionId, VersionMeta, Written};

/// A place that stores secrets.
///
/// No method has a default body: a wrapper that forgets one does not compile. What callers find convenient
/// beyond these methods is in [`SecretBackendExt`](crate::SecretBackendExt). The conformance suite
/// (`feature = "conformance"`) checks what is said here.
///
/// An implementation MUST:
///
/// - answer a write only when it is durable; a read after it sees it or something newer, or fails;
/// - keep a missing secret ([`NotFound`](crate::ErrorKind::NotFound)), a refused one
///   ([`PermissionDenied`](crate::ErrorKind::PermissionDenied),
///   [`Unauthenticated`](crate::ErrorKind::Unauthenticated)), an unreachable place
///   ([`Unavailable`](crate::ErrorKind::Unavailable), [`TimedOut`](crate::ErrorKind::TimedOut)) and a damaged
///   answer ([`Tampered`](crate::ErrorKind::Tampered)) apart, by status code or typed variant, never by text;
/// - answer `Unavailable` for a write only where it took no effect; where that is unknown it is `TimedOut`;
/// - name operation and path in every error, and nothing that came from a value, a body or a credential;
/// - map paths to its own names injectively, and back; case matters, and `a` lives beside `a/b`;
/// - refuse with `InvalidInput`, before anything is written, a value or path over its [`Capabilities`] and
///   metadata over [`Metadata::MAX_LEN`](crate::Metadata::MAX_LEN) or over the service's limits, but keep
///   what is within `Metadata::PORTABLE_TAGS`, `PORTABLE_TAG_NAME` and `PORTABLE_TEXT`: metadata is kept
///   whole or refused, never cut;
/// - stay usable when a future of it is dropped half-way; a dropped write took effect as a whole or not at all;
/// - contact nothing when it is constructed;
/// - cap what it reads, bound its pages, and refuse a page token that repeats;
/// - show neither value nor credential in `Debug` and `Display`. `Display` is a short name for people,
///   like `local at /home/me/.local/share/secrets/store`.
///
/// Two families of backends share this contract. *Native* ones, the places themselves, name versions as their
/// service does, and a native recovery makes no version. *Sealing* ones (the production stack) count versions
/// logically, make their own [stamp](crate::Written::stamp) for each write, and write a version for each
/// deletion, recovery and purge. What differs between the two is left open below on purpose: read the version
/// from [`Written`](crate::Written), never guess it.
#[async_trait]
pub trait SecretBackend: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// What it can do; a constant of this instance, nothing is contacted.
    fn capabilities(&self) -> Capabilities;

    /// Whether it can be reached and accepts its credentials: cheap, authenticated.
    async fn check(&self) -> Result<()>;

    /// The current version of a secret, or the one named by `at`.
    ///
    /// `NotFound` where there is none, or it is deleted; also for a version that it does not hold. A backend
    /// without versions may answer `Unsupported` for any version but the current one. Whether old versions of
    /// a deleted secret can be read is the service's; those of a purged one cannot.
    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret>;

    /// The current versions of many secrets, one answer per path, in the order of `paths`, whatever the others
    /// answer; batched where the service can, else by [`get_each`](crate::get_each). Its errors are those of
    /// `get`.
    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>>;

    /// Writes a new version and names it; the name is the one that `get` answers. Metadata belongs to the
    /// version: what is not given is not kept from the one before. Where a service keeps that of the current
    /// version alone, an old one is read without, never with another's.
    ///
    /// A stamp that is given comes back from `get`, maybe cut. A sealing backend makes its own, answers it in
    /// [`Written::stamp`](crate::Written::stamp), and does not take the caller's. A wrapper for plain values, which
    /// nobody stamps, is `Unsupported` for one and writes nothing.
    ///
    /// `AlreadyExists` and `Conflict` as [`PutMode`] says; `Unsupported` for a mode that the capabilities
    /// deny; `InvalidInput`, before anything is written, for what can never be stored. A sealing backend over
    /// one without conditions keeps them among its own callers, and reports another's write that it finds.
    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written>;

    /// Deletes a secret, recoverably where the backend can. `get` is `NotFound` then, and the path can be
    /// written again at once. `NotFound` where there is none, or it is deleted already.
    async fn delete(&self, path: &SecretPath) -> Result<Written>;

    /// Brings the last value of a deleted secret back, with its metadata. `NotFound` where there is nothing to
    /// bring back; a secret that is there stays as it is. `Unsupported` where deletes are final.
    async fn undelete(&self, path: &SecretPath) -> Result<Written>;

    /// Removes a secret, deleted or not, with all its versions, for good: `undelete` and `get` of any version
    /// are `NotFound` then, `versions` shows no [live](crate::VersionState::Live) one, and the path can be
    /// written again. `NotFound` where there never was one.
    async fn purge(&self, path: &SecretPath) -> Result<Written>;

    /// The versions that it still knows, oldest first, by the order of their writes. `NotFound` where it knows
    /// none; a backend without versions answers the current one.
    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>>;

    /// The secrets at and below `prefix` (all, without one), page by page. Deleted ones are left out.
    /// `app` and `app/x` are under `app`, `apple` is not. A prefix that holds nothing is an empty page.
    ///
    /// Pages are bounded, but may be short, even empty, before the last. The safe's own objects are listed
    /// like any other: whoever made them hides them. Foreign objects, whose names are no
    /// [native names](SecretPath::native), are left out.
    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page>;
}

/// When a `put` may write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a fourth mode would change the contract: every backend must see it"
)]
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
