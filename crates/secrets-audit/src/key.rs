//! The installation's signing key and its public half.

mod file;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _};
use rand_core::TryCryptoRng;
use zeroize::{Zeroizing, zeroize_stack};

use crate::{Error, Result};

/// The Ed25519 key that signs the log of one installation.
///
/// It is wiped when dropped, cannot be cloned, and `Debug` shows only the public half.
pub struct SigningKey(Box<ed25519_dalek::SigningKey>);

impl SigningKey {
    /// The key of a 32-byte seed (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        on_a_wiped_stack(|| Self(Box::new(ed25519_dalek::SigningKey::from_bytes(seed))))
    }

    /// A new random key.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] when the source fails.
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(seed.as_mut_slice()).map_err(|_| Error::Random)?;
        Ok(Self::from_seed(&seed))
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// The text of a key file: `SECRETS-AUDIT-KEY-1 `, the seed in base64, a line feed.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        on_a_wiped_stack(|| {
            let seed = Zeroizing::new(STANDARD.encode(self.0.as_bytes()));
            // Built in one allocation of the final size, so that no unwiped copy is left behind by growing.
            let mut text = Zeroizing::new(String::with_capacity(KEY_PREFIX.len() + seed.len() + 1));
            text.push_str(KEY_PREFIX);
            text.push_str(&seed);
            text.push('\n');
            text
        })
    }

    /// From the text of a key file; the last line feed may be absent.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for anything else.
    pub fn from_text(text: &str) -> Result<Self> {
        let wrong = Error::malformed("audit key", "it is not `SECRETS-AUDIT-KEY-1` and 32 bytes in base64");
        let line = text.strip_suffix('\n').unwrap_or(text);
        let Some(encoded) = line.strip_prefix(KEY_PREFIX) else { return Err(wrong) };
        on_a_wiped_stack(|| {
            let decoded = Zeroizing::new(STANDARD.decode(encoded).ok()?);
            decoded.as_array().map(Self::from_seed)
        })
        .ok_or(wrong)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        on_a_wiped_stack(|| self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.verifying_key()).finish_non_exhaustive()
    }
}

/// The public key that a log is verified with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// A public key from its 32 bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where they are no point of the curve, or one of small order, under which some
    /// signatures hold for every message.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self> {
        match ed25519_dalek::VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(Error::malformed("public key", "it is no Ed25519 public key")),
        }
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(crate) fn holds(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", STANDARD.encode(self.as_bytes()))
    }
}

/// Runs `work`, then wipes the stack below: what is spilled of a key, no type wipes.
fn on_a_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    // Inlined, its frame would be the caller's own, above what is wiped.
    #[inline(never)]
    fn below<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    let value = below(work);
    zeroize_stack::<{ 16 * 1024 }>();
    value
}

const KEY_PREFIX: &str = "SECRETS-AUDIT-KEY-1 ";

#[cfg(test)]
#[cfg(target_os = "linux")]
#[path = "../../secrets-crypto/src/stack/left_behind.rs"]
mod left_behind;

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use super::left_behind::left_behind;
    use super::*;

    #[test]
    fn a_key_survives_its_text() {
        let key = SigningKey::from_seed(&[7; 32]);
        let again = SigningKey::from_text(&key.to_text()).unwrap();
        assert_eq!(again.verifying_key(), key.verifying_key());
        assert!(
            SigningKey::from_text(key.to_text().trim_end()).is_ok(),
            "an editor may drop the last line feed"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn no_key_stays_on_the_stack_of_what_reads_it_writes_it_and_signs() {
        let mut seed = Zeroizing::new([0; 32]);
        rand_core::TryRng::try_fill_bytes(&mut getrandom::SysRng, &mut *seed).unwrap();
        let key = SigningKey::from_seed(&seed);
        let text = key.to_text();
        // The scalar that signs, and the prefix of the nonce (RFC 8032, section 5.1.5).
        let expanded = <sha2::Sha512 as sha2::Digest>::digest(*seed);
        let secrets = [&seed[..], text[KEY_PREFIX.len()..].as_bytes(), &expanded];
        assert_eq!(left_behind(&secrets, || drop(SigningKey::from_seed(&seed))), 0);
        assert_eq!(left_behind(&secrets, || drop(key.to_text())), 0);
        assert_eq!(left_behind(&secrets, || drop(SigningKey::from_text(&text).unwrap())), 0);
        assert_eq!(left_behind(&secrets, || assert_ne!(key.sign(b"message"), [0; 64])), 0);
    }

    #[test]
    fn texts_that_are_no_key_are_refused() {
        let text = SigningKey::from_seed(&[7; 32]).to_text();
        for wrong in ["", "SECRETS-AUDIT-KEY-1 ", &text.replace("-1 ", "-2 "), &text[..text.len() - 3]] {
            assert!(SigningKey::from_text(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn debug_never_shows_the_seed() {
        let seed = [0xAB; 32];
        let shown = format!("{:?}", SigningKey::from_seed(&seed));
        assert!(!shown.contains(&STANDARD.encode(seed)) && !shown.contains("171"), "{shown}");
    }

    #[test]
    fn a_public_key_of_small_order_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(VerifyingKey::from_bytes(&identity).is_err());
    }

    #[test]
    fn a_failing_source_of_randomness_is_an_error() {
        struct Broken;
        impl rand_core::TryRng for Broken {
            type Error = std::fmt::Error;
            fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
                Err(std::fmt::Error)
            }
            fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
                Err(std::fmt::Error)
            }
            fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
                Err(std::fmt::Error)
            }
        }
        impl TryCryptoRng for Broken {}
        assert!(matches!(SigningKey::generate(&mut Broken), Err(Error::Random)));
    }
}
