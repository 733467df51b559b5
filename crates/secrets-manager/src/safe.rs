//! The safe: what an application calls.

mod combined;
mod newest;
mod open;
mod replicas;
mod sealing;
mod topology;
mod views;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use secrets_audit::{Action, AuditLog};
use secrets_backend::{
    ErrorKind, Metadata, NewSecret, Operation, PutMode, Secret, SecretBackend, SecretPath, VersionId,
    VersionMeta, Written,
};
use secrets_crypto::Suite;
use secrets_crypto::header::Fingerprint;
use secrets_multicloud::{FailoverConfig, Role};

use crate::audited::AuditBackend;
use crate::blocking::blocking;
use crate::control::Object;
use crate::recorder::Caller;
use crate::replica::Replica;
use crate::slots::Slots;
use crate::unlock::Unlock;
use crate::{Places, Result};
pub use replicas::{Contender, PromoteConfig, Promoted};
pub use sealing::Sealing;
pub(crate) use topology::{Member, Members, Topology};
pub use views::{Description, Summary};

/// Who else can use a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Other installations: header and keyrings are kept there too, so that they can join, and a place of another
    /// safe is refused.
    Shared,
    /// This installation alone, as with a directory of this machine: its own files say everything.
    Own,
}

/// A backend that has what the primary has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Standby {
    /// The backend.
    pub backend: Arc<dyn SecretBackend>,
    /// Who else can use it; [`Place::Shared`].
    pub place: Place,
    /// When it is asked; [`Role::Failover`].
    pub role: Role,
    /// Its share of the reads; 0. Where no backend has one, the primary is always asked first.
    pub weight: u32,
}

impl Standby {
    /// A backend that others use as well.
    #[must_use]
    pub fn new(backend: Arc<dyn SecretBackend>) -> Self {
        Self { backend, place: Place::Shared, role: Role::Failover, weight: 0 }
    }
}

/// Backends of their own for the secrets at and below a path.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route {
    /// The path; of several routes the longest that fits is taken.
    pub prefix: SecretPath,
    /// The backend that takes writes. Its role is not looked at.
    pub primary: Standby,
    /// Where else its secrets are, in the order in which they are asked.
    pub standbys: Vec<Standby>,
}

impl Route {
    /// The secrets at and below `prefix` live there.
    #[must_use]
    pub const fn new(prefix: SecretPath, primary: Standby, standbys: Vec<Standby>) -> Self {
        Self { prefix, primary, standbys }
    }
}

/// How a safe is opened.
#[derive(Debug)]
#[non_exhaustive]
pub struct Options {
    /// The backend that keeps the secrets.
    pub backend: Arc<dyn SecretBackend>,
    /// Its share of the reads, where they are spread; 0.
    pub weight: u32,
    /// Where else sealed secrets are, in the order in which they are asked where the backend cannot answer. What is
    /// written comes to the backend first, and to these by way of a journal.
    pub standbys: Vec<Standby>,
    /// Backends of their own for some paths, in place of those above.
    pub routes: Vec<Route>,
    /// With several backends: how long is waited for whom, how far a write has to come, whose answer counts.
    pub failover: FailoverConfig,
    /// Backends, by their own names, that are kept from answering on purpose, to see what happens then; none.
    pub blocked: BTreeSet<String>,
    /// Who else can use the backend; [`Place::Shared`]. Of plain values a backend keeps nothing of the safe.
    pub place: Place,
    /// The environment: sealed into every secret, so that staging and production cannot be swapped.
    pub environment: String,
    /// Whether the backend is given sealed values or plain ones.
    pub sealing: Sealing,
    /// Who asks.
    pub caller: Caller,
    /// The AEAD suite of what is written; the faster one on this machine.
    pub suite: Suite,
    /// The longest that one call to the backend may take; 15 s.
    pub deadline: Duration,
    /// The longest that one writing call may take, where a backend needs more time for those; as `deadline`.
    pub write_deadline: Option<Duration>,
    /// The longest that a call waits for other processes; 10 s.
    pub lock_wait: Duration,
}

impl Options {
    /// The environment `default` on this backend, for nobody in particular.
    #[must_use]
    pub fn new(backend: Arc<dyn SecretBackend>) -> Self {
        Self {
            backend,
            weight: 0,
            standbys: Vec::new(),
            routes: Vec::new(),
            failover: FailoverConfig::default(),
            blocked: BTreeSet::new(),
            place: Place::Shared,
            environment: "default".to_owned(),
            sealing: Sealing::Sealed,
            caller: Caller::default(),
            suite: Suite::detect(),
            deadline: Duration::from_secs(15),
            write_deadline: None,
            lock_wait: Duration::from_secs(10),
        }
    }
}

/// An open safe.
///
/// Every call is recorded: a reading one by one entry that is durable before its values are given out, a
/// writing one by two. It can be shared among tasks. A dropped future leaves it usable; a write that was
/// dropped half-way is ended, or undone, by the next one.
#[derive(Debug)]
pub struct Safe {
    pub(crate) stack: Arc<AuditBackend>,
    pub(crate) replica: Arc<Replica>,
    pub(crate) standbys: Vec<Arc<Replica>>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) places: Places,
}

impl Safe {
    /// Opens the safe at `places`.
    ///
    /// A refused secret is recorded, signed by the installation, before this returns.
    ///
    /// # Errors
    /// [`NoSafe`](crate::Error::NoSafe), [`WrongSecret`](crate::Error::WrongSecret),
    /// [`KeyFile`](crate::Error::KeyFile), [`Header`](crate::Error::Header),
    /// [`OldHeader`](crate::Error::OldHeader), [`Keyring`](crate::Error::Keyring),
    /// [`Audit`](crate::Error::Audit), [`ShortLog`](crate::Error::ShortLog),
    /// [`State`](crate::Error::State), [`File`](crate::Error::File).
    pub async fn open(places: &Places, options: Options, unlock: Unlock) -> Result<Self> {
        let places = places.clone();
        let (safe, has_journal) = blocking(move || open::open(places, options, &unlock)).await?;
        if has_journal && let Err(error) = safe.stack.replay_journal().await {
            // What is there can be read although the rest cannot be written now: the next opening tries again.
            if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::RateLimited)
            {
                return Err(error.into());
            }
            tracing::warn!(%error, "a bulk write that was cut short cannot be completed yet");
        }
        Ok(safe)
    }

    /// The current version of a secret, or version `at`: a number where values are sealed, else the backend's
    /// own name of it.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::Error::InvalidInput) for a version that names none;
    /// [`Backend`](crate::Error::Backend), by its kind.
    pub async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        at.map_or(Ok(()), |at| self.check_version(at))?;
        Ok(self.stack.read(Action::SecretRead, path, at).await?)
    }

    /// The current versions of many secrets, one answer per path, in their order: one audit entry and one
    /// opening of the store, however many.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend) where nothing could be given out; a single secret's error is in its
    /// own place.
    pub async fn get_many(&self, paths: &[SecretPath]) -> Result<Vec<secrets_backend::Result<Secret>>> {
        self.get_many_for(Purpose::Read, paths).await
    }

    /// As [`Safe::get_many`], recorded with what the values are for.
    ///
    /// # Errors
    /// As [`Safe::get_many`].
    pub async fn get_many_for(
        &self,
        purpose: Purpose,
        paths: &[SecretPath],
    ) -> Result<Vec<secrets_backend::Result<Secret>>> {
        Ok(self.stack.read_many(purpose.action(), paths).await?)
    }

    /// Writes a new version.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend): `AlreadyExists` and `Conflict` as [`PutMode`] says, `InvalidInput`
    /// for a value over the limit. [`InvalidInput`](crate::Error::InvalidInput) for a version that names none.
    pub async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.check_mode(mode)?;
        Ok(self.stack.put_as(Action::SecretWrite, path, secret, mode).await?)
    }

    /// Writes many secrets; an answer for each, in their order. All are checked and sealed before the first is written.
    ///
    /// With one backend all are written or none: see the error for the one exception. A process that is killed half-way
    /// leaves a journal, which the next opening of the safe carries to its end. With several backends one secret may be
    /// refused and another not: where someone else wrote it at the same moment.
    ///
    /// Plain values have no journal: all are checked, then written in their order up to the first that fails.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend). Of kind `InvalidInput`, `AlreadyExists` or `Conflict`, nothing was
    /// written unless another installation wrote at the same moment; of kind `Unavailable` or `TimedOut`,
    /// what is missing follows when the safe is next opened. Of plain values the error names the first that
    /// failed, and says how many were written before it.
    pub async fn put_many(
        &self,
        secrets: &[(SecretPath, NewSecret)],
        mode: &PutMode,
    ) -> Result<Vec<secrets_backend::Result<Written>>> {
        Ok(self.stack.put_many(Action::SecretImport, secrets, mode).await?)
    }

    /// The secrets at and below `prefix`, by path; deleted ones too, where asked for.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend), by its kind: `Unsupported` for deleted secrets on a backend of plain
    /// values that could bring them back, since it does not list them.
    pub async fn list(&self, prefix: Option<&SecretPath>, scope: ListScope) -> Result<Vec<Summary>> {
        let page = self.stack.list_all(prefix, scope == ListScope::WithDeleted).await?;
        let mut all: Vec<Summary> = page.items.into_iter().map(Summary::from).collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
    }

    /// The versions of a secret, oldest first.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend), by its kind: `Unsupported` on a backend that keeps no old versions.
    pub async fn history(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        Ok(self.stack.history(path).await?)
    }

    /// Writes the value and metadata of an old version as a new one.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend): `NotFound` where there is no such version.
    /// [`InvalidInput`](crate::Error::InvalidInput) for a version that names none.
    pub async fn rollback(&self, path: &SecretPath, to: &VersionId) -> Result<Written> {
        self.check_version(to)?;
        let write = async {
            let old = self.stack.below().get(path, Some(to)).await?;
            let new = NewSecret::new(old.value).with_metadata(old.metadata);
            self.stack.below().put(path, &new, &PutMode::Upsert).await
        };
        Ok(self.stack.write(Action::SecretRollback, path, write).await?)
    }

    /// Deletes a secret; its versions stay, for [`Safe::undelete`].
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend): `NotFound` where there is none.
    pub async fn delete(&self, path: &SecretPath) -> Result<Written> {
        Ok(self.stack.delete(path).await?)
    }

    /// Deletes many secrets, all or none, as [`Safe::put_many`] writes them.
    ///
    /// # Errors
    /// As [`Safe::put_many`]; `NotFound` where one of them is missing.
    pub async fn delete_many(&self, paths: &[SecretPath]) -> Result<Vec<secrets_backend::Result<Written>>> {
        Ok(self.stack.delete_many(paths).await?)
    }

    /// Brings the last value of a deleted secret back, as a new version.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend): `NotFound` where there is nothing to bring back.
    pub async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        Ok(self.stack.undelete(path).await?)
    }

    /// Removes a secret with all its versions, for good. Only its last version number is kept.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend): `NotFound` where there is none.
    pub async fn purge(&self, path: &SecretPath) -> Result<Written> {
        Ok(self.stack.purge(path).await?)
    }

    /// What is known of a secret, without its value.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend), by its kind.
    pub async fn describe(&self, path: &SecretPath) -> Result<Description> {
        let secret = self.stack.read(Action::SecretDescribe, path, None).await?;
        Ok(Description::of(path.clone(), secret))
    }

    /// Changes the metadata of a secret, as a new version with the same value.
    ///
    /// `change` may run more than once, where someone else writes at the same moment.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend): `NotFound` where there is none.
    pub async fn update_metadata(
        &self,
        path: &SecretPath,
        change: impl Fn(&mut Metadata) + Send + Sync,
    ) -> Result<Written> {
        let below = self.stack.below();
        let write = async {
            for _ in 0..ATTEMPTS {
                let secret = below.get(path, None).await?;
                let mut metadata = secret.metadata;
                change(&mut metadata);
                let new = NewSecret::new(secret.value).with_metadata(metadata);
                match below.put(path, &new, &PutMode::Replace(secret.version)).await {
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    answer => return answer,
                }
            }
            let busy = secrets_backend::Error::new(ErrorKind::Conflict, Operation::Put, below.to_string());
            Err(busy.with_path(path))
        };
        Ok(self.stack.write(Action::SecretTag, path, write).await?)
    }

    /// Header and keyring go to the other backends too; one that is not reached gets them with its next write.
    pub(crate) async fn push_to_standbys(&self) {
        for standby in &self.standbys {
            if let Err(error) = standby.push().await {
                tracing::warn!(%error, "header and keyring did not come to a backend that stands by");
            }
        }
    }

    /// Whether the backend can be reached and accepts its credentials.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend), by its kind.
    pub async fn check(&self) -> Result<()> {
        Ok(self.stack.check().await?)
    }

    /// The fingerprint of the safe: to be compared when another installation joins.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.fingerprint.to_string()
    }

    /// The slots of the safe, to be changed; what opens them has to be given again.
    #[must_use]
    pub fn slots(&self, unlock: Unlock) -> Slots<'_> {
        Slots::new(self, Arc::new(unlock))
    }

    /// The audit log of this installation.
    #[must_use]
    pub fn audit_log(&self) -> &AuditLog {
        &self.stack.recorder().log
    }

    /// Signs the present head of the audit log, and records that. A copy goes to a shared backend, where it is
    /// reached.
    ///
    /// # Errors
    /// [`Audit`](crate::Error::Audit).
    pub async fn checkpoint(&self) -> Result<String> {
        let recorder = self.stack.recorder();
        recorder.read(recorder.call(Action::AuditCheckpoint)?, &[], Vec::new(), None).await?;
        let log = Arc::clone(&recorder.log);
        let checkpoint = blocking(move || log.checkpoint()).await?;
        if let Some(shared) = &self.replica.shared {
            let object = Object::Checkpoint(recorder.tenant.writer());
            if let Err(error) = shared.control.overwrite(object, checkpoint.as_bytes()).await {
                tracing::warn!(%error, "the checkpoint was not copied to the backend");
            }
        }
        Ok(checkpoint)
    }

    /// Opens the sealed detail of an audit entry: JSON with user, host, program, reason and paths.
    /// `None` where it was sealed by another tenant, or erased.
    #[must_use]
    pub fn audit_detail(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.stack.recorder().tenant.keyring().open_detail(sealed).ok().map(|plain| plain.to_vec())
    }

    /// The safe as a backend: the whole stack behind the contract, sealed, verified and audited.
    #[must_use]
    pub fn as_backend(&self) -> Arc<dyn SecretBackend> {
        Arc::<AuditBackend>::clone(&self.stack)
    }
}

/// What values are read for; the audit entry says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// To be looked at or used by the caller.
    Read,
    /// To be given to a program that is started.
    Run,
    /// To be written out in a file format.
    Export,
}

impl Purpose {
    const fn action(self) -> Action {
        match self {
            Self::Read => Action::SecretRead,
            Self::Run => Action::SecretRun,
            Self::Export => Action::SecretExport,
        }
    }
}

/// What a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListScope {
    /// What can be read.
    Live,
    /// That, and what was deleted.
    WithDeleted,
}

/// How often a change of metadata starts over when someone else writes.
const ATTEMPTS: u32 = 4;
