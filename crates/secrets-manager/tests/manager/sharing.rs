//! Several installations at one backend: its place, joining, and keys that others made.

use std::sync::Arc;
use std::time::Duration;

use secrets_audit::Action;
use secrets_backend::{
    ErrorKind, MemoryBackend, MemoryConfig, NewSecret, PutMode, SecretBackend, SecretBackendExt, SecretBytes,
    SecretPath,
};
use secrets_manager::{
    Error, ForeignPlace, InitOptions, JoinOptions, Joined, ListScope, NewSlot, SlotKind, Unlock, find, init,
    status,
};

use crate::harness::{Home, kind, path, set, value};
use crate::lossy::{Fault, Lossy};

const DEADLINE: Duration = Duration::from_secs(5);

fn shared() -> Arc<dyn SecretBackend> {
    Arc::new(MemoryBackend::new())
}

async fn names(backend: &Arc<dyn SecretBackend>) -> Vec<String> {
    backend.list_all(None).await.unwrap().iter().map(|item| item.path.to_string()).collect()
}

/// A second installation, which opens with the key file of the first.
async fn join(first: &Home, backend: &Arc<dyn SecretBackend>) -> (Home, Joined) {
    let second = Home::empty();
    std::fs::create_dir_all(second.places.key_file.parent().unwrap()).unwrap();
    std::fs::copy(&first.places.key_file, &second.places.key_file).unwrap();
    let found = find(Arc::clone(backend), DEADLINE).await.unwrap().unwrap();
    let unlocked = found.unlock(second.key_file()).await.unwrap();
    let joined = unlocked.join(&second.places, JoinOptions::default()).await.unwrap();
    (second, joined)
}

#[tokio::test]
async fn the_first_write_takes_an_empty_place_and_a_read_leaves_it_empty() {
    let (home, backend) = (Home::new().await, shared());
    let safe = home.share(&backend).await.unwrap();
    assert_eq!(kind(safe.get(&path("a"), None).await), ErrorKind::NotFound);
    assert!(safe.list(None, ListScope::WithDeleted).await.unwrap().is_empty());
    assert_eq!(names(&backend).await, Vec::<String>::new());
    set(&safe, "a", "1").await;
    let names = names(&backend).await;
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names[0] == "_secrets/safe" && names[1].ends_with("/keyring") && names[2] == "a");
    let listed = safe.list(None, ListScope::WithDeleted).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.path.to_string()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn a_place_of_another_safe_is_refused_and_left_as_it_is() {
    let backend = shared();
    let (one, two) = (Home::new().await, Home::new().await);
    set(&one.share(&backend).await.unwrap(), "a", "1").await;
    let before = backend.get(&SecretPath::control("_secrets/safe").unwrap(), None).await.unwrap();
    let other = two.share(&backend).await.unwrap();
    let refused = [
        kind(other.get(&path("a"), None).await),
        kind(other.list(None, ListScope::Live).await),
        kind(other.history(&path("a")).await),
        kind(other.put(&path("b"), &NewSecret::new("2"), &PutMode::Upsert).await),
        kind(other.delete(&path("a")).await),
        kind(other.purge(&path("a")).await),
        kind(other.rotate_epoch(two.key_file()).await.map(drop)),
    ];
    assert_eq!(refused, [ErrorKind::InvalidInput; 7]);
    let Err(Error::Backend(error)) = other.get(&path("a"), None).await else { panic!("not refused") };
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.downcast_ref::<ForeignPlace>().is_some());
    let many = other.get_many(&[path("a"), path("b")]).await.unwrap();
    assert!(many.iter().all(|one| one.as_ref().unwrap_err().kind() == ErrorKind::InvalidInput));
    let after = backend.get(&SecretPath::control("_secrets/safe").unwrap(), None).await.unwrap();
    assert_eq!(before.version, after.version);
    assert_eq!(names(&backend).await.len(), 3);
}

#[tokio::test]
async fn a_header_that_was_tampered_with_stops_everything() {
    let (home, backend) = (Home::new().await, shared());
    set(&home.share(&backend).await.unwrap(), "a", "1").await;
    let at = SecretPath::control("_secrets/safe").unwrap();
    let honest = backend.get(&at, None).await.unwrap().value.expose().to_vec();
    // Another installation has not agreed with the place yet; this one would not ask again.
    let (second, _) = join(&home, &backend).await;
    for byte in [40, honest.len() - 1] {
        let mut forged = honest.clone();
        forged[byte] ^= 1;
        backend.put(&at, &NewSecret::new(forged), &PutMode::Upsert).await.unwrap();
        std::fs::remove_file(second.places.state_db()).unwrap();
        let safe = second.share(&backend).await.unwrap();
        assert_eq!(kind(safe.get(&path("a"), None).await), ErrorKind::Tampered, "byte {byte}");
        backend.put(&at, &NewSecret::new(&*honest), &PutMode::Upsert).await.unwrap();
    }
}

#[tokio::test]
async fn a_keyring_that_was_tampered_with_is_told_apart_here_and_there() {
    let (home, backend) = (Home::new().await, shared());
    set(&home.share(&backend).await.unwrap(), "a", "1").await;
    let at = keyring_object(&backend).await;
    let honest = backend.get(&at, None).await.unwrap().value.expose().to_vec();
    let mut forged = honest.clone();
    *forged.last_mut().unwrap() ^= 1;
    let put = async |bytes: &[u8]| backend.put(&at, &NewSecret::new(bytes), &PutMode::Upsert).await.unwrap();
    let own = std::fs::read_dir(home.places.keyrings()).unwrap().next().unwrap().unwrap().path();
    // Nothing is agreed on any more, so both are compared.
    let refused = async |spoil: &dyn Fn()| {
        std::fs::remove_file(home.places.state_db()).unwrap();
        let safe = home.share(&backend).await.unwrap();
        spoil();
        let Err(Error::Backend(error)) = safe.get(&path("a"), None).await else { panic!("not refused") };
        assert_eq!(error.kind(), ErrorKind::Tampered);
        error.detail().unwrap().to_owned()
    };
    put(&forged).await;
    assert!(refused(&|| ()).await.starts_with("its keyring"));
    put(&honest).await;
    assert!(refused(&|| std::fs::write(&own, &forged).unwrap()).await.starts_with("local state"));
    std::fs::write(&own, &honest).unwrap();
    assert_eq!(value(&home.share(&backend).await.unwrap(), "a").await, "1");
}

#[tokio::test]
async fn an_installation_that_joined_reads_and_writes_the_same_secrets() {
    let (first, backend) = (Home::new().await, shared());
    let safe = first.share(&backend).await.unwrap();
    set(&safe, "a", "of the first").await;
    let (second, joined) = join(&first, &backend).await;
    assert!(joined.listed);
    assert_eq!(joined.safe, status(&first.places).unwrap().safe);
    let other = second.share(&backend).await.unwrap();
    assert_eq!(value(&other, "a").await, "of the first");
    assert_eq!(set(&other, "a", "of the second").await, 2);
    assert_eq!(value(&safe, "a").await, "of the second");
    let log = second.log_lines();
    assert!(log[0].contains(Action::SafeJoin.name()), "{}", log[0]);
    second.verified(&other);
    // The first takes over what the second added to the header as soon as it changes its own.
    assert_eq!(status(&second.places).unwrap().installations, 2);
    assert_eq!(status(&first.places).unwrap().installations, 1);
    safe.rotate_epoch(first.key_file()).await.unwrap();
    assert_eq!(status(&first.places).unwrap().installations, 2);
}

#[tokio::test]
async fn joining_compares_fingerprints_and_needs_a_slot_secret_and_an_empty_place() {
    let (home, backend) = (Home::empty(), shared());
    assert!(find(Arc::clone(&backend), DEADLINE).await.unwrap().is_none());
    let made = init(&home.places, InitOptions::with_key_file(&home.places)).await.unwrap();
    set(&home.share(&backend).await.unwrap(), "a", "1").await;
    let look = || async { find(Arc::clone(&backend), DEADLINE).await.unwrap().unwrap() };
    let unlocked = look().await.unlock(home.key_file()).await.unwrap();
    assert_eq!((unlocked.fingerprint(), look().await.id()), (made.fingerprint, made.safe));
    let wrong = look().await.unlock(Unlock::Passphrase(SecretBytes::from("wrong"))).await;
    assert!(matches!(wrong, Err(Error::WrongSecret { .. })));
    let again = unlocked.join(&home.places, JoinOptions::default()).await;
    assert!(matches!(again, Err(Error::SafeExists(_))));
}

#[tokio::test]
async fn passphrase_slots_stay_here_and_a_new_installation_can_make_its_own_key_file() {
    let (first, backend) = (Home::new().await, shared());
    let safe = first.share(&backend).await.unwrap();
    set(&safe, "a", "1").await;
    let slots = safe.slots(first.key_file());
    let kdf = secrets_crypto::KdfParams::Argon2id { memory_kib: 19 * 1024, time: 1, lanes: 1 };
    let passphrase = NewSlot::Passphrase { passphrase: SecretBytes::from("hunter2"), kdf };
    slots.add(passphrase, "passphrase").await.unwrap();
    let words = slots.add(NewSlot::RecoveryPhrase, "paper").await.unwrap().recovery_phrase.unwrap();
    let found = find(Arc::clone(&backend), DEADLINE).await.unwrap().unwrap();
    let kinds: Vec<_> = found.slots().iter().map(|slot| slot.kind).collect();
    assert_eq!(kinds, [SlotKind::KeyFile, SlotKind::RecoveryPhrase]);
    let second = Home::empty();
    let unlocked = found.unlock(Unlock::RecoveryPhrase(SecretBytes::from(words.as_str()))).await.unwrap();
    let mut options = JoinOptions::default();
    options.key_file = Some(second.places.key_file.clone());
    assert!(unlocked.join(&second.places, options).await.unwrap().listed);
    assert_eq!(value(&second.share(&backend).await.unwrap(), "a").await, "1");
    let slots = find(Arc::clone(&backend), DEADLINE).await.unwrap().unwrap().slots();
    assert_eq!(slots.len(), 3, "the new key file's slot came to the backend");
    assert_eq!(status(&first.places).unwrap().slots.len(), 3, "its own, the passphrase, the phrase");
}

#[tokio::test]
async fn a_rotation_is_used_by_later_writes_and_found_by_every_other_process() {
    let (first, backend) = (Home::new().await, shared());
    let safe = first.share(&backend).await.unwrap();
    set(&safe, "old", "1").await;
    let (second, _) = join(&first, &backend).await;
    let other = second.share(&backend).await.unwrap();
    let same_installation = first.share(&backend).await.unwrap();
    let rotated = safe.rotate_epoch(first.key_file()).await.unwrap();
    assert_eq!(rotated.epochs, 2);
    set(&safe, "new", "2").await;
    let epoch = |name: &'static str| {
        let backend = Arc::clone(&backend);
        async move { backend.get(&path(name), None).await.unwrap().stamp.unwrap().epoch }
    };
    assert_eq!(epoch("new").await, rotated.epoch);
    assert_ne!(epoch("old").await, rotated.epoch);
    for (reader, what) in [(&other, "another installation"), (&same_installation, "another process")] {
        assert_eq!(value(reader, "new").await, "2", "{what}");
        assert_eq!(value(reader, "old").await, "1", "{what}");
        set(reader, "old", "1").await;
        assert_eq!(epoch("old").await, rotated.epoch, "{what} seals under what it has learned");
    }
    // What was learned is in the file, too: the next process has it without asking.
    drop(other);
    backend.purge(&keyring_object(&backend).await).await.unwrap();
    assert_eq!(value(&second.share(&backend).await.unwrap(), "new").await, "2");
}

async fn keyring_object(backend: &Arc<dyn SecretBackend>) -> SecretPath {
    let names = names(backend).await;
    let keyring = names.iter().find(|name| name.ends_with("/keyring")).unwrap();
    SecretPath::control(keyring).unwrap()
}

#[tokio::test]
async fn an_epoch_that_nobody_has_is_tampering_and_asked_for_once() {
    let (first, backend) = (Home::new().await, shared());
    let safe = first.share(&backend).await.unwrap();
    set(&safe, "a", "1").await;
    let mut forged = backend.get(&path("a"), None).await.unwrap();
    let mut bytes = forged.value.expose().to_vec();
    bytes[120] ^= 1;
    forged.value = bytes.into();
    let forged = NewSecret::new(forged.value).with_stamp(forged.stamp.unwrap());
    backend.put(&path("a"), &forged, &PutMode::Upsert).await.unwrap();
    assert_eq!(kind(safe.get(&path("a"), None).await), ErrorKind::Tampered);
}

#[tokio::test]
async fn a_local_rotation_needs_no_backend_and_is_seen_by_open_processes() {
    let home = Home::new().await;
    let (one, two) = (home.open().await, home.open().await);
    set(&one, "a", "1").await;
    let rotated = one.rotate_epoch(home.key_file()).await.unwrap();
    set(&one, "a", "2").await;
    assert_eq!(value(&two, "a").await, "2");
    assert_eq!(two.rotate_epoch(home.key_file()).await.unwrap().epochs, rotated.epochs + 1);
    let names = home.store().list_all(None).await.unwrap();
    assert_eq!(names.len(), 1, "a place of one's own has no control objects");
}

#[tokio::test]
async fn keyrings_that_went_apart_are_read_with_and_not_written_with_until_one_is_made_of_both() {
    let (first, backend) = (Home::new().await, shared());
    let safe = first.share(&backend).await.unwrap();
    set(&safe, "a", "1").await;
    let (second, _) = join(&first, &backend).await;
    // One rotates where the backend is not asked, the other where it is.
    first.open().await.rotate_epoch(first.key_file()).await.unwrap();
    let other = second.share(&backend).await.unwrap();
    other.rotate_epoch(second.key_file()).await.unwrap();
    set(&other, "b", "2").await;
    let apart = first.share(&backend).await.unwrap();
    assert_eq!(value(&apart, "a").await, "1");
    assert_eq!(value(&apart, "b").await, "2");
    let refused = apart.put(&path("c"), &NewSecret::new("3"), &PutMode::Upsert).await;
    let Err(Error::Backend(error)) = &refused else { panic!("not refused") };
    assert!(std::error::Error::source(error).unwrap().is::<secrets_manager::KeyringsDiffer>());
    assert_eq!(kind(refused), ErrorKind::InvalidInput);
    drop(apart);
    let safe = first.share(&backend).await.unwrap();
    let refused = safe.rotate_epoch(first.key_file()).await;
    assert_eq!(refused.unwrap().epochs, 4);
    set(&safe, "c", "3").await;
    assert_eq!(value(&other, "c").await, "3");
}

#[tokio::test]
async fn a_keyring_that_was_rotated_alone_comes_to_the_backend_before_anything_sealed_under_it() {
    let (home, backend) = (Home::new().await, shared());
    set(&home.share(&backend).await.unwrap(), "a", "1").await;
    home.open().await.rotate_epoch(home.key_file()).await.unwrap();
    set(&home.share(&backend).await.unwrap(), "a", "2").await;
    let (other, _) = join(&home, &backend).await;
    assert_eq!(value(&other.share(&backend).await.unwrap(), "a").await, "2");
}

/// A backend with neither conditions nor versions, as KV version 1 is.
fn unconditional() -> Arc<dyn SecretBackend> {
    let mut config = MemoryConfig::default();
    let can = &mut config.capabilities;
    (can.atomic_create, can.atomic_replace, can.versions, can.recoverable_delete) =
        (false, false, false, false);
    Arc::new(MemoryBackend::with_config(config))
}

#[tokio::test]
async fn a_backend_without_conditions_and_versions_is_for_one_installation() {
    let (first, backend) = (Home::new().await, unconditional());
    let safe = first.share(&backend).await.unwrap();
    set(&safe, "a", "1").await;
    assert!(matches!(safe.rotate_epoch(first.key_file()).await, Err(Error::NotShareable(_))));
    let found = find(Arc::clone(&backend), DEADLINE).await.unwrap().unwrap();
    let second = Home::empty();
    let unlocked = found.unlock(first.key_file()).await.unwrap();
    let joined = unlocked.join(&second.places, JoinOptions::default()).await;
    assert!(matches!(joined, Err(Error::NotShareable(_))));
    assert!(!second.places.header().exists());
    let other = Home::new().await;
    let refused = other.share(&backend).await.unwrap();
    assert_eq!(
        kind(refused.put(&path("b"), &NewSecret::new("2"), &PutMode::Upsert).await),
        ErrorKind::InvalidInput
    );
}

#[tokio::test]
async fn two_first_writes_at_once_leave_one_safe() {
    for _ in 0..20 {
        let backend = shared();
        let (one, two) = (Home::in_memory().await, Home::in_memory().await);
        let (first, second) = (one.share(&backend).await.unwrap(), two.share(&backend).await.unwrap());
        let new = NewSecret::new("x");
        let (at_a, at_b) = (path("a"), path("b"));
        let (a, b) =
            tokio::join!(first.put(&at_a, &new, &PutMode::Upsert), second.put(&at_b, &new, &PutMode::Upsert));
        assert!(a.is_ok() != b.is_ok(), "one of two");

        assert_eq!(kind(a.and(b)), ErrorKind::InvalidInput);
        let winner = if first.list(None, ListScope::Live).await.is_ok() { &one } else { &two };
        let third = join(winner, &backend).await.0;
        assert_eq!(third.share(&backend).await.unwrap().list(None, ListScope::Live).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_checkpoint_is_copied_to_the_backend() {
    let (home, backend) = (Home::new().await, shared());
    let safe = home.share(&backend).await.unwrap();
    set(&safe, "a", "1").await;
    let signed = safe.checkpoint().await.unwrap();
    let names = names(&backend).await;
    let at = names.iter().find(|name| name.starts_with("_secrets/checkpoint/")).unwrap();
    let copy = backend.get(&SecretPath::control(at).unwrap(), None).await.unwrap();
    assert_eq!(copy.value.expose_str(), Some(&*signed));
}

/// A safe with one secret on a backend that can be lossy with.
async fn over_lossy() -> (Home, Arc<Lossy>, Arc<dyn SecretBackend>) {
    let (home, lossy) = (Home::new().await, Arc::new(Lossy::default()));
    let backend: Arc<dyn SecretBackend> = Arc::<Lossy>::clone(&lossy);
    (home, lossy, backend)
}

#[tokio::test]
async fn a_first_write_whose_answer_is_lost_leaves_one_header_and_one_keyring() {
    for name in ["safe", "keyring"] {
        let (home, lossy, backend) = over_lossy().await;
        lossy.fail(name, Fault::AnswerLost);
        set(&home.share(&backend).await.unwrap(), "a", "1").await;
        assert!(lossy.has_failed());
        assert_eq!(names(&backend).await.len(), 3);
        assert_eq!(value(&join(&home, &backend).await.0.share(&backend).await.unwrap(), "a").await, "1");
    }
}

#[tokio::test]
async fn a_first_write_that_was_cut_short_is_completed_by_the_next() {
    for name in ["safe", "keyring"] {
        let (home, lossy, backend) = over_lossy().await;
        lossy.fail(name, Fault::Hanging);
        let safe = home.share(&backend).await.unwrap();
        let new = NewSecret::new("1");
        let at = path("a");
        let cut = tokio::time::timeout(Duration::from_millis(300), safe.put(&at, &new, &PutMode::Upsert));
        assert!(cut.await.is_err(), "it hangs");
        drop(safe);
        assert_eq!(
            kind(home.share(&backend).await.unwrap().get(&path("a"), None).await),
            ErrorKind::NotFound
        );
        set(&home.share(&backend).await.unwrap(), "a", "2").await;
        assert_eq!(value(&join(&home, &backend).await.0.share(&backend).await.unwrap(), "a").await, "2");
    }
}

#[tokio::test]
async fn a_rotation_that_fails_anywhere_uses_no_key_that_is_not_kept() {
    let faults = [
        (Fault::AnswerLost, None),
        (Fault::Forgotten, Some(ErrorKind::Stale)),
        // Tried again.
        (Fault::Refused(ErrorKind::Unavailable), None),
        (Fault::Refused(ErrorKind::PermissionDenied), Some(ErrorKind::PermissionDenied)),
        // Another installation rotated in between.
        (Fault::Refused(ErrorKind::Conflict), None),
    ];
    for (fault, failure) in faults {
        let (home, lossy, backend) = over_lossy().await;
        let safe = home.share(&backend).await.unwrap();
        set(&safe, "a", "1").await;
        let before = backend.get(&path("a"), None).await.unwrap().stamp.unwrap().epoch;
        lossy.fail("keyring", fault);
        let rotated = safe.rotate_epoch(home.key_file()).await;
        assert!(lossy.has_failed(), "{fault:?}");
        match failure {
            Some(expected) => assert_eq!(kind(rotated), expected, "{fault:?}"),
            None => drop(rotated.unwrap()),
        }
        set(&safe, "a", "2").await;
        let after = backend.get(&path("a"), None).await.unwrap().stamp.unwrap().epoch;
        assert_eq!(before == after, failure.is_some(), "{fault:?}");
        // Whoever has nothing but the backend and the key file reads it.
        let (other, _) = join(&home, &backend).await;
        assert_eq!(value(&other.share(&backend).await.unwrap(), "a").await, "2", "{fault:?}");
        assert_eq!(home.verified(&safe).fault, None);
    }
}

#[tokio::test]
async fn a_rotation_that_was_killed_leaves_a_safe_that_works_and_rotates() {
    let (home, lossy, backend) = over_lossy().await;
    let safe = home.share(&backend).await.unwrap();
    set(&safe, "a", "1").await;
    lossy.fail("keyring", Fault::Hanging);
    let cut = tokio::time::timeout(Duration::from_millis(300), safe.rotate_epoch(home.key_file()));
    assert!(cut.await.is_err(), "it hangs");
    drop(safe);
    let safe = home.share(&backend).await.unwrap();
    set(&safe, "a", "2").await;
    assert_eq!(
        safe.rotate_epoch(home.key_file()).await.unwrap().epochs,
        3,
        "the one that was cut short is kept"
    );
    set(&safe, "a", "3").await;
    let (other, _) = join(&home, &backend).await;
    assert_eq!(value(&other.share(&backend).await.unwrap(), "a").await, "3");
}

#[tokio::test]
async fn a_reader_who_may_write_nothing_reads_and_is_not_asked_twice() {
    let (home, lossy, backend) = over_lossy().await;
    set(&home.share(&backend).await.unwrap(), "a", "1").await;
    let (reader, _) = join(&home, &backend).await;
    // What it would add to the header is refused, as it is for a token that may only read.
    std::fs::remove_file(reader.places.state_db()).unwrap();
    let slots = reader.share(&backend).await.unwrap();
    lossy.fail("safe", Fault::Refused(ErrorKind::PermissionDenied));
    slots.slots(reader.key_file()).add(NewSlot::RecoveryPhrase, "").await.unwrap();
    assert!(lossy.has_failed());
    lossy.fail("safe", Fault::Refused(ErrorKind::PermissionDenied));
    assert_eq!(value(&reader.share(&backend).await.unwrap(), "a").await, "1");
    assert!(lossy.has_failed(), "it was tried once");
    lossy.fail("safe", Fault::Refused(ErrorKind::PermissionDenied));
    assert_eq!(value(&reader.share(&backend).await.unwrap(), "a").await, "1");
    assert!(!lossy.has_failed(), "and not again");
}
