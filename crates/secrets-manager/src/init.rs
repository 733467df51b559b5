//! Making a safe.

use std::fs::File;

use getrandom::SysRng;
use secrets_audit::{Action, AuditLog, Durability, LogConfig, NewEntry, OpId, Outcome, SigningKey, Token};
use secrets_backend::Timestamp;
use secrets_crypto::header::Header;
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{InstallationId, RootKey, SafeId, Suite, TenantId};
use zeroize::Zeroizing;

use crate::blocking::blocking;
use crate::files::{self, FileError};
use crate::recorder::Caller;
use crate::slots::{self, NewSlot};
use crate::{Error, Places, Result, header};

/// What a new safe is made with.
#[derive(Debug)]
#[non_exhaustive]
pub struct InitOptions {
    /// Its slots, each with a label; at least one.
    pub slots: Vec<(NewSlot, String)>,
    /// Who makes it.
    pub caller: Caller,
}

impl InitOptions {
    /// A safe that opens with the key file of `places`.
    #[must_use]
    pub fn with_key_file(places: &Places) -> Self {
        let slot = NewSlot::KeyFile(places.key_file.clone());
        Self { slots: vec![(slot, "key file".to_owned())], caller: Caller::default() }
    }

    /// A safe with these slots alone, each with a label of at most 32 bytes.
    #[must_use]
    pub fn with_slots(slots: Vec<(NewSlot, String)>) -> Self {
        Self { slots, caller: Caller::default() }
    }
}

/// A safe that was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Initialised {
    /// Its id.
    pub safe: SafeId,
    /// Its fingerprint, to compare when another installation joins.
    pub fingerprint: String,
    /// The words of its recovery phrase, where one was asked for: to be shown once, on a terminal.
    pub recovery_phrase: Option<Zeroizing<String>>,
}

/// Makes a safe at `places`.
///
/// The header is written last: a safe is there as a whole or not at all.
///
/// # Errors
/// [`Error::SafeExists`] where there is one; [`Error::InvalidInput`] without a slot, or where an earlier safe's
/// audit log is in the way.
pub async fn init(places: &Places, options: InitOptions) -> Result<Initialised> {
    let places = places.clone();
    blocking(move || make(&places, &options)).await
}

fn make(places: &Places, options: &InitOptions) -> Result<Initialised> {
    if options.slots.is_empty() {
        return Err(Error::InvalidInput("a safe needs at least one slot".to_owned()));
    }
    let _lock = vacant(places)?;
    let random = |_| Error::Random;
    let root = RootKey::generate(&mut SysRng).map_err(random)?;
    let safe = SafeId::generate(&mut SysRng).map_err(random)?;
    let mut header = Header::new(safe);
    let mut recovery_phrase = None;
    for (slot, label) in &options.slots {
        recovery_phrase = slots::add(&mut header, &root, slot, label)?.recovery_phrase.or(recovery_phrase);
    }
    let keyrings = [new_keyring(places, safe, &root)?];
    install(places, &mut header, &root, &keyrings, Action::SafeInit, &options.caller)?;
    Ok(Initialised { safe, fingerprint: header.fingerprint(&root).to_string(), recovery_phrase })
}

/// Makes the directories of an installation, and keeps others from making a safe there; refused where there is
/// one, or the log of an earlier one.
pub(crate) fn vacant(places: &Places) -> Result<File> {
    for directory in [&places.data, &places.state, &places.keyrings()] {
        files::create_dir(directory)?;
    }
    let lock = lock(places)?;
    if header::exists(&places.header()) {
        return Err(Error::SafeExists(places.data.clone()));
    }
    if places.audit_log().symlink_metadata().is_ok() {
        let log = places.audit_log();
        return Err(Error::InvalidInput(format!(
            "{} belongs to an earlier safe; move it away, or put that safe's data back",
            log.display()
        )));
    }
    Ok(lock)
}

/// A tenant's keyring as it is stored.
pub(crate) type SealedKeyring = (TenantId, Vec<u8>);

fn new_keyring(places: &Places, safe: SafeId, root: &RootKey) -> Result<SealedKeyring> {
    let tenant = TenantId::generate(&mut SysRng).map_err(|_| Error::Random)?;
    let now = Timestamp::now().as_millis();
    let sealed = Keyring::create(safe, tenant, DEFAULT_TENANT, now, Suite::detect(), &mut SysRng)
        .and_then(|mut keyring| keyring.seal(root, &mut SysRng));
    let path = places.keyrings().join(tenant.to_string());
    Ok((tenant, sealed.map_err(|source| Error::Keyring { path, source })?))
}

/// Writes the files of a new installation, which the header lists then; the header itself last. Answers its id.
pub(crate) fn install(
    places: &Places,
    header: &mut Header,
    root: &RootKey,
    keyrings: &[SealedKeyring],
    action: Action,
    caller: &Caller,
) -> Result<InstallationId> {
    let signing_key = SigningKey::generate(&mut SysRng)?;
    let installation = InstallationId::generate(&mut SysRng).map_err(|_| Error::Random)?;
    let listed = header.add_installation(installation, *signing_key.verifying_key().as_bytes());
    listed.map_err(Error::Slot)?;
    header.advance();
    for (tenant, sealed) in keyrings {
        files::replace(&places.keyrings().join(tenant.to_string()), sealed)?;
    }
    files::replace(&places.installation_key(), signing_key.to_text().as_bytes())?;
    header::create(&places.header(), header, &root.header_key(&header.safe_id()))?;
    record(places, header.safe_id(), installation, signing_key, action, caller)?;
    Ok(installation)
}

fn record(
    places: &Places,
    safe: SafeId,
    installation: InstallationId,
    key: SigningKey,
    action: Action,
    caller: &Caller,
) -> Result<()> {
    let log = AuditLog::open(log_config(places, safe, installation)?, key)?;
    let op = OpId::from_bytes(random_bytes()?);
    let mut entry = NewEntry::new(Timestamp::now().as_millis(), boot()?, op, action, Outcome::Ok);
    entry.actor = caller.actor.as_deref().map(Token::lossy);
    log.append(vec![entry], Durability::Synced)?;
    Ok(())
}

/// Where the audit log of an installation is, and what it is called.
pub(crate) fn log_config(places: &Places, safe: SafeId, installation: InstallationId) -> Result<LogConfig> {
    Ok(LogConfig {
        log: places.audit_log(),
        head: places.audit_head(),
        origin: format!("{safe}.{installation}").parse()?,
        lock_wait: LOCK_WAIT,
    })
}

/// Names this start of the process.
pub(crate) fn boot() -> Result<Token> {
    let bytes: [u8; 8] = random_bytes()?;
    Ok(Token::lossy(&format!("{:016x}", u64::from_be_bytes(bytes))))
}

pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    use rand_core::TryRng as _;
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

/// Keeps others from making or changing the header meanwhile.
pub(crate) fn lock(places: &Places) -> Result<File> {
    let path = places.data.join("safe.lock");
    let file = files::open_or_create(&path)?;
    file.lock().map_err(|source| FileError::Io { path, source })?;
    Ok(file)
}

/// The tenant of a safe that was given no other.
pub(crate) const DEFAULT_TENANT: &str = "default";
/// How long to wait for another process at the audit log.
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(10);
