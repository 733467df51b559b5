//! Bulk writes are all or nothing, and a write that was cut short is brought to an end.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{ErrorKind, MemoryBackend, NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_backend_local::LocalBackend;
use secrets_manager::{ListScope, Options, Safe, Sealing};

use crate::harness::{Home, kind, path, set, value};

fn secrets(number: usize) -> Vec<(SecretPath, NewSecret)> {
    (0..number)
        .map(|number| (path(&format!("app/key-{number}")), NewSecret::new(number.to_string())))
        .collect()
}

#[tokio::test]
async fn one_secret_that_cannot_be_written_keeps_all_from_being_written() {
    let home = Home::new().await;
    let safe = home.open().await;
    set(&safe, "app/key-7", "here first").await;
    assert_eq!(kind(safe.put_many(&secrets(10), &PutMode::Create).await), ErrorKind::AlreadyExists);
    assert_eq!(safe.list(None, ListScope::Live).await.unwrap().len(), 1);
    let mut twice = secrets(2);
    twice.extend(secrets(1));
    assert_eq!(kind(safe.put_many(&twice, &PutMode::Upsert).await), ErrorKind::InvalidInput);
    assert_eq!(safe.list(None, ListScope::Live).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bulk_write_makes_two_entries() {
    let home = Home::new().await;
    let safe = home.open().await;
    let before = home.log_lines().len();
    safe.put_many(&secrets(20), &PutMode::Upsert).await.unwrap();
    assert_eq!(home.log_lines().len(), before + 2);
    let paths: Vec<_> = secrets(20).into_iter().map(|(path, _)| path).collect();
    safe.delete_many(&paths).await.unwrap();
    assert_eq!(home.log_lines().len(), before + 4);
    assert!(safe.list(None, ListScope::Live).await.unwrap().is_empty());
    assert_eq!(home.verified(&safe).fault, None);
}

#[tokio::test]
async fn a_bulk_write_opens_the_store_once_for_many_secrets() {
    let home = Home::in_memory().await;
    let store = home.store();
    let safe = home.open_over(Arc::<LocalBackend>::clone(&store)).await.unwrap();
    let paths: Vec<_> = secrets(640).into_iter().map(|(path, _)| path).collect();
    for (versions, what) in [(1, "new"), (2, "overwritten"), (3, "deleted")] {
        let before = store.opens();
        match what {
            "deleted" => safe.delete_many(&paths).await.unwrap(),
            _ => safe.put_many(&secrets(640), &PutMode::Upsert).await.unwrap(),
        };
        let opens = store.opens() - before;
        // Ten for reading and ten for writing, if no thread is late; one for each secret would be 640 and more.
        assert!(opens < 160, "{what}: {opens} openings");
        assert_eq!(safe.history(&paths[77]).await.unwrap().len(), versions, "{what}");
    }
    assert!(safe.list(None, ListScope::Live).await.unwrap().is_empty());
    assert_eq!(home.verified(&safe).fault, None);
}

#[tokio::test]
async fn a_bulk_write_that_was_cut_short_is_completed_at_the_next_opening() {
    let home = Home::new().await;
    let backend = Arc::new(MemoryBackend::new());
    let slow = Arc::new(Slow::after(Arc::clone(&backend), 3));
    let safe = home.open_over(slow).await.unwrap();
    let all = secrets(10);
    let cut = tokio::time::timeout(Duration::from_millis(300), safe.put_many(&all, &PutMode::Upsert)).await;
    assert!(cut.is_err(), "the fourth write hangs");
    drop(safe);
    let again = home.open_over(backend).await.unwrap();
    for (number, (path, _)) in all.iter().enumerate() {
        assert_eq!(value(&again, path.as_str()).await, number.to_string());
    }
    let lines = home.log_lines();
    assert!(lines.iter().any(|line| line.contains(r#""code":"replayed""#)), "the outcome is recorded");
}

#[tokio::test]
async fn a_bulk_write_that_was_cut_short_is_left_to_its_own_environment() {
    let home = Home::new().await;
    let (staging, production) = (Arc::new(MemoryBackend::new()), Arc::new(MemoryBackend::new()));
    let slow = Arc::new(Slow::after(Arc::clone(&staging), 3));
    let cut = open_in(&home, "staging", slow).await;
    let all = secrets(10);
    let cut = tokio::time::timeout(Duration::from_millis(300), cut.put_many(&all, &PutMode::Upsert)).await;
    assert!(cut.is_err(), "the fourth write hangs");
    let other = open_in(&home, "production", Arc::<MemoryBackend>::clone(&production) as _).await;
    assert!(other.list(None, ListScope::Live).await.unwrap().is_empty());
    let mut options = Options::new(Arc::<MemoryBackend>::clone(&production));
    options.sealing = Sealing::Plain;
    Safe::open(&home.places, options, home.key_file()).await.unwrap();
    assert!(production.list(None, None).await.unwrap().items.is_empty(), "nothing of another environment");
    let again = open_in(&home, "staging", staging).await;
    assert_eq!(again.list(None, ListScope::Live).await.unwrap().len(), 10);
}

async fn open_in(home: &Home, environment: &str, backend: Arc<dyn SecretBackend>) -> Safe {
    let mut options = Options::new(backend);
    options.environment = environment.to_owned();
    Safe::open(&home.places, options, home.key_file()).await.unwrap()
}

#[tokio::test]
async fn a_write_that_was_cut_short_gets_the_outcome_unknown_from_the_next_one() {
    let home = Home::new().await;
    let backend = Arc::new(MemoryBackend::new());
    let hanging = home.open_over(Arc::new(Slow::after(Arc::clone(&backend), 0))).await.unwrap();
    let secret = NewSecret::new("one");
    let at = path("app/key");
    let cut = hanging.put(&at, &secret, &PutMode::Upsert);
    assert!(tokio::time::timeout(Duration::from_millis(300), cut).await.is_err());
    let safe = home.open_over(backend).await.unwrap();
    assert_eq!(set(&safe, "app/key", "two").await, 1);
    let unknown = home.log_lines().iter().filter(|line| line.contains(r#""out":"unknown""#)).count();
    assert_eq!(unknown, 1);
    assert_eq!(home.verified(&safe).fault, None);
}

/// Takes some writes, then never answers another.
#[derive(Debug)]
pub struct Slow {
    inner: Arc<MemoryBackend>,
    after: std::sync::atomic::AtomicI64,
}

impl Slow {
    pub fn after(inner: Arc<MemoryBackend>, writes: i64) -> Self {
        Self { inner, after: writes.into() }
    }
}

impl std::fmt::Display for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "slow {}", self.inner)
    }
}

#[secrets_backend::async_trait]
impl secrets_backend::SecretBackend for Slow {
    fn capabilities(&self) -> secrets_backend::Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> secrets_backend::Result<()> {
        self.inner.check().await
    }

    async fn get(
        &self,
        path: &SecretPath,
        at: Option<&secrets_backend::VersionId>,
    ) -> secrets_backend::Result<secrets_backend::Secret> {
        self.inner.get(path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<secrets_backend::Result<secrets_backend::Secret>> {
        self.inner.get_many(paths).await
    }

    async fn put(
        &self,
        path: &SecretPath,
        secret: &NewSecret,
        mode: &PutMode,
    ) -> secrets_backend::Result<secrets_backend::Written> {
        if self.after.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) <= 0 {
            std::future::pending::<()>().await;
        }
        self.inner.put(path, secret, mode).await
    }

    async fn delete(&self, path: &SecretPath) -> secrets_backend::Result<secrets_backend::Written> {
        self.inner.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> secrets_backend::Result<secrets_backend::Written> {
        self.inner.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> secrets_backend::Result<secrets_backend::Written> {
        self.inner.purge(path).await
    }

    async fn versions(
        &self,
        path: &SecretPath,
    ) -> secrets_backend::Result<Vec<secrets_backend::VersionMeta>> {
        self.inner.versions(path).await
    }

    async fn list(
        &self,
        prefix: Option<&SecretPath>,
        page: Option<&secrets_backend::PageToken>,
    ) -> secrets_backend::Result<secrets_backend::Page> {
        self.inner.list(prefix, page).await
    }
}
