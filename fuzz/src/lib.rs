//! What the fuzz targets share: keys that are the same in every run, and the parts of a format that no fuzzer guesses.

use std::convert::Infallible;
use std::sync::LazyLock;

use rand_core::{TryCryptoRng, TryRng};
use secrets_crypto::envelope::{Kind, NewEnvelope};
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{InstallationId, RootKey, SafeId, Suite, TenantId};
use sha2::{Digest, Sha256};

/// A root key that is the same in every run.
pub static ROOT: LazyLock<RootKey> =
    LazyLock::new(|| RootKey::generate(&mut Numbers(1)).expect("it never fails"));

/// A keyring that is the same in every run.
pub static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let (safe, tenant) = (SafeId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
    Keyring::create(safe, tenant, "default", 0, Suite::Aes256Gcm, &mut Numbers(2)).expect("it never fails")
});

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
