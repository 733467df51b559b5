//! Opening a safe: header, audit log, keyring, state.

use std::fs;
use std::sync::Arc;

use secrets_audit::{Action, AuditLog, Durability, NewEntry, OpId, Outcome, SigningKey, Token};
use secrets_backend::{SecretPath, Timestamp};
use secrets_crypto::header::Header;
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{InstallationId, RootKey, SafeId, TenantId};

use super::{Options, Safe};
use crate::files::{self, FileError};
use crate::header::HeaderFile;
use crate::init::{DEFAULT_TENANT, boot, log_config, random_bytes};
use crate::locks::Locks;
use crate::recorder::{Caller, Recorder};
use crate::stack::stack;
use crate::state::{State, Survey};
use crate::tenant::Tenant;
use crate::unlock::Unlock;
use crate::{Error, Places, Result};

/// Opens a safe; says whether its journal holds a bulk write that was cut short.
pub(super) fn open(places: Places, options: Options, unlock: &Unlock) -> Result<(Safe, bool)> {
    if SecretPath::parse(&options.environment).is_err() || options.environment.contains('/') {
        return Err(Error::InvalidInput("an environment's name is one segment of a path".to_owned()));
    }
    for directory in [places.data.clone(), places.state.clone(), places.keyrings(), places.locks()] {
        if directory.symlink_metadata().is_ok() {
            files::check_dir(&directory)?;
        }
    }
    let file = HeaderFile::read(&places.header())?;
    let (log, installation) = open_log(&places, file.best()?)?;
    let boot = boot()?;
    let mut unlocked = match file.unlock(unlock) {
        Ok(unlocked) => unlocked,
        Err(error) => {
            record_refusal(&log, &options.caller, boot)?;
            return Err(error);
        }
    };
    let state =
        State::new(places.state_db(), unlocked.root.state_key(&unlocked.header.safe_id()), options.lock_wait);
    let has_journal = match check_survey(&places, &state, &unlocked.header, &log) {
        // The header was read before the state: another process may have changed both in between. Or it was
        // never written, by a change that failed.
        Err(Error::OldHeader { .. }) => {
            unlocked = HeaderFile::read(&places.header())?.unlock(unlock)?;
            check_survey(&places, &state, &unlocked.header, &log)?
        }
        outcome => outcome?,
    };
    let keyring = open_keyring(&places, unlocked.header.safe_id(), &unlocked.root)?;
    let keyring = keyring.with_suite(options.suite);
    let tenant = Tenant { keyring, environment: options.environment, writer: installation };
    let recorder = Recorder {
        log: Arc::new(log),
        tenant: Arc::new(tenant),
        state: Arc::new(state),
        caller: options.caller,
        boot,
    };
    let locks = Arc::new(Locks::new(places.locks(), options.lock_wait));
    let stack = stack(options.backend, recorder, locks, options.deadline, options.sealing);
    Ok((Safe { stack: Arc::new(stack), places }, has_journal))
}

/// The log of this installation, and its id: the one whose public key the header lists.
fn open_log(places: &Places, header: &Header) -> Result<(AuditLog, InstallationId)> {
    let path = places.installation_key();
    let text = files::read(&path, KEY_LIMIT)?;
    let unknown = || Error::UnknownInstallation(path.clone());
    let key = SigningKey::from_text(std::str::from_utf8(&text).map_err(|_| unknown())?)?;
    let public = *key.verifying_key().as_bytes();
    let own = header.installations().iter().find(|one| one.public_key == public && !one.removed);
    let id = own.ok_or_else(unknown)?.id;
    let log = AuditLog::open(log_config(places, header.safe_id(), id)?, key)?;
    for warning in log.take_warnings() {
        tracing::warn!(%warning, "audit log");
    }
    Ok((log, id))
}

fn record_refusal(log: &AuditLog, caller: &Caller, boot: Token) -> Result<()> {
    let mut entry = NewEntry::new(
        Timestamp::now().as_millis(),
        boot,
        OpId::from_bytes(random_bytes()?),
        Action::SafeUnlock,
        Outcome::Denied,
    );
    entry.actor = caller.actor.as_deref().map(Token::lossy);
    log.append(vec![entry], Durability::Synced)?;
    Ok(())
}

/// Refuses a header or an audit log older than this installation has seen; says whether there is a journal.
fn check_survey(places: &Places, state: &State, header: &Header, log: &AuditLog) -> Result<bool> {
    let Survey { heights: seen, has_journal } = state.survey()?;
    if header.sequence() < seen.header {
        let (path, found) = (places.header(), header.sequence());
        return Err(Error::OldHeader { path, found, seen: seen.header });
    }
    if log.size() < seen.audit {
        // The log was opened before the state was read: another process may have appended to both in between.
        log.sync()?;
    }
    if log.size() < seen.audit {
        return Err(Error::ShortLog { found: log.size(), seen: seen.audit });
    }
    state.note_audit_size(log.size());
    if header.sequence() > seen.header {
        // One that a power cut may still take back must not be noted: the one before would be refused for ever.
        let durable = HeaderFile::read_durable(&places.header())?.best()?.sequence();
        if durable < header.sequence() {
            return Err(Error::OldHeader { path: places.header(), found: durable, seen: header.sequence() });
        }
        state.record_header(header.sequence())?;
    }
    Ok(has_journal)
}

/// The keyring of the default tenant. One that does not open under this root key is left over from an
/// interrupted start, and passed over.
fn open_keyring(places: &Places, safe: SafeId, root: &RootKey) -> Result<Keyring> {
    let directory = places.keyrings();
    let io = |source| FileError::Io { path: directory.clone(), source };
    let mut failure = Error::NoSafe(directory.clone());
    for entry in fs::read_dir(&directory).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Ok(tenant) = name.parse::<TenantId>() else { continue };
        match Keyring::open(&files::read(&path, KEYRING_LIMIT)?, root, safe, tenant) {
            Ok(keyring) if keyring.name() == DEFAULT_TENANT => return Ok(keyring),
            Ok(_) => {}
            Err(source) => failure = Error::Keyring { path, source },
        }
    }
    Err(failure)
}

/// An installation key has some 70 bytes.
const KEY_LIMIT: u64 = 4096;
/// The largest keyring file, in bytes.
const KEYRING_LIMIT: u64 = 1 << 20;
