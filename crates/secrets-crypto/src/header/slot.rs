//! One slot: the root key, wrapped under a key that one secret gives.

use rand_core::TryCryptoRng;

use crate::aead::{self, WRAPPED_KEY_LEN};
use crate::bytes::{Reader, fill};
use crate::header::NewSlot;
use crate::{Error, KdfLimits, KdfParams, Key, Result, RootKey, SafeId, SlotSecret, Suite, kdf, separation};

/// What everybody may know of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotInfo {
    /// Its number, 1 to 255. Two slots added on two installations at once may have the same.
    pub id: u8,
    /// Which kind of secret opens it.
    pub kind: SlotKind,
    /// How its key is made from that secret.
    pub kdf: KdfParams,
    /// Words for people.
    pub label: String,
    /// Random, unique to this slot.
    pub salt: [u8; 32],
}

/// Which kind of secret opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlotKind {
    /// 32 random bytes in a file.
    KeyFile,
    /// A passphrase.
    Passphrase,
    /// 24 words.
    RecoveryPhrase,
}

impl SlotKind {
    /// The kind of slot that this secret opens.
    #[must_use]
    pub const fn of(secret: &SlotSecret<'_>) -> Self {
        match secret {
            SlotSecret::KeyFile(_) => Self::KeyFile,
            SlotSecret::Passphrase(_) => Self::Passphrase,
            SlotSecret::RecoveryPhrase(_) => Self::RecoveryPhrase,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::KeyFile => 1,
            Self::Passphrase => 2,
            Self::RecoveryPhrase => 3,
        }
    }
}

/// A slot as it is stored. A removed one keeps id and salt; the rest is zero.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) id: u8,
    state: State,
    pub(super) kind: SlotKind,
    pub(super) kdf: KdfParams,
    pub(super) salt: [u8; 32],
    label: [u8; LABEL_LEN],
    sealed: [u8; WRAPPED_KEY_LEN],
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Active = 1,
    Removed = 2,
}

impl Slot {
    pub(super) fn seal<R: TryCryptoRng + ?Sized>(
        id: u8,
        root: &RootKey,
        new: &NewSlot<'_>,
        safe: &SafeId,
        limits: &KdfLimits,
        rng: &mut R,
    ) -> Result<Self> {
        let mut slot = Self {
            id,
            state: State::Active,
            kind: SlotKind::of(&new.secret),
            kdf: new.kdf,
            salt: [0; 32],
            label: pad_label(new.label).ok_or(Error::InvalidLabel)?,
            sealed: [0; WRAPPED_KEY_LEN],
        };
        fill(rng, &mut slot.salt)?;
        let key = kdf::slot_key(&new.secret, &slot.kdf, &slot.salt, safe, limits)?;
        let context = [separation::SLOT, safe.as_bytes(), &slot.fields()];
        let sealed = aead::seal(SUITE, &key, &context, root.0.expose(), rng)?;
        slot.sealed.copy_from_slice(&sealed);
        Ok(slot)
    }

    pub(super) fn open(&self, key: &Key, safe: &SafeId) -> Result<RootKey> {
        let context = [separation::SLOT, safe.as_bytes(), &self.fields()];
        let opened = aead::open(SUITE, key, &context, &self.sealed)?;
        Key::from_opened(&opened).map(RootKey)
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == State::Active
    }

    pub(super) fn remove(&mut self) {
        *self = Self {
            id: self.id,
            state: State::Removed,
            kind: SlotKind::KeyFile,
            kdf: KdfParams::Hkdf,
            salt: self.salt,
            label: [0; LABEL_LEN],
            sealed: [0; WRAPPED_KEY_LEN],
        };
    }

    pub(super) fn info(&self) -> SlotInfo {
        SlotInfo {
            id: self.id,
            kind: self.kind,
            kdf: self.kdf,
            label: unpad_label(&self.label).unwrap_or_default().to_owned(),
            salt: self.salt,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.fields());
        out.extend_from_slice(&self.sealed);
    }

    /// The slot at the front; `None` for an unknown kind, derivation or state, and for every form but the
    /// canonical one.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.take(FIELDS_LEN)?;
        let sealed = reader.array()?;
        let mut field = Reader::new(fields);
        let (id, state, kind, kdf) = (field.u8()?, field.u8()?, field.u8()?, field.u8()?);
        let (memory_kib, time, lanes) = (field.u32()?, field.u32()?, field.u32()?);
        let (salt, label) = (field.array()?, field.array()?);
        let slot = match state {
            1 => Self {
                id,
                state: State::Active,
                kind: match kind {
                    1 => SlotKind::KeyFile,
                    2 => SlotKind::Passphrase,
                    3 => SlotKind::RecoveryPhrase,
                    _ => return None,
                },
                kdf: match kdf {
                    1 => KdfParams::Hkdf,
                    2 => KdfParams::Argon2id { memory_kib, time, lanes },
                    3 => KdfParams::Pbkdf2 { iterations: time },
                    _ => return None,
                },
                salt,
                label,
                sealed,
            },
            2 => {
                let mut slot = Self {
                    id,
                    state: State::Active,
                    kind: SlotKind::KeyFile,
                    kdf: KdfParams::Hkdf,
                    salt,
                    label,
                    sealed,
                };
                if label != [0; LABEL_LEN] || sealed != [0; WRAPPED_KEY_LEN] {
                    return None;
                }
                slot.remove();
                slot
            }
            _ => return None,
        };
        unpad_label(&slot.label)?;
        // One form for one slot: what would be written differently is refused.
        (id != 0 && slot.fields() == fields).then_some(slot)
    }

    /// Everything before the seal: what the seal's context authenticates.
    fn fields(&self) -> [u8; FIELDS_LEN] {
        let mut out = [0; FIELDS_LEN];
        out[0] = self.id;
        out[1] = self.state as u8;
        out[16..48].copy_from_slice(&self.salt);
        if !self.is_active() {
            return out;
        }
        let (kdf, memory_kib, time, lanes) = match self.kdf {
            KdfParams::Hkdf => (1, 0, 0, 0),
            KdfParams::Argon2id { memory_kib, time, lanes } => (2, memory_kib, time, lanes),
            KdfParams::Pbkdf2 { iterations } => (3, 0, iterations, 0),
        };
        out[2] = self.kind.number();
        out[3] = kdf;
        out[4..8].copy_from_slice(&memory_kib.to_be_bytes());
        out[8..12].copy_from_slice(&time.to_be_bytes());
        out[12..16].copy_from_slice(&lanes.to_be_bytes());
        out[48..].copy_from_slice(&self.label);
        out
    }
}

fn pad_label(label: &str) -> Option<[u8; LABEL_LEN]> {
    let mut padded = [0; LABEL_LEN];
    padded.get_mut(..label.len())?.copy_from_slice(label.as_bytes());
    // A zero at the end would be taken for padding: what is read back must be what was given.
    (unpad_label(&padded) == Some(label)).then_some(padded)
}

/// The text before the zeros; `None` unless it is UTF-8 without control characters.
fn unpad_label(label: &[u8; LABEL_LEN]) -> Option<&str> {
    let end = label.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let text = std::str::from_utf8(&label[..end]).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// Length of an encoded slot.
pub(super) const SLOT_LEN: usize = FIELDS_LEN + WRAPPED_KEY_LEN;

/// A slot has no field for a suite: it is sealed with the first one, always.
const SUITE: Suite = Suite::Aes256Gcm;
const FIELDS_LEN: usize = 80;
const LABEL_LEN: usize = 32;
