//! Keyrings: epochs, states that only move forward, merging without loss.

mod merging;

use proptest::prelude::*;
use secrets_crypto::envelope::{self, Envelope, Expected, Kind, NewEnvelope};
use secrets_crypto::keyring::{KeyState, Keyring};
use secrets_crypto::{Error, InstallationId, Key, RootKey, SafeId, Suite, TenantId, aead};

use crate::script::{Counting, SAFE, Script, TENANT, keyring_of};

const PATH: &str = "production/app/key";

fn root() -> RootKey {
    RootKey::generate(&mut Counting(99)).unwrap()
}

/// A second copy, as another installation holds it.
fn copy(keyring: &mut Keyring) -> Keyring {
    let sealed = keyring.seal(&root(), &mut Counting(98)).unwrap();
    Keyring::open(&sealed, &root(), SAFE, TENANT).unwrap()
}

fn seal(keyring: &Keyring) -> Vec<u8> {
    let new = NewEnvelope {
        suite: None,
        kind: Kind::Secret,
        version: 1,
        term: 1,
        writer: InstallationId::new(1),
        created_ms: 0,
        parent: None,
        path: PATH,
        metadata: b"",
        value: b"value",
    };
    envelope::seal(keyring, &new, &mut Counting(97)).unwrap()
}

fn opens(keyring: &Keyring, sealed: &[u8]) -> Result<(), Error> {
    Envelope::parse(sealed)?.open(keyring, &Expected { path: PATH, version: None }).map(drop)
}

fn states(keyring: &Keyring) -> Vec<(u32, KeyState)> {
    keyring.epochs().map(|epoch| (epoch.id, epoch.state)).collect()
}

#[test]
fn a_sealed_keyring_opens_with_the_same_keys_for_the_same_tenant_alone() {
    let mut keyring = keyring_of(1);
    let sealed = keyring.seal(&root(), &mut Counting(2)).unwrap();
    let opened = Keyring::open(&sealed, &root(), SAFE, TENANT).unwrap();
    assert_eq!(opened.object_id(PATH), keyring.object_id(PATH));
    assert_eq!((opened.name(), opened.tenant_id(), opened.safe_id()), ("tenant", TENANT, SAFE));
    assert_eq!(opens(&opened, &seal(&keyring)), Ok(()));
    let detail = keyring.seal_detail(b"name", &mut Counting(3)).unwrap();
    assert_eq!(*opened.open_detail(&detail).unwrap(), b"name");
    let other = RootKey::generate(&mut Counting(4)).unwrap();
    assert_eq!(Keyring::open(&sealed, &other, SAFE, TENANT).err(), Some(Error::Refused));
    let foreign = Keyring::open(&sealed, &root(), SafeId::from_bytes([3; 16]), TENANT);
    assert_eq!(foreign.err(), Some(Error::ForeignSafe));
    let foreign = Keyring::open(&sealed, &root(), SAFE, TenantId::from_bytes([3; 16]));
    assert_eq!(foreign.err(), Some(Error::ForeignTenant));
}

#[test]
fn neither_name_nor_keys_stand_in_a_sealed_keyring() {
    let mut rng = Counting(5);
    let mut keyring =
        Keyring::create(SAFE, TENANT, "a tenant's name", 0, Suite::ChaCha20Poly1305, &mut rng).unwrap();
    let sealed = keyring.seal(&root(), &mut rng).unwrap();
    assert!(!sealed.windows(8).any(|window| window == b"a tenant"));
    let shown = format!("{keyring:?}");
    assert!(shown.contains("created_ms: 0") && !shown.contains("a tenant"), "{shown}");
}

#[test]
fn a_rotation_seals_with_the_new_epoch_and_still_opens_the_old() {
    let mut keyring = keyring_of(6);
    let (before, old) = (keyring.active_epoch().unwrap(), seal(&keyring));
    let after = keyring.rotate(500, &mut Counting(7)).unwrap();
    assert_eq!(keyring.active_epoch(), Some(after), "also where the clock went back");
    assert_eq!(Envelope::parse(&seal(&keyring)).unwrap().epoch(), after);
    assert_eq!(opens(&keyring, &old), Ok(()));
    let state = |id| states(&keyring).into_iter().find(|(known, _)| *known == id).unwrap().1;
    assert_eq!((state(before), state(after)), (KeyState::DecryptOnly, KeyState::Active));
}

#[test]
fn two_installations_that_rotate_at_once_lose_nothing() {
    let mut one = keyring_of(8);
    let mut two = copy(&mut one);
    let first = one.rotate(2000, &mut Counting(9)).unwrap();
    let second = two.rotate(2500, &mut Counting(10)).unwrap();
    let (of_one, of_two) = (seal(&one), seal(&two));
    assert_eq!(opens(&one, &of_two), Err(Error::UnknownEpoch(second)), "merge the keyrings first");
    let back = copy(&mut one);
    one.merge(copy(&mut two)).unwrap();
    two.merge(back).unwrap();
    for keyring in [&one, &two] {
        assert_eq!(opens(keyring, &of_one), Ok(()));
        assert_eq!(opens(keyring, &of_two), Ok(()));
        assert_eq!(keyring.active_epoch(), Some(second));
    }
    assert_eq!(states(&one), states(&two));
    assert!(states(&one).contains(&(first, KeyState::DecryptOnly)));
}

#[test]
fn a_later_keyring_is_learned_without_the_root_key() {
    let mut ours = keyring_of(1);
    let mut theirs = copy(&mut ours);
    let epoch = theirs.rotate(5, &mut Counting(6)).unwrap();
    let sealed = theirs.seal(&root(), &mut Counting(7)).unwrap();
    let envelope = seal(&theirs);
    assert!(!ours.has_epoch(epoch));
    assert_eq!(opens(&ours, &envelope), Err(Error::UnknownEpoch(epoch)));
    let learned = ours.learn(&sealed).unwrap().unwrap();
    assert!(learned.is_news && learned.has_all);
    assert_eq!(states(&ours), states(&theirs));
    assert_eq!((ours.active_epoch(), opens(&ours, &envelope)), (Some(epoch), Ok(())));
    let again = ours.learn(&sealed).unwrap().unwrap();
    assert!(!again.is_news && again.has_all);
    // One that lacks what this one has is learned from, and cannot take its place.
    ours.rotate(6, &mut Counting(8)).unwrap();
    let behind = ours.learn(&sealed).unwrap().unwrap();
    assert!(!behind.is_news && !behind.has_all);
}

#[test]
fn what_is_learned_is_authentic_and_of_this_keyring() {
    let mut ours = keyring_of(1);
    let mut sealed = copy(&mut ours).seal(&root(), &mut Counting(2)).unwrap();
    let before = states(&ours);
    // The wrapped tenant root key, which learning does not open, is authenticated by the seal.
    for at in [60, 160, sealed.len() - 1] {
        sealed[at] ^= 1;
        assert_eq!(ours.learn(&sealed).err(), Some(Error::Refused), "byte {at}");
        sealed[at] ^= 1;
    }
    let mut foreign = keyring_of(9);
    let sealed = foreign.seal(&root(), &mut Counting(3)).unwrap();
    assert_eq!(ours.learn(&sealed), Ok(None), "under a tenant root key that is not known");
    assert_eq!(states(&ours), before);
    // After a destruction there is a new tenant root key.
    let mut later = copy(&mut ours);
    later.rotate(1, &mut Counting(4)).unwrap();
    later.destroy_epoch(before[0].0, &mut Counting(5)).unwrap();
    let sealed = later.seal(&root(), &mut Counting(6)).unwrap();
    assert_eq!(ours.learn(&sealed), Ok(None));
}

#[test]
fn a_destroyed_epoch_stays_destroyed_whatever_is_merged() {
    let mut one = keyring_of(11);
    let (dead, old) = (one.active_epoch().unwrap(), seal(&one));
    let mut two = copy(&mut one);
    assert_eq!(one.destroy_epoch(dead, &mut Counting(12)), Err(Error::EpochActive(dead)));
    one.rotate(2000, &mut Counting(13)).unwrap();
    one.destroy_epoch(dead, &mut Counting(14)).unwrap();
    assert_eq!(one.destroy_epoch(7, &mut Counting(14)), Err(Error::UnknownEpoch(7)));
    one.merge(copy(&mut two)).unwrap();
    assert_eq!(opens(&one, &old), Err(Error::DestroyedEpoch(dead)));
    two.merge(copy(&mut one)).unwrap();
    assert_eq!(opens(&two, &old), Err(Error::DestroyedEpoch(dead)));
    assert_eq!(opens(&two, &seal(&one)), Ok(()));
}

#[test]
fn after_destruction_the_keyring_is_sealed_under_a_new_tenant_root_key() {
    let mut keyring = keyring_of(15);
    let before = keyring.seal(&root(), &mut Counting(16)).unwrap();
    let dead = keyring.active_epoch().unwrap();
    keyring.rotate(2000, &mut Counting(17)).unwrap();
    keyring.destroy_epoch(dead, &mut Counting(18)).unwrap();
    let after = keyring.seal(&root(), &mut Counting(16)).unwrap();
    // The list of wrapped tenant root keys begins at 45, each is 109 bytes: the old one is zeros now.
    let old = after[45..].chunks(109).take(2).find(|row| row[..4] == before[45..49]).unwrap();
    assert_eq!(old[4], 3);
    assert!(old[5..].iter().all(|&byte| byte == 0));
    assert!(Keyring::open(&after, &root(), SAFE, TENANT).is_ok());
}

#[test]
fn keyrings_of_other_safes_tenants_or_keys_do_not_merge() {
    let mut rng = Counting(19);
    let mut keyring = keyring_of(20);
    let foreign = Keyring::create(SafeId::from_bytes([9; 16]), TENANT, "", 0, Suite::Aes256Gcm, &mut rng);
    assert_eq!(keyring.merge(foreign.unwrap()), Err(Error::ForeignSafe));
    let foreign = Keyring::create(SAFE, TenantId::from_bytes([9; 16]), "", 0, Suite::Aes256Gcm, &mut rng);
    assert_eq!(keyring.merge(foreign.unwrap()), Err(Error::ForeignTenant));
    assert_eq!(keyring.merge(keyring_of(21)), Err(Error::ForeignTenant), "the same ids, other keys");
    assert_eq!(keyring.epochs().len(), 1);
}

#[test]
fn details_open_under_the_tenants_own_key_alone() {
    let (one, two) = (keyring_of(22), keyring_of(23));
    let detail = one.seal_detail(b"name", &mut Counting(1)).unwrap();
    assert_eq!(two.open_detail(&detail).err(), Some(Error::Refused));
    assert_eq!(one.open_detail(&[]).err(), Some(Error::Refused));
}

#[test]
fn a_detail_is_sealed_for_its_safe_and_tenant_as_specified() {
    let [root, index, detail, epoch] = [1, 2, 3, 5].map(|byte| [byte; 32]);
    let mut rng = Script::new(&[&[0, 0, 0, 1], &root, &index, &detail, &[0, 0, 0, 4], &epoch, &[6; 24]]);
    let keyring = Keyring::create(SAFE, TENANT, "", 0, Suite::Aes256Gcm, &mut rng).unwrap();
    let sealed = keyring.seal_detail(b"name", &mut rng).unwrap();
    assert_eq!(sealed[0], 1);
    let context = [b"sev1/detail\0", &SAFE.as_bytes()[..], TENANT.as_bytes()];
    let opened = aead::open(Suite::Aes256Gcm, &Key::from_bytes(&detail), &context, &sealed[1..]);
    assert_eq!(*opened.unwrap(), b"name");
}

#[test]
fn a_name_too_long_and_a_failing_source_of_randomness_make_no_keyring() {
    let create = |name: &str, random: usize| {
        Keyring::create(SAFE, TENANT, name, 0, Suite::Aes256Gcm, &mut Script::new(&[&vec![1; random]]))
    };
    assert!(matches!(create(&"n".repeat(257), 1000), Err(Error::TooLarge { len: 257, max: 256, .. })));
    for random in [0, 3, 35, 67, 99, 103, 135] {
        assert_eq!(create("", random).err(), Some(Error::Random), "{random} bytes");
    }
    assert!(create("", 136).is_ok());
}

#[test]
fn the_fullest_keyring_has_its_stated_length_and_takes_no_more() {
    let (mut rng, name) = (Counting(27), "n".repeat(Keyring::MAX_NAME_LEN));
    let mut keyring = Keyring::create(SAFE, TENANT, &name, 0, Suite::Aes256Gcm, &mut rng).unwrap();
    for _ in 1..Keyring::MAX_EPOCHS {
        keyring.rotate(0, &mut rng).unwrap();
    }
    assert_eq!(keyring.rotate(0, &mut rng), Err(Error::Full("the keyring")));
    let retired: Vec<u32> =
        keyring.epochs().filter(|epoch| epoch.state == KeyState::DecryptOnly).map(|epoch| epoch.id).collect();
    for id in &retired[1..Keyring::MAX_ROOTS] {
        keyring.destroy_epoch(*id, &mut rng).unwrap();
    }
    let refused = keyring.destroy_epoch(retired[0], &mut rng);
    assert_eq!(refused, Err(Error::Full("the keyring's list of tenant root keys")));
    let sealed = keyring.seal(&root(), &mut rng).unwrap();
    assert_eq!(sealed.len(), Keyring::MAX_LEN);
    assert_eq!(Keyring::open(&sealed, &root(), SAFE, TENANT).unwrap().epochs().len(), Keyring::MAX_EPOCHS);
}

#[test]
fn an_empty_path_has_no_object_id() {
    let keyring = keyring_of(24);
    assert!(matches!(keyring.object_id(""), Err(Error::InvalidInput(_))));
    assert!(matches!(keyring.object_id(&"p".repeat(65_536)), Err(Error::TooLarge { .. })));
}

proptest! {
    /// Rotations and destructions on three installations, merged in any order, give one keyring.
    #[test]
    fn merging_is_commutative_associative_and_keeps_every_epoch(
        steps in prop::collection::vec((0_usize..3, 0_u8..3, 0_u64..5000), 0..10),
    ) {
        let mut first = keyring_of(25);
        let mut sides = [copy(&mut first), copy(&mut first), first];
        let mut rng = Counting(26);
        for (side, action, now) in steps {
            let keyring = &mut sides[side];
            let oldest = keyring.epochs().find(|epoch| epoch.state == KeyState::DecryptOnly).map(|epoch| epoch.id);
            match (action, oldest) {
                (0, Some(id)) => keyring.destroy_epoch(id, &mut rng).unwrap(),
                _ => drop(keyring.rotate(now, &mut rng).unwrap()),
            }
        }
        let merged: Vec<_> = [[0, 1, 2], [2, 1, 0], [1, 0, 2]]
            .into_iter()
            .map(|order: [usize; 3]| {
                let mut whole = copy(&mut sides[order[0]]);
                for &side in &order[1..] {
                    whole.merge(copy(&mut sides[side])).unwrap();
                }
                whole
            })
            .collect();
        let union: std::collections::BTreeSet<u32> =
            sides.iter().flat_map(|side| side.epochs().map(|epoch| epoch.id).collect::<Vec<_>>()).collect();
        for whole in &merged {
            prop_assert_eq!(states(whole), states(&merged[0]));
            prop_assert_eq!(whole.active_epoch(), merged[0].active_epoch());
            prop_assert!(whole.active_epoch().is_some());
            prop_assert_eq!(whole.epochs().map(|epoch| epoch.id).collect::<Vec<_>>(), union.iter().copied().collect::<Vec<_>>());
            for side in &sides {
                for epoch in side.epochs() {
                    let later = whole.epochs().find(|known| known.id == epoch.id).unwrap().state;
                    prop_assert!(later >= epoch.state, "states only move forward");
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Keyring::open(&bytes, &root(), SAFE, TENANT).is_err());
        let size = u32::try_from(bytes.len() + 42).unwrap().to_be_bytes();
        let marked =
            [b"SEVK\0\x01", &size[..], SAFE.as_bytes(), TENANT.as_bytes(), &bytes].concat();
        prop_assert!(Keyring::open(&marked, &root(), SAFE, TENANT).is_err());
    }
}
