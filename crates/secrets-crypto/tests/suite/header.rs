//! Headers: slots, installations, merging, and the two copies of the file.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use secrets_crypto::header::{
    COPY_LEN, Copies, CopyState, FILE_LEN, Header, MAX_INSTALLATIONS, MAX_SLOTS, NewSlot, SlotKind,
};
use secrets_crypto::{
    Error, InstallationId, KdfLimits, KdfParams, KeyFile, RecoveryPhrase, RootKey, SafeId, SlotSecret,
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
    fn decoded(&self) -> Header {
        Header::decode(&self.header.encode(&self.root)).unwrap()
    }

    /// The header as another installation has it, one change later.
    fn other(&self, change: impl FnOnce(&mut Header)) -> Header {
        let mut other = self.header.clone();
        change(&mut other);
        other.advance();
        Header::decode(&other.encode(&self.root)).unwrap()
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
    let started = Instant::now();
    let refused = header.unlock(&SlotSecret::Passphrase(b"any"), &KdfLimits::default()).err();
    assert!(started.elapsed() < Duration::from_millis(50), "{:?}", started.elapsed());
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
    let before = safe.header.encode(&safe.root);
    let wrapped = &before[35 + 80..35 + 184];
    let second = KeyFile::generate(&mut safe.rng).unwrap();
    safe.header.add_slot(&safe.root, &key_slot(&second), &LIMITS, &mut safe.rng).unwrap();
    safe.header.remove_slot(1).unwrap();
    let after = Copies::new_file(&safe.header.encode(&safe.root)).unwrap();
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
    let encoded = safe.header.encode(&safe.root);
    assert!(encoded.len() <= COPY_LEN);
    assert_eq!(Copies::new_file(&encoded).unwrap().len(), FILE_LEN);
    assert_eq!(safe.decoded().slots().len(), MAX_SLOTS);
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
fn merging_keeps_what_either_side_added_and_removed() {
    let mut safe = safe(7);
    let (ours, theirs) =
        (KeyFile::generate(&mut safe.rng).unwrap(), KeyFile::generate(&mut safe.rng).unwrap());
    let mut rng = Counting(70);
    let other = safe.other(|header| {
        header.add_slot(&safe.root, &key_slot(&theirs), &LIMITS, &mut rng).unwrap();
        header.remove_slot(1).unwrap();
        header.add_installation(InstallationId::new(2), [2; 32]).unwrap();
    });
    safe.header.add_slot(&safe.root, &key_slot(&ours), &LIMITS, &mut safe.rng).unwrap();
    safe.header.add_installation(InstallationId::new(1), [1; 32]).unwrap();
    assert_eq!(safe.header.merge(&other, &safe.root), Ok(true));
    assert_eq!(safe.header.sequence(), 3, "one more than the higher of 1 and 2");
    assert_eq!(safe.unlock(&SlotSecret::KeyFile(&ours)), Ok(2));
    assert_eq!(safe.unlock(&SlotSecret::KeyFile(&theirs)), Ok(2));
    assert_eq!(safe.unlock(&SlotSecret::KeyFile(&safe.key_file)), Err(Error::WrongSecret), "removed there");
    assert_eq!(safe.header.installations().len(), 2);
    // Two slots took the same number at once: the salt tells them apart.
    assert_eq!(safe.header.remove_slot(2), Err(Error::AmbiguousSlot));
    let salt = safe.header.slots()[0].salt;
    safe.header.remove_slot_of_salt(&salt).unwrap();
    assert_eq!(safe.header.slots().len(), 1);
    assert_eq!(
        safe.header.merge(&other, &safe.root),
        Ok(false),
        "absence is never removal, and nothing comes back"
    );
}

#[test]
fn merging_a_foreign_or_forged_header_changes_nothing() {
    let mut one = safe(8);
    let before = one.header.clone();
    let mut foreign = Header::new(SafeId::from_bytes([9; 16]));
    foreign.add_slot(&one.root, &key_slot(&one.key_file), &LIMITS, &mut one.rng).unwrap();
    let foreign = Header::decode(&foreign.encode(&one.root)).unwrap();
    assert_eq!(one.header.merge(&foreign, &one.root), Err(Error::ForeignSafe));
    let forged = Header::decode(&safe(9).header.encode(&safe(9).root)).unwrap();
    assert_eq!(one.header.merge(&forged, &one.root), Err(Error::HeaderForged));
    one.header.add_installation(InstallationId::new(1), [1; 32]).unwrap();
    let conflicting = Safe { header: before.clone(), ..safe(8) }
        .other(|header| header.add_installation(InstallationId::new(1), [2; 32]).unwrap());
    assert_eq!(one.header.merge(&conflicting, &one.root), Err(Error::InstallationConflict));
    assert_eq!(one.header.slots(), before.slots());
    assert_eq!(one.header.sequence(), before.sequence());
}

#[test]
fn the_header_for_backends_has_no_passphrase_slot_and_merging_it_back_removes_none() {
    let mut safe = safe(10);
    safe.header.add_slot(&safe.root, &passphrase_slot(b"hunter2"), &LIMITS, &mut safe.rng).unwrap();
    let replicated = safe.header.without_passphrases();
    assert!(replicated.slots().iter().all(|slot| slot.kind != SlotKind::Passphrase));
    let replicated = Header::decode(&replicated.encode(&safe.root)).unwrap();
    assert_eq!(safe.header.merge(&replicated, &safe.root), Ok(false));
    assert_eq!(safe.header.slots().len(), 2);
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
}

#[test]
fn an_interrupted_write_leaves_a_copy_that_opens_at_every_moment() {
    let mut safe = safe(13);
    let mut file = Copies::new_file(&safe.header.encode(&safe.root)).unwrap();
    let secret_file = KeyFile::generate(&mut safe.rng).unwrap();
    for sequence in 2..6 {
        safe.header.add_slot(&safe.root, &key_slot(&secret_file), &LIMITS, &mut safe.rng).unwrap();
        safe.header.advance();
        let writes = Copies::read(&file).writes(&safe.header.encode(&safe.root)).unwrap();
        for (done, write) in writes.into_iter().enumerate() {
            let at = usize::try_from(write.offset).unwrap();
            // Torn at any sector, the file still opens, with the old sequence or the new one.
            for torn in (0..COPY_LEN).step_by(512) {
                let mut half = file.clone();
                half[at..at + torn].copy_from_slice(&write.bytes[..torn]);
                let unlocked =
                    Copies::read(&half).unlock(&SlotSecret::KeyFile(&safe.key_file), &LIMITS).unwrap();
                let found = unlocked.header.sequence();
                let expected = if done == 0 { sequence - 1..=sequence } else { sequence..=sequence };
                assert!(expected.contains(&found), "{found} after {done} writes and {torn} bytes");
            }
            file[at..at + COPY_LEN].copy_from_slice(&write.bytes);
        }
        let copies = Copies::read(&file);
        assert_eq!(copies.best().unwrap().sequence(), sequence);
        let unlocked = copies.unlock(&SlotSecret::KeyFile(&safe.key_file), &LIMITS).unwrap();
        assert_eq!(unlocked.copies, [CopyState::Current; 2]);
    }
}

#[test]
fn the_copy_worth_less_is_written_first() {
    let mut safe = safe(14);
    let old = safe.header.encode(&safe.root);
    safe.header.advance();
    let new = safe.header.encode(&safe.root);
    let image = |first: &[u8], second: &[u8]| {
        let halves = [first, second].map(|copy| Copies::new_file(copy).unwrap()[..COPY_LEN].to_vec());
        halves.concat()
    };
    let first_write = |image: &[u8]| Copies::read(image).writes(&new).unwrap()[0].offset;
    assert_eq!(first_write(&image(&old, &new)), 0);
    assert_eq!(first_write(&image(&new, &old)), COPY_LEN as u64);
    assert_eq!(first_write(&image(&[], &new)), 0);
    assert_eq!(first_write(&image(&new, &[])), COPY_LEN as u64);
    let unlocked = Copies::read(&image(&old, &new));
    let unlocked = unlocked.unlock(&SlotSecret::KeyFile(&safe.key_file), &LIMITS).unwrap();
    assert_eq!(unlocked.copies, [CopyState::Older, CopyState::Current]);
    assert_eq!(unlocked.header.sequence(), 2);
}

#[test]
fn a_forged_copy_is_passed_over_for_the_other() {
    let mut safe = safe(15);
    let honest = safe.header.encode(&safe.root);
    safe.header.add_installation(InstallationId::new(666), [6; 32]).unwrap();
    safe.header.advance();
    // A forger makes the checksum, but not the MAC.
    let forged = safe.header.encode(&RootKey::generate(&mut safe.rng).unwrap());
    let mut file = Copies::new_file(&honest).unwrap();
    file[..forged.len()].copy_from_slice(&forged);
    let unlocked = Copies::read(&file).unlock(&SlotSecret::KeyFile(&safe.key_file), &LIMITS).unwrap();
    assert_eq!(unlocked.copies, [CopyState::Forged, CopyState::Current]);
    assert!(unlocked.header.installations().is_empty());
    let both = Copies::new_file(&forged).unwrap();
    let refused = Copies::read(&both).unlock(&SlotSecret::KeyFile(&safe.key_file), &LIMITS);
    assert_eq!(refused.err(), Some(Error::HeaderForged));
}

#[test]
fn a_copy_with_forged_slots_is_passed_over_for_the_other() {
    let mut safe = safe(16);
    let honest = safe.header.encode(&safe.root);
    let mut forged = honest.clone();
    // A higher sequence and a broken slot, under a checksum that holds.
    forged[17] = 9;
    forged[35 + 80] ^= 1;
    let content = forged.len() - 64;
    let checksum = Sha256::digest(&forged[..content]);
    forged[content..content + 32].copy_from_slice(&checksum);
    let mut file = Copies::new_file(&honest).unwrap();
    file[COPY_LEN..COPY_LEN + forged.len()].copy_from_slice(&forged);
    let unlocked = Copies::read(&file).unlock(&SlotSecret::KeyFile(&safe.key_file), &LIMITS).unwrap();
    assert_eq!(unlocked.copies, [CopyState::Current, CopyState::Forged]);
    safe.header.advance();
    let wrong = KeyFile::generate(&mut safe.rng).unwrap();
    let refused = Copies::read(&file).unlock(&SlotSecret::KeyFile(&wrong), &LIMITS);
    assert_eq!(refused.err(), Some(Error::WrongSecret));
}

#[test]
fn two_damaged_copies_and_files_of_another_length_are_refused() {
    let safe = safe(17);
    let file = Copies::new_file(&safe.header.encode(&safe.root)).unwrap();
    let both = Error::Malformed("each copy of the header");
    for image in [&[][..], &file[..100], &[0; FILE_LEN], &vec![b'S'; 3 * FILE_LEN]] {
        assert_eq!(Copies::read(image).best().err(), Some(both));
    }
    // Half a file still has one copy.
    let half = Copies::read(&file[..COPY_LEN]);
    let unlocked = half.unlock(&SlotSecret::KeyFile(&safe.key_file), &LIMITS).unwrap();
    assert_eq!(unlocked.copies, [CopyState::Current, CopyState::Damaged]);
}

#[test]
fn a_file_of_a_newer_format_is_refused_and_never_written() {
    let safe = safe(18);
    let encoded = safe.header.encode(&safe.root);
    let mut newer = encoded.clone();
    newer[5] = 2;
    let content = newer.len() - 64;
    let checksum = Sha256::digest(&newer[..content]);
    newer[content..content + 32].copy_from_slice(&checksum);
    let mut file = Copies::new_file(&encoded).unwrap();
    file[COPY_LEN..COPY_LEN + newer.len()].copy_from_slice(&newer);
    let unsupported = Error::UnsupportedFormat { what: "the header", found: 2 };
    let copies = Copies::read(&file);
    assert_eq!(copies.best().err(), Some(unsupported));
    assert_eq!(copies.unlock(&SlotSecret::KeyFile(&safe.key_file), &LIMITS).err(), Some(unsupported));
    assert_eq!(copies.writes(&encoded).err(), Some(unsupported));
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
            prop_assert_eq!(&header.encode(&root)[..content.len()], &content);
        }
        prop_assert!(Copies::read(&whole).best().is_err());
    }

    #[test]
    fn merging_is_the_same_whichever_side_merges(seeds in prop::collection::vec((any::<bool>(), 0_u8..6), 0..8)) {
        let mut base = safe(20);
        for _ in 0..4 {
            base.header.add_slot(&base.root, &key_slot(&base.key_file), &LIMITS, &mut base.rng).unwrap();
        }
        let mut sides = [base.header.clone(), base.header.clone()];
        let mut rng = Counting(21);
        for (side, choice) in seeds {
            let header = &mut sides[usize::from(side)];
            if choice == 0 {
                header.add_slot(&base.root, &key_slot(&base.key_file), &LIMITS, &mut rng).unwrap();
            } else if header.slots().len() > 1 {
                // A slot that is removed already stays removed.
                let _ = header.remove_slot(choice);
            }
            header.advance();
        }
        let [one, two] = sides.map(|header| Header::decode(&header.encode(&base.root)).unwrap());
        let (mut ab, mut ba) = (one.clone(), two.clone());
        ab.merge(&two, &base.root).unwrap();
        ba.merge(&one, &base.root).unwrap();
        prop_assert_eq!(ab.encode(&base.root), ba.encode(&base.root));
        let salts = |header: &Header| header.slots().iter().map(|slot| slot.salt).collect::<Vec<_>>();
        for salt in salts(&ab) {
            prop_assert!(salts(&one).contains(&salt) || salts(&two).contains(&salt));
        }
    }
}
