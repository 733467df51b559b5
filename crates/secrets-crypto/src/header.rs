//! The header of a safe: its slots, which hold the root key, and its installations.
//!
//! The exact bytes are in `docs/spec/header.md`. On disk the header lies twice in one file:
//! see [`Copies`].

mod codec;
mod copies;
mod merge;
mod slot;

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use rand_core::TryCryptoRng;
use sha2::{Digest, Sha256};

use crate::{
    Error, HeaderKey, InstallationId, KdfLimits, KdfParams, Result, RootKey, SafeId, SlotSecret, kdf,
    separation, stack,
};

pub use copies::{COPY_LEN, Copies, CopyState, CopyWrite, FILE_LEN, UnlockedFile};
use slot::Slot;
pub use slot::{SlotInfo, SlotKind};

/// The header of a safe.
///
/// It holds no plaintext key; what it holds in clear, it authenticates once a slot is open.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    sequence: u64,
    safe: SafeId,
    /// Strictly ascending by salt.
    slots: Vec<Slot>,
    /// Strictly ascending by id.
    installations: Vec<Installation>,
    /// As read; zeros in a header that was made here.
    mac: [u8; MAC_LEN],
}

/// An installation of the safe, as its header lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installation {
    /// Its id, which is the writer id of its envelopes.
    pub id: InstallationId,
    /// The Ed25519 public key that verifies its audit log.
    pub public_key: [u8; 32],
    /// Whether it was removed. Its key stays, so that its old log still verifies.
    pub removed: bool,
}

/// What a new slot is made from.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "made by callers; all three are needed")]
pub struct NewSlot<'a> {
    /// Words for people, at most 32 bytes, public.
    pub label: &'a str,
    /// What will open it.
    pub secret: SlotSecret<'a>,
    /// How its key is made: [`KdfParams::Hkdf`] for key files and phrases.
    pub kdf: KdfParams,
}

/// What unlocking gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unlocked {
    /// The root key.
    pub root: RootKey,
    /// The slot that opened.
    pub slot: SlotInfo,
}

impl Header {
    /// A header without slots, of sequence 0.
    #[must_use]
    pub const fn new(safe: SafeId) -> Self {
        Self { sequence: 0, safe, slots: Vec::new(), installations: Vec::new(), mac: [0; MAC_LEN] }
    }

    /// Reads exactly one encoded header. Its MAC is checked by [`Header::unlock`] or
    /// [`Header::verify_mac`], not here.
    ///
    /// # Errors
    /// [`Error::UnsupportedFormat`] for a sound header of a newer format; [`Error::Malformed`] for everything
    /// that is damaged, or is not in its one canonical form.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        codec::decode(bytes)
    }

    /// Its bytes, with a new MAC. Call [`Header::advance`] before, where it was changed.
    #[must_use]
    pub fn encode(&self, key: &HeaderKey) -> Vec<u8> {
        let mut bytes = codec::encode(self);
        let mac = stack::wiped(|| mac_of(&bytes, key).finalize().into_bytes());
        bytes.extend_from_slice(&mac);
        bytes
    }

    /// Whose header it is.
    #[must_use]
    pub const fn safe_id(&self) -> SafeId {
        self.safe
    }

    /// How often it was changed; the highest wins. Never trust a lower one than was seen before.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Counts one change. Saturates, which 2⁶⁴ changes away from 0 nobody sees.
    pub const fn advance(&mut self) {
        self.sequence = self.sequence.saturating_add(1);
    }

    /// Its active slots, ascending by id.
    #[must_use]
    pub fn slots(&self) -> Vec<SlotInfo> {
        let mut slots: Vec<SlotInfo> = self.active().map(Slot::info).collect();
        slots.sort_by_key(|slot| slot.id);
        slots
    }

    /// Its installations, ascending by id, removed ones too.
    #[must_use]
    pub fn installations(&self) -> &[Installation] {
        &self.installations
    }

    /// Adds a slot and gives its id: the lowest that was never used here.
    ///
    /// # Errors
    /// [`Error::KdfBounds`], [`Error::KdfMismatch`], [`Error::KdfMemory`], [`Error::InvalidPassphrase`],
    /// [`Error::InvalidLabel`], [`Error::Full`], [`Error::Random`].
    pub fn add_slot<R: TryCryptoRng + ?Sized>(
        &mut self,
        root: &RootKey,
        new: &NewSlot<'_>,
        limits: &KdfLimits,
        rng: &mut R,
    ) -> Result<u8> {
        if self.slots.len() >= MAX_SLOTS {
            return Err(Error::Full("the header's list of slots"));
        }
        let id = (1..=u8::MAX)
            .find(|id| self.slots.iter().all(|slot| slot.id != *id))
            .ok_or(Error::Full("the header's list of slots"))?;
        let slot = Slot::seal(id, root, new, &self.safe, limits, rng)?;
        let at = self.slots.partition_point(|other| other.salt < slot.salt);
        self.slots.insert(at, slot);
        Ok(id)
    }

    /// Removes a slot: its wrapped key is erased, its salt stays, so that no merge brings it back.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`]; [`Error::LastSlot`]; [`Error::AmbiguousSlot`] where two have this id, see
    /// [`Header::remove_slot_of_salt`].
    pub fn remove_slot(&mut self, id: u8) -> Result<()> {
        let mut found = self.active().filter(|slot| slot.id == id).map(|slot| slot.salt);
        let salt = found.next().ok_or(Error::NoSuchSlot)?;
        if found.next().is_some() {
            return Err(Error::AmbiguousSlot);
        }
        drop(found);
        self.remove_slot_of_salt(&salt)
    }

    /// The same, for the one slot of this salt.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`]; [`Error::LastSlot`].
    pub fn remove_slot_of_salt(&mut self, salt: &[u8; 32]) -> Result<()> {
        let last = self.active().count() == 1;
        let slot = self
            .slots
            .iter_mut()
            .find(|slot| slot.salt == *salt && slot.is_active())
            .ok_or(Error::NoSuchSlot)?;
        if last {
            return Err(Error::LastSlot);
        }
        slot.remove();
        Ok(())
    }

    /// Lists an installation and the public key of its audit log. Listing it twice changes nothing.
    ///
    /// # Errors
    /// [`Error::InstallationConflict`] where it is listed with another key; [`Error::Full`].
    pub fn add_installation(&mut self, id: InstallationId, public_key: [u8; 32]) -> Result<()> {
        match self.installations.binary_search_by_key(&id, |installation| installation.id) {
            Ok(at) if self.installations[at].public_key == public_key => Ok(()),
            Ok(_) => Err(Error::InstallationConflict),
            Err(_) if self.installations.len() >= MAX_INSTALLATIONS => {
                Err(Error::Full("the header's list of installations"))
            }
            Err(at) => {
                self.installations.insert(at, Installation { id, public_key, removed: false });
                Ok(())
            }
        }
    }

    /// Marks an installation as removed. `false` where it is not listed.
    pub fn remove_installation(&mut self, id: InstallationId) -> bool {
        let found = self.installations.iter_mut().find(|installation| installation.id == id);
        found.map(|installation| installation.removed = true).is_some()
    }

    /// Opens the root key with the first slot that this secret fits, then checks the header's MAC.
    ///
    /// Parameters outside their bounds are refused before they run. A slot that cannot be computed on this
    /// machine does not stop the others from being tried.
    ///
    /// # Errors
    /// [`Error::WrongSecret`] where no slot opens; [`Error::KdfBounds`] or [`Error::KdfMemory`] where none
    /// opens and one could not be tried; [`Error::InvalidPassphrase`]; [`Error::HeaderForged`].
    pub fn unlock(&self, secret: &SlotSecret<'_>, limits: &KdfLimits) -> Result<Unlocked> {
        let mut failure = Error::WrongSecret;
        let kind = SlotKind::of(secret);
        for slot in self.active().filter(|slot| slot.kind == kind) {
            let key = match kdf::slot_key(secret, &slot.kdf, &slot.salt, &self.safe, limits) {
                Ok(key) => key,
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            if let Ok(root) = slot.open(&key, &self.safe) {
                self.verify_mac(&root.header_key(&self.safe))?;
                return Ok(Unlocked { root, slot: slot.info() });
            }
        }
        Err(failure)
    }

    /// Checks the MAC that was read, over what was read. A header changed since then fails.
    ///
    /// # Errors
    /// [`Error::HeaderForged`].
    pub fn verify_mac(&self, key: &HeaderKey) -> Result<()> {
        let bytes = codec::encode(self);
        stack::wiped(|| mac_of(&bytes, key).verify_slice(&self.mac)).map_err(|_| Error::HeaderForged)
    }

    /// Takes over what another header of the same safe has: slots by salt, installations by id, states only
    /// forward. The sequence becomes one more than the higher of both. Says whether anything but the sequence
    /// changed. The other's MAC is checked first.
    ///
    /// # Errors
    /// [`Error::ForeignSafe`], [`Error::HeaderForged`] for the other header; [`Error::InstallationConflict`];
    /// [`Error::Full`]; [`Error::LastSlot`] where each removed what the other kept, and nothing would open the
    /// safe. Nothing is changed then.
    pub fn merge(&mut self, other: &Self, key: &HeaderKey) -> Result<bool> {
        merge::merge(self, other, key)
    }

    /// The header for backends: without passphrase slots, each copy of which is a target for offline
    /// guessing. Merging it back removes nothing.
    #[must_use]
    pub fn without_passphrases(&self) -> Self {
        let mut header = self.clone();
        header.slots.retain(|slot| !slot.is_active() || slot.kind != SlotKind::Passphrase);
        header
    }

    /// The safe's fingerprint, to be compared out of band when an installation joins.
    #[must_use]
    pub fn fingerprint(&self, root: &RootKey) -> Fingerprint {
        let hash = stack::wiped(|| {
            Sha256::new()
                .chain_update(separation::FINGERPRINT)
                .chain_update(self.safe.as_bytes())
                .chain_update(root.verifier(&self.safe).expose())
                .finalize()
        });
        let mut fingerprint = Fingerprint([0; 16]);
        fingerprint.0.copy_from_slice(&hash[..16]);
        fingerprint
    }

    fn active(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.is_active())
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("safe", &self.safe)
            .field("sequence", &self.sequence)
            .field("slots", &self.slots())
            .field("installations", &self.installations)
            .finish_non_exhaustive()
    }
}

/// Names a safe and its root key without giving the key away: 128 bits, shown in eight groups of four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, pair) in self.0.chunks_exact(2).enumerate() {
            let dash = if i == 0 { "" } else { "-" };
            write!(f, "{dash}{:02x}{:02x}", pair[0], pair[1])?;
        }
        Ok(())
    }
}

fn mac_of(bytes: &[u8], key: &HeaderKey) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key.0.expose())
        .expect("HMAC takes a key of any length")
        .chain_update(bytes)
}

/// The most slots of a header, removed ones included.
pub const MAX_SLOTS: usize = 48;
/// The most installations of a header, removed ones included.
pub const MAX_INSTALLATIONS: usize = 128;

const MAC_LEN: usize = 32;
