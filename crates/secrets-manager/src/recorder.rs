//! Writes what is accessed into the audit log.

use std::sync::Arc;

use getrandom::SysRng;
use rand_core::TryRng;
use secrets_audit::{Action, AuditLog, Durability, NewEntry, ObjectRef, OpId, Outcome, Token};
use secrets_backend::{Error, ErrorKind, Operation, Result, Secret, SecretPath, Stamp, Timestamp, Written};
use serde::Serialize;

use crate::blocking::blocking;
use crate::state::State;
use crate::tenant::Tenant;

/// Who asks, and why: what the audit log keeps of a caller.
///
/// The actor is stored in clear, as a pseudonym; the rest is sealed under the tenant's detail key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Caller {
    /// A pseudonym of at most 64 characters of `[A-Za-z0-9._:-]`, like `uid:1000`.
    #[serde(skip)]
    pub actor: Option<String>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The machine's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The program that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Why, in the user's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The sealed part of an entry.
#[derive(Serialize)]
struct Detail<'a> {
    #[serde(flatten)]
    caller: &'a Caller,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paths: Vec<&'a str>,
}

/// The audit log, with what all entries of this caller have in common.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) log: Arc<AuditLog>,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) state: Arc<State>,
    pub(crate) caller: Caller,
    pub(crate) boot: Token,
}

/// One audited call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) op: OpId,
    pub(crate) action: Action,
}

impl Recorder {
    /// A call of its own id.
    pub(crate) fn call(&self, action: Action) -> Result<Call> {
        let mut id = [0; 16];
        SysRng.try_fill_bytes(&mut id).map_err(|_| {
            Error::new(ErrorKind::Unexpected, Operation::Check, "this machine").with_detail("no randomness")
        })?;
        Ok(Call { op: OpId::from_bytes(id), action })
    }

    /// The entry of a reading call. Durable when it returns: only then may a value be passed on.
    pub(crate) async fn read(
        &self,
        call: Call,
        paths: &[SecretPath],
        objects: Vec<ObjectRef>,
        failure: Option<&Error>,
    ) -> Result<()> {
        let (outcome, code) = ending(failure);
        self.append(self.entry(call, paths, objects, outcome, code)?, Durability::Synced).await
    }

    /// The first entry of a writing call. Durable when it returns.
    pub(crate) async fn intent(&self, call: Call, paths: &[SecretPath]) -> Result<()> {
        let objects = self.tenant.objects(paths).into_iter().map(|id| object_ref(*id.as_bytes(), None));
        self.append(self.entry(call, paths, objects.collect(), Outcome::Intent, None)?, Durability::Synced)
            .await
    }

    /// The second entry of a writing call. The write is durable by itself, so this needs no wait of its own.
    pub(crate) async fn outcome(
        &self,
        call: Call,
        paths: &[SecretPath],
        stamps: &[Option<Stamp>],
        failure: Option<&Error>,
    ) -> Result<()> {
        let (outcome, code) = ending(failure);
        self.end(call, paths, stamps, outcome, code).await
    }

    /// Ends a call that a killed process left open.
    pub(crate) async fn end(
        &self,
        call: Call,
        paths: &[SecretPath],
        stamps: &[Option<Stamp>],
        outcome: Outcome,
        code: Option<&'static str>,
    ) -> Result<()> {
        let ids = self.tenant.objects(paths);
        let objects = ids.iter().zip(stamps).map(|(id, stamp)| object_ref(*id.as_bytes(), stamp.as_ref()));
        let entry = self.entry(call, &[], objects.collect(), outcome, code)?;
        self.append(entry, Durability::Deferred).await
    }

    /// What an entry says of one answer.
    pub(crate) fn answered(&self, path: &SecretPath, answer: &Result<Secret>) -> ObjectRef {
        let stamp = answer.as_ref().ok().and_then(|secret| secret.stamp.as_ref());
        object_ref(*self.tenant.object(path).as_bytes(), stamp)
    }

    fn entry(
        &self,
        call: Call,
        paths: &[SecretPath],
        objects: Vec<ObjectRef>,
        outcome: Outcome,
        code: Option<&'static str>,
    ) -> Result<NewEntry> {
        let mut entry =
            NewEntry::new(Timestamp::now().as_millis(), self.boot.clone(), call.op, call.action, outcome);
        entry.tenant = Some(*self.tenant.id().as_bytes());
        entry.actor = self.caller.actor.as_deref().map(Token::lossy);
        entry.objects = objects;
        entry.code = code.map(Token::lossy);
        entry.detail = self.detail(paths)?;
        Ok(entry)
    }

    fn detail(&self, paths: &[SecretPath]) -> Result<Vec<u8>> {
        let paths = paths.iter().map(SecretPath::as_str).collect();
        let detail = serde_json::to_vec(&Detail { caller: &self.caller, paths });
        let detail = detail.map_err(|error| unavailable(error.to_string()))?;
        self.tenant
            .keyring()
            .seal_detail(&detail, &mut SysRng)
            .map_err(|_| unavailable("the system's source of randomness failed".to_owned()))
    }

    async fn append(&self, entry: NewEntry, durability: Durability) -> Result<()> {
        let log = Arc::clone(&self.log);
        let appended = blocking(move || log.append(vec![entry], durability)).await;
        let appended = appended.map_err(|error| unavailable(error.to_string()).with_source(error))?;
        self.state.note_audit_size(appended.size);
        Ok(())
    }
}

/// What a write says of itself.
pub(crate) fn written_stamp(answer: &Result<Written>) -> Option<Stamp> {
    answer.as_ref().ok().and_then(|written| written.stamp.clone())
}

fn object_ref(object: [u8; 16], stamp: Option<&Stamp>) -> ObjectRef {
    ObjectRef {
        object,
        version: stamp.map_or(0, |stamp| stamp.version),
        content_id: stamp.and_then(|stamp| stamp.content_id.as_bytes().try_into().ok()),
    }
}

fn ending(failure: Option<&Error>) -> (Outcome, Option<&'static str>) {
    match failure.map(Error::kind) {
        None => (Outcome::Ok, None),
        Some(kind @ ErrorKind::PermissionDenied) => (Outcome::Denied, Some(code(kind))),
        Some(kind @ ErrorKind::TimedOut) => (Outcome::Unknown, Some(code(kind))),
        Some(kind) => (Outcome::Error, Some(code(kind))),
    }
}

fn unavailable(why: String) -> Error {
    Error::new(ErrorKind::AuditUnavailable, Operation::Check, "the audit log").with_detail(why)
}

/// The name of a kind in an entry's `code`.
const fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AlreadyExists => "already-exists",
        ErrorKind::Conflict => "conflict",
        ErrorKind::InvalidInput => "invalid-input",
        ErrorKind::NotFound => "not-found",
        ErrorKind::PermissionDenied => "permission-denied",
        ErrorKind::Unauthenticated => "unauthenticated",
        ErrorKind::RateLimited => "rate-limited",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::TimedOut => "timed-out",
        ErrorKind::Tampered => "tampered",
        ErrorKind::Stale => "stale",
        ErrorKind::Unsupported => "unsupported",
        _ => "unexpected",
    }
}
