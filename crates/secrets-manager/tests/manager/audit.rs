//! Nothing is read or written without a durable entry.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use secrets_backend::{ErrorKind, MemoryBackend, NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_manager::{Error, Unlock};

use crate::harness::{Home, kind, path, set};

fn count(lines: &[String], what: &str) -> usize {
    lines.iter().filter(|line| line.contains(what)).count()
}

#[tokio::test]
async fn a_read_makes_one_entry_and_a_write_two() {
    let home = Home::new().await;
    let safe = home.open().await;
    let before = home.log_lines().len();
    set(&safe, "app/key", "one").await;
    assert_eq!(home.log_lines().len(), before + 2);
    safe.get(&path("app/key"), None).await.unwrap();
    let lines = home.log_lines();
    assert_eq!(lines.len(), before + 3);
    assert!(lines[before].contains(r#""act":"secret.write""#) && lines[before].contains(r#""out":"intent""#));
    assert!(lines[before + 1].contains(r#""out":"ok""#));
    assert!(lines[before + 2].contains(r#""act":"secret.read""#));
    assert_eq!(home.verified(&safe).fault, None);
}

#[tokio::test]
async fn a_hundred_secrets_make_one_entry_and_one_opening_of_the_store() {
    let home = Home::new().await;
    let store = home.store();
    let safe = home.open_over(Arc::<secrets_backend_local::LocalBackend>::clone(&store)).await.unwrap();
    let paths: Vec<SecretPath> = (0..100).map(|number| path(&format!("app/key-{number}"))).collect();
    let secrets: Vec<_> = paths.iter().map(|path| (path.clone(), NewSecret::new(path.as_str()))).collect();
    safe.put_many(&secrets, &PutMode::Upsert).await.unwrap();
    let (entries, opens) = (home.log_lines().len(), store.opens());
    let answers = safe.get_many(&paths).await.unwrap();
    assert!(
        answers
            .iter()
            .zip(&paths)
            .all(|(answer, path)| { answer.as_ref().unwrap().value.expose() == path.as_str().as_bytes() })
    );
    assert_eq!(home.log_lines().len(), entries + 1);
    assert_eq!(store.opens(), opens + 1);
}

#[tokio::test]
async fn failed_reads_are_recorded_with_their_kind() {
    let home = Home::new().await;
    let safe = home.open().await;
    assert_eq!(kind(safe.get(&path("app/none"), None).await), ErrorKind::NotFound);
    let last = home.log_lines().pop().unwrap();
    assert!(last.contains(r#""out":"error""#) && last.contains(r#""code":"not-found""#), "{last}");
}

#[tokio::test]
async fn a_refused_unlock_is_recorded_before_it_is_answered() {
    let home = Home::new().await;
    let wrong = Unlock::Passphrase("wrong".into());
    let options = secrets_manager::Options::new(Arc::new(MemoryBackend::new()));
    let answer = secrets_manager::Safe::open(&home.places, options, wrong).await;
    assert!(matches!(answer, Err(Error::WrongSecret { .. })));
    let last = home.log_lines().pop().unwrap();
    assert!(last.contains(r#""act":"safe.unlock""#) && last.contains(r#""out":"denied""#), "{last}");
}

#[tokio::test]
async fn no_entry_shows_a_path_a_value_or_a_name() {
    let home = Home::new().await;
    let mut options = secrets_manager::Options::new(home.store());
    options.caller.user = Some("planted-user".to_owned());
    options.caller.reason = Some("planted-reason".to_owned());
    let safe = secrets_manager::Safe::open(&home.places, options, home.key_file()).await.unwrap();
    set(&safe, "planted-path/key", "planted-value").await;
    safe.get(&path("planted-path/key"), None).await.unwrap();
    assert_eq!(count(&home.log_lines(), "planted"), 0);
}

/// Root may write anything, so the log is made unusable by putting a directory in its place.
fn make_unwritable(home: &Home) {
    fs::remove_file(home.places.audit_log()).unwrap();
    fs::create_dir(home.places.audit_log()).unwrap();
    fs::set_permissions(home.places.audit_log(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn with_an_unusable_audit_log_no_safe_opens() {
    let home = Home::new().await;
    set(&home.open().await, "app/key", "one").await;
    make_unwritable(&home);
    let opened = home.open_over(home.store()).await;
    assert!(matches!(opened, Err(Error::Audit(_))), "{opened:?}");
}

#[tokio::test]
async fn with_a_log_that_was_cut_under_an_open_safe_no_value_leaves_and_nothing_is_written() {
    let home = Home::new().await;
    let backend = Arc::new(MemoryBackend::new());
    let safe = home.open_over(Arc::<MemoryBackend>::clone(&backend)).await.unwrap();
    set(&safe, "app/key", "one").await;
    let log = fs::OpenOptions::new().write(true).open(home.places.audit_log()).unwrap();
    log.set_len(10).unwrap();
    assert_eq!(kind(safe.get(&path("app/key"), None).await), ErrorKind::AuditUnavailable);
    assert_eq!(kind(safe.get_many(&[path("app/key")]).await), ErrorKind::AuditUnavailable);
    let write = safe.put(&path("app/new"), &NewSecret::new("two"), &PutMode::Upsert).await;
    assert_eq!(kind(write), ErrorKind::AuditUnavailable);
    let stored = backend.get(&path("app/new"), None).await.unwrap_err();
    assert_eq!(stored.kind(), ErrorKind::NotFound, "nothing was written");
}

#[tokio::test]
async fn a_log_shorter_than_what_was_written_is_refused() {
    let home = Home::new().await;
    let safe = home.open().await;
    let whole = fs::read(home.places.audit_log()).unwrap();
    set(&safe, "app/key", "one").await;
    set(&safe, "app/key", "two").await;
    drop(safe);
    fs::write(home.places.audit_log(), whole).unwrap();
    fs::remove_file(home.places.audit_head()).unwrap();
    let opened = home.open_over(home.store()).await;
    assert!(matches!(opened, Err(Error::ShortLog { .. })), "{opened:?}");
}
