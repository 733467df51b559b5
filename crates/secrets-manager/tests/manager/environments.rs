//! Staging and production are two objects, also for whoever holds the storage.

use std::sync::Arc;

use secrets_backend::{ErrorKind, MemoryBackend, NewSecret, PutMode, SecretBackend};
use secrets_manager::{Options, Safe};

use crate::harness::{Home, kind, path, set, value};

async fn open(home: &Home, environment: &str, backend: &Arc<MemoryBackend>) -> Safe {
    let mut options = Options::new(Arc::<MemoryBackend>::clone(backend));
    options.environment = environment.to_owned();
    Safe::open(&home.places, options, home.key_file()).await.unwrap()
}

#[tokio::test]
async fn an_envelope_of_one_environment_is_refused_in_the_others_place() {
    let home = Home::new().await;
    let (one, two) = (Arc::new(MemoryBackend::new()), Arc::new(MemoryBackend::new()));
    let (staging, production) = (open(&home, "staging", &one).await, open(&home, "production", &two).await);
    set(&staging, "db/url", "of staging").await;
    set(&production, "db/url", "of production").await;
    let at = path("db/url");
    let stolen = one.get(&at, None).await.unwrap();
    let planted = NewSecret::new(stolen.value).with_stamp(stolen.stamp.unwrap());
    two.put(&at, &planted, &PutMode::Upsert).await.unwrap();
    assert_eq!(kind(production.get(&at, None).await), ErrorKind::Tampered);
    assert_eq!(value(&staging, "db/url").await, "of staging");
}

#[tokio::test]
async fn an_environment_is_one_segment() {
    let home = Home::new().await;
    for wrong in ["", "a/b", "../x", "-x"] {
        let mut options = Options::new(Arc::new(MemoryBackend::new()));
        options.environment = wrong.to_owned();
        let opened = Safe::open(&home.places, options, home.key_file()).await;
        assert!(matches!(opened, Err(secrets_manager::Error::InvalidInput(_))), "{wrong:?}");
    }
}
