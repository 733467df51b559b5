//! Every byte flipped, every truncation: of an envelope, a header, a keyring, a state row, a detail.

use secrets_crypto::envelope::{self, Envelope, Expected, Kind, NewEnvelope};
use secrets_crypto::header::{COPY_LEN, Copies, Header, NewSlot};
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{Error, InstallationId, KdfLimits, KdfParams, KeyFile, RootKey, SlotSecret};

use crate::script::{Counting, SAFE, TENANT, keyring_of};

/// Runs `open` on every alteration of `bytes`; none may succeed. The intact bytes must.
fn no_alteration_opens<T>(bytes: &[u8], open: impl Fn(&[u8]) -> Result<T, Error>) {
    assert!(open(bytes).is_ok(), "intact");
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= mask;
            assert!(open(&flipped).is_err(), "byte {at} XOR {mask:#x}");
        }
        assert!(open(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(open(&[bytes, &[0]].concat()).is_err(), "one byte more");
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
    no_alteration_opens(&sealed, |bytes| {
        Envelope::parse(bytes)?.open(&keyring, &Expected { path: new.path, version: None })
    });
}

#[test]
fn no_altered_header_unlocks() {
    let mut rng = Counting(3);
    let (root, key_file) = (RootKey::generate(&mut rng).unwrap(), KeyFile::generate(&mut rng).unwrap());
    let header = header_of(&root, &key_file, &mut rng).encode(&root);
    no_alteration_opens(&header, |bytes| {
        Header::decode(bytes)?.unlock(&SlotSecret::KeyFile(&key_file), &KdfLimits::default())
    });
}

/// The second copy opens whatever happens to the first, also where the first says that it is of a newer
/// format: without a good checksum it is damage.
#[test]
fn every_damaged_byte_of_one_copy_leaves_the_other() {
    let mut rng = Counting(4);
    let (root, key_file) = (RootKey::generate(&mut rng).unwrap(), KeyFile::generate(&mut rng).unwrap());
    let encoded = header_of(&root, &key_file, &mut rng).encode(&root);
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
            let is_current = secrets_crypto::header::CopyState::Current;
            assert_eq!(unlocked.copies.map(|state| state != is_current), expected, "byte {at}");
        }
    }
}

#[test]
fn no_altered_keyring_opens() {
    let mut rng = Counting(5);
    let root = RootKey::generate(&mut rng).unwrap();
    let mut keyring = keyring_of(6);
    keyring.rotate(2000, &mut rng).unwrap();
    let sealed = keyring.seal(&root, &mut rng).unwrap();
    no_alteration_opens(&sealed, |bytes| Keyring::open(bytes, &root, SAFE, TENANT));
}

#[test]
fn no_altered_state_row_or_detail_opens() {
    let mut rng = Counting(7);
    let key = RootKey::generate(&mut rng).unwrap().state_key(&SAFE);
    let row = key.seal_row("seen", b"object", b"row", &mut rng).unwrap();
    no_alteration_opens(&row, |bytes| key.open_row("seen", b"object", bytes));
    let keyring = keyring_of(8);
    let detail = keyring.seal_detail(b"name", &mut rng).unwrap();
    no_alteration_opens(&detail, |bytes| keyring.open_detail(bytes));
}
