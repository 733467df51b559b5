//! A source of "randomness" that says what it was told, so that seals can be compared byte for byte.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{RootKey, SafeId, Suite, TenantId};
use serde_json::Value;

/// Gives the bytes it holds, in order, and fails once they are used up.
pub(crate) struct Script {
    bytes: Vec<u8>,
    at: usize,
}

/// The script is at its end.
#[derive(Debug)]
pub(crate) struct AtEnd;

impl std::fmt::Display for AtEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script is at its end")
    }
}

impl std::error::Error for AtEnd {}

impl Script {
    pub(crate) fn new(parts: &[&[u8]]) -> Self {
        Self { bytes: parts.concat(), at: 0 }
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.at == self.bytes.len()
    }
}

impl TryRng for Script {
    type Error = AtEnd;

    fn try_next_u32(&mut self) -> Result<u32, AtEnd> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, AtEnd> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), AtEnd> {
        out.copy_from_slice(self.bytes.get(self.at..self.at + out.len()).ok_or(AtEnd)?);
        self.at += out.len();
        Ok(())
    }
}

impl TryCryptoRng for Script {}

/// A fast generator for properties, seeded; not random at all, which no test here needs.
pub(crate) struct Counting(pub(crate) u64);

impl TryRng for Counting {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| (number >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.try_next_u64()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counting {}

pub(crate) const SAFE: SafeId = SafeId::from_bytes([0x11; 16]);
pub(crate) const TENANT: TenantId = TenantId::from_bytes([0x22; 16]);

pub(crate) fn keyring_of(seed: u64) -> Keyring {
    Keyring::create(SAFE, TENANT, "tenant", 1000, Suite::Aes256Gcm, &mut Counting(seed)).unwrap()
}

/// A keyring with these keys and the one epoch `id`.
pub(crate) fn keyring_with(safe: SafeId, tenant: TenantId, index: &[u8], id: u32, epoch: &[u8]) -> Keyring {
    let mut rng = Script::new(&[&[0, 0, 0, 1], &[1; 32], index, &[2; 32], &id.to_be_bytes(), epoch]);
    let keyring = Keyring::create(safe, tenant, "tenant", 1000, Suite::Aes256Gcm, &mut rng).unwrap();
    assert!(rng.is_used_up());
    keyring
}

pub(crate) fn root_of(bytes: &[u8]) -> RootKey {
    RootKey::generate(&mut Script::new(&[bytes])).unwrap()
}

/// Bytes that count up from `first`.
pub(crate) fn run(first: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| first.wrapping_add(i as u8)).collect()
}

pub(crate) fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().unwrap().parse().unwrap()
}

/// How many rounds of random inputs: what `SECRETS_TEST_ROUNDS` says, or this small sample.
pub(crate) fn rounds(sample: u32) -> u32 {
    std::env::var("SECRETS_TEST_ROUNDS").map_or(sample, |rounds| rounds.parse().unwrap())
}

/// Says loudly that a test cannot run here; fails where nothing may be skipped.
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var("SECRETS_TEST_REQUIRE").as_deref() != Ok("1"), "would skip: {reason}");
    println!("SKIP: {reason}");
}
