//! The safe's own objects at a backend: its header, its keyrings, the checkpoints of its audit logs.
//!
//! They lie under `_secrets/`, are no secrets and no envelopes, and are written past sealing and failover. What
//! each holds is in `docs/spec/control-objects.md`.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use secrets_backend::{
    Error, ErrorKind, NewSecret, Operation, PutMode, Result, SecretBackend, SecretBytes, SecretPath,
    VersionId, read_back,
};
use secrets_crypto::{InstallationId, ObjectId, TenantId};

/// One of the safe's own objects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Object {
    /// The header, without passphrase slots.
    Header,
    /// A tenant's sealed keyring.
    Keyring(TenantId),
    /// The newest signed head of an installation's audit log.
    Checkpoint(InstallationId),
    /// Which backend is the primary of an environment, where one was promoted.
    Term(ObjectId),
}

/// An object as it was read.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) bytes: SecretBytes,
    /// What other versions hold, newest first, where a backend has versions and no conditions: of two that wrote at
    /// once, one was written over unseen, until somebody merges both.
    pub(crate) beside: Vec<SecretBytes>,
    version: VersionId,
    /// The versions that were there.
    known: Vec<VersionId>,
}

/// The safe's own objects at one backend.
#[derive(Debug)]
pub(crate) struct Control {
    backend: Arc<dyn SecretBackend>,
}

impl Object {
    fn path(self) -> SecretPath {
        let text = match self {
            Self::Header => "_secrets/safe".to_owned(),
            Self::Keyring(tenant) => format!("{TENANTS}/{tenant}/keyring"),
            Self::Checkpoint(installation) => format!("_secrets/checkpoint/{installation}"),
            Self::Term(environment) => format!("_secrets/term/{environment}"),
        };
        SecretPath::control(&text).expect("an object's name is a path")
    }
}

impl Control {
    pub(crate) const fn new(backend: Arc<dyn SecretBackend>) -> Self {
        Self { backend }
    }

    /// What is stored of an object; `None` where there is nothing.
    pub(crate) async fn read(&self, object: Object) -> Result<Option<Stored>> {
        let path = object.path();
        let secret = match self.backend.get(&path, None).await {
            Ok(secret) => secret,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (bytes, version) = (secret.value, secret.version);
        if !self.may_hide_versions() {
            return Ok(Some(Stored { bytes, beside: Vec::new(), version, known: Vec::new() }));
        }
        let known: Vec<VersionId> = self.versions(&path).await?;
        let others = known.iter().rev().filter(|id| **id != version).take(MOST_BESIDE).map(|id| {
            let (path, backend) = (&path, &self.backend);
            async move { backend.get(path, Some(id)).await }
        });
        let others: Vec<_> = stream::iter(others.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
        let mut beside = Vec::with_capacity(others.len());
        for other in others {
            match other {
                Ok(other) => beside.push(other.value),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Stored { bytes, beside, version, known }))
    }

    /// Writes an object on top of what was read; `Conflict` or `AlreadyExists` where that is no longer there, or where
    /// someone else wrote at the same moment: then whoever reads again finds both.
    ///
    /// A backend with neither conditions nor versions has one installation at most, see [`Control::is_shareable`]; what
    /// is read back there must be what was written.
    pub(crate) async fn write(&self, object: Object, bytes: &[u8], on: Option<&Stored>) -> Result<()> {
        let (path, new) = (object.path(), NewSecret::new(bytes));
        let can = self.backend.capabilities();
        let mode = match on {
            None if can.atomic_create => PutMode::Create,
            Some(stored) if can.atomic_replace => PutMode::Replace(stored.version.clone()),
            _ => PutMode::Upsert,
        };
        let written = read_back(&*self.backend, &path, &new, &mode).await?;
        let is_alone = match mode {
            PutMode::Upsert if can.versions => {
                let known = on.map(|stored| stored.known.as_slice()).unwrap_or_default();
                let is_known = |id: &VersionId| known.contains(id) || written.version.as_ref() == Some(id);
                self.versions(&path).await?.iter().all(is_known)
            }
            PutMode::Upsert => {
                let found = self.read(object).await?;
                found.is_some_and(|found| found.bytes.expose() == bytes)
            }
            _ => true,
        };
        if is_alone { Ok(()) } else { Err(self.error(ErrorKind::Conflict).with_path(&path)) }
    }

    /// The backend's ids of what it has of an object, oldest first.
    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionId>> {
        let versions = self.backend.versions(path).await?;
        Ok(versions.into_iter().map(|meta| meta.id).collect())
    }

    /// Whether one write can hide another that happened at the same moment, and both are kept.
    fn may_hide_versions(&self) -> bool {
        let can = self.backend.capabilities();
        can.versions && !(can.atomic_create && can.atomic_replace)
    }

    /// Writes an object that this installation alone writes.
    pub(crate) async fn overwrite(&self, object: Object, bytes: &[u8]) -> Result<()> {
        self.backend.put(&object.path(), &NewSecret::new(bytes), &PutMode::Upsert).await.map(drop)
    }

    /// The tenants that have a keyring here.
    pub(crate) async fn tenants(&self) -> Result<Vec<TenantId>> {
        let folder = SecretPath::control(TENANTS).expect("a folder's name is a path");
        let (mut tenants, mut page) = (Vec::new(), None);
        loop {
            let listed = self.backend.list(Some(&folder), page.as_ref()).await?;
            let ids = listed.items.iter().filter_map(|item| {
                let rest = item.path.as_str().strip_prefix(TENANTS)?.strip_prefix('/')?;
                rest.strip_suffix("/keyring")?.parse::<TenantId>().ok()
            });
            tenants.extend(ids);
            match listed.next {
                None => return Ok(tenants),
                next if next == page => {
                    return Err(self.error(ErrorKind::Unexpected).with_detail("a page repeats"));
                }
                next => page = next,
            }
        }
    }

    /// Whether two installations can write here without one undoing what the other did unseen. Known once the
    /// backend has answered something.
    pub(crate) fn is_shareable(&self) -> bool {
        let can = self.backend.capabilities();
        can.atomic_replace || can.versions
    }

    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, Operation::Check, self.backend.to_string())
    }
}

const TENANTS: &str = "_secrets/tenant";
/// As many versions are read beside the current one, the newest first.
const MOST_BESIDE: usize = 256;
const AT_ONCE: usize = 8;
