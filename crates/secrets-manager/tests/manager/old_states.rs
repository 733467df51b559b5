//! Something older is put back: what is noticed, and what the threat model says is not.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use secrets_audit::note::Note;
use secrets_audit::read::Entry;
use secrets_audit::{Checkpoint, Reason, SigningKey, leaf_hash, open_line, sign_line, verify_log};
use secrets_backend::ErrorKind;
use secrets_backend_local::LocalBackend;
use secrets_crypto::KdfParams;
use secrets_manager::{Error, NewSlot, Options, Safe, Unlock};

use crate::harness::{Home, kind, path, set, value};

fn copy(from: &Path, to: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_passphrase_that_was_changed_does_not_come_back_with_the_old_header() {
    let home = Home::new().await;
    let safe = home.open().await;
    let kdf = KdfParams::Argon2id { memory_kib: 19 * 1024, time: 1, lanes: 1 };
    let slot = |text: &str| NewSlot::Passphrase { passphrase: text.into(), kdf };
    let old = safe.slots(home.key_file()).add(slot("the old one"), "mine").await.unwrap().id;
    let header = fs::read(home.places.header()).unwrap();
    safe.slots(home.key_file()).add(slot("the new one"), "mine").await.unwrap();
    safe.slots(home.key_file()).remove(old).await.unwrap();
    fs::write(home.places.header(), header).unwrap();
    for unlock in [Unlock::Passphrase("the old one".into()), home.key_file()] {
        let opened = Safe::open(&home.places, Options::new(home.store()), unlock).await;
        assert!(matches!(opened, Err(Error::OldHeader { .. })), "{opened:?}");
    }
}

#[tokio::test]
async fn yesterdays_store_is_stale_wherever_something_has_changed_since() {
    let home = Home::new().await;
    let safe = home.open().await;
    for name in ["app/changed", "app/deleted", "app/same"] {
        set(&safe, name, "yesterday").await;
    }
    let yesterday = home.places.store().with_file_name("yesterday");
    copy(&home.places.store(), &yesterday);
    set(&safe, "app/changed", "today").await;
    set(&safe, "app/new", "today").await;
    safe.delete(&path("app/deleted")).await.unwrap();
    drop(safe);
    fs::remove_dir_all(home.places.store()).unwrap();
    fs::rename(&yesterday, home.places.store()).unwrap();

    let safe = home.open().await;
    for name in ["app/changed", "app/new", "app/deleted"] {
        assert_eq!(kind(safe.get(&path(name), None).await), ErrorKind::Stale, "{name}");
    }
    assert_eq!(value(&safe, "app/same").await, "yesterday");
    let blind = secrets_backend::NewSecret::new("over it");
    let write = safe.put(&path("app/changed"), &blind, &secrets_backend::PutMode::Upsert).await;
    assert_eq!(kind(write), ErrorKind::Stale, "nothing is written over what is not current");
}

#[tokio::test]
async fn yesterdays_audit_log_is_refused_with_todays_state() {
    let home = Home::new().await;
    let safe = home.open().await;
    set(&safe, "app/key", "yesterday").await;
    let state = home.places.audit_log().parent().unwrap().to_owned();
    let yesterday = state.with_file_name("yesterday");
    copy(&state, &yesterday);
    set(&safe, "app/key", "today").await;
    drop(safe);
    // The head file goes back too: the log is consistent by itself.
    copy(&yesterday, &state);
    let opened = home.open_over(home.store()).await;
    assert!(matches!(opened, Err(Error::ShortLog { .. })), "{opened:?}");
}

#[tokio::test]
async fn a_log_written_anew_with_the_stolen_key_is_a_fork_of_an_older_checkpoint() {
    let home = Home::new().await;
    let safe = home.open().await;
    set(&safe, "app/key", "one").await;
    let vkey = safe.audit_log().vkey();
    let note: Note = safe.checkpoint().await.unwrap().parse().unwrap();
    let checkpoint = Checkpoint::open(&note, &vkey).unwrap();
    safe.get(&path("app/key"), None).await.unwrap();

    let key = fs::read_to_string(home.places.installation_key()).unwrap();
    let key = SigningKey::from_text(&key).unwrap();
    let log = fs::read(home.places.audit_log()).unwrap();
    let verify = |log: &[u8], checkpoints: &[Checkpoint]| {
        verify_log(log, &key.verifying_key(), checkpoints).unwrap().fault
    };
    assert_eq!(verify(&log, std::slice::from_ref(&checkpoint)), None);
    let forged = without_entry(&log, &key, 2);
    assert_eq!(verify(&forged, &[]), None, "by itself a re-written log is whole");
    let fault = verify(&forged, &[checkpoint]).unwrap();
    assert_eq!(fault.reason, Reason::Forked);
}

/// The log as a thief of the key would write it anew, had entry `left_out` never been.
fn without_entry(log: &[u8], key: &SigningKey, left_out: usize) -> Vec<u8> {
    let mut forged = Vec::new();
    let (mut seq, mut prev) = (0, None);
    for (index, line) in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let entry = Entry::from_payload(open_line(line, &key.verifying_key()).unwrap()).unwrap();
        if index == left_out {
            continue;
        }
        let payload = entry.said.to_payload(seq, &prev.unwrap_or(entry.prev)).unwrap();
        forged.extend(sign_line(&payload, key));
        (seq, prev) = (seq + 1, Some(leaf_hash(&payload)));
    }
    forged
}

/// The limit that the threat model states: what this machine knows of the store is in the state, so that both
/// going back together leave nothing to compare with, but the log.
#[tokio::test]
async fn a_store_that_goes_back_together_with_the_state_is_not_noticed() {
    let home = Home::new().await;
    let safe = home.open().await;
    set(&safe, "app/key", "yesterday").await;
    let yesterday = home.places.store().with_file_name("yesterday");
    copy(&home.places.store(), &yesterday);
    let state = fs::read(home.places.state_db()).unwrap();
    set(&safe, "app/key", "today").await;
    drop(safe);
    fs::remove_dir_all(home.places.store()).unwrap();
    fs::rename(&yesterday, home.places.store()).unwrap();
    fs::write(home.places.state_db(), state).unwrap();

    let safe = home.open_over(Arc::<LocalBackend>::clone(&home.store())).await.unwrap();
    assert_eq!(value(&safe, "app/key").await, "yesterday");
    let writes = home.log_lines().iter().filter(|line| line.contains(r#""act":"secret.write""#)).count();
    assert_eq!(writes, 4, "the log still holds both writes, intent and outcome");
}
