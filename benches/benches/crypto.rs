//! Seal, open and unlock, each beside its floor: the bare cipher, the bare key derivation.

use std::hint::black_box;
use std::time::Duration;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead as _, KeyInit as _, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::ChaCha20Poly1305;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use getrandom::SysRng;
use hkdf::Hkdf;
use secrets_crypto::envelope::{self, Envelope, Expected, Kind, NewEnvelope};
use secrets_crypto::header::{Header, NewSlot};
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{
    InstallationId, KdfLimits, KdfParams, KeyFile, RecoveryPhrase, RootKey, SafeId, SlotSecret, Suite,
    TenantId,
};
use sha2::{Sha256, Sha512};

const PATH: &str = "production/app/api-key";
const SIZES: [usize; 3] = [64, 12 * 1024, 1024 * 1024];
const SUITES: [(&str, Suite); 2] =
    [("aes-256-gcm", Suite::Aes256Gcm), ("chacha20-poly1305", Suite::ChaCha20Poly1305)];

fn keyring(suite: Suite) -> Keyring {
    let (safe, tenant) = (SafeId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
    Keyring::create(safe, tenant, "default", 0, suite, &mut SysRng).expect("the system's randomness")
}

fn new(value: &[u8]) -> NewEnvelope<'_> {
    NewEnvelope {
        suite: None,
        kind: Kind::Secret,
        version: 1,
        term: 1,
        writer: InstallationId::new(1),
        created_ms: 0,
        parent: None,
        path: PATH,
        metadata: b"{}",
        value,
    }
}

/// An envelope against one call of the bare cipher over the same value.
fn envelopes(c: &mut Criterion) {
    for (name, suite) in SUITES {
        let keyring = keyring(suite);
        for size in SIZES {
            let value = vec![7; size];
            let sealed = envelope::seal(&keyring, &new(&value), &mut SysRng).expect("a value that seals");
            let mut group = c.benchmark_group(format!("envelope/{name}/{size}"));
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function("seal", |b| {
                b.iter(|| envelope::seal(&keyring, black_box(&new(&value)), &mut SysRng));
            });
            group.bench_function("open", |b| {
                let expected = Expected { path: PATH, version: Some(1) };
                b.iter(|| Envelope::parse(black_box(&sealed))?.open(&keyring, &expected));
            });
            match suite {
                Suite::Aes256Gcm => group.bench_function("floor: bare cipher", |b| {
                    let cipher = Aes256Gcm::new(&[9; 32].into());
                    b.iter(|| cipher.encrypt(&Nonce::<Aes256Gcm>::default(), black_box(&value[..])));
                }),
                Suite::ChaCha20Poly1305 => group.bench_function("floor: bare cipher", |b| {
                    let cipher = ChaCha20Poly1305::new(&[9; 32].into());
                    b.iter(|| cipher.encrypt(&Nonce::<ChaCha20Poly1305>::default(), black_box(&value[..])));
                }),
            };
            group.finish();
        }
    }
}

/// A slot of each derivation against the bare derivation.
fn slots(c: &mut Criterion) {
    let limits = KdfLimits::default();
    let root = RootKey::generate(&mut SysRng).expect("the system's randomness");
    let key_file = KeyFile::generate(&mut SysRng).expect("the system's randomness");
    let phrase = RecoveryPhrase::generate(&mut SysRng).expect("the system's randomness");
    let passphrase = SlotSecret::Passphrase(b"correct horse battery staple");
    let unlocks = [
        ("key-file", SlotSecret::KeyFile(&key_file), KdfParams::Hkdf),
        ("recovery-phrase", SlotSecret::RecoveryPhrase(&phrase), KdfParams::Hkdf),
        ("argon2id", passphrase, KdfParams::ARGON2ID_DEFAULT),
        ("pbkdf2", passphrase, KdfParams::PBKDF2_DEFAULT),
    ];
    let mut group = c.benchmark_group("unlock");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for (name, secret, kdf) in unlocks {
        let mut header = Header::new(SafeId::from_bytes([1; 16]));
        header
            .add_slot(&root, &NewSlot { label: name, secret, kdf }, &limits, &mut SysRng)
            .expect("a slot that seals");
        let encoded = header.encode(&root.header_key(&header.safe_id()));
        group.bench_function(name, |b| {
            b.iter(|| Header::decode(black_box(&encoded))?.unlock(&secret, &limits));
        });
    }
    let (password, salt) = (b"correct horse battery staple", [3; 32]);
    group.bench_function("floor: bare HKDF-SHA-512", |b| {
        b.iter(|| Hkdf::<Sha512>::new(Some(&salt), black_box(&[5; 32])).expand(b"info", &mut [0; 32]));
    });
    group.bench_function("floor: bare Argon2id", |b| {
        let params = Params::new(64 * 1024, 3, 4, Some(32)).expect("the default parameters");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        b.iter(|| argon2.hash_password_into(black_box(password), &salt, &mut [0; 32]));
    });
    group.bench_function("floor: bare PBKDF2", |b| {
        b.iter(|| pbkdf2::pbkdf2_hmac::<Sha256>(black_box(password), &salt, 600_000, &mut [0; 32]));
    });
    group.finish();
}

criterion_group!(benches, envelopes, slots);
criterion_main!(benches);
