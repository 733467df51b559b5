//! The two copies of the file.

use super::*;

#[test]
fn an_interrupted_write_leaves_a_copy_that_opens_at_every_moment() {
    let mut safe = safe(13);
    let mut file = Copies::new_file(&safe.header.encode(&safe.key())).unwrap();
    let secret_file = KeyFile::generate(&mut safe.rng).unwrap();
    for sequence in 2..6 {
        safe.header.add_slot(&safe.root, &key_slot(&secret_file), &LIMITS, &mut safe.rng).unwrap();
        safe.header.advance();
        let writes = Copies::read(&file).writes(&safe.header.encode(&safe.key())).unwrap();
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
    let old = safe.header.encode(&safe.key());
    safe.header.advance();
    let new = safe.header.encode(&safe.key());
    let image = |first: &[u8], second: &[u8]| {
        let halves = [first, second].map(|copy| Copies::new_file(copy).unwrap()[..COPY_LEN].to_vec());
        halves.concat()
    };
    let first_write = |image: &[u8]| Copies::read(image).writes(&new).unwrap()[0].offset;
    assert_eq!(first_write(&image(&old, &new)), 0);
    assert_eq!(first_write(&image(&new, &old)), COPY_LEN as u64);
    assert_eq!(first_write(&image(&new, &new)), COPY_LEN as u64, "of two equal ones the second");
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
    let honest = safe.header.encode(&safe.key());
    safe.header.add_installation(InstallationId::new(666), [6; 32]).unwrap();
    safe.header.advance();
    // A forger makes the checksum, but not the MAC.
    let forged = safe.header.encode(&RootKey::generate(&mut safe.rng).unwrap().header_key(&SAFE));
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
    let honest = safe.header.encode(&safe.key());
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
    let file = Copies::new_file(&safe.header.encode(&safe.key())).unwrap();
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
    let encoded = safe.header.encode(&safe.key());
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
fn the_failure_of_the_best_copy_is_the_one_that_is_told() {
    let mut safe = safe(26);
    let mut older = Header::new(SAFE);
    let other = KeyFile::generate(&mut safe.rng).unwrap();
    older.add_slot(&safe.root, &key_slot(&other), &LIMITS, &mut safe.rng).unwrap();
    safe.header.advance();
    let forged = safe.header.encode(&RootKey::generate(&mut safe.rng).unwrap().header_key(&SAFE));
    let mut file = Copies::new_file(&older.encode(&safe.key())).unwrap();
    file[..COPY_LEN].copy_from_slice(&Copies::new_file(&forged).unwrap()[..COPY_LEN]);
    let refused = Copies::read(&file).unlock(&SlotSecret::KeyFile(&safe.key_file), &LIMITS);
    assert_eq!(refused.err(), Some(Error::HeaderForged), "and not that the older copy has no such slot");
}
