//! A backend as a place of this safe: its control objects, and the keys that others made.

mod backend;
pub(crate) mod settle;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrets_backend::{Error, ErrorKind, Result, Secret};
use secrets_crypto::envelope::Envelope;
use secrets_crypto::header::Header;
use secrets_crypto::{HeaderKey, SafeId};
use sha2::{Digest, Sha256};

use crate::blocking::blocking;
use crate::control::{Control, Object};
use crate::files;
use crate::state::State;
use crate::tenant::Tenant;
use crate::{ForeignPlace, Places};
pub(crate) use backend::ReplicaBackend;

/// What a backend has to do with this safe.
///
/// Before the first read or write there, its header is compared with ours: a place of another safe is refused,
/// an empty one is taken by the first write. That is remembered, so that it costs nothing afterwards.
pub(crate) struct Replica {
    name: String,
    /// `None` where nobody else can write: the files of this installation say everything.
    pub(crate) shared: Option<Shared>,
    files: Arc<Files>,
    /// What was agreed on with the backend, by this process or an earlier one.
    settled: AtomicBool,
    settling: tokio::sync::Mutex<()>,
    /// Epochs that were asked for in vain, and when.
    asked: Mutex<HashMap<u32, Instant>>,
}

/// What a backend that others use holds of this safe.
pub(crate) struct Shared {
    pub(crate) control: Control,
    /// What its header is authenticated by.
    pub(crate) header_key: Arc<HeaderKey>,
}

/// What this installation has in its own files.
pub(crate) struct Files {
    pub(crate) places: Places,
    pub(crate) safe: SafeId,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) state: Arc<State>,
}

impl Replica {
    /// `settled`: whether an earlier process agreed with the backend on what is in the files.
    pub(crate) fn new(name: String, shared: Option<Shared>, files: Arc<Files>, settled: bool) -> Self {
        let settled = settled || shared.is_none();
        Self {
            name,
            shared,
            files,
            settled: AtomicBool::new(settled),
            settling: tokio::sync::Mutex::default(),
            asked: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn files(&self) -> Arc<Files> {
        Arc::clone(&self.files)
    }

    /// Before something is read: refuses a place of another safe. One that is empty is looked at again.
    pub(crate) async fn readable(&self) -> Result<()> {
        self.agreed(Purpose::Read).await
    }

    /// Before something is written: the place is this safe's, or becomes so.
    pub(crate) async fn writable(&self) -> Result<()> {
        self.agreed(Purpose::Write).await
    }

    /// Before the key is rotated: the place is this safe's, or becomes so.
    pub(crate) async fn rotatable(&self) -> Result<()> {
        self.agreed(Purpose::Rotate).await
    }

    /// One of many callers settles with the backend, and the others wait for that.
    async fn agreed(&self, purpose: Purpose) -> Result<()> {
        let Some(shared) = self.shared.as_ref().filter(|_| !self.is_settled()) else { return Ok(()) };
        let _one = self.settling.lock().await;
        if !self.is_settled() && self.settle(shared, purpose).await? {
            self.settled.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// After the header or a keyring was changed here: brings them to the backend.
    pub(crate) async fn push(&self) -> Result<()> {
        match &self.shared {
            Some(shared) => self.settle(shared, Purpose::Write).await.map(drop),
            None => Ok(()),
        }
    }

    /// Looks for the epochs of these answers that are not known: in this installation's keyring file, then at the
    /// backend. What is not found stays unknown, and is refused where it is opened.
    async fn learn_epochs_of(&self, answers: impl Iterator<Item = &Secret>) {
        let unknown: Vec<u32> = {
            let keyring = self.files.tenant.keyring();
            let epochs = answers.filter_map(|secret| Envelope::parse(secret.value.expose()).ok());
            epochs.map(|envelope| envelope.epoch()).filter(|epoch| !keyring.has_epoch(*epoch)).collect()
        };
        if unknown.iter().any(|epoch| self.may_ask_for(*epoch))
            && let Err(error) = self.learn(&unknown).await
        {
            tracing::warn!(%error, "a secret is sealed under keys that are not known here, and they could not be fetched");
        }
    }

    async fn learn(&self, unknown: &[u32]) -> Result<()> {
        let files = Arc::clone(&self.files);
        let read = blocking(move || files.learn_own()).await;
        read.map_err(|error| self.local(&error))?;
        let is_known = |epoch: &u32| self.files.tenant.keyring().has_epoch(*epoch);
        if unknown.iter().any(is_known) && self.shared.is_some() {
            // Another process rotated, maybe without this backend: it has to have that before the next write.
            self.settled.store(false, Ordering::Release);
        }
        if let Some(shared) = self.shared.as_ref().filter(|_| !unknown.iter().all(is_known))
            && let Some(stored) = shared.control.read(Object::Keyring(self.files.tenant.id())).await?
        {
            self.take_over_all(&stored).await?;
            if self.is_settled() {
                self.record(shared).await?;
            }
        }
        Ok(())
    }

    /// Each epoch once in a while: forged answers must not cost a call each.
    fn may_ask_for(&self, epoch: u32) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.get(&epoch).is_some_and(|last| last.elapsed() < ASK_AGAIN) {
            return false;
        }
        if asked.len() >= ASKED_LIMIT {
            asked.clear();
        }
        asked.insert(epoch, Instant::now());
        true
    }

    /// A file of this installation that cannot be used: damaged, or not to be had.
    fn local(&self, error: &crate::Error) -> Error {
        let kind = match error {
            crate::Error::Header { .. } | crate::Error::Keyring { .. } => ErrorKind::Tampered,
            _ => ErrorKind::Unavailable,
        };
        self.error(kind).with_detail(format!("local state: {error}"))
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, secrets_backend::Operation::Check, self.name.clone())
    }

    fn foreign(&self, safe: SafeId) -> Error {
        let foreign = ForeignPlace { safe };
        self.error(ErrorKind::InvalidInput).with_detail(foreign.to_string()).with_source(foreign)
    }
}

impl Files {
    pub(crate) fn keyring(&self) -> PathBuf {
        self.places.keyrings().join(self.tenant.id().to_string())
    }

    pub(crate) fn read_keyring(&self) -> crate::Result<Vec<u8>> {
        Ok(files::read(&self.keyring(), KEYRING_LIMIT)?.to_vec())
    }

    /// What another process of this installation put into the keyring's file.
    pub(crate) fn learn_own(&self) -> crate::Result<()> {
        let bytes = self.read_keyring()?;
        let learned = self.tenant.learn(&bytes);
        learned.map(drop).map_err(|source| crate::Error::Keyring { path: self.keyring(), source })
    }
}

/// What a place was left with: the header as backends have it, and the keyring.
pub(crate) fn digest(header: &[u8], keyring: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(header).chain_update(keyring).finalize().into()
}

/// The header as backends have it: without passphrase slots, authenticated anew.
pub(crate) fn header_for_backends(header: &Header, key: &HeaderKey) -> Vec<u8> {
    header.without_passphrases().encode(key)
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("places", &self.places).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a place is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Nothing is written into a place that is empty, and nothing is insisted on.
    Read,
    /// Both sides must have the same keys.
    Write,
    /// They get the same keys next.
    Rotate,
}

/// The largest keyring file, in bytes.
pub(crate) const KEYRING_LIMIT: u64 = 1 << 20;
/// How long an epoch that was not found is not asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How many such epochs are remembered.
const ASKED_LIMIT: usize = 1024;
