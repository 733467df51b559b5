//! What the fuzz targets share: keys that are the same in every run, and the parts of a format that no fuzzer guesses.

pub mod text;

use std::convert::Infallible;
use std::sync::LazyLock;

use rand_core::{TryCryptoRng, TryRng};
use secrets_crypto::envelope::{Kind, NewEnvelope, seal};
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{InstallationId, Key, RootKey, SafeId, Suite, TenantId, aead, separation};
use sha2::{Digest, Sha256};

pub const SAFE: SafeId = SafeId::from_bytes([1; 16]);
pub const TENANT: TenantId = TenantId::from_bytes([2; 16]);

/// A root key that is the same in every run.
pub static ROOT: LazyLock<RootKey> =
    LazyLock::new(|| RootKey::generate(&mut Numbers(1)).expect("it never fails"));

/// A keyring that is the same in every run.
pub static KEYRING: LazyLock<Keyring> = LazyLock::new(|| keyring_of(&mut Numbers(2)));

fn keyring_of(rng: &mut impl TryCryptoRng) -> Keyring {
    Keyring::create(SAFE, TENANT, "default", 0, Suite::Aes256Gcm, rng).expect("it never fails")
}

/// The numbers of SplitMix64 from this seed: nothing is random where a finding must be found again.
#[derive(Debug)]
pub struct Numbers(pub u64);

impl TryRng for Numbers {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| number as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(mixed ^ (mixed >> 31))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let number = self.try_next_u64()?.to_be_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Numbers {}

/// One byte again and again: every key and salt drawn from it is known.
#[derive(Debug)]
pub struct Repeat(pub u8);

impl TryRng for Repeat {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes([self.0; 4]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes([self.0; 8]))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0);
        Ok(())
    }
}

impl TryCryptoRng for Repeat {}

/// An envelope at `default/fuzz` around this plaintext, its keys and salts drawn from `Repeat(3)`.
pub fn envelope_around(plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = seal(&KEYRING, &version_of(b""), &mut Repeat(3)).expect("it never fails");
    sealed.truncate(PAYLOAD_AT);
    let context = [separation::PAYLOAD, &sealed[..ENVELOPE_HEADER_LEN]];
    let payload = seal_with(&[3; 32], &context, plaintext);
    [sealed, payload].concat()
}

/// A keyring around this content, its keys drawn from `Repeat(2)` and its salts from `Repeat(3)`.
pub fn keyring_around(content: &[u8]) -> Vec<u8> {
    let sealed = keyring_of(&mut Repeat(2)).seal(&ROOT, &mut Repeat(3)).expect("it never fails");
    let mut keyring = sealed[..sealed.len() - aead::sealed_len(CONTENT_LEN)].to_vec();
    let size = u32::try_from(keyring.len() + aead::sealed_len(content.len())).expect("inputs are short");
    keyring[6..10].copy_from_slice(&size.to_be_bytes());
    let context = [separation::KEYRING, SAFE.as_bytes(), TENANT.as_bytes(), &keyring];
    let content = seal_with(&[2; 32], &context, content);
    [keyring, content].concat()
}

fn seal_with(key: &[u8; 32], context: &[&[u8]], plaintext: &[u8]) -> Vec<u8> {
    let key = Key::from_bytes(key);
    aead::seal(Suite::Aes256Gcm, &key, context, plaintext, &mut Repeat(3)).expect("it never fails")
}

/// Version 1 of this value at the path `default/fuzz`.
pub fn version_of(value: &[u8]) -> NewEnvelope<'_> {
    NewEnvelope {
        suite: None,
        kind: Kind::Secret,
        version: 1,
        term: 1,
        writer: InstallationId::from_bytes([3; 8]),
        created_ms: 0,
        parent: None,
        path: "default/fuzz",
        metadata: b"{}",
        value,
    }
}

/// A header with this content: magic and format before it, its size, checksum and an empty MAC where they belong.
pub fn header_of(content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(10 + content.len() + 64).expect("the fuzzer's inputs are short");
    let mut header = [b"SEVH\0\x01", &size.to_be_bytes()[..], content].concat();
    let checksum = Sha256::digest(&header);
    header.extend_from_slice(&checksum);
    header.extend_from_slice(&[0; 32]);
    header
}

/// Bytes before the payload of an envelope, and of its header.
const PAYLOAD_AT: usize = 232;
const ENVELOPE_HEADER_LEN: usize = 120;
/// Bytes of the content of a keyring with one epoch.
const CONTENT_LEN: usize = 111;
