//! Agreeing with a backend on header and keyring: each takes over what the other has, and nothing is lost.
//!
//! Headers merge under the header key, keyrings are copied as they are; neither needs the root key. Where two
//! keyrings each have what the other lacks, `key rotate`, which has it, brings them together.

use std::sync::Arc;

use secrets_backend::{ErrorKind, Result};
use secrets_crypto::HeaderKey;
use secrets_crypto::header::Header;

use super::{Files, Purpose, Replica, Shared, digest, header_for_backends};
use crate::KeyringsDiffer;
use crate::blocking::blocking;
use crate::control::{Object, Stored};
use crate::files;
use crate::header::HeaderFile;
use crate::seal::someone_else_wrote;

impl Replica {
    /// Brings both sides together. `false` where that is not done, and need not be for this purpose.
    pub(super) async fn settle(&self, shared: &Shared, purpose: Purpose) -> Result<bool> {
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            match self.settle_once(shared, purpose).await {
                Err(error) if someone_else_wrote(&error) && attempts > 0 => {}
                answer => return answer,
            }
        }
    }

    async fn settle_once(&self, shared: &Shared, purpose: Purpose) -> Result<bool> {
        let stored = shared.control.read(Object::Header).await?;
        let theirs =
            stored.as_ref().map(|stored| self.authentic(shared, stored.bytes.expose())).transpose()?;
        if theirs.is_none() && purpose == Purpose::Read {
            return Ok(false);
        }
        // One that was written over at the same moment may say what the current one does not.
        let beside = stored.iter().flat_map(|stored| &stored.beside);
        let hidden = beside.filter_map(|bytes| self.authentic(shared, bytes.expose()).ok());
        let known: Vec<Header> = theirs.iter().cloned().chain(hidden).collect();
        let (files, key) = (Arc::clone(&self.files), Arc::clone(&shared.header_key));
        let ours = blocking(move || files.merge_headers(&known, &key)).await;
        let ours = header_for_backends(&ours.map_err(|error| self.local(&error))?, &shared.header_key);
        // The header first: of two safes that come to an empty place at once, the second leaves nothing there.
        let settled = match self.settle_header(shared, stored, theirs, &ours).await {
            Ok(()) => self.settle_keyring(shared, purpose).await,
            Err(error) => Err(error),
        };
        match settled {
            // Whoever may only read has nothing to agree on; what is there is this safe's.
            Err(error) if purpose == Purpose::Read && error.kind() == ErrorKind::PermissionDenied => {}
            Ok(true) => {}
            unsettled => return unsettled,
        }
        self.record(shared).await?;
        Ok(true)
    }

    /// A stored header that is this safe's and was not tampered with.
    fn authentic(&self, shared: &Shared, stored: &[u8]) -> Result<Header> {
        let tampered =
            |why: &str| self.error(ErrorKind::Tampered).with_detail(format!("its header of the safe {why}"));
        let header = Header::decode(stored).map_err(|error| match error {
            secrets_crypto::Error::UnsupportedFormat { .. } => {
                self.error(ErrorKind::Unsupported).with_detail("its header of the safe has a newer format")
            }
            _ => tampered("is damaged"),
        })?;
        if header.safe_id() != self.files.safe {
            return Err(self.foreign(header.safe_id()));
        }
        let verified = header.verify_mac(&shared.header_key);
        verified.map_err(|_| tampered("was changed by someone without the root key"))?;
        Ok(header)
    }

    /// Writes our header where there is none, or into theirs what it lacks.
    async fn settle_header(
        &self,
        shared: &Shared,
        stored: Option<Stored>,
        theirs: Option<Header>,
        ours: &[u8],
    ) -> Result<()> {
        let (Some(stored), Some(mut theirs)) = (stored, theirs) else {
            return shared.control.write(Object::Header, ours, None).await;
        };
        let own = Header::decode(ours).map_err(|_| self.error(ErrorKind::Unexpected))?;
        match theirs.merge(&own, &shared.header_key) {
            Ok(false) => Ok(()),
            Ok(true) => {
                let merged = theirs.encode(&shared.header_key);
                shared.control.write(Object::Header, &merged, Some(&stored)).await
            }
            Err(error) => {
                tracing::warn!(%error, "the header at {} and this installation's cannot become one", self.name);
                Ok(())
            }
        }
    }

    /// Takes over what their keyring has; writes ours where theirs lacks something. `false` where neither can take
    /// the place of the other.
    async fn settle_keyring(&self, shared: &Shared, purpose: Purpose) -> Result<bool> {
        let object = Object::Keyring(self.files.tenant.id());
        let stored = shared.control.read(object).await?;
        let theirs = match &stored {
            Some(stored) => self.take_over_all(stored).await?,
            None => Theirs::Lacks,
        };
        match theirs {
            Theirs::HasAll => Ok(true),
            Theirs::Lacks => {
                let files = Arc::clone(&self.files);
                let own = blocking(move || files.read_keyring()).await.map_err(|error| self.local(&error))?;
                shared.control.write(object, &own, stored.as_ref()).await.map(|()| true)
            }
            Theirs::Differs if purpose != Purpose::Write => Ok(false),
            // What is written now could be sealed under a key that only this machine has.
            Theirs::Differs => {
                let differ = KeyringsDiffer { place: self.name.clone() };
                Err(self.error(ErrorKind::InvalidInput).with_detail(differ.to_string()).with_source(differ))
            }
        }
    }

    /// Takes over what a backend has of the keyring. It differs from ours where another version has what both the current
    /// one and ours lack.
    pub(super) async fn take_over_all(&self, stored: &Stored) -> Result<Theirs> {
        let mut theirs = self.take_over(stored.bytes.expose().to_vec()).await?;
        for bytes in &stored.beside {
            match self.take_over(bytes.expose().to_vec()).await {
                Ok(Theirs::Differs) => theirs = Theirs::Differs,
                Ok(_) => {}
                Err(error) => hidden_and_damaged(&error),
            }
        }
        Ok(theirs)
    }

    /// Takes over what another sealed form of the keyring has: in memory, and in the file if it lacks nothing of
    /// ours.
    pub(super) async fn take_over(&self, bytes: Vec<u8>) -> Result<Theirs> {
        let (files, place) = (Arc::clone(&self.files), self.name.clone());
        blocking(move || files.take_over(&bytes, place)).await.map_err(|error| match error {
            crate::Error::Stored { source, .. } => {
                let kind = match source {
                    secrets_crypto::Error::UnsupportedFormat { .. } => ErrorKind::Unsupported,
                    _ => ErrorKind::Tampered,
                };
                self.error(kind).with_detail(format!("its keyring of the safe: {source}"))
            }
            error => self.local(&error),
        })
    }

    /// Notes that the backend has what the files have now.
    pub(super) async fn record(&self, shared: &Shared) -> Result<()> {
        let (files, name) = (Arc::clone(&self.files), self.name.clone());
        let key = Arc::clone(&shared.header_key);
        let recorded = blocking(move || {
            let header = HeaderFile::read(&files.places.header())?.authentic(&key)?;
            let digest = digest(&header_for_backends(&header, &key), &files.read_keyring()?);
            Ok(files.state.record_place(&name, &digest)?)
        });
        recorded.await.map_err(|error: crate::Error| self.local(&error))
    }
}

/// Whatever it is, it is not what this safe wrote; what is current is judged by itself.
pub(crate) fn hidden_and_damaged(error: &dyn std::fmt::Display) {
    tracing::warn!(%error, "an older version of one of the safe's own objects is damaged, and left out");
}

impl Files {
    /// Takes over what other headers have into the header's file; answers what is there then.
    fn merge_headers(&self, others: &[Header], key: &HeaderKey) -> crate::Result<Header> {
        let _lock = crate::init::lock(&self.places)?;
        let file = HeaderFile::read_durable(&self.places.header())?;
        let mut merged = file.authentic(key)?;
        let mut is_changed = false;
        for theirs in others {
            let mut both = merged.clone();
            match both.merge(theirs, key) {
                Ok(true) => (merged, is_changed) = (both, true),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the header of this safe at a backend was not taken over");
                }
            }
        }
        if is_changed {
            file.write(&merged, key)?;
            self.state.record_header(merged.sequence())?;
        }
        Ok(merged)
    }

    fn take_over(&self, theirs: &[u8], place: String) -> crate::Result<Theirs> {
        let refused = |source| crate::Error::Keyring { path: self.keyring(), source };
        let stored = |source| crate::Error::Stored { what: "keyring", place, source };
        let _lock = crate::init::lock(&self.places)?;
        let own = self.read_keyring()?;
        self.tenant.learn(&own).map_err(refused)?;
        self.tenant.learn(theirs).map_err(stored)?;
        let compared = self.tenant.keyring().compare(&own, theirs).map_err(refused)?;
        Ok(match compared {
            Some(compared) if compared.second_has_all => {
                if !compared.first_has_all {
                    files::replace(&self.keyring(), theirs)?;
                }
                Theirs::HasAll
            }
            Some(compared) if compared.first_has_all => Theirs::Lacks,
            // Sealed under a tenant root key that is not known here; or each has what the other lacks.
            None | Some(_) => Theirs::Differs,
        })
    }
}

/// A stored keyring beside this installation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theirs {
    /// It has everything that ours has.
    HasAll,
    /// It has nothing that ours lacks, and lacks something.
    Lacks,
    /// Only whoever has the root key can make one of both.
    Differs,
}

/// How often it starts over when another installation wrote at the same moment.
const ATTEMPTS: u32 = 16;
