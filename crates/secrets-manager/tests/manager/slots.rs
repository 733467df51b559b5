//! What opens a safe, and what does not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use secrets_crypto::KdfParams;
use secrets_manager::{Error, NewSlot, Options, Safe, SlotKind, Unlock, status};

use crate::harness::{Home, set, value};

async fn open_with(home: &Home, unlock: Unlock) -> Result<Safe, Error> {
    Safe::open(&home.places, Options::new(home.store()), unlock).await
}

fn passphrase(text: &str) -> NewSlot {
    // The least that is allowed: the test waits for it.
    let kdf = KdfParams::Argon2id { memory_kib: 19 * 1024, time: 1, lanes: 1 };
    NewSlot::Passphrase { passphrase: text.into(), kdf }
}

#[tokio::test]
async fn a_passphrase_and_a_recovery_phrase_open_what_the_key_file_opened() {
    let home = Home::new().await;
    let safe = home.open().await;
    set(&safe, "app/key", "one").await;
    safe.slots(home.key_file()).add(passphrase("correct horse"), "mine").await.unwrap();
    let added = safe.slots(home.key_file()).add(NewSlot::RecoveryPhrase, "paper").await.unwrap();
    let words = added.recovery_phrase.unwrap();
    let safe = open_with(&home, Unlock::Passphrase("correct horse".into())).await.unwrap();
    assert_eq!(value(&safe, "app/key").await, "one");
    let safe = open_with(&home, Unlock::RecoveryPhrase(words.as_str().into())).await.unwrap();
    assert_eq!(value(&safe, "app/key").await, "one");
    let wrong = open_with(&home, Unlock::Passphrase("correct house".into())).await;
    assert!(matches!(wrong, Err(Error::WrongSecret { what: "passphrase" })));
    let kinds: Vec<_> = status(&home.places).unwrap().slots.iter().map(|slot| slot.kind).collect();
    assert_eq!(kinds, [SlotKind::KeyFile, SlotKind::Passphrase, SlotKind::RecoveryPhrase]);
}

#[tokio::test]
async fn a_removed_slot_opens_no_longer_and_the_last_one_stays() {
    let home = Home::new().await;
    let safe = home.open().await;
    let id = safe.slots(home.key_file()).add(passphrase("correct horse"), "mine").await.unwrap().id;
    safe.slots(home.key_file()).remove(id).await.unwrap();
    let gone = open_with(&home, Unlock::Passphrase("correct horse".into())).await;
    assert!(matches!(gone, Err(Error::WrongSecret { .. })));
    let last = safe.slots(home.key_file()).remove(1).await;
    assert!(matches!(last, Err(Error::Slot(secrets_crypto::Error::LastSlot))));
    home.open().await;
}

#[tokio::test]
async fn an_old_header_put_back_is_refused() {
    let home = Home::new().await;
    let safe = home.open().await;
    let old = fs::read(home.places.header()).unwrap();
    safe.slots(home.key_file()).add(passphrase("correct horse"), "mine").await.unwrap();
    fs::write(home.places.header(), old).unwrap();
    let opened = open_with(&home, home.key_file()).await;
    assert!(matches!(opened, Err(Error::OldHeader { .. })), "{opened:?}");
}

#[tokio::test]
async fn one_damaged_copy_of_the_header_opens_and_two_do_not() {
    let home = Home::new().await;
    set(&home.open().await, "app/key", "one").await;
    let mut image = fs::read(home.places.header()).unwrap();
    image[40] ^= 1;
    fs::write(home.places.header(), &image).unwrap();
    assert_eq!(value(&home.open().await, "app/key").await, "one");
    image[16 * 1024 + 40] ^= 1;
    fs::write(home.places.header(), &image).unwrap();
    let opened = open_with(&home, home.key_file()).await;
    assert!(matches!(opened, Err(Error::Header { .. })), "{opened:?}");
}

#[tokio::test]
async fn a_key_file_that_is_missing_short_or_open_to_others_is_refused_by_name() {
    let home = Home::new().await;
    let key = &home.places.key_file;
    let whole = fs::read(key).unwrap();
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = open_with(&home, home.key_file()).await.unwrap_err();
    assert!(matches!(&open, Error::KeyFile { reason, .. } if reason.contains("0644")), "{open}");
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(key, &whole[..20]).unwrap();
    assert!(matches!(open_with(&home, home.key_file()).await, Err(Error::KeyFile { .. })));
    fs::remove_file(key).unwrap();
    assert!(matches!(open_with(&home, home.key_file()).await, Err(Error::KeyFile { .. })));
}
