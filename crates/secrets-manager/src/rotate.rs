//! Rotating the key that secrets are sealed under.

use std::fs::File;

use getrandom::SysRng;
use secrets_audit::{Action, Outcome};
use secrets_backend::{ErrorKind, Timestamp};
use secrets_crypto::RootKey;
use secrets_crypto::keyring::Keyring;

use crate::blocking::blocking;
use crate::control::{Control, Object, Stored};
use crate::header::HeaderFile;
use crate::replica::Files;
use crate::replica::settle::hidden_and_damaged;
use crate::safe::Safe;
use crate::unlock::Unlock;
use crate::{Error, Result, files};

/// What a rotation made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotated {
    /// The epoch that seals from now on. It is another installation's, where that one rotated at the same moment
    /// and later.
    pub epoch: u32,
    /// How many epochs the keyring has, at most 256.
    pub epochs: usize,
}

impl Safe {
    /// Makes a new epoch key, under which secrets are sealed from now on; what is there stays as it is.
    ///
    /// With a shared backend the keyring is written there first, on top of what other installations wrote, and read
    /// back before the new epoch is used: so nothing is ever sealed under a key that is not kept.
    ///
    /// # Errors
    /// [`Error::NotShareable`]; [`Error::Backend`]; [`Error::Keyring`] where it is full; [`Error::Stored`]; those of
    /// unlocking and of the audit log. Nothing is sealed under a new key then.
    pub async fn rotate_epoch(&self, unlock: Unlock) -> Result<Rotated> {
        self.replica.rotatable().await?;
        let recorder = self.stack.recorder();
        let call = recorder.call(Action::KeyRotate)?;
        recorder.intent(call, &[]).await?;
        let rotated = self.rotate(unlock).await;
        let (outcome, code) =
            if rotated.is_ok() { (Outcome::Ok, None) } else { (Outcome::Error, Some("rotate")) };
        recorder.end(call, &[], &[], outcome, code).await?;
        rotated
    }

    async fn rotate(&self, unlock: Unlock) -> Result<Rotated> {
        let files = self.replica.files();
        let opening = files.clone();
        // Held to the end: two processes of this installation rotate one after the other.
        let (mut keyring, root, lock) = blocking(move || open(&opening, &unlock)).await?;
        let control = self.replica.shared.as_ref().map(|shared| &shared.control);
        let sealed = match control {
            Some(control) if !control.is_shareable() => {
                return Err(Error::NotShareable(self.replica.name().to_owned()));
            }
            Some(control) => self.rotate_at(control, &mut keyring, &root).await?,
            None => {
                self.new_epoch(&mut keyring)?;
                self.seal(&mut keyring, &root)?
            }
        };
        blocking(move || {
            files::replace(&files.keyring(), &sealed)?;
            files.learn_own()
        })
        .await?;
        drop(lock);
        if let Err(error) = self.replica.push().await {
            tracing::warn!(%error, "rotated; header and keyring could not be compared with the backend's afterwards");
        }
        self.push_to_standbys().await;
        let epoch = keyring.active_epoch().unwrap_or_default();
        Ok(Rotated { epoch, epochs: keyring.epochs().len() })
    }

    /// Writes the keyring with a new epoch at the backend, on top of what is there, and reads it back. Answers it as
    /// it is stored then.
    async fn rotate_at(&self, control: &Control, keyring: &mut Keyring, root: &RootKey) -> Result<Vec<u8>> {
        let object = Object::Keyring(keyring.tenant_id());
        let mut new = None;
        for _ in 0..ATTEMPTS {
            let stored = control.read(object).await?;
            if let Some(stored) = &stored {
                self.merge_all(keyring, stored, root)?;
                // Someone who wrote at the same moment has merged ours already.
                if new.is_some() && self.has_all(stored, keyring, root) {
                    return Ok(stored.bytes.expose().to_vec());
                }
            }
            let epoch = match new {
                Some(epoch) => epoch,
                None => *new.insert(self.new_epoch(keyring)?),
            };
            let sealed = self.seal(keyring, root)?;
            match control.write(object, &sealed, stored.as_ref()).await {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            // Whoever wrote in between merged ours into theirs; a backend that lost it must not be trusted with it.
            if let Some(found) = control.read(object).await? {
                self.merge_all(keyring, &found, root)?;
                let kept = Keyring::open(found.bytes.expose(), root, keyring.safe_id(), keyring.tenant_id());
                if kept.is_ok_and(|kept| kept.has_epoch(epoch)) {
                    return Ok(found.bytes.expose().to_vec());
                }
                if !found.beside.is_empty() {
                    // Someone wrote over it at this moment: whoever is last makes one keyring of all.
                    continue;
                }
            }
            let lost = control.error(ErrorKind::Stale);
            return Err(lost.with_detail("the keyring that was written is not there; it is not used").into());
        }
        Err(control.error(ErrorKind::Conflict).with_detail("others rotate all the while").into())
    }

    fn merge_all(&self, keyring: &mut Keyring, stored: &Stored, root: &RootKey) -> Result<()> {
        self.merge(keyring, stored.bytes.expose(), root)?;
        for bytes in &stored.beside {
            self.merge(keyring, bytes.expose(), root).unwrap_or_else(|error| hidden_and_damaged(&error));
        }
        Ok(())
    }

    /// Whether the current version has every epoch of a keyring.
    fn has_all(&self, stored: &Stored, keyring: &Keyring, root: &RootKey) -> bool {
        let (safe, tenant) = (keyring.safe_id(), keyring.tenant_id());
        let current = Keyring::open(stored.bytes.expose(), root, safe, tenant);
        current.is_ok_and(|current| keyring.epochs().all(|epoch| current.has_epoch(epoch.id)))
    }

    fn merge(&self, keyring: &mut Keyring, stored: &[u8], root: &RootKey) -> Result<()> {
        let place = self.replica.name();
        let refused = |source| Error::Stored { what: "keyring", place: place.to_owned(), source };
        let theirs = Keyring::open(stored, root, keyring.safe_id(), keyring.tenant_id()).map_err(refused)?;
        keyring.merge(theirs).map_err(refused)
    }

    fn new_epoch(&self, keyring: &mut Keyring) -> Result<u32> {
        keyring.rotate(Timestamp::now().as_millis(), &mut SysRng).map_err(|source| self.refused(source))
    }

    fn seal(&self, keyring: &mut Keyring, root: &RootKey) -> Result<Vec<u8>> {
        keyring.seal(root, &mut SysRng).map_err(|source| self.refused(source))
    }

    fn refused(&self, source: secrets_crypto::Error) -> Error {
        Error::Keyring { path: self.replica.files().keyring(), source }
    }
}

/// The keyring as its file has it, the root key, and the lock of the safe.
fn open(files: &Files, unlock: &Unlock) -> Result<(Keyring, RootKey, File)> {
    let lock = crate::init::lock(&files.places)?;
    let unlocked = HeaderFile::read(&files.places.header())?.unlock(unlock)?;
    let sealed = files.read_keyring()?;
    let keyring = Keyring::open(&sealed, &unlocked.root, files.safe, files.tenant.id());
    let refused = |source| Error::Keyring { path: files.keyring(), source };
    Ok((keyring.map_err(refused)?, unlocked.root, lock))
}

/// How often it starts over when another installation wrote at the same moment.
const ATTEMPTS: u32 = 16;
