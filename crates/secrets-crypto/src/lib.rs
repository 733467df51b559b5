//! Keys, key derivation, authenticated encryption, keyslots and the envelope of a secret: bytes in, bytes out.
#![doc = include_str!("../README.md")]

pub mod aead;
mod bytes;
pub mod envelope;
mod error;
pub mod header;
mod ids;
mod kdf;
mod key;
pub mod keyring;
pub mod separation;
mod slot_secret;
mod stack;
mod state;

pub use aead::Suite;
pub use error::{Error, Result};
pub use ids::{ContentId, InstallationId, InvalidId, ObjectId, SafeId, TenantId};
pub use kdf::{KdfLimits, KdfParams};
pub use key::{HeaderKey, Key, RootKey, StateKey};
pub use slot_secret::{KeyFile, RecoveryPhrase, SlotSecret};
