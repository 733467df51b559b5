//! The keys of a simulated safe: real envelopes, sealed with chance that is the same in every run.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;

use rand_core::{TryCryptoRng, TryRng};
use secrets_backend::{ContentId, SecretPath, Stamp, StampKind, Timestamp};
use secrets_crypto::envelope::{self, Envelope, Expected, Kind, NewEnvelope};
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{HeaderKey, InstallationId, RootKey, SafeId, Suite, TenantId};

use super::random::Random;
use super::service::locked;

/// The keys of one safe, which all its installations have.
pub(super) struct Keys {
    keyring: Keyring,
    pub(super) safe: SafeId,
    pub(super) header_key: HeaderKey,
    random: Mutex<Random>,
    /// What opening came to, by path and bytes: the same answer is judged many times.
    opened: Mutex<HashMap<Answer, Option<Opened>>>,
    /// Key material, to be found nowhere.
    pub(super) material: Vec<Vec<u8>>,
}

/// Bytes that came under a name.
type Answer = (SecretPath, Vec<u8>);
/// A stamp that is authentic, and the value.
type Opened = (Stamp, Vec<u8>);

/// What is to be sealed.
pub(super) struct Draft<'a> {
    pub(super) kind: StampKind,
    pub(super) version: u64,
    pub(super) parent: Option<ContentId>,
    pub(super) writer: usize,
    pub(super) created: Timestamp,
    pub(super) value: &'a [u8],
}

impl Keys {
    pub(super) fn new(seed: u64) -> Self {
        let mut recorded = Recorded { random: Random::new(seed, 3), material: Vec::new() };
        let (safe, tenant) = (SafeId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
        let root = RootKey::generate(&mut recorded).expect("chance does not fail");
        let keyring = Keyring::create(safe, tenant, "simulated", 0, Suite::Aes256Gcm, &mut recorded);
        let Recorded { random, material } = recorded;
        Self {
            keyring: keyring.expect("a keyring"),
            safe,
            header_key: root.header_key(&safe),
            random: Mutex::new(random),
            opened: Mutex::default(),
            material,
        }
    }

    pub(super) fn seal(&self, path: &SecretPath, draft: &Draft<'_>) -> (Vec<u8>, Stamp) {
        let whole = |id: ContentId| id.as_bytes().try_into().expect("a whole content id");
        let new = NewEnvelope {
            suite: None,
            kind: if draft.kind == StampKind::Tombstone { Kind::Tombstone } else { Kind::Secret },
            version: draft.version,
            term: 1,
            writer: InstallationId::from_bytes((draft.writer as u64).to_be_bytes()),
            created_ms: draft.created.as_millis(),
            parent: draft.parent.map(|id| secrets_crypto::ContentId::from_bytes(whole(id))),
            path: &absolute(path),
            metadata: b"{}",
            value: draft.value,
        };
        let sealed =
            envelope::seal(&self.keyring, &new, &mut *locked(&self.random)).expect("it can be sealed");
        let stamp = claim(&Envelope::parse(&sealed).expect("an envelope"));
        (sealed, stamp)
    }

    /// The authentic stamp and the value; none of what is not ours, or not of this path and version.
    pub(super) fn open(&self, path: &SecretPath, version: Option<u64>, bytes: &[u8]) -> Option<Opened> {
        let mut known = locked(&self.opened);
        let opened = known.entry((path.clone(), bytes.to_vec())).or_insert_with(|| self.opened(path, bytes));
        opened.clone().filter(|(stamp, _)| version.is_none_or(|version| version == stamp.version))
    }

    fn opened(&self, path: &SecretPath, bytes: &[u8]) -> Option<Opened> {
        let envelope = Envelope::parse(bytes).ok()?;
        let opened = envelope.open(&self.keyring, &Expected { path: &absolute(path), version: None }).ok()?;
        Some((claim(&envelope), opened.value.to_vec()))
    }

    /// The same content under a fresh wrap.
    pub(super) fn rewrap(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        Envelope::parse(bytes).ok()?.rewrap(&self.keyring, &mut *locked(&self.random)).ok()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

fn absolute(path: &SecretPath) -> String {
    format!("simulated/{path}")
}

fn claim(envelope: &Envelope<'_>) -> Stamp {
    let header = envelope.header();
    let kind = match header.kind {
        Kind::Secret => StampKind::Secret,
        Kind::Tombstone => StampKind::Tombstone,
    };
    let whole = |id: secrets_crypto::ContentId| ContentId::new(*id.as_bytes());
    let parent = header.parent.map(whole);
    Stamp::new(
        kind,
        header.version,
        Some(header.term),
        envelope.epoch(),
        whole(envelope.content_id()),
        parent,
    )
}

/// Chance that remembers what keys were made of.
struct Recorded {
    random: Random,
    material: Vec<Vec<u8>>,
}

impl TryRng for Recorded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.random.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.random.try_next_u64()
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
        self.random.try_fill_bytes(into)?;
        if into.len() >= 32 {
            self.material.push(into.to_vec());
        }
        Ok(())
    }
}

impl TryCryptoRng for Recorded {}
