//! Two headers of one safe become one.

use super::*;

#[test]
fn a_removed_installation_stays_listed_as_removed_and_no_merge_brings_it_back() {
    let mut safe = safe(22);
    for id in 1..=3 {
        safe.header.add_installation(InstallationId::new(id), [1; 32]).unwrap();
    }
    let before = safe.decoded();
    assert!(safe.header.remove_installation(InstallationId::new(2)));
    let removed = |header: &Header| header.installations().iter().map(|one| one.removed).collect::<Vec<_>>();
    assert_eq!(removed(&safe.header), [false, true, false]);
    assert_eq!(removed(&safe.decoded()), [false, true, false]);
    assert_eq!(safe.header.merge(&before, &safe.key()), Ok(false));
    assert_eq!(removed(&safe.header), [false, true, false]);
    let mut behind = before;
    assert_eq!(behind.merge(&safe.decoded(), &safe.key()), Ok(true), "an installation alone is a change");
    assert_eq!(removed(&behind), [false, true, false]);
}

#[test]
fn merging_fills_both_lists_up_to_their_limits_and_no_further() {
    let mut safe = safe(24);
    let mut add = |header: &mut Header, slots| {
        for _ in 0..slots {
            header.add_slot(&safe.root, &key_slot(&safe.key_file), &LIMITS, &mut safe.rng).unwrap();
        }
    };
    let mut ours = safe.header.clone();
    add(&mut ours, MAX_SLOTS / 2);
    let mut theirs = safe.header.clone();
    add(&mut theirs, MAX_SLOTS / 2 - 1);
    let mut one_more = theirs.clone();
    add(&mut one_more, 1);
    let sealed = |header: &Header| Header::decode(&header.encode(&safe.key())).unwrap();
    assert_eq!(ours.clone().merge(&sealed(&theirs), &safe.key()), Ok(true), "slots alone are a change");
    let full = Err(Error::Full("the header's list of slots"));
    assert_eq!(ours.merge(&sealed(&one_more), &safe.key()), full);

    let list = |ids: std::ops::Range<usize>| {
        let mut header = safe.header.clone();
        ids.for_each(|id| header.add_installation(InstallationId::new(id as u64), [1; 32]).unwrap());
        sealed(&header)
    };
    let mut ours = list(0..64);
    let full = Err(Error::Full("the header's list of installations"));
    assert_eq!(ours.merge(&list(64..MAX_INSTALLATIONS + 1), &safe.key()), full);
    assert_eq!(ours.merge(&list(64..MAX_INSTALLATIONS), &safe.key()), Ok(true));
    assert_eq!(ours.installations().len(), MAX_INSTALLATIONS);
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
    assert_eq!(safe.header.merge(&other, &safe.key()), Ok(true));
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
        safe.header.merge(&other, &safe.key()),
        Ok(false),
        "absence is never removal, and nothing comes back"
    );
}

#[test]
fn a_slot_that_both_sides_hold_stays_as_it_is_here() {
    let safe = safe(27);
    let labelled = |label| {
        let mut header = Header::new(SAFE);
        let new = NewSlot { label, ..key_slot(&safe.key_file) };
        header.add_slot(&safe.root, &new, &LIMITS, &mut Script::new(&[&[5; 32], &[6; 24]])).unwrap();
        Header::decode(&header.encode(&safe.key())).unwrap()
    };
    let (mut ours, theirs) = (labelled("ours"), labelled("theirs"));
    assert_eq!(ours.merge(&theirs, &safe.key()), Ok(false));
    assert_eq!(ours.slots()[0].label, "ours");
}

#[test]
fn merging_a_foreign_or_forged_header_changes_nothing() {
    let mut one = safe(8);
    let before = one.header.clone();
    let mut foreign = Header::new(SafeId::from_bytes([9; 16]));
    foreign.add_slot(&one.root, &key_slot(&one.key_file), &LIMITS, &mut one.rng).unwrap();
    let foreign = Header::decode(&foreign.encode(&one.key())).unwrap();
    assert_eq!(one.header.merge(&foreign, &one.key()), Err(Error::ForeignSafe));
    let forged = Header::decode(&safe(9).header.encode(&safe(9).key())).unwrap();
    assert_eq!(one.header.merge(&forged, &one.key()), Err(Error::HeaderForged));
    one.header.add_installation(InstallationId::new(1), [1; 32]).unwrap();
    let conflicting = Safe { header: before.clone(), ..safe(8) }
        .other(|header| header.add_installation(InstallationId::new(1), [2; 32]).unwrap());
    assert_eq!(one.header.merge(&conflicting, &one.key()), Err(Error::InstallationConflict));
    assert_eq!(one.header.slots(), before.slots());
    assert_eq!(one.header.sequence(), before.sequence());
}

#[test]
fn the_header_for_backends_has_no_passphrase_slot_and_merging_it_back_removes_none() {
    let mut safe = safe(10);
    safe.header.add_slot(&safe.root, &passphrase_slot(b"hunter2"), &LIMITS, &mut safe.rng).unwrap();
    let replicated = safe.header.without_passphrases();
    assert_eq!(replicated.slots(), [safe.header.slots()[0].clone()], "the key file's slot and no other");
    let replicated = Header::decode(&replicated.encode(&safe.key())).unwrap();
    assert_eq!(safe.header.merge(&replicated, &safe.key()), Ok(false));
    assert_eq!(safe.header.slots().len(), 2);
}

#[test]
fn two_sides_that_removed_what_the_other_kept_do_not_merge_into_a_safe_that_nothing_opens() {
    let mut safe = safe(11);
    safe.header.add_slot(&safe.root, &key_slot(&safe.key_file), &LIMITS, &mut safe.rng).unwrap();
    let other = safe.other(|header| header.remove_slot(1).unwrap());
    safe.header.remove_slot(2).unwrap();
    assert_eq!(safe.header.merge(&other, &safe.key()), Err(Error::LastSlot));
    assert_eq!(safe.header.slots()[0].id, 1, "nothing was changed");
}

proptest! {
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
        let [one, two] = sides.map(|header| Header::decode(&header.encode(&base.key())).unwrap());
        let (mut ab, mut ba) = (one.clone(), two.clone());
        let merged = ab.merge(&two, &base.key()).map(drop);
        prop_assert_eq!(&merged, &ba.merge(&one, &base.key()).map(drop));
        if merged.is_err() {
            prop_assert_eq!(merged, Err(Error::LastSlot));
            return Ok(());
        }
        prop_assert_eq!(ab.encode(&base.key()), ba.encode(&base.key()));
        let salts = |header: &Header| header.slots().iter().map(|slot| slot.salt).collect::<Vec<_>>();
        for salt in salts(&ab) {
            prop_assert!(salts(&one).contains(&salt) || salts(&two).contains(&salt));
        }
    }
}
