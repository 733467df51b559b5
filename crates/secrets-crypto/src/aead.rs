//! The one construction that seals everything: C2SP *chunked-encryption*, over two AEADs.
//!
//! ```text
//! key(32) ‖ base nonce(12) ‖ commitment(32) = HKDF-Expand-SHA-512(input key, label ‖ salt(24) ‖ context, 76)
//! sealed = salt(24) ‖ commitment(32) ‖ for each 16-KiB chunk i: AEAD(key, base nonce XOR i, chunk)
//! ```
//!
//! The last chunk is shorter than 16 KiB, maybe empty: its length marks the end. The exact bytes are in
//! `docs/spec/aead.md`. Use a context that says what the ciphertext is for, beginning with one of
//! [`separation`].

use aes_gcm::aead::{AeadInOut, Nonce, Tag};
use aes_gcm::{Aes256Gcm, KeyInit};
use chacha20poly1305::ChaCha20Poly1305;
use hmac::{Hmac, Mac};
use rand_core::TryCryptoRng;
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::bytes::{Reader, fill};
use crate::{Error, Key, Result, separation, stack};

/// Which AEAD a ciphertext is made with. Written beside each ciphertext; both are always understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "format version 1 has these two suites and no others")]
pub enum Suite {
    /// AES-256-GCM: fast and constant-time where the processor has AES instructions.
    Aes256Gcm,
    /// ChaCha20-Poly1305: constant-time everywhere.
    ChaCha20Poly1305,
}

impl Suite {
    /// The suite for new ciphertexts on this machine: AES-256-GCM where the processor has instructions for it.
    #[must_use]
    pub fn detect() -> Self {
        if has_aes_instructions() { Self::Aes256Gcm } else { Self::ChaCha20Poly1305 }
    }

    /// Its number in the formats.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Aes256Gcm => 1,
            Self::ChaCha20Poly1305 => 2,
        }
    }

    /// The suite of this number; `None` for every other.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Aes256Gcm),
            2 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }

    const fn label(self) -> &'static [u8] {
        match self {
            Self::Aes256Gcm => separation::CHUNKED_AES_256_GCM,
            Self::ChaCha20Poly1305 => separation::CHUNKED_CHACHA20_POLY1305,
        }
    }
}

/// Length of the ciphertext of a plaintext of `len` bytes; saturates.
///
/// ```
/// // A wrapped key: 24 bytes of salt, 32 of commitment, the key, 16 of tag.
/// assert_eq!(secrets_crypto::aead::sealed_len(32), 104);
/// ```
#[must_use]
pub const fn sealed_len(len: usize) -> usize {
    let tags = (len / CHUNK_LEN + 1).saturating_mul(TAG_LEN);
    len.saturating_add(tags).saturating_add(SALT_LEN + COMMITMENT_LEN)
}

/// Seals a plaintext. The context is the concatenation of its parts.
///
/// # Errors
/// [`Error::Random`]; [`Error::TooLarge`] beyond what the AEAD can take, which no buffer in memory reaches.
pub fn seal<R: TryCryptoRng + ?Sized>(
    suite: Suite,
    key: &Key,
    context: &[&[u8]],
    plaintext: &[u8],
    rng: &mut R,
) -> Result<Vec<u8>> {
    stack::wiped(|| {
        let mut salt = [0; SALT_LEN];
        fill(rng, &mut salt)?;
        let message = MessageKey::derive(suite, key, &salt, context);
        // The exact length, so that no growth leaves a copy of the plaintext behind.
        let mut out = Zeroizing::new(Vec::with_capacity(sealed_len(plaintext.len())));
        out.extend_from_slice(&salt);
        out.extend_from_slice(&message.commitment);
        let full = plaintext.chunks_exact(CHUNK_LEN);
        let last = full.remainder();
        for (chunk, counter) in full.chain([last]).zip(0_u64..) {
            let start = out.len();
            out.extend_from_slice(chunk);
            let tag = message.encrypt(counter, &mut out[start..])?;
            out.extend_from_slice(&tag);
        }
        Ok(std::mem::take(&mut *out))
    })
}

/// Opens what [`seal`] made with the same suite, key and context.
///
/// The commitment is compared, in constant time, before anything is decrypted.
///
/// # Errors
/// [`Error::Refused`] for everything else, whatever the cause.
pub fn open(suite: Suite, key: &Key, context: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    stack::wiped(|| {
        let mut reader = Reader::new(sealed);
        let salt = reader.array::<SALT_LEN>().ok_or(Error::Refused)?;
        let commitment = reader.array::<COMMITMENT_LEN>().ok_or(Error::Refused)?;
        let chunks = reader.rest();
        let full = chunks.len() / SEALED_CHUNK_LEN;
        // The last chunk has its tag at least, and is never a full one.
        if chunks.len() % SEALED_CHUNK_LEN < TAG_LEN {
            return Err(Error::Refused);
        }
        let message = MessageKey::derive(suite, key, &salt, context);
        if !bool::from(message.commitment.ct_eq(&commitment)) {
            return Err(Error::Refused);
        }
        let mut out = Zeroizing::new(Vec::with_capacity(chunks.len() - (full + 1) * TAG_LEN));
        for (chunk, counter) in chunks.chunks(SEALED_CHUNK_LEN).zip(0_u64..) {
            let (body, tag) = chunk.split_last_chunk::<TAG_LEN>().ok_or(Error::Refused)?;
            let start = out.len();
            out.extend_from_slice(body);
            message.decrypt(counter, &mut out[start..], tag)?;
        }
        Ok(out)
    })
}

/// What one salt and context make of a key.
struct MessageKey {
    cipher: Cipher,
    base_nonce: Zeroizing<[u8; NONCE_LEN]>,
    commitment: [u8; COMMITMENT_LEN],
}

/// Both wipe their key schedule when dropped.
#[allow(clippy::large_enum_variant, reason = "lives on the stack for one message")]
enum Cipher {
    Aes256Gcm(Aes256Gcm),
    ChaCha20Poly1305(ChaCha20Poly1305),
}

impl MessageKey {
    fn derive(suite: Suite, key: &Key, salt: &[u8; SALT_LEN], context: &[&[u8]]) -> Self {
        let okm = expand(key, &[&[suite.label(), salt], context].concat());
        let (cipher_key, rest) = okm.split_at(Key::LEN);
        let (nonce, commitment) = rest.split_at(NONCE_LEN);
        let mut message = Self {
            cipher: Cipher::new(suite, cipher_key),
            base_nonce: Zeroizing::new([0; NONCE_LEN]),
            commitment: [0; COMMITMENT_LEN],
        };
        message.base_nonce.copy_from_slice(nonce);
        message.commitment.copy_from_slice(commitment);
        message
    }

    /// Base nonce XOR chunk number, both as big-endian integers of 96 bits.
    fn nonce(&self, counter: u64) -> [u8; NONCE_LEN] {
        let mut nonce = *self.base_nonce;
        for (byte, mask) in nonce[4..].iter_mut().zip(counter.to_be_bytes()) {
            *byte ^= mask;
        }
        nonce
    }

    fn encrypt(&self, counter: u64, chunk: &mut [u8]) -> Result<[u8; TAG_LEN]> {
        let nonce = self.nonce(counter);
        let (what, len) = ("a chunk", chunk.len());
        let tag: Tag<Aes256Gcm> = match &self.cipher {
            Cipher::Aes256Gcm(cipher) => cipher.encrypt_inout_detached(nonce_of(&nonce), b"", chunk.into()),
            Cipher::ChaCha20Poly1305(cipher) => {
                cipher.encrypt_inout_detached(nonce_of(&nonce), b"", chunk.into())
            }
        }
        .map_err(|_| Error::TooLarge { what, len, max: CHUNK_LEN })?;
        Ok(tag.into())
    }

    fn decrypt(&self, counter: u64, chunk: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<()> {
        let nonce = self.nonce(counter);
        match &self.cipher {
            Cipher::Aes256Gcm(cipher) => {
                cipher.decrypt_inout_detached(nonce_of(&nonce), b"", chunk.into(), tag.into())
            }
            Cipher::ChaCha20Poly1305(cipher) => {
                cipher.decrypt_inout_detached(nonce_of(&nonce), b"", chunk.into(), tag.into())
            }
        }
        .map_err(|_| Error::Refused)
    }
}

impl Cipher {
    fn new(suite: Suite, key: &[u8]) -> Self {
        const LENGTH: &str = "the key has 32 bytes";
        match suite {
            Suite::Aes256Gcm => Self::Aes256Gcm(Aes256Gcm::new_from_slice(key).expect(LENGTH)),
            Suite::ChaCha20Poly1305 => {
                Self::ChaCha20Poly1305(ChaCha20Poly1305::new_from_slice(key).expect(LENGTH))
            }
        }
    }
}

fn nonce_of(nonce: &[u8; NONCE_LEN]) -> &Nonce<Aes256Gcm> {
    nonce.into()
}

/// HKDF-Expand-SHA-512 to 76 bytes.
///
/// Written out because the `hkdf` crate takes a pseudorandom key of 64 bytes or more only, and C2SP expands
/// from one of 32.
fn expand(key: &Key, info: &[&[u8]]) -> Zeroizing<[u8; OKM_LEN]> {
    let keyed = <Hmac<Sha512> as hmac::KeyInit>::new_from_slice(key.expose())
        .expect("HMAC takes a key of any length");
    let mut okm = Zeroizing::new([0; OKM_LEN]);
    let mut block = Zeroizing::new([0; 64]);
    for (out, number) in okm.chunks_mut(64).zip(1_u8..) {
        let mut mac = keyed.clone();
        if number > 1 {
            mac.update(&*block);
        }
        info.iter().for_each(|part| mac.update(part));
        mac.update(&[number]);
        let mut bytes = mac.finalize().into_bytes();
        block.copy_from_slice(&bytes);
        bytes.as_mut_slice().zeroize();
        out.copy_from_slice(&block[..out.len()]);
    }
    okm
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn has_aes_instructions() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn has_aes_instructions() -> bool {
    std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
const fn has_aes_instructions() -> bool {
    false
}

/// Plaintext bytes of every chunk but the last.
pub const CHUNK_LEN: usize = 16 * 1024;
/// Bytes of the salt in front of a ciphertext.
pub const SALT_LEN: usize = 24;
/// Bytes of the commitment behind the salt.
pub const COMMITMENT_LEN: usize = 32;
/// Bytes of the tag behind each chunk.
pub const TAG_LEN: usize = 16;
/// Bytes of a wrapped key of 32 bytes.
pub const WRAPPED_KEY_LEN: usize = sealed_len(Key::LEN);

const SEALED_CHUNK_LEN: usize = CHUNK_LEN + TAG_LEN;
const NONCE_LEN: usize = 12;
const OKM_LEN: usize = Key::LEN + NONCE_LEN + COMMITMENT_LEN;
