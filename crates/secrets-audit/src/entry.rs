//! What the caller says about one access, and its exact bytes in the log.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Action, Error, Outcome, Result, Token, TreeHash, hex};

/// Identifies one call, so that an intent and its outcome find each other: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId([u8; 16]);

impl OpId {
    /// An operation id from its 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Lower-case hexadecimal, 32 characters.
impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpId({self})")
    }
}

impl FromStr for OpId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = hex::decode(text.as_bytes());
        bytes
            .map(Self)
            .ok_or(Error::malformed("operation id", "32 lower-case hexadecimal digits are expected"))
    }
}

/// A secret that an entry is about, by the identifiers of its envelope. Never its name, never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// The object id.
    pub object: [u8; 16],
    /// The version, from 1; 0 where none is known yet.
    pub version: u64,
    /// The content id of that version, where it is known.
    pub content_id: Option<[u8; 32]>,
}

/// What the caller says about one access; sequence number, chain and signature are the log's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// The time, in milliseconds since 1970-01-01 UTC, below 2^53. For people; nothing is ordered by it.
    pub ts_ms: u64,
    /// Which start of the machine or process this is, so that a clock set back can be told from a restart.
    pub boot: Token,
    /// The tenant, where there is one.
    pub tenant: Option<[u8; 16]>,
    /// Who did it, as a pseudonym (a user number, a hash); names belong into `detail`.
    pub actor: Option<Token>,
    /// What was done.
    pub action: Action,
    /// The secrets it was done to.
    pub objects: Vec<ObjectRef>,
    /// The rule that allowed or refused it.
    pub policy: Option<Token>,
    /// The call it belongs to.
    pub op: OpId,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong, as a code.
    pub code: Option<Token>,
    /// Names, addresses and reasons, sealed by the caller; empty for none.
    pub detail: Vec<u8>,
}

impl NewEntry {
    /// An entry with nothing but what every entry has.
    #[must_use]
    pub const fn new(ts_ms: u64, boot: Token, op: OpId, action: Action, outcome: Outcome) -> Self {
        Self {
            ts_ms,
            boot,
            tenant: None,
            actor: None,
            action,
            objects: Vec::new(),
            policy: None,
            op,
            outcome,
            code: None,
            detail: Vec::new(),
        }
    }

    /// The exact bytes of this entry as number `seq` after the entry with leaf hash `prev`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] for a number from 2^53 on, or for more than [`MAX_PAYLOAD`] bytes.
    pub fn to_payload(&self, seq: u64, prev: &TreeHash) -> Result<Vec<u8>> {
        self.check()?;
        Ok(self.encode(seq, prev))
    }

    /// Refuses what can never be written, before anything else is done with the entry.
    pub(crate) fn check(&self) -> Result<()> {
        if self.ts_ms > MAX_NUMBER || self.objects.iter().any(|object| object.version > MAX_NUMBER) {
            return Err(Error::InvalidEntry("a number is 2^53 or more"));
        }
        let varying = self.objects.len().saturating_mul(LONGEST_OBJECT) + self.detail.len().div_ceil(3) * 4;
        if varying > MAX_PAYLOAD - LONGEST_FIXED {
            return Err(Error::InvalidEntry("it is larger than 16 MiB"));
        }
        Ok(())
    }

    /// The payload of an entry that was checked.
    pub(crate) fn encode(&self, seq: u64, prev: &TreeHash) -> Vec<u8> {
        let mut out = Vec::with_capacity(384 + self.objects.len() * LONGEST_OBJECT + self.detail.len() * 2);
        out.extend_from_slice(b"{\"v\":1");
        number(&mut out, "seq", seq);
        hex_text(&mut out, "prev", prev.as_bytes());
        number(&mut out, "ts", self.ts_ms);
        text(&mut out, "boot", self.boot.as_str());
        if let Some(tenant) = &self.tenant {
            hex_text(&mut out, "tenant", tenant);
        }
        if let Some(actor) = &self.actor {
            text(&mut out, "actor", actor.as_str());
        }
        text(&mut out, "act", self.action.name());
        objects(&mut out, &self.objects);
        if let Some(policy) = &self.policy {
            text(&mut out, "pol", policy.as_str());
        }
        hex_text(&mut out, "op", self.op.as_bytes());
        text(&mut out, "out", self.outcome.name());
        if let Some(code) = &self.code {
            text(&mut out, "code", code.as_str());
        }
        if !self.detail.is_empty() {
            text(&mut out, "det", &STANDARD.encode(&self.detail));
        }
        out.push(b'}');
        out
    }
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn number(out: &mut Vec<u8>, field: &str, value: u64) {
    name(out, field);
    out.extend_from_slice(value.to_string().as_bytes());
}

fn text(out: &mut Vec<u8>, field: &str, value: &str) {
    name(out, field);
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn hex_text(out: &mut Vec<u8>, field: &str, value: &[u8]) {
    name(out, field);
    out.push(b'"');
    hex::push(out, value);
    out.push(b'"');
}

fn objects(out: &mut Vec<u8>, objects: &[ObjectRef]) {
    if objects.is_empty() {
        return;
    }
    name(out, "objs");
    for (index, object) in objects.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"[[\"" } else { b",[\"" });
        hex::push(out, &object.object);
        out.extend_from_slice(b"\",");
        out.extend_from_slice(object.version.to_string().as_bytes());
        out.extend_from_slice(b",\"");
        if let Some(content_id) = &object.content_id {
            hex::push(out, content_id);
        }
        out.extend_from_slice(b"\"]");
    }
    out.push(b']');
}

/// The largest payload, in bytes: what bounds the memory of every reader.
pub const MAX_PAYLOAD: usize = 16 << 20;

/// The longest line: payload, tab, signature, line feed.
pub(crate) const MAX_LINE: u64 = MAX_PAYLOAD as u64 + 90;

/// The largest number: JSON readers elsewhere keep integers exactly only below 2^53.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

const LONGEST_OBJECT: usize = 128;
const LONGEST_FIXED: usize = 2048;
