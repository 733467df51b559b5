//! The slots of a safe: what opens it.

use std::sync::Arc;

use getrandom::SysRng;
use secrets_audit::Action;
use secrets_backend::SecretBytes;
use secrets_crypto::header::{self, Header};
use secrets_crypto::{KdfParams, KeyFile, RecoveryPhrase, RootKey, SlotSecret};
use zeroize::Zeroizing;

use crate::blocking::blocking;
use crate::header::{HeaderFile, kdf_limits};
use crate::safe::Safe;
use crate::unlock::{Unlock, read_key_file};
use crate::{Error, Result, files};

pub use secrets_crypto::header::SlotKind;

/// A slot to be added.
#[derive(Debug)]
#[non_exhaustive]
pub enum NewSlot {
    /// A key file at this path: the one that is there, or a new one.
    KeyFile(std::path::PathBuf),
    /// A passphrase, with its key derivation.
    Passphrase {
        /// 1 to 4,096 bytes.
        passphrase: SecretBytes,
        /// [`KdfParams::ARGON2ID_DEFAULT`] unless there is a reason.
        kdf: KdfParams,
    },
    /// 24 words, made now and given back once.
    RecoveryPhrase,
}

/// What everybody may know of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotInfo {
    /// Its number.
    pub id: u8,
    /// What opens it.
    pub kind: SlotKind,
    /// How its key is made.
    pub kdf: KdfParams,
    /// Words for people.
    pub label: String,
}

/// A slot that was added.
#[derive(Debug)]
#[non_exhaustive]
pub struct AddedSlot {
    /// Its number.
    pub id: u8,
    /// The words of a new recovery phrase: to be shown once, on a terminal, and kept on paper.
    pub recovery_phrase: Option<Zeroizing<String>>,
}

/// The slots of an open safe. It holds the root key: keep it no longer than needed.
#[derive(Debug)]
pub struct Slots<'a> {
    safe: &'a Safe,
    unlock: Arc<Unlock>,
}

impl<'a> Slots<'a> {
    pub(crate) const fn new(safe: &'a Safe, unlock: Arc<Unlock>) -> Self {
        Self { safe, unlock }
    }

    /// Adds a slot.
    ///
    /// # Errors
    /// [`Error::Slot`] for parameters out of bounds or a label over 32 bytes; those of unlocking and of the
    /// audit log.
    pub async fn add(&self, slot: NewSlot, label: &str) -> Result<AddedSlot> {
        let label = label.to_owned();
        self.change(Action::KeyAdd, move |header, root| add(header, root, &slot, &label)).await
    }

    /// Removes a slot. The last one stays.
    ///
    /// # Errors
    /// [`Error::Slot`] where there is no such slot, or no other; those of unlocking and of the audit log.
    pub async fn remove(&self, id: u8) -> Result<()> {
        self.change(Action::KeyRemove, move |header, _| header.remove_slot(id).map_err(Error::Slot)).await
    }

    /// Changes the header between the two entries of a write, under the safe's lock.
    async fn change<T, F>(&self, action: Action, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Header, &RootKey) -> Result<T> + Send + 'static,
    {
        let recorder = self.safe.stack.recorder();
        let call = recorder.call(action)?;
        recorder.intent(call, &[]).await?;
        let (places, unlock) = (self.safe.places.clone(), Arc::clone(&self.unlock));
        let state = Arc::clone(&recorder.state);
        let changed = blocking(move || {
            let _lock = crate::init::lock(&places)?;
            let file = HeaderFile::read_durable(&places.header())?;
            let mut unlocked = file.unlock(&unlock)?;
            let value = change(&mut unlocked.header, &unlocked.root)?;
            unlocked.header.advance();
            file.write(&unlocked.header, &unlocked.root.header_key(&unlocked.header.safe_id()))?;
            state.record_header(unlocked.header.sequence())?;
            Ok(value)
        })
        .await;
        if changed.is_ok()
            && let Err(error) = self.safe.replica.push().await
        {
            tracing::warn!(%error, "the change was not copied to the backend yet; the next write there does it");
        }
        let code = changed.as_ref().err().map(|_: &Error| "slot");
        let outcome =
            if changed.is_ok() { secrets_audit::Outcome::Ok } else { secrets_audit::Outcome::Error };
        recorder.end(call, &[], &[], outcome, code).await?;
        changed
    }
}

/// Adds a slot to a header that is being made or changed.
pub(crate) fn add(header: &mut Header, root: &RootKey, slot: &NewSlot, label: &str) -> Result<AddedSlot> {
    let mut seal = |secret, kdf| {
        let new = header::NewSlot { label, secret, kdf };
        header.add_slot(root, &new, &kdf_limits(), &mut SysRng).map_err(Error::Slot)
    };
    let (id, recovery_phrase) = match slot {
        NewSlot::KeyFile(path) => {
            let key =
                if path.symlink_metadata().is_ok() { read_key_file(path)? } else { make_key_file(path)? };
            (seal(SlotSecret::KeyFile(&key), KdfParams::Hkdf)?, None)
        }
        NewSlot::Passphrase { passphrase, kdf } => {
            (seal(SlotSecret::Passphrase(passphrase.expose()), *kdf)?, None)
        }
        NewSlot::RecoveryPhrase => {
            let phrase = RecoveryPhrase::generate(&mut SysRng).map_err(Error::Slot)?;
            (seal(SlotSecret::RecoveryPhrase(&phrase), KdfParams::Hkdf)?, Some(phrase.words()))
        }
    };
    Ok(AddedSlot { id, recovery_phrase })
}

fn make_key_file(path: &std::path::Path) -> Result<KeyFile> {
    let key = KeyFile::generate(&mut SysRng).map_err(|_| Error::Random)?;
    if let Some(parent) = path.parent() {
        files::create_parent(parent)?;
    }
    files::create_new(path, key.encode().as_bytes())?;
    Ok(key)
}

impl From<header::SlotInfo> for SlotInfo {
    fn from(slot: header::SlotInfo) -> Self {
        Self { id: slot.id, kind: slot.kind, kdf: slot.kdf, label: slot.label }
    }
}
