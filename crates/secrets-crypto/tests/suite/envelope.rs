//! Envelopes: what goes in comes out, what cannot be sealed is refused, what was not asked for is refused.

use proptest::prelude::*;
use secrets_crypto::envelope::{
    self, Envelope, Expected, Kind, MAX_VALUE, NewEnvelope, from_text, portable_value_limit, to_text,
};
use secrets_crypto::{ContentId, Error, InstallationId, SafeId, Suite, TenantId};

use crate::script::{Counting, SAFE, Script, TENANT, keyring_of, keyring_with};

const PATH: &str = "production/app/key";

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

fn expected(path: &str) -> Expected<'_> {
    Expected { path, version: None }
}

#[test]
fn the_largest_value_seals_and_one_byte_more_is_refused() {
    let (keyring, mut rng) = (keyring_of(1), Counting(2));
    let value = vec![b'x'; MAX_VALUE];
    let sealed = envelope::seal(&keyring, &new(&value), &mut rng).unwrap();
    let opened = Envelope::parse(&sealed).unwrap().open(&keyring, &expected(PATH)).unwrap();
    assert!(*opened.value == value);
    let over = vec![b'x'; MAX_VALUE + 1];
    let refused = envelope::seal(&keyring, &new(&over), &mut rng).err();
    assert_eq!(refused, Some(Error::TooLarge { what: "a value", len: MAX_VALUE + 1, max: MAX_VALUE }));
}

#[test]
fn the_largest_path_and_metadata_seal_and_one_byte_more_is_refused() {
    let (keyring, mut rng) = (keyring_of(1), Counting(2));
    let (path, metadata, value) = ("p".repeat(65_535), vec![b' '; 65_535], vec![0; MAX_VALUE]);
    let largest = NewEnvelope { path: &path, metadata: &metadata, ..new(&value) };
    let sealed = envelope::seal(&keyring, &largest, &mut rng).unwrap();
    let opened = Envelope::parse(&sealed).unwrap().open(&keyring, &expected(&path)).unwrap();
    assert_eq!((opened.metadata.len(), opened.value.len()), (65_535, MAX_VALUE));
    let long = "p".repeat(65_536);
    let refused = envelope::seal(&keyring, &NewEnvelope { path: &long, ..new(b"") }, &mut rng).err();
    assert_eq!(refused, Some(Error::TooLarge { what: "a path", len: 65_536, max: 65_535 }));
    let metadata = vec![b' '; 65_536];
    let refused = envelope::seal(&keyring, &NewEnvelope { metadata: &metadata, ..new(b"") }, &mut rng).err();
    assert_eq!(refused, Some(Error::TooLarge { what: "metadata", len: 65_536, max: 65_535 }));
    assert!(from_text(&to_text(&sealed)).is_ok_and(|bytes| bytes == sealed));
    // Bytes longer than any envelope are refused before they are looked at.
    let endless = [sealed, vec![0; 1024]].concat();
    assert_eq!(Envelope::parse(&endless).err(), Some(Error::Refused));
    assert_eq!(from_text(&to_text(&endless)), Err(Error::Refused));
}

#[test]
fn version_0_an_empty_path_and_a_tombstone_with_a_value_cannot_be_sealed() {
    let (keyring, mut rng) = (keyring_of(1), Counting(2));
    for wrong in [
        NewEnvelope { version: 0, ..new(b"") },
        NewEnvelope { path: "", ..new(b"") },
        NewEnvelope { kind: Kind::Tombstone, ..new(b"x") },
    ] {
        assert!(matches!(envelope::seal(&keyring, &wrong, &mut rng), Err(Error::InvalidInput(_))));
    }
}

#[test]
fn two_environments_with_one_path_are_two_objects() {
    let (keyring, mut rng) = (keyring_of(1), Counting(2));
    let production = envelope::seal(&keyring, &new(b"value"), &mut rng).unwrap();
    let envelope = Envelope::parse(&production).unwrap();
    assert!(envelope.open(&keyring, &expected("production/app/key")).is_ok());
    assert_eq!(envelope.open(&keyring, &expected("staging/app/key")).err(), Some(Error::Refused));
    assert_ne!(keyring.object_id("production/app/key"), keyring.object_id("staging/app/key"));
}

#[test]
fn another_version_than_asked_for_is_refused() {
    let keyring = keyring_of(1);
    let sealed =
        envelope::seal(&keyring, &NewEnvelope { version: 7, ..new(b"value") }, &mut Counting(2)).unwrap();
    let open = |version| Envelope::parse(&sealed).unwrap().open(&keyring, &Expected { path: PATH, version });
    assert!(open(Some(7)).is_ok() && open(None).is_ok());
    assert_eq!(open(Some(6)).err(), Some(Error::Refused));
    assert_eq!(open(Some(8)).err(), Some(Error::Refused));
}

#[test]
fn an_envelope_of_another_keyring_is_refused_or_of_an_unknown_epoch() {
    let (one, two) = (keyring_of(1), keyring_of(2));
    let sealed = envelope::seal(&one, &new(b"value"), &mut Counting(2)).unwrap();
    let envelope = Envelope::parse(&sealed).unwrap();
    // The same safe and tenant id, but another index key: not the object that was asked for.
    assert_eq!(envelope.open(&two, &expected(PATH)).err(), Some(Error::Refused));
}

#[test]
fn an_epoch_rotation_rewraps_without_touching_the_payload() {
    let (mut keyring, mut rng) = (keyring_of(1), Counting(2));
    let before = keyring.active_epoch().unwrap();
    let sealed = envelope::seal(&keyring, &new(b"value"), &mut rng).unwrap();
    let after = keyring.rotate(2000, &mut rng).unwrap();
    let envelope = Envelope::parse(&sealed).unwrap();
    assert_eq!(envelope.epoch(), before);
    let rewrapped = envelope.rewrap(&keyring, &mut rng).unwrap();
    let again = Envelope::parse(&rewrapped).unwrap();
    assert_eq!((again.epoch(), again.content_id()), (after, envelope.content_id()));
    keyring.destroy_epoch(before, &mut rng).unwrap();
    assert_eq!(envelope.open(&keyring, &expected(PATH)).err(), Some(Error::DestroyedEpoch(before)));
    assert_eq!(envelope.rewrap(&keyring, &mut rng).err(), Some(Error::DestroyedEpoch(before)));
    assert_eq!(*again.open(&keyring, &expected(PATH)).unwrap().value, b"value");
}

#[test]
fn an_envelope_of_another_safe_or_tenant_is_not_rewrapped() {
    // The same keys under other ids, so that nothing but the ids tells the keyrings apart.
    let keyring = |safe, tenant| keyring_with(safe, tenant, &[3; 32], 7, &[4; 32]);
    let sealed = envelope::seal(&keyring(SAFE, TENANT), &new(b"value"), &mut Counting(2)).unwrap();
    let rewrap = |keyring| Envelope::parse(&sealed).unwrap().rewrap(&keyring, &mut Counting(3));
    assert!(rewrap(keyring(SAFE, TENANT)).is_ok());
    let (safe, tenant) = (SafeId::from_bytes([9; 16]), TenantId::from_bytes([9; 16]));
    assert_eq!(rewrap(keyring(safe, TENANT)), Err(Error::Refused));
    assert_eq!(rewrap(keyring(SAFE, tenant)), Err(Error::Refused));
}

#[test]
fn the_portable_limit_is_the_size_of_azure() {
    let limit = portable_value_limit(PATH.len(), 2).unwrap();
    let value = vec![1; limit];
    let sealed = envelope::seal(&keyring_of(1), &new(&value), &mut Counting(2)).unwrap();
    assert_eq!(to_text(&sealed).len(), 21_915);
    let over = vec![1; limit + 1];
    let sealed = envelope::seal(&keyring_of(1), &new(&over), &mut Counting(2)).unwrap();
    assert!(to_text(&sealed).len() > 21_915);
    assert_eq!(portable_value_limit(65_535, 2), None);
    assert_eq!(portable_value_limit(usize::MAX, usize::MAX), None);
}

#[test]
fn a_plaintext_fills_its_bucket_before_it_takes_another() {
    // Path, metadata and value behind lengths and incarnation, which take 12 bytes.
    let fitting = 256 - 12 - PATH.len() - 2;
    for (len, buckets) in [(0, 1), (fitting, 1), (fitting + 1, 2), (fitting + 256, 2), (fitting + 257, 3)] {
        let sealed = envelope::seal(&keyring_of(1), &new(&vec![1; len]), &mut Counting(2)).unwrap();
        assert_eq!(sealed.len(), 232 + 72 + buckets * 256, "{len} bytes");
    }
}

#[test]
fn a_text_of_a_later_version_says_which() {
    for (text, found) in [("sev2:AAAA", 2), ("sev9:", 9)] {
        assert_eq!(from_text(text), Err(Error::UnsupportedFormat { what: "the envelope", found }));
    }
    for text in ["", "sev0:", "sev1", "sev2", "SEV2:", "sev10:"] {
        assert_eq!(from_text(text), Err(Error::Refused), "{text:?}");
    }
}

#[test]
fn debug_shows_neither_path_nor_metadata_nor_value() {
    let keyring = keyring_of(1);
    let new = NewEnvelope { metadata: b"{\"description\":\"hidden\"}", ..new(b"hunter2") };
    let sealed = envelope::seal(&keyring, &new, &mut Counting(2)).unwrap();
    let envelope = Envelope::parse(&sealed).unwrap();
    let opened = envelope.open(&keyring, &expected(PATH)).unwrap();
    let expected = expected(PATH);
    let shown = [format!("{new:?}"), format!("{envelope:?}"), format!("{opened:?}"), format!("{expected:?}")];
    assert!(shown.iter().all(|shown| shown.contains("version: ")), "what may be shown is: {shown:?}");
    let shown = format!("{} {keyring:?}", shown.concat());
    let bytes = format!("{:?}", b"hunter2");
    for hidden in ["hunter2", "hidden", "app/key", &bytes[1..bytes.len() - 1], "tenant\""] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

#[test]
fn a_source_of_randomness_that_fails_at_any_point_seals_nothing() {
    let keyring = keyring_of(1);
    for len in [0, 31, 32, 55, 56, 79] {
        let refused = envelope::seal(&keyring, &new(b"value"), &mut Script::new(&[&vec![1; len]]));
        assert_eq!(refused.err(), Some(Error::Random), "{len} bytes");
    }
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_as_it_was(
        value in prop::collection::vec(any::<u8>(), 0..20_000),
        metadata in prop::collection::vec(any::<u8>(), 0..600),
        path in "[a-z]{1,10}(/[A-Za-z0-9._-]{1,20}){1,8}",
        version in 1_u64..,
        numbers: (u64, u64, u64),
        parent: [u8; 32],
        second: bool,
        seed: u64,
    ) {
        let keyring = keyring_of(seed);
        let new = NewEnvelope {
            suite: Some(if second { Suite::ChaCha20Poly1305 } else { Suite::Aes256Gcm }),
            kind: Kind::Secret,
            version,
            term: numbers.0,
            writer: InstallationId::new(numbers.1),
            created_ms: numbers.2,
            parent: (parent != [0; 32]).then_some(ContentId::from_bytes(parent)),
            path: &path,
            metadata: &metadata,
            value: &value,
        };
        let sealed = envelope::seal(&keyring, &new, &mut Counting(seed)).unwrap();
        let sealed = from_text(&to_text(&sealed)).unwrap();
        let envelope = Envelope::parse(&sealed).unwrap();
        prop_assert_eq!((sealed.len() - 232 - 56) % 16, 0);
        let opened = envelope.open(&keyring, &Expected { path: &path, version: Some(version) }).unwrap();
        prop_assert_eq!(&*opened.value, &value);
        prop_assert_eq!(&*opened.metadata, &metadata);
        let header = opened.header;
        prop_assert_eq!(header, *envelope.header());
        prop_assert_eq!((header.version, header.term, header.writer.get()), (version, numbers.0, numbers.1));
        prop_assert_eq!((header.created_ms, header.parent), (numbers.2, new.parent));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), text in ".{0,200}") {
        let marked = [b"SEV1\x01\x01\0\0", &bytes[..]].concat();
        for bytes in [&bytes, &marked] {
            if let Ok(envelope) = Envelope::parse(bytes) {
                prop_assert_eq!(envelope.open(&keyring_of(1), &expected(PATH)).err(), Some(Error::Refused));
            }
        }
        if let Ok(bytes) = from_text(&text) {
            prop_assert_eq!(to_text(&bytes), text);
        }
    }
}
