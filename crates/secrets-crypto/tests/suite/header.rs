//! Headers: slots, installations, and what is refused.

mod copies;
mod merging;

use proptest::prelude::*;
use secrets_crypto::header::{
    COPY_LEN, Copies, CopyState, FILE_LEN, Header, MAX_INSTALLATIONS, MAX_SLOTS, NewSlot, SlotKind,
};
use secrets_crypto::{
    Error, HeaderKey, InstallationId, KdfLimits, KdfParams, KeyFile, RecoveryPhrase, RootKey, SafeId,
    SlotSecret,
};
use sha2::{Digest, Sha256};

use crate::script::{Counting, SAFE, Script};

const FAST: KdfParams = KdfParams::Argon2id { memory_kib: 19 * 1024, time: 1, lanes: 1 };
const LIMITS: KdfLimits = KdfLimits::new(64 * 1024);

struct Safe {
    root: RootKey,
    key_file: KeyFile,
    header: Header,
    rng: Counting,
}

/// A safe whose header has one key-file slot, at sequence 1.
fn safe(seed: u64) -> Safe {
    let mut rng = Counting(seed);
    let mut safe = Safe {
        root: RootKey::generate(&mut rng).unwrap(),
        key_file: KeyFile::generate(&mut rng).unwrap(),
        header: Header::new(SAFE),
        rng,
    };
    safe.header.add_slot(&safe.root, &key_slot(&safe.key_file), &LIMITS, &mut safe.rng).unwrap();
    safe.header.advance();
    safe
}

fn key_slot(key_file: &KeyFile) -> NewSlot<'_> {
    NewSlot { label: "key file", secret: SlotSecret::KeyFile(key_file), kdf: KdfParams::Hkdf }
}

fn passphrase_slot(passphrase: &[u8]) -> NewSlot<'_> {
    NewSlot { label: "passphrase", secret: SlotSecret::Passphrase(passphrase), kdf: FAST }
}

impl Safe {
    fn key(&self) -> HeaderKey {
        self.root.header_key(&SAFE)
    }

    fn decoded(&self) -> Header {
        Header::decode(&self.header.encode(&self.key())).unwrap()
    }

    /// The header as another installation has it, one change later.
    fn other(&self, change: impl FnOnce(&mut Header)) -> Header {
        let mut other = self.header.clone();
        change(&mut other);
        other.advance();
        Header::decode(&other.encode(&self.key())).unwrap()
    }

    fn unlock(&self, secret: &SlotSecret<'_>) -> Result<u8, Error> {
        self.decoded().unlock(secret, &LIMITS).map(|unlocked| unlocked.slot.id)
    }
}

#[test]
fn each_kind_of_slot_opens_with_its_secret_alone() {
    let mut safe = safe(1);
    let phrase = RecoveryPhrase::generate(&mut safe.rng).unwrap();
    let recovery = NewSlot { label: "", secret: SlotSecret::RecoveryPhrase(&phrase), kdf: KdfParams::Hkdf };
    let pbkdf2 = NewSlot { kdf: KdfParams::PBKDF2_DEFAULT, ..passphrase_slot(b"fips") };
    for (new, id) in [(passphrase_slot(b"hunter2"), 2), (recovery, 3), (pbkdf2, 4)] {
        assert_eq!(safe.header.add_slot(&safe.root, &new, &LIMITS, &mut safe.rng), Ok(id));
    }
    assert_eq!(safe.unlock(&SlotSecret::KeyFile(&safe.key_file)), Ok(1));
    assert_eq!(safe.unlock(&SlotSecret::Passphrase(b"hunter2")), Ok(2));
    assert_eq!(safe.unlock(&SlotSecret::RecoveryPhrase(&phrase)), Ok(3));
    assert_eq!(safe.unlock(&SlotSecret::Passphrase(b"fips")), Ok(4));
    assert_eq!(safe.unlock(&SlotSecret::Passphrase(b"hunter3")), Err(Error::WrongSecret));
    let other = KeyFile::generate(&mut safe.rng).unwrap();
    assert_eq!(safe.unlock(&SlotSecret::KeyFile(&other)), Err(Error::WrongSecret));
    let kinds: Vec<SlotKind> = safe.header.slots().iter().map(|slot| slot.kind).collect();
    let expected = [SlotKind::KeyFile, SlotKind::Passphrase, SlotKind::RecoveryPhrase, SlotKind::Passphrase];
    assert_eq!(kinds, expected);
}

#[test]
fn a_header_that_asks_for_4_tib_of_argon2_memory_is_refused_at_once() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../vectors/header.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let absurd = cases.iter().find(|case| case["name"] == "argon2-memory-of-4-tib").unwrap();
    let header = Header::decode(&crate::script::unhex(&absurd["header"])).unwrap();
    let refused = header.unlock(&SlotSecret::Passphrase(b"any"), &KdfLimits::default()).err();
    assert!(matches!(refused, Some(Error::KdfBounds { found: u32::MAX, .. })), "{refused:?}");
}

#[test]
fn new_slots_with_parameters_out_of_bounds_are_refused() {
    let mut safe = safe(2);
    let weak = KdfParams::Argon2id { memory_kib: 1024, time: 1, lanes: 1 };
    let heavy = KdfParams::Argon2id { memory_kib: 65 * 1024, time: 1, lanes: 1 };
    for kdf in [weak, heavy, KdfParams::Pbkdf2 { iterations: 1000 }] {
        let new = NewSlot { kdf, ..passphrase_slot(b"hunter2") };
        let refused = safe.header.add_slot(&safe.root, &new, &LIMITS, &mut safe.rng);
        assert!(matches!(refused, Err(Error::KdfBounds { .. })), "{kdf:?}");
    }
    let new = NewSlot { kdf: FAST, ..key_slot(&safe.key_file) };
    assert_eq!(safe.header.add_slot(&safe.root, &new, &LIMITS, &mut safe.rng), Err(Error::KdfMismatch));
    assert_eq!(safe.header.slots().len(), 1);
}

#[test]
fn labels_that_are_too_long_or_hold_control_characters_are_refused() {
    let mut safe = safe(3);
    for label in ["x".repeat(33), "a\nb".into(), "\0".into(), "\u{1b}[31m".into()] {
        let new = NewSlot { label: &label, ..key_slot(&safe.key_file) };
        let refused = safe.header.add_slot(&safe.root, &new, &LIMITS, &mut safe.rng);
        assert_eq!(refused, Err(Error::InvalidLabel), "{label:?}");
    }
    let label = "ü".repeat(16);
    let new = NewSlot { label: &label, ..key_slot(&safe.key_file) };
    safe.header.add_slot(&safe.root, &new, &LIMITS, &mut safe.rng).unwrap();
    assert_eq!(safe.decoded().slots()[1].label, label);
}

#[test]
fn the_last_slot_cannot_be_removed() {
    let mut safe = safe(4);
    assert_eq!(safe.header.remove_slot(1), Err(Error::LastSlot));
    assert_eq!(safe.header.remove_slot(9), Err(Error::NoSuchSlot));
    let second = KeyFile::generate(&mut safe.rng).unwrap();
    safe.header.add_slot(&safe.root, &key_slot(&second), &LIMITS, &mut safe.rng).unwrap();
    safe.header.remove_slot(1).unwrap();
    assert_eq!(safe.header.remove_slot(1), Err(Error::NoSuchSlot), "it is removed already");
    assert_eq!(safe.header.remove_slot(2), Err(Error::LastSlot));
    assert_eq!(safe.unlock(&SlotSecret::KeyFile(&safe.key_file)), Err(Error::WrongSecret));
    assert_eq!(safe.unlock(&SlotSecret::KeyFile(&second)), Ok(2));
}

#[test]
fn a_removed_slot_leaves_nothing_of_the_root_key_in_the_header() {
    let mut safe = safe(5);
    let before = safe.header.encode(&safe.key());
    let wrapped = &before[35 + 80..35 + 184];
    let second = KeyFile::generate(&mut safe.rng).unwrap();
    safe.header.add_slot(&safe.root, &key_slot(&second), &LIMITS, &mut safe.rng).unwrap();
    safe.header.remove_slot(1).unwrap();
    let after = Copies::new_file(&safe.header.encode(&safe.key())).unwrap();
    assert!(!after.windows(wrapped.len()).any(|window| window == wrapped));
}

#[test]
fn the_fullest_header_fits_one_copy_and_no_more_goes_in() {
    let mut safe = safe(6);
    for _ in 1..MAX_SLOTS {
        safe.header.add_slot(&safe.root, &key_slot(&safe.key_file), &LIMITS, &mut safe.rng).unwrap();
    }
    let refused = safe.header.add_slot(&safe.root, &key_slot(&safe.key_file), &LIMITS, &mut safe.rng);
    assert_eq!(refused, Err(Error::Full("the header's list of slots")));
    for id in 0..MAX_INSTALLATIONS as u64 {
        safe.header.add_installation(InstallationId::new(id), [1; 32]).unwrap();
    }
    let refused = safe.header.add_installation(InstallationId::new(u64::MAX), [1; 32]);
    assert_eq!(refused, Err(Error::Full("the header's list of installations")));
    let encoded = safe.header.encode(&safe.key());
    assert!(encoded.len() <= COPY_LEN);
    assert_eq!(Copies::new_file(&encoded).unwrap().len(), FILE_LEN);
    assert_eq!(safe.decoded().slots().len(), MAX_SLOTS);
    assert_eq!(Copies::new_file(&[0; COPY_LEN]).unwrap().len(), FILE_LEN);
    let over = vec![0; COPY_LEN + 1];
    assert!(matches!(Copies::new_file(&over), Err(Error::TooLarge { .. })));
}

#[test]
fn an_installation_is_listed_once_and_never_under_another_key() {
    let mut header = Header::new(SAFE);
    header.add_installation(InstallationId::new(1), [1; 32]).unwrap();
    header.add_installation(InstallationId::new(1), [1; 32]).unwrap();
    assert_eq!(header.installations().len(), 1);
    let refused = header.add_installation(InstallationId::new(1), [2; 32]);
    assert_eq!(refused, Err(Error::InstallationConflict));
    assert!(!header.remove_installation(InstallationId::new(2)));
}

#[test]
fn a_slot_is_removed_by_its_salt_and_no_other_with_it() {
    let mut safe = safe(23);
    for _ in 0..4 {
        safe.header.add_slot(&safe.root, &key_slot(&safe.key_file), &LIMITS, &mut safe.rng).unwrap();
    }
    let mut left = safe.header.slots();
    while left.len() > 1 {
        let gone = left.remove(left.len() / 2);
        safe.header.remove_slot_of_salt(&gone.salt).unwrap();
        assert_eq!(safe.header.slots(), left);
        assert_eq!(safe.header.remove_slot_of_salt(&gone.salt), Err(Error::NoSuchSlot));
    }
}

#[test]
fn debug_of_a_header_shows_its_public_parts() {
    let safe = safe(25);
    let shown = format!("{:?}", safe.header);
    assert!(shown.contains("sequence: 1") && shown.contains("key file"), "{shown}");
}

#[test]
fn the_fingerprint_names_safe_and_root_key() {
    let (one, two) = (safe(11), safe(12));
    let fingerprint = one.header.fingerprint(&one.root);
    assert_eq!(fingerprint, one.decoded().fingerprint(&one.root));
    assert_ne!(fingerprint, one.header.fingerprint(&two.root));
    assert_ne!(fingerprint, Header::new(SafeId::from_bytes([1; 16])).fingerprint(&one.root));
    let text = fingerprint.to_string();
    assert_eq!(text.len(), 39);
    assert!(text.split('-').all(|group| group.len() == 4), "{text}");
    let digits: String = fingerprint.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text.replace('-', ""), digits);
}

#[test]
fn a_failing_source_of_randomness_adds_no_slot() {
    let mut safe = safe(19);
    for len in [0, 31, 32, 55] {
        let mut rng = Script::new(&[&vec![1; len]]);
        let failed = safe.header.add_slot(&safe.root, &key_slot(&safe.key_file), &LIMITS, &mut rng);
        assert_eq!(failed, Err(Error::Random));
    }
    assert_eq!(safe.header.slots().len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Header::decode(&bytes).is_err());
        // With magic, format, size and checksum made right, whatever still decodes encodes to the same.
        let mut content = b"SEVH\0\x01\0\0\0\0".to_vec();
        content.extend_from_slice(&bytes);
        let size = u32::try_from(content.len() + 64).unwrap();
        content[6..10].copy_from_slice(&size.to_be_bytes());
        let checksum = Sha256::digest(&content);
        let whole = [&content[..], &checksum, &[0; 32]].concat();
        if let Ok(header) = Header::decode(&whole) {
            let root = RootKey::generate(&mut Counting(1)).unwrap();
            prop_assert_eq!(&header.encode(&root.header_key(&SAFE))[..content.len()], &content);
        }
        prop_assert!(Copies::read(&whole).best().is_err());
    }
}
