//! Opening a safe: header, audit log, keyring, state.

use std::fs;
use std::sync::Arc;

use secrets_audit::{Action, AuditLog, Durability, NewEntry, OpId, Outcome, SigningKey, Token};
use secrets_backend::{SecretPath, Timestamp};
use secrets_crypto::header::{Header, UnlockedFile};
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{InstallationId, RootKey, SafeId, TenantId};

use super::topology::Topology;
use super::{Options, Place, Safe, Sealing, Standby};
use crate::control::Control;
use crate::files::{self, FileError};
use crate::header::HeaderFile;
use crate::init::{DEFAULT_TENANT, boot, log_config, random_bytes};
use crate::locks::Locks;
use crate::recorder::{Caller, Recorder};
use crate::replica::{Files, KEYRING_LIMIT, Replica, Shared, digest, header_for_backends};
use crate::stack::{patient, stack};
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
    let topology = Topology::of(&options)?;
    let names = topology.names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let environment = options.environment.clone();
    let survey = match check_survey(&places, &state, &unlocked.header, &log, (&names, &environment)) {
        // The header was read before the state: another process may have changed both in between. Or it was
        // never written, by a change that failed.
        Err(Error::OldHeader { .. }) => {
            unlocked = HeaderFile::read(&places.header())?.unlock(unlock)?;
            check_survey(&places, &state, &unlocked.header, &log, (&names, &environment))?
        }
        outcome => outcome?,
    };
    let UnlockedFile { header, root, .. } = unlocked;
    let (keyring, sealed_keyring) = open_keyring(&places, header.safe_id(), &root)?;
    let tenant = Tenant::new(keyring.with_suite(options.suite), options.environment, installation);
    let (tenant, state) = (Arc::new(tenant), Arc::new(state));
    let recorder = Recorder {
        log: Arc::new(log),
        tenant: Arc::clone(&tenant),
        state: Arc::clone(&state),
        caller: options.caller,
        boot,
    };
    let fingerprint = header.fingerprint(&root);
    let files = Files { places: places.clone(), safe: header.safe_id(), tenant, state };
    let (files, header_key) = (Arc::new(files), Arc::new(root.header_key(&header.safe_id())));
    let ours = digest(&header_for_backends(&header, &header_key), &sealed_keyring);
    let writes = options.write_deadline.unwrap_or(options.deadline);
    let place = |(standby, agreed): (&Standby, Option<[u8; 32]>)| {
        let name = standby.backend.to_string();
        let patient = patient(Arc::clone(&standby.backend), options.deadline, writes);
        let is_shared = standby.place == Place::Shared && options.sealing == Sealing::Sealed;
        let shared = is_shared.then(|| Shared {
            control: Control::new(Arc::clone(&patient)),
            header_key: Arc::clone(&header_key),
        });
        let settled = agreed == Some(ours);
        (patient, Arc::new(Replica::new(name, shared, Arc::clone(&files), settled)))
    };
    let members: Vec<_> = topology.places.iter().zip(survey.agreed).map(place).collect();
    let mut replicas: Vec<Arc<Replica>> = members.iter().map(|(_, replica)| Arc::clone(replica)).collect();
    let standbys = replicas.split_off(1);
    let replica = replicas.remove(0);
    let locks = Arc::new(Locks::new(places.locks(), options.lock_wait));
    if let Some(promotion) = &survey.promotion {
        if !names.contains(&promotion.last()) {
            let why = format!("the primary is {}, which the configuration does not name", promotion.last());
            return Err(Error::InvalidInput(why));
        }
        files.tenant.raise_term(promotion.term);
    }
    let stack = stack(&topology, &members, recorder, locks, survey.promotion.as_ref());
    let safe = Safe { stack: Arc::new(stack), replica, standbys, fingerprint, places };
    Ok((safe, survey.has_journal))
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

/// Refuses a header or an audit log older than this installation has seen.
fn check_survey(
    places: &Places,
    state: &State,
    header: &Header,
    log: &AuditLog,
    (names, environment): (&[&str], &str),
) -> Result<Survey> {
    let survey = state.survey(names, environment)?;
    let seen = survey.heights;
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
    Ok(survey)
}

/// The keyring of the default tenant, open and sealed. One that does not open under this root key is left over from an
/// interrupted start, and passed over.
fn open_keyring(places: &Places, safe: SafeId, root: &RootKey) -> Result<(Keyring, Vec<u8>)> {
    let directory = places.keyrings();
    let io = |source| FileError::Io { path: directory.clone(), source };
    let mut failure = Error::NoSafe(directory.clone());
    for entry in fs::read_dir(&directory).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Ok(tenant) = name.parse::<TenantId>() else { continue };
        let sealed = files::read(&path, KEYRING_LIMIT)?;
        match Keyring::open(&sealed, root, safe, tenant) {
            Ok(keyring) if keyring.name() == DEFAULT_TENANT => return Ok((keyring, sealed.to_vec())),
            Ok(_) => {}
            Err(source) => failure = Error::Keyring { path, source },
        }
    }
    Err(failure)
}

/// An installation key has some 70 bytes.
const KEY_LIMIT: u64 = 4096;
