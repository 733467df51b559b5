//! What a program that embeds the manager has in its memory, with the safe open and once it is closed.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use secrets_backend::{Metadata, NewSecret, PutMode, SecretBytes, VersionId};
use secrets_crypto::KdfParams;
use secrets_manager::{InitOptions, ListScope, NewSlot, Options, Safe, Unlock, init};

use crate::harness::{Home, path};
use crate::keys::{keys_of, signing_key};
use crate::scan::{Scanner, listed, pieces};

const TEST: &str = "memory::a_closed_safe_leaves_nothing_in_the_memory_of_its_program";
const HOME: &str = "SECRETS_MANAGER_TEST_HOME";
const VALUES: u8 = 8;
const PASSPHRASE: u8 = 100;
const DESCRIPTION: u8 = 101;
const LARGE: u8 = 102;

/// Text that both processes know though no program's data holds it, written to its one place byte by byte.
fn canary(number: u8, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    let mut state = 0x9e37_79b9_u32 ^ (u32::from(number) << 8);
    while bytes.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push(b'a' + (state >> 24) as u8 % 26);
    }
    bytes
}

fn value(number: u8) -> Vec<u8> {
    canary(number, if number == LARGE { 200_000 } else { 40 })
}

/// A safe that opens with a key file, a passphrase and a recovery phrase. The first process is told the words
/// one letter off, so that this one has them in memory only as the manager gave them.
async fn make(home: &Home) -> Unlock {
    let key_file = NewSlot::KeyFile(home.places.key_file.clone());
    let kdf = KdfParams::Argon2id { memory_kib: 19 * 1024, time: 1, lanes: 1 };
    let passphrase = NewSlot::Passphrase { passphrase: SecretBytes::from(value(PASSPHRASE)), kdf };
    let slots = [(key_file, "key file"), (passphrase, "passphrase"), (NewSlot::RecoveryPhrase, "phrase")];
    let slots = slots.map(|(slot, label)| (slot, label.to_owned())).into();
    let made = init(&home.places, InitOptions::with_slots(slots)).await.unwrap();
    let words = made.recovery_phrase.unwrap();
    let mut out = std::io::stdout().lock();
    out.write_all(b"\n@words ").unwrap();
    for byte in words.bytes() {
        out.write_all(&[byte + 1]).unwrap();
    }
    out.write_all(b"\n").unwrap();
    Unlock::RecoveryPhrase(SecretBytes::from(words.as_str()))
}

async fn open(home: &Home, unlock: Unlock) -> Safe {
    Safe::open(&home.places, Options::new(home.store()), unlock).await.unwrap()
}

/// A day in the life of an embedding program: everything is done, the safe is looked at with one value held,
/// and everything is dropped.
async fn use_it(home: &Home) {
    let words = make(home).await;
    let safe = home.open().await;
    for number in 0..VALUES {
        let mut metadata = Metadata::default();
        metadata.description = Some(String::from_utf8(value(DESCRIPTION)).unwrap());
        let secret = NewSecret::new(value(number)).with_metadata(metadata);
        safe.put(&path(&format!("app/{number}")), &secret, &PutMode::Upsert).await.unwrap();
    }
    safe.put(&path("app/large"), &NewSecret::new(value(LARGE)), &PutMode::Create).await.unwrap();
    let many = vec![(path("many/0"), NewSecret::new(value(0))), (path("many/1"), NewSecret::new(value(1)))];
    safe.put_many(&many, &PutMode::Upsert).await.unwrap();
    safe.rollback(&path("app/0"), &VersionId::from_number(1)).await.unwrap();
    drop((many, safe));
    drop(open(home, words).await);
    let safe = open(home, Unlock::Passphrase(SecretBytes::from(value(PASSPHRASE)))).await;
    let paths: Vec<_> = (0..VALUES).map(|number| path(&format!("app/{number}"))).collect();
    for (number, secret) in (0..).zip(safe.get_many(&paths).await.unwrap()) {
        assert!(secret.unwrap().value == SecretBytes::from(value(number)));
    }
    for at in &paths {
        assert_eq!(safe.get(at, None).await.unwrap().value.len(), 40);
    }
    assert!(safe.get(&path("app/large"), None).await.unwrap().value == SecretBytes::from(value(LARGE)));
    assert_eq!(safe.list(None, ListScope::Live).await.unwrap().len(), usize::from(VALUES) + 3);
    let held = safe.get(&path("app/3"), None).await.unwrap();
    wait("open");
    drop((held, safe));
}

/// Says how far it is, and waits to be looked at.
fn wait(state: &str) {
    println!("\n@{state}");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// The second process.
fn embedding_program(home: &Path) {
    let home = Home::at(home);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(use_it(&home));
    // The runtime's threads are still there, and so are their stacks.
    wait("closed");
}

#[test]
fn a_closed_safe_leaves_nothing_in_the_memory_of_its_program() {
    if let Some(home) = std::env::var_os(HOME) {
        return embedding_program(home.as_ref());
    }
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(HOME, directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said = |start: &str| lines.find(|line| line.starts_with(start)).expect("the program failed");
    let words: Vec<u8> = said("@words ").bytes().skip("@words ".len()).map(|byte| byte - 1).collect();
    said("@open");
    let scanner = scanner(directory.path(), words);
    let open = scanner.memory(child.id()).unwrap();
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    said("@closed");
    let closed = scanner.memory(child.id()).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    // What an open safe needs is there, or this search would find nothing anywhere; what opened it is not.
    let held: BTreeSet<&str> = open.iter().filter_map(|hit| hit.what.split(',').next()).collect();
    let needed = [
        "detail key",
        "epoch key",
        "header MAC key",
        "index key",
        "signing key",
        "state key",
        "tenant root key",
        "description",
        "value 3",
    ];
    assert_eq!(held, needed.into(), "{}", listed(&open));
    assert!(closed.is_empty(), "{} hits:{}", closed.len(), listed(&closed));
    println!("FIGURE: {} hits while the safe is open, of what it needs; 0 once it is closed", open.len());
}

/// For everything that was secret in that day: values, passphrase, description, what opens the safe, every key.
fn scanner(home: &Path, words: Vec<u8>) -> Scanner {
    let places = Home::at(home).places;
    let keys = keys_of(&places.key_file, &places.header(), &places.keyrings());
    let mut secrets: Vec<_> = keys.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    secrets.extend((0..VALUES).map(|number| (format!("value {number}"), value(number))));
    // Of the large one a piece of its beginning, middle and end.
    let large = value(LARGE);
    for at in [0, 100_000, large.len() - 32] {
        secrets.push((format!("large value at {at}"), large[at..at + 32].to_vec()));
    }
    let phrase = bip39::Mnemonic::parse(std::str::from_utf8(&words).unwrap()).unwrap();
    secrets.push(("signing key".to_owned(), signing_key(&places.installation_key())));
    secrets.push(("entropy of the phrase".to_owned(), phrase.to_entropy()));
    secrets.push(("recovery phrase".to_owned(), words));
    secrets.push(("passphrase".to_owned(), value(PASSPHRASE)));
    secrets.push(("description".to_owned(), value(DESCRIPTION)));
    Scanner::new(secrets.iter().flat_map(|(name, bytes)| pieces(name, bytes)))
}
