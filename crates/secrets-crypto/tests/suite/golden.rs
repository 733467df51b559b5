//! The vectors of `tests/vectors/`: made by an implementation that shares no code with this one. Each is
//! opened, or refused for exactly the reason that it names.

use secrets_crypto::envelope::{Envelope, Expected, from_text, to_text};
use secrets_crypto::header::{Header, NewSlot};
use secrets_crypto::keyring::{KeyState, Keyring};
use secrets_crypto::{
    Error, InstallationId, KdfLimits, KdfParams, KeyFile, RecoveryPhrase, SlotSecret, Suite,
};
use serde_json::Value;

use crate::script::{Script, id, keyring_with, root_of, run, unhex};

fn load(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn class(error: Error) -> &'static str {
    match error {
        Error::Refused => "refused",
        Error::UnsupportedFormat { .. } => "unsupported",
        Error::UnknownEpoch(_) => "unknown-epoch",
        Error::Malformed(_) => "malformed",
        Error::WrongSecret => "wrong-secret",
        Error::HeaderForged => "forged",
        Error::KdfBounds { .. } => "kdf-bounds",
        Error::KdfMismatch => "kdf-mismatch",
        Error::ForeignSafe => "foreign-safe",
        Error::ForeignTenant => "foreign-tenant",
        other => panic!("no vector expects {other}"),
    }
}

/// Runs every case of a list, and compares the class of its outcome with the one it names.
fn check<T>(cases: &Value, open: impl Fn(&Value) -> Result<T, Error>) {
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 10, "a file without cases checks nothing");
    for case in cases {
        let got = open(case).map_or_else(class, |_| "opens");
        assert_eq!(got, case["expect"], "{}", case["name"]);
    }
}

#[test]
fn envelopes_open_or_are_refused_as_their_vectors_say() {
    let file = load(include_str!("../vectors/envelope.json"));
    let keyring = envelope_keyring(&file);
    check(&file["cases"], |case| {
        let sealed = unhex(&case["envelope"]);
        let expected = Expected { path: case["path"].as_str().unwrap(), version: case["version"].as_u64() };
        let envelope = Envelope::parse(&sealed)?;
        assert_eq!(from_text(&to_text(&sealed)), Ok(sealed.clone()));
        envelope.open(&keyring, &expected)
    });
}

#[test]
fn text_forms_open_or_are_refused_as_their_vectors_say() {
    let file = load(include_str!("../vectors/envelope.json"));
    let keyring = envelope_keyring(&file);
    let expected = Expected { path: file["text_path"].as_str().unwrap(), version: None };
    check(&file["texts"], |case| {
        let text = case["text"].as_str().unwrap();
        let sealed = from_text(text)?;
        assert_eq!(to_text(&sealed), text);
        Envelope::parse(&sealed)?.open(&keyring, &expected)
    });
}

fn envelope_keyring(file: &Value) -> Keyring {
    let epoch = u32::try_from(file["epoch"].as_u64().unwrap()).unwrap();
    let (index, key) = (unhex(&file["index_key"]), unhex(&file["epoch_key"]));
    keyring_with(id(&file["safe"]), id(&file["tenant"]), &index, epoch, &key)
}

struct Secrets {
    key_file: KeyFile,
    phrase: RecoveryPhrase,
    passphrase: Vec<u8>,
    other_passphrase: Vec<u8>,
}

impl Secrets {
    fn of(file: &Value) -> Self {
        let bytes = |name: &str| unhex(&file["secrets"][name]["secret"]);
        Self {
            key_file: KeyFile::generate(&mut Script::new(&[&bytes("key-file")])).unwrap(),
            phrase: RecoveryPhrase::generate(&mut Script::new(&[&bytes("phrase")])).unwrap(),
            passphrase: bytes("passphrase"),
            other_passphrase: bytes("other-passphrase"),
        }
    }

    fn named(&self, name: &Value) -> SlotSecret<'_> {
        match name.as_str().unwrap() {
            "key-file" => SlotSecret::KeyFile(&self.key_file),
            "phrase" => SlotSecret::RecoveryPhrase(&self.phrase),
            "passphrase" => SlotSecret::Passphrase(&self.passphrase),
            "other-passphrase" => SlotSecret::Passphrase(&self.other_passphrase),
            other => panic!("no secret {other}"),
        }
    }
}

#[test]
fn headers_unlock_or_are_refused_as_their_vectors_say() {
    let file = load(include_str!("../vectors/header.json"));
    let secrets = Secrets::of(&file);
    check(&file["cases"], |case| {
        let header = Header::decode(&unhex(&case["header"]))?;
        let unlocked = header.unlock(&secrets.named(&case["secret"]), &KdfLimits::default())?;
        assert_eq!(header.fingerprint(&unlocked.root).to_string(), file["fingerprint"]);
        assert_eq!(
            header.encode(&unlocked.root.header_key(&header.safe_id())),
            unhex(&case["header"]),
            "{}",
            case["name"]
        );
        Ok(())
    });
}

#[test]
fn a_header_made_here_has_the_bytes_of_its_vector() {
    let file = load(include_str!("../vectors/header.json"));
    let secrets = Secrets::of(&file);
    let root = root_of(&unhex(&file["root"]));
    let mut header = Header::new(id(&file["safe"]));
    let argon2 = KdfParams::Argon2id { memory_kib: 19456, time: 1, lanes: 1 };
    let slots = [
        ("key file", SlotSecret::KeyFile(&secrets.key_file), KdfParams::Hkdf),
        ("Zoë", SlotSecret::Passphrase(&secrets.passphrase), argon2),
        ("recovery", SlotSecret::RecoveryPhrase(&secrets.phrase), KdfParams::Hkdf),
        ("removed", SlotSecret::KeyFile(&secrets.key_file), KdfParams::Hkdf),
    ];
    for (number, (label, secret, kdf)) in (1_u8..).zip(slots) {
        let mut rng = Script::new(&[&run(0x10 * number, 32), &run(0xA0 + number, 24)]);
        let new = NewSlot { label, secret, kdf };
        assert_eq!(header.add_slot(&root, &new, &KdfLimits::default(), &mut rng), Ok(number));
    }
    header.remove_slot(4).unwrap();
    header.add_installation(InstallationId::new(u64::MAX), run(0x91, 32).try_into().unwrap()).unwrap();
    header.add_installation(InstallationId::new(7), run(0x90, 32).try_into().unwrap()).unwrap();
    assert!(header.remove_installation(InstallationId::new(u64::MAX)));
    (0..3).for_each(|_| header.advance());
    assert_eq!(header.encode(&root.header_key(&header.safe_id())), unhex(&file["cases"][0]["header"]));
}

#[test]
fn keyrings_open_or_are_refused_as_their_vectors_say() {
    let file = load(include_str!("../vectors/keyring.json"));
    let root = root_of(&unhex(&file["root"]));
    check(&file["cases"], |case| {
        Keyring::open(&unhex(&case["keyring"]), &root, id(&file["safe"]), id(&file["tenant"]))
    });
}

#[test]
fn a_keyring_sealed_here_has_the_bytes_of_its_vector() {
    let file = load(include_str!("../vectors/keyring.json"));
    let root = root_of(&unhex(&file["root"]));
    for (case, suite) in [(0, Suite::Aes256Gcm), (1, Suite::ChaCha20Poly1305)] {
        let sealed = unhex(&file["cases"][case]["keyring"]);
        let keyring = Keyring::open(&sealed, &root, id(&file["safe"]), id(&file["tenant"])).unwrap();
        assert_eq!(keyring.name(), "Ünï");
        assert_eq!(keyring.active_epoch(), Some(0xABCD_0123));
        let epochs: Vec<_> =
            keyring.epochs().map(|epoch| (epoch.id, epoch.state, epoch.created_ms)).collect();
        let expected = [
            (1, KeyState::DecryptOnly, 1000),
            (0xABCD_0123, KeyState::Active, 2000),
            (u32::MAX, KeyState::Destroyed, 500),
        ];
        assert_eq!(epochs, expected);
        let mut rng = Script::new(&[&run(0xA5, 24), &run(0xB0, 24), &run(0xC0, 24)]);
        assert_eq!(keyring.with_suite(suite).seal(&root, &mut rng).unwrap(), sealed);
    }
}

#[test]
fn state_rows_open_or_are_refused_as_their_vectors_say() {
    let file = load(include_str!("../vectors/state.json"));
    let key = root_of(&unhex(&file["root"])).state_key(&id(&file["safe"]));
    check(&file["cases"], |case| {
        let table = case["table"].as_str().unwrap();
        let opened = key.open_row(table, &unhex(&case["row_key"]), &unhex(&case["row"]))?;
        assert_eq!(*opened, unhex(&case["value"]), "{}", case["name"]);
        Ok(())
    });
}

#[test]
fn a_state_row_sealed_here_has_the_bytes_of_its_vector() {
    let file = load(include_str!("../vectors/state.json"));
    let key = root_of(&unhex(&file["root"])).state_key(&id(&file["safe"]));
    let sealed = key.seal_row("seen", b"object", b"row", &mut Script::new(&[&run(0xA0, 24)])).unwrap();
    let of_suite = match Suite::detect() {
        Suite::Aes256Gcm => 0,
        Suite::ChaCha20Poly1305 => 1,
    };
    assert_eq!(sealed, unhex(&file["cases"][of_suite]["row"]));
}
