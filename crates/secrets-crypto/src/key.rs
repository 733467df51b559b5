//! Key types: wiped when dropped; no way to print, copy or serialise one.

use std::fmt;

use hkdf::Hkdf;
use rand_core::TryCryptoRng;
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha512;

use crate::bytes::fill;
use crate::{Error, Result, SafeId, separation, stack};

/// A symmetric key of 32 bytes, on the heap, wiped when dropped.
///
/// It cannot be cloned, printed or serialised:
///
/// ```compile_fail,E0599
/// let key = secrets_crypto::Key::generate(&mut getrandom::SysRng)?;
/// let copy = key.clone();
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// let key = secrets_crypto::Key::generate(&mut getrandom::SysRng)?;
/// println!("{key}");
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// let key = secrets_crypto::Key::generate(&mut getrandom::SysRng)?;
/// serde_json::to_string(&key);
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
pub struct Key(SecretBox<[u8; 32]>);

impl Key {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// A new random key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self> {
        Self::make(|bytes| fill(rng, bytes))
    }

    /// The key of these bytes; the source is the caller's to wipe.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(SecretBox::init_with_mut(|key: &mut [u8; 32]| key.copy_from_slice(bytes)))
    }

    /// A key written in place, so that no copy of it is left behind.
    pub(crate) fn make(write: impl FnOnce(&mut [u8; 32]) -> Result<()>) -> Result<Self> {
        let mut outcome = Ok(());
        let key = SecretBox::init_with_mut(|bytes: &mut [u8; 32]| outcome = write(bytes));
        outcome.map(|()| Self(key))
    }

    /// A key whose bytes came out of a seal.
    pub(crate) fn from_opened(opened: &[u8]) -> Result<Self> {
        opened.try_into().map(Self::from_bytes).map_err(|_| Error::Refused)
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }

    /// HKDF-SHA-512 with this key as input keying material.
    pub(crate) fn derive(&self, salt: Option<&[u8]>, info: &[&[u8]]) -> Self {
        stack::wiped(|| {
            Self(SecretBox::init_with_mut(|out: &mut [u8; 32]| {
                Hkdf::<Sha512>::new(salt, self.expose())
                    .expand_multi_info(info, out)
                    .expect("32 bytes are a valid length for HKDF");
            }))
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The root key of a safe: every other key hangs on it. 32 random bytes, stored only under slot keys.
///
/// ```compile_fail,E0599
/// let root = secrets_crypto::RootKey::generate(&mut getrandom::SysRng)?;
/// let copy = root.clone();
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// let root = secrets_crypto::RootKey::generate(&mut getrandom::SysRng)?;
/// println!("{root}");
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// let root = secrets_crypto::RootKey::generate(&mut getrandom::SysRng)?;
/// serde_json::to_string(&root);
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
pub struct RootKey(pub(crate) Key);

impl RootKey {
    /// A new random root key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self> {
        Key::generate(rng).map(Self)
    }

    /// The key that seals rows of an installation's local state.
    #[must_use]
    pub fn state_key(&self, safe: &SafeId) -> StateKey {
        StateKey(self.derived(separation::STATE_KEY, safe))
    }

    /// The key that authenticates the headers of a safe.
    #[must_use]
    pub fn header_key(&self, safe: &SafeId) -> HeaderKey {
        HeaderKey(self.derived(separation::HEADER_MAC, safe))
    }

    pub(crate) fn verifier(&self, safe: &SafeId) -> Key {
        self.derived(separation::ROOT_VERIFIER, safe)
    }

    fn derived(&self, separation: &[u8], safe: &SafeId) -> Key {
        self.0.derive(None, &[separation, safe.as_bytes()])
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

/// The key of an installation's local state, derived from the root key.
///
/// ```compile_fail,E0599
/// let root = secrets_crypto::RootKey::generate(&mut getrandom::SysRng)?;
/// let copy = root.state_key(&secrets_crypto::SafeId::from_bytes([0; 16])).clone();
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// let root = secrets_crypto::RootKey::generate(&mut getrandom::SysRng)?;
/// println!("{}", root.state_key(&secrets_crypto::SafeId::from_bytes([0; 16])));
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// let root = secrets_crypto::RootKey::generate(&mut getrandom::SysRng)?;
/// serde_json::to_string(&root.state_key(&secrets_crypto::SafeId::from_bytes([0; 16])));
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
pub struct StateKey(pub(crate) Key);

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey(..)")
    }
}

/// The key that authenticates the headers of a safe, derived from the root key. It opens no secret.
///
/// ```compile_fail,E0599
/// let root = secrets_crypto::RootKey::generate(&mut getrandom::SysRng)?;
/// let copy = root.header_key(&secrets_crypto::SafeId::from_bytes([0; 16])).clone();
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// let root = secrets_crypto::RootKey::generate(&mut getrandom::SysRng)?;
/// println!("{}", root.header_key(&secrets_crypto::SafeId::from_bytes([0; 16])));
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// let root = secrets_crypto::RootKey::generate(&mut getrandom::SysRng)?;
/// serde_json::to_string(&root.header_key(&secrets_crypto::SafeId::from_bytes([0; 16])));
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
pub struct HeaderKey(pub(crate) Key);

impl fmt::Debug for HeaderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_key_shows_nothing() {
        let key = Key::from_bytes(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(format!("{key:?}"), "Key(..)");
        let root = RootKey(key);
        assert_eq!(format!("{root:?} {root:#?}"), "RootKey(..) RootKey(..)");
        assert_eq!(format!("{:?}", root.state_key(&SafeId::from_bytes([0; 16]))), "StateKey(..)");
        assert_eq!(format!("{:?}", root.header_key(&SafeId::from_bytes([0; 16]))), "HeaderKey(..)");
    }

    #[test]
    fn keys_of_different_use_or_safe_differ() {
        let root = RootKey(Key::from_bytes(&[7; 32]));
        let (one, two) = (SafeId::from_bytes([1; 16]), SafeId::from_bytes([2; 16]));
        assert_ne!(root.header_key(&one).0.expose(), root.state_key(&one).0.expose());
        assert_ne!(root.header_key(&one).0.expose(), root.verifier(&one).expose());
        assert_ne!(root.state_key(&one).0.expose(), root.state_key(&two).0.expose());
    }
}
