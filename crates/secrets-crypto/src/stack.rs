//! What the compiler leaves on the stack: spilled halves of keys, blocks of plaintext on their way through a cipher.

use zeroize::zeroize_stack;

/// Runs `work`, then wipes the stack that it ran on.
///
/// For whatever computes with the bytes of a key or a plaintext. No type can wipe what is moved through registers and
/// temporaries of other crates, and until another call happens to write over it, it lies there for whoever reads the
/// memory of the process. The value that `work` returns is the caller's, and what has a type that wipes still has it:
/// that a frame is below is the compiler's habit, not its promise.
pub(crate) fn wiped<T>(work: impl FnOnce() -> T) -> T {
    // Inlined, its frame would be the caller's own, above what is wiped.
    #[inline(never)]
    fn below<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    let value = below(work);
    zeroize_stack::<DEPTH>();
    value
}

/// In bytes, more than anything here needs without optimisation. Wiping takes 0.1 µs.
const DEPTH: usize = 16 * 1024;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod left_behind;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::hint::black_box;

    use getrandom::SysRng;

    use super::left_behind::left_behind;
    use super::*;
    use crate::envelope::{self, Envelope, Expected, Kind, NewEnvelope};
    use crate::header::{Header, NewSlot};
    use crate::keyring::Keyring;
    use crate::{
        InstallationId, KdfLimits, KdfParams, Key, KeyFile, RecoveryPhrase, RootKey, SafeId, SlotSecret,
        Suite, TenantId, aead, kdf,
    };

    const SAFE: SafeId = SafeId::from_bytes([1; 16]);
    const TENANT: TenantId = TenantId::from_bytes([2; 16]);

    fn key() -> Key {
        Key::generate(&mut SysRng).unwrap()
    }

    /// Deep in calls, and gone when it returns.
    #[inline(never)]
    fn careless(secret: &[u8; 32]) {
        let copies = [*secret; 128];
        black_box(&copies);
    }

    #[test]
    fn what_is_left_on_a_stack_is_found_and_wiping_removes_it() {
        let secret = key();
        let bytes = secret.expose();
        assert!(left_behind(&[bytes], || careless(bytes)) > 100);
        assert_eq!(left_behind(&[bytes], || wiped(|| careless(bytes))), 0);
    }

    #[test]
    fn neither_keys_nor_plaintext_stay_on_the_stack_of_a_cipher() {
        for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
            let key = key();
            for len in [0, 15, 32, 111, 1000, 40_000] {
                let mut plain = vec![0; len];
                getrandom::fill(&mut plain).unwrap();
                let sealed = aead::seal(suite, &key, &[b"context"], &plain, &mut SysRng).unwrap();
                let secrets = [&key.expose()[..], &plain];
                let left = left_behind(&secrets, || {
                    aead::seal(suite, &key, &[b"context"], &plain, &mut SysRng).unwrap();
                });
                assert_eq!(left, 0, "seal: {suite:?}, {len} bytes");
                let left =
                    left_behind(&secrets, || drop(aead::open(suite, &key, &[b"context"], &sealed).unwrap()));
                assert_eq!(left, 0, "open: {suite:?}, {len} bytes");
            }
        }
    }

    #[test]
    fn no_key_stays_on_the_stack_of_its_derivation() {
        let root = RootKey(key());
        let (header, state) = (root.header_key(&SAFE), root.state_key(&SAFE));
        let secrets = [root.0.expose(), header.0.expose(), state.0.expose()].map(|key| &key[..]);
        let left = left_behind(&secrets, || drop((root.header_key(&SAFE), root.state_key(&SAFE))));
        assert_eq!(left, 0);
        let (file, phrase) =
            (KeyFile::generate(&mut SysRng).unwrap(), RecoveryPhrase::generate(&mut SysRng).unwrap());
        let passphrase: Vec<u8> = file.encode().bytes().skip(14).take(40).collect();
        let argon2 = KdfParams::Argon2id { memory_kib: 19 * 1024, time: 1, lanes: 1 };
        for (secret, params) in [
            (SlotSecret::KeyFile(&file), KdfParams::Hkdf),
            (SlotSecret::RecoveryPhrase(&phrase), KdfParams::Hkdf),
            (SlotSecret::Passphrase(&passphrase), argon2),
            (SlotSecret::Passphrase(&passphrase), KdfParams::PBKDF2_DEFAULT),
        ] {
            let derive = || kdf::slot_key(&secret, &params, &[3; 32], &SAFE, &KdfLimits::default()).unwrap();
            let derived = derive();
            let secrets = [file.0.expose(), phrase.0.expose(), derived.expose(), &passphrase[..]];
            assert_eq!(left_behind(&secrets, || drop(derive())), 0, "{secret:?} {params:?}");
        }
    }

    #[test]
    fn no_key_stays_on_the_stack_of_what_is_read_and_written() {
        let (file, phrase) =
            (KeyFile::generate(&mut SysRng).unwrap(), RecoveryPhrase::generate(&mut SysRng).unwrap());
        let (text, words) = (file.encode(), phrase.words());
        let secrets = [file.0.expose(), phrase.0.expose(), text.as_bytes(), words.as_bytes()];
        assert_eq!(left_behind(&secrets, || drop(file.encode())), 0, "a key file's text");
        assert_eq!(left_behind(&secrets, || drop(KeyFile::parse(text.as_bytes()).unwrap())), 0, "a key file");
        assert_eq!(left_behind(&secrets, || drop(phrase.words())), 0, "words");
        assert_eq!(left_behind(&secrets, || drop(RecoveryPhrase::parse(&words).unwrap())), 0, "a phrase");

        let root = RootKey(key());
        let slot = NewSlot { label: "file", secret: SlotSecret::KeyFile(&file), kdf: KdfParams::Hkdf };
        let mac = root.header_key(&SAFE);
        let mut header = Header::new(SAFE);
        header.add_slot(&root, &slot, &KdfLimits::default(), &mut SysRng).unwrap();
        let encoded = header.encode(&mac);
        let verifier = root.verifier(&SAFE);
        let secrets = [&root.0, &file.0, &mac.0, &verifier].map(|key| &key.expose()[..]);
        let unlock =
            || Header::decode(&encoded).unwrap().unlock(&slot.secret, &KdfLimits::default()).unwrap();
        assert_eq!(left_behind(&secrets, || drop(unlock())), 0, "a header, unlocked");
        assert_eq!(left_behind(&secrets, || drop(header.encode(&mac))), 0, "a header, written");
        let fingerprint = || assert_ne!(header.fingerprint(&root).as_bytes(), &[0; 16]);
        assert_eq!(left_behind(&secrets, fingerprint), 0, "a fingerprint");
    }

    #[test]
    fn no_key_stays_on_the_stack_of_a_keyring() {
        let root = RootKey(key());
        let suite = Suite::detect();
        let mut keyring = Keyring::create(SAFE, TENANT, "tenant", 0, suite, &mut SysRng).unwrap();
        keyring.rotate(1, &mut SysRng).unwrap();
        let sealed = keyring.seal(&root, &mut SysRng).unwrap();
        let keys: Vec<Vec<u8>> = keyring.keys().chain([&root.0]).map(|key| key.expose().to_vec()).collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        assert_eq!(keys.len(), 6, "root, tenant root, index, detail, two epochs");
        let seal = || drop(keyring.seal(&root, &mut SysRng).unwrap());
        assert_eq!(left_behind(&keys, seal), 0, "sealed");
        let open = || drop(Keyring::open(&sealed, &root, SAFE, TENANT).unwrap());
        assert_eq!(left_behind(&keys, open), 0, "opened");
        let find = || assert!(keyring.object_id("default/app/key").is_ok());
        assert_eq!(left_behind(&keys, find), 0, "an object id");
    }

    #[test]
    fn no_value_stays_on_the_stack_of_an_envelope() {
        let suite = Suite::detect();
        let keyring = Keyring::create(SAFE, TENANT, "tenant", 0, suite, &mut SysRng).unwrap();
        let (mut value, mut metadata) = ([0; 100], [0; 50]);
        getrandom::fill(&mut value).unwrap();
        getrandom::fill(&mut metadata).unwrap();
        let new = NewEnvelope {
            suite: None,
            kind: Kind::Secret,
            version: 1,
            term: 1,
            writer: InstallationId::from_bytes([3; 8]),
            created_ms: 0,
            parent: None,
            path: "default/app/key",
            metadata: &metadata,
            value: &value,
        };
        let sealed = envelope::seal(&keyring, &new, &mut SysRng).unwrap();
        let secrets: Vec<&[u8]> = vec![&value, &metadata];
        let seal = || drop(envelope::seal(&keyring, &new, &mut SysRng).unwrap());
        assert_eq!(left_behind(&secrets, seal), 0, "sealed");
        let expected = Expected { path: new.path, version: Some(1) };
        let open = || drop(Envelope::parse(&sealed).unwrap().open(&keyring, &expected).unwrap());
        assert_eq!(left_behind(&secrets, open), 0, "opened");
    }
}
