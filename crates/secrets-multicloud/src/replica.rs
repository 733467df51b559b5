//! One replica, behind logical versions and a verify function.

mod blocked;
mod copies;
mod hidden;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::sync::Arc;

use secrets_backend::{
    Capabilities, ContentId, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result,
    Secret, SecretBackend, SecretPath, Served, Stamp, VersionId, VersionMeta, Written, async_trait,
};

use crate::known::Known;
use crate::translate::{first_alone, has_rivals, logical_secret, logical_versions, native_ids};
use blocked::Blocked;
use hidden::Newest;
pub(crate) use hidden::is_contested;

/// Judges an answer before it is used: path and version asked for, and what the replica answered.
///
/// - `Some(secret)`: its authentic stamp, or `Tampered`, `Stale`.
/// - `None`, the replica says there is none: `Ok(None)`, or `Stale` where this installation knows better.
///
/// The manager hands it in, so that this crate needs neither keys nor plaintext. [`freshness`](crate::freshness) is the
/// rule for what is stale; it applies only where no version was asked for: history may be old.
pub type Verify =
    dyn Fn(&SecretPath, Option<&VersionId>, Option<&Secret>) -> Result<Option<Verified>> + Send + Sync;

/// An answer that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Its authentic stamp.
    pub stamp: Stamp,
    /// Whether this installation has seen another content under the same number.
    pub is_rival: bool,
}

impl Verified {
    /// An answer that fits what was seen.
    #[must_use]
    pub const fn good(stamp: Stamp) -> Self {
        Self { stamp, is_rival: false }
    }

    /// An answer beside which another was seen.
    #[must_use]
    pub const fn rival(stamp: Stamp) -> Self {
        Self { stamp, is_rival: true }
    }
}

/// The current version of a secret.
#[derive(Debug)]
struct Current {
    /// Under the replica's own id.
    native: VersionId,
    stamp: Stamp,
    /// Whether another content has the same number.
    is_contested: bool,
}

/// What a backend is for among several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It takes writes, and is asked first.
    #[default]
    Primary,
    /// It has what the primary has, and is asked where that one cannot answer.
    Failover,
    /// It has what the primary has, and is asked where nobody else can answer.
    Backup,
}

/// A sealed backend behind logical versions, every answer of which is verified before it is passed on.
///
/// Above it a [`VersionId`] is the logical number, below it the backend's own. Tombstones are passed up as
/// what they are: a [`Secret`] whose stamp says so; the sealing wrapper above turns them into `NotFound`.
/// `delete` and `undelete` are refused: with sealed secrets both are a `put`.
pub struct Replica {
    name: String,
    role: Role,
    weight: u32,
    is_blocked: bool,
    backend: Arc<dyn SecretBackend>,
    verify: Arc<Verify>,
    known: Known,
}

impl Replica {
    /// `backend`, called `name` in errors.
    #[must_use]
    pub fn new(name: impl Into<String>, backend: Arc<dyn SecretBackend>, verify: Arc<Verify>) -> Self {
        let name = name.into();
        Self {
            name,
            role: Role::default(),
            weight: 0,
            is_blocked: false,
            backend,
            verify,
            known: Known::default(),
        }
    }

    /// The same, as if it could not be reached: what would happen is seen without waiting for it. What is learned of it
    /// meanwhile is not remembered.
    #[must_use]
    pub fn blocked(mut self) -> Self {
        self.backend = Arc::new(Blocked { name: self.name.clone(), can: self.backend.capabilities() });
        self.is_blocked = true;
        self
    }

    pub(crate) const fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// The same, asked when its role says so.
    #[must_use]
    pub const fn in_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// The same, with its share of the reads.
    #[must_use]
    pub const fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// When it is asked.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Its share of the reads, where they are spread.
    pub(crate) const fn weight(&self) -> u32 {
        self.weight
    }

    /// What it is called in errors and reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn error(&self, kind: ErrorKind, operation: Operation, path: &SecretPath) -> Error {
        Error::new(kind, operation, self.name.clone()).with_path(path)
    }

    /// The current version, verified.
    fn verified_newest(&self, path: &SecretPath, (answer, is_contested): Newest) -> Result<Secret> {
        let mut secret = self.verified(path, None, answer)?;
        if let Some(served) = &mut secret.served {
            served.conflict |= is_contested;
        }
        Ok(secret)
    }

    /// An answer of the replica, verified and under its logical version.
    fn verified(&self, path: &SecretPath, at: Option<&VersionId>, answer: Result<Secret>) -> Result<Secret> {
        match answer {
            Ok(secret) => match (self.verify)(path, at, Some(&secret))? {
                Some(Verified { stamp, is_rival }) => {
                    if at.is_none() {
                        self.known.note(path, &secret.version, &stamp);
                    }
                    let mut secret = logical_secret(secret, stamp);
                    let mut served = Served::new(self.name.clone(), self.role != Role::Primary);
                    served.conflict = is_rival;
                    secret.served = Some(served);
                    Ok(secret)
                }
                None => Err(self
                    .error(ErrorKind::Unexpected, Operation::Get, path)
                    .with_detail("the verify function gave no stamp for a present secret")),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                (self.verify)(path, at, None)?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether this installation knows a newer version than this one.
    pub(crate) fn is_past(&self, path: &SecretPath, secret: &Secret) -> bool {
        (self.verify)(path, None, Some(secret)).is_err_and(|error| error.kind() == ErrorKind::Stale)
    }

    /// Its versions, oldest first. That they end before version `least`, which was seen, cannot be true; nor, where it is
    /// to have one, can it be that there are none of what this installation knows to be live.
    pub(crate) async fn history(&self, path: &SecretPath, least: u64) -> Result<Vec<VersionMeta>> {
        let versions = match self.versions(path).await {
            Err(error) if error.kind() == ErrorKind::NotFound && least > 0 => {
                (self.verify)(path, None, None)?;
                return Err(error);
            }
            versions => versions?,
        };
        let newest = versions.last().and_then(|meta| meta.id.number()).unwrap_or_default();
        if newest < least {
            let why = format!("a history up to version {newest} was answered, version {least} has been seen");
            return Err(self.error(ErrorKind::Stale, Operation::Versions, path).with_detail(why));
        }
        Ok(versions)
    }

    /// The current version under the replica's own id, with its verified stamp.
    async fn current(&self, path: &SecretPath) -> Result<Option<Current>> {
        let (answer, is_contested) = self.newest(path).await;
        match answer {
            Ok(secret) => {
                let verified = (self.verify)(path, None, Some(&secret))?;
                let native = secret.version;
                Ok(verified.map(|verified| Current { native, stamp: verified.stamp, is_contested }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The content that was version `number`, of several that claim to be it: what lost a race stays in a history for a
    /// while, and was never the current version. The current version, or the first above that has no rival, names its
    /// parent, and that its own.
    async fn winner(&self, path: &SecretPath, versions: &[VersionMeta], number: u64) -> Result<ContentId> {
        let undecided = || self.error(ErrorKind::Conflict, Operation::Get, path);
        let mut next = match first_alone(versions, number) {
            Some(native) => self.stamp_of(path, native).await?,
            None => self.current(path).await?.map(|current| current.stamp),
        };
        while let Some(stamp) = next.take() {
            if stamp.version == number {
                return Ok(stamp.content_id);
            }
            let parent = stamp.parent.filter(|_| stamp.version > number).ok_or_else(undecided)?;
            if stamp.version - 1 == number {
                return Ok(parent);
            }
            let native =
                native_ids(versions, stamp.version - 1, Some(&parent)).next().ok_or_else(undecided)?;
            next = self.stamp_of(path, native).await?;
        }
        Err(undecided())
    }

    async fn stamp_of(&self, path: &SecretPath, native: &VersionId) -> Result<Option<Stamp>> {
        let secret = self.backend.get(path, Some(native)).await?;
        self.judged(path, &secret)
    }
}

#[async_trait]
impl SecretBackend for Replica {
    fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.backend.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        let Some(wanted) = at else {
            return self.verified_newest(path, self.newest(path).await);
        };
        let missing = || self.error(ErrorKind::NotFound, Operation::Get, path);
        let number = wanted.number().ok_or_else(missing)?;
        let versions = self.backend.versions(path).await?;
        let content = if has_rivals(&versions, number) {
            Some(self.winner(path, &versions, number).await?)
        } else {
            None
        };
        let mut answer = Err(missing());
        for native in native_ids(&versions, number, content.as_ref()) {
            answer = self.verified(path, at, self.backend.get(path, Some(native)).await);
            if answer.is_ok() {
                break;
            }
        }
        answer
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        let answers = self.newest_many(paths).await;
        paths.iter().zip(answers).map(|(path, answer)| self.verified_newest(path, answer)).collect()
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let stamp = secret.stamp.clone().ok_or_else(|| {
            self.error(ErrorKind::InvalidInput, Operation::Put, path).with_detail("only sealed secrets")
        })?;
        let native = self.native_mode(path, mode, &stamp).await?;
        self.write(path, secret, &stamp, &native).await?;
        Ok(Written::version(VersionId::from_number(stamp.version)).with_stamp(Some(stamp)))
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        Err(self.error(ErrorKind::Unsupported, Operation::Delete, path).with_detail(TOMBSTONES))
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        Err(self.error(ErrorKind::Unsupported, Operation::Undelete, path).with_detail(TOMBSTONES))
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.backend.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        let logical = logical_versions(self.backend.versions(path).await?);
        if logical.is_empty() {
            return Err(self.error(ErrorKind::NotFound, Operation::Versions, path));
        }
        Ok(logical)
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.backend.list(prefix, page).await
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

const TOMBSTONES: &str = "a sealed secret is deleted and brought back by writing a version";
