//! A backend that lies is noticed: older, swapped, altered, absent, plain.

use std::sync::Arc;

use secrets_backend::{ErrorKind, MemoryBackend, NewSecret, PutMode, Secret, SecretBackend};

use crate::harness::{Home, kind, path, set, value};

/// Puts a stored version in a place of the attacker's choice.
async fn plant(backend: &MemoryBackend, at: &str, secret: Secret) {
    let mut planted = NewSecret::new(secret.value);
    planted.stamp = secret.stamp;
    backend.put(&path(at), &planted, &PutMode::Upsert).await.unwrap();
}

#[tokio::test]
async fn an_older_version_put_back_is_stale() {
    let home = Home::new().await;
    let backend = Arc::new(MemoryBackend::new());
    let safe = home.open_over(Arc::<MemoryBackend>::clone(&backend)).await.unwrap();
    set(&safe, "app/key", "old").await;
    let old = backend.get(&path("app/key"), None).await.unwrap();
    set(&safe, "app/key", "new").await;
    plant(&backend, "app/key", old).await;
    assert_eq!(kind(safe.get(&path("app/key"), None).await), ErrorKind::Stale);
    let again = home.open_over(backend).await.unwrap();
    assert_eq!(kind(again.get(&path("app/key"), None).await), ErrorKind::Stale, "also after a restart");
}

#[tokio::test]
async fn an_absence_of_what_is_known_is_stale_and_never_not_found() {
    let home = Home::new().await;
    let backend = Arc::new(MemoryBackend::new());
    let safe = home.open_over(Arc::<MemoryBackend>::clone(&backend)).await.unwrap();
    set(&safe, "app/key", "one").await;
    backend.purge(&path("app/key")).await.unwrap();
    assert_eq!(kind(safe.get(&path("app/key"), None).await), ErrorKind::Stale);
    assert_eq!(kind(safe.get(&path("app/other"), None).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_swapped_secret_is_tampered() {
    let home = Home::new().await;
    let backend = Arc::new(MemoryBackend::new());
    let safe = home.open_over(Arc::<MemoryBackend>::clone(&backend)).await.unwrap();
    set(&safe, "app/one", "1").await;
    set(&safe, "app/two", "2").await;
    let one = backend.get(&path("app/one"), None).await.unwrap();
    plant(&backend, "app/two", one).await;
    assert_eq!(kind(safe.get(&path("app/two"), None).await), ErrorKind::Tampered);
}

#[tokio::test]
async fn a_plain_value_in_a_sealed_place_is_tampered() {
    let home = Home::new().await;
    let backend = Arc::new(MemoryBackend::new());
    let safe = home.open_over(Arc::<MemoryBackend>::clone(&backend)).await.unwrap();
    backend.put(&path("app/key"), &NewSecret::new("plain"), &PutMode::Create).await.unwrap();
    let error = safe.get(&path("app/key"), None).await.unwrap_err();
    assert!(error.to_string().contains("not sealed by this safe"), "{error}");
    assert_eq!(kind::<()>(Err(error)), ErrorKind::Tampered);
}

#[tokio::test]
async fn every_flipped_byte_of_a_stored_envelope_is_refused() {
    let home = Home::new().await;
    let backend = Arc::new(MemoryBackend::new());
    let safe = home.open_over(Arc::<MemoryBackend>::clone(&backend)).await.unwrap();
    set(&safe, "app/key", "one").await;
    let stored = backend.get(&path("app/key"), None).await.unwrap();
    let envelope = stored.value.expose().to_vec();
    for position in (0..envelope.len()).step_by(7) {
        let mut altered = envelope.clone();
        altered[position] ^= 1;
        let mut planted = NewSecret::new(altered);
        planted.stamp.clone_from(&stored.stamp);
        backend.put(&path("app/key"), &planted, &PutMode::Upsert).await.unwrap();
        let answer = safe.get(&path("app/key"), None).await;
        assert!(matches!(kind(answer), ErrorKind::Tampered | ErrorKind::Unsupported), "byte {position}");
    }
}

#[tokio::test]
async fn what_another_installation_wrote_is_accepted_and_remembered() {
    let home = Home::new().await;
    let backend = Arc::new(MemoryBackend::new());
    let safe = home.open_over(Arc::<MemoryBackend>::clone(&backend)).await.unwrap();
    set(&safe, "app/key", "one").await;
    let one = backend.get(&path("app/key"), None).await.unwrap();
    // The state of this moment is put back below: a version 2 that this installation has not seen.
    let state = std::fs::read(home.places.state_db()).unwrap();
    set(&safe, "app/key", "two").await;
    std::fs::write(home.places.state_db(), state).unwrap();
    let again = home.open_over(Arc::<MemoryBackend>::clone(&backend)).await.unwrap();
    assert_eq!(value(&again, "app/key").await, "two");
    plant(&backend, "app/key", one).await;
    assert_eq!(kind(again.get(&path("app/key"), None).await), ErrorKind::Stale);
}
