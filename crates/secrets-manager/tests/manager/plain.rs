//! An environment of plain values: audited as any other, and otherwise the backend's own.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{
    ErrorKind, MemoryBackend, MemoryConfig, Metadata, NewSecret, PutMode, Secret, SecretBackend, SecretPath,
    VersionId, VersionState,
};
use secrets_manager::{Error, ListScope, Options, Safe, Sealing};

use crate::harness::{Home, kind, path, set, value};

pub async fn plain(home: &Home, backend: Arc<dyn SecretBackend>) -> Safe {
    plain_waiting(home, backend, Duration::from_secs(10)).await
}

pub async fn plain_waiting(home: &Home, backend: Arc<dyn SecretBackend>, lock_wait: Duration) -> Safe {
    let mut options = Options::new(backend);
    options.sealing = Sealing::Plain;
    options.lock_wait = lock_wait;
    Safe::open(&home.places, options, home.key_file()).await.unwrap()
}

/// A safe over memory, which the test looks into as another program would.
async fn over_memory() -> (Home, Arc<MemoryBackend>, Safe) {
    let (home, memory) = (Home::in_memory().await, Arc::new(MemoryBackend::new()));
    let safe = plain(&home, Arc::<MemoryBackend>::clone(&memory)).await;
    (home, memory, safe)
}

fn of_poor_service() -> MemoryBackend {
    let mut config = MemoryConfig::default();
    let can = &mut config.capabilities;
    (can.atomic_create, can.atomic_replace, can.versions, can.recoverable_delete) =
        (false, false, false, false);
    MemoryBackend::with_config(config)
}

pub fn described(text: &str) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.description = Some(text.to_owned());
    metadata
}

/// The objects of the last entry.
pub fn objects(home: &Home) -> Vec<(u64, String)> {
    let line = home.log_lines().pop().unwrap();
    // Behind the entry its hash follows.
    let mut parts = serde_json::Deserializer::from_str(&line).into_iter::<serde_json::Value>();
    let entry = parts.next().unwrap().unwrap();
    let objects = entry["objs"].as_array().unwrap().iter();
    objects.map(|one| (one[1].as_u64().unwrap(), one[2].as_str().unwrap().to_owned())).collect()
}

pub fn three() -> Vec<(SecretPath, NewSecret)> {
    ["a", "b", "c"].map(|at| (path(at), NewSecret::new(format!("new {at}")))).into()
}

#[tokio::test]
async fn plain_values_are_what_other_programs_read_and_write() {
    let (_home, memory, safe) = over_memory().await;
    set(&safe, "db/creds", "ours").await;
    let theirs = memory.get(&path("db/creds"), None).await.unwrap();
    assert_eq!((theirs.value.expose(), theirs.stamp), (&b"ours"[..], None));
    let other = NewSecret::new("theirs").with_metadata(described("by hand"));
    memory.put(&path("db/creds"), &other, &PutMode::Upsert).await.unwrap();
    assert_eq!(value(&safe, "db/creds").await, "theirs");
    let found = safe.describe(&path("db/creds")).await.unwrap();
    assert_eq!((&found.metadata, found.version), (&described("by hand"), VersionId::from_number(2)));
    assert_eq!(safe.sealing(), Sealing::Plain);
}

#[tokio::test]
async fn plain_calls_are_audited_with_the_native_version_and_no_hash_of_a_value() {
    let (home, memory, safe) = over_memory().await;
    memory.put(&path("a"), &NewSecret::new("x"), &PutMode::Upsert).await.unwrap();
    let before = home.log_lines().len();
    set(&safe, "a", "y").await;
    assert_eq!(objects(&home), [(2, String::new())]);
    safe.get(&path("a"), None).await.unwrap();
    assert_eq!(objects(&home), [(2, String::new())]);
    safe.delete(&path("a")).await.unwrap();
    assert_eq!(objects(&home), [(0, String::new())]);
    let lines = &home.log_lines()[before..];
    let outcomes: Vec<_> = lines.iter().filter(|line| line.contains(r#""out":"intent""#)).collect();
    assert_eq!((lines.len(), outcomes.len()), (5, 2));
    assert_eq!(home.verified(&safe).fault, None);
}

#[tokio::test]
async fn an_entry_holds_no_version_that_a_backend_makes_from_the_value() {
    let home = Home::in_memory().await;
    let safe = plain(&home, Arc::new(of_poor_service())).await;
    set(&safe, "a", "x").await;
    safe.get(&path("a"), None).await.unwrap();
    assert_eq!(objects(&home), [(0, String::new())]);
}

#[tokio::test]
async fn plain_deletions_and_versions_are_native() {
    let (_home, memory, safe) = over_memory().await;
    let at = path("a");
    let first = NewSecret::new("one").with_metadata(described("first"));
    safe.put(&at, &first, &PutMode::Create).await.unwrap();
    set(&safe, "a", "two").await;
    let one = VersionId::from_number(1);
    assert_eq!(safe.get(&at, Some(&one)).await.unwrap().value.expose(), b"one");
    safe.delete(&at).await.unwrap();
    assert_eq!(kind(safe.get(&at, None).await), ErrorKind::NotFound);
    assert_eq!(memory.get(&at, None).await.unwrap_err().kind(), ErrorKind::NotFound);
    safe.undelete(&at).await.unwrap();
    assert_eq!(safe.history(&at).await.unwrap().len(), 2, "a native recovery makes no version");
    safe.rollback(&at, &one).await.unwrap();
    let back = memory.get(&at, None).await.unwrap();
    assert_eq!((back.value.expose(), &back.metadata), (&b"one"[..], &described("first")));
    assert_eq!(back.version, VersionId::from_number(3), "a rollback writes a new version");
    let nobodys = VersionId::new("not-a-number");
    assert_eq!(kind(safe.get(&at, Some(&nobodys)).await), ErrorKind::NotFound, "the backend decides");
    safe.purge(&at).await.unwrap();
    let left = memory.versions(&at).await.unwrap_or_default();
    assert!(left.iter().all(|meta| meta.state != VersionState::Live));
}

#[tokio::test]
async fn the_version_of_a_sealed_secret_is_a_number() {
    let home = Home::in_memory().await;
    let safe = home.open_over(Arc::new(MemoryBackend::new())).await.unwrap();
    let (at, id) = (path("a"), VersionId::new("0af3-11"));
    set(&safe, "a", "one").await;
    let entries = home.log_lines().len();
    let secret = NewSecret::new("two");
    let refused = |answer: Result<(), Error>| matches!(answer, Err(Error::InvalidInput(_)));
    assert!(refused(safe.get(&at, Some(&id)).await.map(drop)));
    assert!(refused(safe.rollback(&at, &id).await.map(drop)));
    assert!(refused(safe.put(&at, &secret, &PutMode::Replace(id)).await.map(drop)));
    assert_eq!((home.log_lines().len(), value(&safe, "a").await), (entries, "one".to_owned()));
}

#[tokio::test]
async fn what_a_poor_service_cannot_do_is_unsupported_and_set_is_an_upsert() {
    let home = Home::in_memory().await;
    let safe = plain(&home, Arc::new(of_poor_service())).await;
    let (at, secret) = (path("a"), NewSecret::new("x"));
    assert_eq!(kind(safe.put(&at, &secret, &PutMode::Create).await), ErrorKind::Unsupported);
    for text in ["one", "two"] {
        safe.set(&at, &text.into(), &PutMode::Upsert, |metadata| {
            metadata.tags.insert(text.to_owned(), String::new());
        })
        .await
        .unwrap();
    }
    let read = safe.get(&at, None).await.unwrap();
    assert_eq!((read.value.expose(), read.metadata.tags.len()), (&b"two"[..], 2));
    let stale = PutMode::Replace(read.version);
    assert_eq!(kind(safe.put(&at, &secret, &stale).await), ErrorKind::Unsupported);
    assert_eq!(kind(safe.update_metadata(&at, |_| {}).await), ErrorKind::Unsupported);
    assert_eq!(kind(safe.history(&at).await), ErrorKind::Unsupported);
    assert_eq!(kind(safe.undelete(&at).await), ErrorKind::Unsupported);
    assert_eq!(kind(safe.put_many(&three(), &PutMode::Create).await), ErrorKind::Unsupported);
    assert_eq!(safe.list(None, ListScope::WithDeleted).await.unwrap().len(), 1, "nothing is recoverable");
}

#[tokio::test]
async fn deleted_plain_secrets_are_not_passed_over_in_silence() {
    let (_home, _memory, safe) = over_memory().await;
    assert_eq!(kind(safe.list(None, ListScope::WithDeleted).await), ErrorKind::Unsupported);
}

#[tokio::test]
async fn reserved_names_are_neither_listed_nor_taken() {
    let (_home, memory, safe) = over_memory().await;
    let control = SecretPath::control("_secrets/header").unwrap();
    memory.put(&control, &NewSecret::new("x"), &PutMode::Upsert).await.unwrap();
    set(&safe, "a", "y").await;
    let listed: Vec<_> = safe.list(None, ListScope::Live).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), ["a"]);
    let secret = NewSecret::new("z");
    let invalid = ErrorKind::InvalidInput;
    assert_eq!(kind(safe.get(&control, None).await), invalid);
    let both = safe.get_many(&[control.clone(), path("a")]).await.unwrap();
    assert_eq!(both[0].as_ref().unwrap_err().kind(), invalid);
    assert_eq!(both[1].as_ref().unwrap().value.expose(), b"y");
    assert_eq!(kind(safe.put(&control, &secret, &PutMode::Upsert).await), invalid);
    assert_eq!(kind(safe.delete(&control).await), invalid);
    assert_eq!(kind(safe.undelete(&control).await), invalid);
    assert_eq!(kind(safe.purge(&control).await), invalid);
    assert_eq!(kind(safe.history(&control).await), invalid);
    assert_eq!(kind(safe.list(Some(&control), ListScope::Live).await), invalid);
    assert_eq!(kind(safe.put_many(&[(control.clone(), secret)], &PutMode::Upsert).await), invalid);
    assert_eq!(memory.get(&control, None).await.unwrap().value.expose(), b"x");
}

#[tokio::test]
async fn a_sealed_secret_in_a_plain_environment_is_neither_given_out_nor_overwritten_nor_removed() {
    let (home, memory, safe) = over_memory().await;
    let sealing = home.open_over(Arc::<MemoryBackend>::clone(&memory)).await.unwrap();
    set(&sealing, "a", "sealed").await;
    let at = path("a");
    let Secret { value: envelope, stamp, .. } = memory.get(&at, None).await.unwrap();
    // One whose stamp got lost is still an envelope.
    memory.put(&path("b"), &NewSecret::new(envelope.duplicate()), &PutMode::Upsert).await.unwrap();
    let unsupported = ErrorKind::Unsupported;
    for at in [&at, &path("b")] {
        let Err(Error::Backend(error)) = safe.get(at, None).await else { panic!("{at} was given out") };
        assert_eq!(error.kind(), unsupported);
        assert_eq!(error.detail(), Some("sealed; this environment has seal = false"));
        let mine = NewSecret::new("mine");
        assert_eq!(kind(safe.put(at, &mine, &PutMode::Upsert).await), unsupported);
        assert_eq!(kind(safe.set(at, &"mine".into(), &PutMode::Upsert, |_| {}).await), unsupported);
        assert_eq!(kind(safe.put_many(&[(at.clone(), mine)], &PutMode::Upsert).await), unsupported);
        assert_eq!(kind(safe.delete(at).await), unsupported);
        assert_eq!(kind(safe.delete_many(std::slice::from_ref(at)).await), unsupported);
        assert_eq!(kind(safe.purge(at).await), unsupported);
    }
    let listed = safe.list(None, ListScope::Live).await.unwrap();
    assert!(listed.iter().all(|one| one.version.is_none() && !one.deleted), "a stamp is not believed here");
    let planted = NewSecret::new(envelope);
    assert_eq!(kind(safe.put(&path("c"), &planted, &PutMode::Upsert).await), unsupported);
    let stamped = NewSecret::new("text").with_stamp(stamp.unwrap());
    assert_eq!(kind(safe.put(&path("c"), &stamped, &PutMode::Upsert).await), unsupported);
    assert_eq!(value(&sealing, "a").await, "sealed");
}

#[tokio::test]
async fn a_plain_secret_in_a_sealed_environment_is_tampered_with_and_says_what_to_do() {
    let (home, memory, safe) = over_memory().await;
    set(&safe, "a", "plain").await;
    let sealing = home.open_over(Arc::<MemoryBackend>::clone(&memory)).await.unwrap();
    let Err(Error::Backend(error)) = sealing.get(&path("a"), None).await else { panic!("a success") };
    assert_eq!(error.kind(), ErrorKind::Tampered);
    assert!(error.to_string().contains("import"), "{error}");
    assert_eq!(
        kind(sealing.put(&path("a"), &NewSecret::new("x"), &PutMode::Upsert).await),
        ErrorKind::Tampered
    );
    assert_eq!(value(&safe, "a").await, "plain");
}
