//! Joining a safe that another installation made, by what its backend holds.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrets_audit::Action;
use secrets_backend::SecretBackend;
use secrets_crypto::header::Header;
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{RootKey, SafeId};

use crate::blocking::blocking;
use crate::control::{Control, Object};
use crate::header::kdf_limits;
use crate::init::{DEFAULT_TENANT, SealedKeyring, install, vacant};
use crate::recorder::Caller;
use crate::replica::{Files, Replica, Shared};
use crate::slots::{self, NewSlot, SlotInfo};
use crate::stack::patient;
use crate::state::State;
use crate::tenant::Tenant;
use crate::unlock::Unlock;
use crate::{Error, Places, Result};

/// A safe that a backend holds. Nothing of it is authenticated yet.
#[derive(Debug)]
pub struct FoundSafe {
    place: String,
    control: Control,
    header: Header,
}

/// A safe that a backend holds, opened by a slot secret. It holds the root key: keep it no longer than needed.
pub struct UnlockedSafe {
    found: FoundSafe,
    root: RootKey,
}

/// How a new installation joins.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct JoinOptions {
    /// A key file of its own, made where it is not there, and given a slot unless it opens the safe already. None,
    /// where the installation goes on with the slot secret that it has.
    pub key_file: Option<PathBuf>,
    /// Who joins.
    pub caller: Caller,
}

/// An installation that joined.
#[derive(Debug)]
#[non_exhaustive]
pub struct Joined {
    /// The safe.
    pub safe: SafeId,
    /// Whether the backend's header lists it already. If not, the first write there does that.
    pub listed: bool,
}

/// Looks for a safe at a backend; `None` where there is none. A call may take `deadline`.
///
/// # Errors
/// [`Error::Backend`]; [`Error::Stored`] where there is something that is no header.
pub async fn find(backend: Arc<dyn SecretBackend>, deadline: Duration) -> Result<Option<FoundSafe>> {
    let place = backend.to_string();
    let control = Control::new(patient(backend, deadline, deadline));
    let Some(stored) = control.read(Object::Header).await? else { return Ok(None) };
    match Header::decode(stored.bytes.expose()) {
        Ok(header) => Ok(Some(FoundSafe { place, control, header })),
        Err(source) => Err(Error::Stored { what: "header", place, source }),
    }
}

impl FoundSafe {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> SafeId {
        self.header.safe_id()
    }

    /// The backend that has it, by its own name.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// How often its header was changed: of two headers of one safe the higher is the newer.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.header.sequence()
    }

    /// What opens it. Passphrases are not kept at backends.
    #[must_use]
    pub fn slots(&self) -> Vec<SlotInfo> {
        self.header.slots().into_iter().map(SlotInfo::from).collect()
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Error::WrongSecret`]; [`Error::KeyFile`]; [`Error::Stored`] where the header does not hold under its root
    /// key, or asks for absurd work.
    pub async fn unlock(self, unlock: Unlock) -> Result<UnlockedSafe> {
        let (header, what) = (self.header.clone(), unlock.what());
        let opened =
            blocking(move || unlock.with_secret(|secret| header.unlock(secret, &kdf_limits()))).await?;
        match opened {
            Ok(unlocked) => Ok(UnlockedSafe { found: self, root: unlocked.root }),
            Err(secrets_crypto::Error::WrongSecret) => Err(Error::WrongSecret { what }),
            Err(source) => Err(Error::Stored { what: "header", place: self.place, source }),
        }
    }
}

impl UnlockedSafe {
    /// Its fingerprint, to be compared with the one that the first installation showed.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.found.header.fingerprint(&self.root).to_string()
    }

    /// Makes an installation of this safe at `places`: its own signing key and audit log, the safe's header and
    /// keyrings.
    ///
    /// The header's file is written last: an installation is there as a whole or not at all.
    ///
    /// # Errors
    /// [`Error::SafeExists`]; [`Error::NotShareable`]; [`Error::Stored`] for a keyring that does not open, or none;
    /// [`Error::Backend`]; [`Error::Slot`] and [`Error::KeyFile`] for the key file.
    pub async fn join(self, places: &Places, options: JoinOptions) -> Result<Joined> {
        let Self { found: FoundSafe { place, control, mut header }, root } = self;
        if !control.is_shareable() {
            return Err(Error::NotShareable(place));
        }
        let safe = header.safe_id();
        let (keyrings, own) = keyrings(&control, &place, safe, &root).await?;
        let at = places.clone();
        let files = blocking(move || {
            let _lock = vacant(&at)?;
            if let Some(path) = options.key_file.filter(|path| !opens(&header, path)) {
                slots::add(&mut header, &root, &NewSlot::KeyFile(path), "key file")?;
            }
            let action = Action::SafeJoin;
            let installation = install(&at, &mut header, &root, &keyrings, action, &options.caller)?;
            let tenant = Tenant::new(own, String::new(), installation);
            let state = State::new(at.state_db(), root.state_key(&safe), STATE_WAIT);
            let (tenant, state) = (Arc::new(tenant), Arc::new(state));
            Ok::<_, Error>((Files { places: at, safe, tenant, state }, root.header_key(&safe)))
        });
        let (files, header_key) = files.await?;
        let shared = Shared { control, header_key: Arc::new(header_key) };
        let replica = Replica::new(place, Some(shared), Arc::new(files), false);
        let listed = replica.push().await;
        if let Err(error) = &listed {
            tracing::warn!(%error, "joined; the backend does not list this installation yet");
        }
        Ok(Joined { safe, listed: listed.is_ok() })
    }
}

/// The sealed keyrings of all tenants, each of which opens; and that of the default tenant, open.
async fn keyrings(
    control: &Control,
    place: &str,
    safe: SafeId,
    root: &RootKey,
) -> Result<(Vec<SealedKeyring>, Keyring)> {
    let refused = |source| Error::Stored { what: "keyring", place: place.to_owned(), source };
    let (mut sealed, mut own) = (Vec::new(), None);
    for tenant in control.tenants().await? {
        let Some(stored) = control.read(Object::Keyring(tenant)).await? else { continue };
        let keyring = Keyring::open(stored.bytes.expose(), root, safe, tenant).map_err(refused)?;
        if keyring.name() == DEFAULT_TENANT {
            own = Some(keyring);
        }
        sealed.push((tenant, stored.bytes.expose().to_vec()));
    }
    let own = own.ok_or_else(|| refused(secrets_crypto::Error::Malformed("the list of keyrings")))?;
    Ok((sealed, own))
}

/// Whether the key file is there and opens the safe.
fn opens(header: &Header, key_file: &Path) -> bool {
    let unlock = Unlock::KeyFile(key_file.to_owned());
    unlock.with_secret(|secret| header.unlock(secret, &kdf_limits()).is_ok()).unwrap_or(false)
}

impl fmt::Debug for UnlockedSafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnlockedSafe").field("found", &self.found).finish_non_exhaustive()
    }
}

/// How long to wait for other processes at the state of an installation that is just being made.
const STATE_WAIT: Duration = Duration::from_secs(10);
