//! The safe's own objects at a backend: its header, its keyrings, the checkpoints of its audit logs.
//!
//! They lie under `_secrets/`, are no secrets and no envelopes, and are written past sealing and failover. What
//! each holds is in `docs/spec/control-objects.md`.

use std::sync::Arc;

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
    version: VersionId,
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
        match self.backend.get(&object.path(), None).await {
            Ok(secret) => Ok(Some(Stored { bytes: secret.value, version: secret.version })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes an object on top of what was read; `Conflict` or `AlreadyExists` where that is no longer there.
    ///
    /// A backend without conditions has one installation at most, see [`Control::is_shareable`]; what is read
    /// back there must be what was written.
    pub(crate) async fn write(&self, object: Object, bytes: &[u8], on: Option<&Stored>) -> Result<()> {
        let (path, new) = (object.path(), NewSecret::new(bytes));
        let can = self.backend.capabilities();
        let mode = match on {
            None if can.atomic_create => PutMode::Create,
            Some(stored) if can.atomic_replace => PutMode::Replace(stored.version.clone()),
            _ => {
                read_back(&*self.backend, &path, &new, &PutMode::Upsert).await?;
                let found = self.read(object).await?;
                let is_ours = found.is_some_and(|found| found.bytes.expose() == bytes);
                return if is_ours { Ok(()) } else { Err(self.error(ErrorKind::Conflict).with_path(&path)) };
            }
        };
        read_back(&*self.backend, &path, &new, &mode).await.map(drop)
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
