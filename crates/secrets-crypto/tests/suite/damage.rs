//! Every bit flipped, every truncation, a byte more: of an envelope, a header, a keyring, a state row, a detail.

use secrets_crypto::envelope::{self, Envelope, Expected, Kind, NewEnvelope};
use secrets_crypto::header::{COPY_LEN, Copies, CopyState, Header, NewSlot};
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{Error, InstallationId, KdfLimits, KdfParams, KeyFile, RootKey, SlotSecret};

use crate::script::{Counting, SAFE, TENANT, keyring_of};

/// Runs `open` on every alteration of `bytes`: each bit flipped, each truncation, one byte more.
///
/// None may succeed or fail in another way than `is_expected` says. The intact bytes must open.
fn no_alteration_opens<T>(
    bytes: &[u8],
    is_expected: impl Fn(Error) -> bool,
    open: impl Fn(&[u8]) -> Result<T, Error>,
) {
    let assert_refused = |altered: &[u8], how: &dyn Fn() -> String| match open(altered) {
        Ok(_) => panic!("opens: {}", how()),
        Err(error) => assert!(is_expected(error), "{error:?}: {}", how()),
    };
    assert!(open(bytes).is_ok(), "intact");
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1 << bit;
            assert_refused(&flipped, &|| format!("bit {bit} of byte {at}"));
        }
        assert_refused(&bytes[..at], &|| format!("cut at {at}"));
    }
    for more in [0, 1, 0xff] {
        assert_refused(&[bytes, &[more]].concat(), &|| format!("byte {more:#x} behind"));
    }
}

fn header_of(root: &RootKey, key_file: &KeyFile, rng: &mut Counting) -> Header {
    let mut header = Header::new(SAFE);
    let new = NewSlot { label: "key file", secret: SlotSecret::KeyFile(key_file), kdf: KdfParams::Hkdf };
    header.add_slot(root, &new, &KdfLimits::default(), rng).unwrap();
    header.add_installation(InstallationId::new(1), [7; 32]).unwrap();
    header.advance();
    header
}

#[test]
fn no_altered_envelope_opens() {
    let keyring = keyring_of(1);
    let new = NewEnvelope {
        suite: None,
        kind: Kind::Secret,
        version: 2,
        term: 1,
        writer: InstallationId::new(1),
        created_ms: 5,
        parent: None,
        path: "production/app/key",
        metadata: b"{}",
        value: b"value",
    };
    let sealed = envelope::seal(&keyring, &new, &mut Counting(2)).unwrap();
    // Epoch and format are claims in clear, which the caller is told of.
    let is_expected = |error| {
        matches!(
            error,
            Error::Refused | Error::UnknownEpoch(_) | Error::UnsupportedFormat { found: 2..=9, .. }
        )
    };
    no_alteration_opens(&sealed, is_expected, |bytes| {
        Envelope::parse(bytes)?.open(&keyring, &Expected { path: new.path, version: None })
    });
}

#[test]
fn no_altered_header_unlocks() {
    let mut rng = Counting(3);
    let (root, key_file) = (RootKey::generate(&mut rng).unwrap(), KeyFile::generate(&mut rng).unwrap());
    let header = header_of(&root, &key_file, &mut rng).encode(&root.header_key(&SAFE));
    // Only the MAC itself lies outside the checksum.
    let is_expected = |error| matches!(error, Error::Malformed("the header") | Error::HeaderForged);
    no_alteration_opens(&header, is_expected, |bytes| {
        Header::decode(bytes)?.unlock(&SlotSecret::KeyFile(&key_file), &KdfLimits::default())
    });
}

/// The second copy opens whatever happens to the first, also where the first says that it is of a newer
/// format: without a good checksum it is damage.
#[test]
fn every_damaged_byte_of_one_copy_leaves_the_other() {
    let mut rng = Counting(4);
    let (root, key_file) = (RootKey::generate(&mut rng).unwrap(), KeyFile::generate(&mut rng).unwrap());
    let encoded = header_of(&root, &key_file, &mut rng).encode(&root.header_key(&SAFE));
    let file = Copies::new_file(&encoded).unwrap();
    for first in [0, COPY_LEN] {
        // Beyond the header there is only padding: a few places stand for it.
        for at in (0..encoded.len() + 8).chain([COPY_LEN - 1]) {
            let mut damaged = file.clone();
            damaged[first + at] ^= 0x02;
            let copies = Copies::read(&damaged);
            let unlocked = copies.unlock(&SlotSecret::KeyFile(&key_file), &KdfLimits::default());
            let unlocked =
                unlocked.unwrap_or_else(|error| panic!("byte {at} of the copy at {first}: {error}"));
            let expected = [first == 0, first != 0];
            assert_eq!(unlocked.copies.map(|state| state != CopyState::Current), expected, "byte {at}");
        }
    }
}

#[test]
fn one_place_damaged_in_both_copies_is_refused() {
    let mut rng = Counting(9);
    let (root, key_file) = (RootKey::generate(&mut rng).unwrap(), KeyFile::generate(&mut rng).unwrap());
    let encoded = header_of(&root, &key_file, &mut rng).encode(&root.header_key(&SAFE));
    let file = Copies::new_file(&encoded).unwrap();
    for at in (0..encoded.len() + 8).chain([COPY_LEN - 1]) {
        for bit in 0..8 {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            damaged[COPY_LEN + at] ^= 1 << bit;
            let unlocked =
                Copies::read(&damaged).unlock(&SlotSecret::KeyFile(&key_file), &KdfLimits::default());
            let in_mac = (encoded.len() - 32..encoded.len()).contains(&at);
            let expected =
                if in_mac { Error::HeaderForged } else { Error::Malformed("each copy of the header") };
            assert_eq!(unlocked.err(), Some(expected), "bit {bit} of byte {at}");
        }
    }
}

/// A file cut within its first copy holds nothing; one cut within the second holds the first, and one with
/// bytes behind both holds both.
#[test]
fn a_header_file_cut_anywhere_opens_by_its_whole_copy_or_not_at_all() {
    let mut rng = Counting(10);
    let (root, key_file) = (RootKey::generate(&mut rng).unwrap(), KeyFile::generate(&mut rng).unwrap());
    let header = header_of(&root, &key_file, &mut rng);
    let encoded = header.encode(&root.header_key(&SAFE));
    let file = Copies::new_file(&encoded).unwrap();
    let unlock = |bytes: &[u8]| {
        let unlocked = Copies::read(bytes).unlock(&SlotSecret::KeyFile(&key_file), &KdfLimits::default());
        unlocked.map(|unlocked| (unlocked.header.encode(&unlocked.root.header_key(&SAFE)), unlocked.copies))
    };
    // Beyond the header there is only padding: a few places stand for it.
    for at in (0..encoded.len() + 8).chain([COPY_LEN - 1]) {
        assert_eq!(unlock(&file[..at]), Err(Error::Malformed("each copy of the header")), "cut at {at}");
        let half = Ok((encoded.clone(), [CopyState::Current, CopyState::Damaged]));
        assert_eq!(unlock(&file[..COPY_LEN + at]), half, "cut at {at} of the second copy");
    }
    let whole = Ok((encoded.clone(), [CopyState::Current; 2]));
    assert_eq!(unlock(&[&file[..], &[1]].concat()), whole);
}

#[test]
fn no_altered_keyring_opens() {
    let mut rng = Counting(5);
    let root = RootKey::generate(&mut rng).unwrap();
    let mut keyring = keyring_of(6);
    keyring.rotate(2000, &mut rng).unwrap();
    let sealed = keyring.seal(&root, &mut rng).unwrap();
    let is_expected = |error| {
        let claimed = matches!(error, Error::UnsupportedFormat { what: "the keyring", .. });
        let foreign = [Error::ForeignSafe, Error::ForeignTenant].contains(&error);
        claimed || foreign || [Error::Malformed("the keyring"), Error::Refused].contains(&error)
    };
    no_alteration_opens(&sealed, is_expected, |bytes| Keyring::open(bytes, &root, SAFE, TENANT));
}

#[test]
fn no_altered_state_row_or_detail_opens() {
    let mut rng = Counting(7);
    let key = RootKey::generate(&mut rng).unwrap().state_key(&SAFE);
    let row = key.seal_row("seen", b"object", b"row", &mut rng).unwrap();
    let is_refused = |error| error == Error::Refused;
    no_alteration_opens(&row, is_refused, |bytes| key.open_row("seen", b"object", bytes));
    let keyring = keyring_of(8);
    let detail = keyring.seal_detail(b"name", &mut rng).unwrap();
    no_alteration_opens(&detail, is_refused, |bytes| keyring.open_detail(bytes));
}
