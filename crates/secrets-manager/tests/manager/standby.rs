//! A safe over two backends, one of which goes away.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use secrets_backend::{
    Capabilities, Error, ErrorKind, Level, MemoryBackend, NewSecret, Operation, Page, PageToken, PutMode,
    Result, Secret, SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait,
};
use secrets_manager::{ListScope, Options, Safe, Sealing, Standby};

use crate::harness::{Home, kind, path, set, value};

/// Memory that can be switched off.
#[derive(Debug)]
struct Switch {
    name: &'static str,
    memory: MemoryBackend,
    is_off: AtomicBool,
}

impl Switch {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, memory: MemoryBackend::new(), is_off: AtomicBool::new(false) })
    }

    fn turn(&self, on: bool) {
        self.is_off.store(!on, Ordering::SeqCst);
    }

    fn on(&self, operation: Operation) -> Result<&MemoryBackend> {
        if self.is_off.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, operation, self.name));
        }
        Ok(&self.memory)
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[async_trait]
impl SecretBackend for Switch {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.on(Operation::Check)?.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.on(Operation::Get)?.get(path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        match self.on(Operation::Get) {
            Ok(memory) => memory.get_many(paths).await,
            Err(_) => paths.iter().map(|_| self.on(Operation::Get).map(|_| unreachable!())).collect(),
        }
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.on(Operation::Put)?.put(path, secret, mode).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.on(Operation::Delete)?.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.on(Operation::Undelete)?.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.on(Operation::Purge)?.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.on(Operation::Versions)?.versions(path).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.on(Operation::List)?.list(prefix, page).await
    }
}

async fn open(home: &Home, first: &Arc<Switch>, second: &Arc<Switch>) -> Safe {
    let mut options = Options::new(Arc::clone(first) as Arc<dyn SecretBackend>);
    options.standbys = vec![Standby::new(Arc::clone(second) as Arc<dyn SecretBackend>)];
    Safe::open(&home.places, options, home.key_file()).await.unwrap()
}

/// The bytes that a backend has of a secret.
async fn bytes(of: &Switch, at: &str) -> Vec<u8> {
    of.memory.get(&path(at), None).await.unwrap().value.expose().to_vec()
}

#[tokio::test]
async fn the_second_backend_has_the_same_bytes_and_answers_for_the_first() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let safe = open(&home, &one, &two).await;
    set(&safe, "a", "1").await;
    set(&safe, "a", "2").await;
    assert_eq!(bytes(&one, "a").await, bytes(&two, "a").await);
    assert_eq!(safe.drain().await.unwrap().left, 0);
    one.turn(false);
    for safe in [safe, open(&home, &one, &two).await] {
        assert_eq!(value(&safe, "a").await, "2");
        let old = safe.get(&path("a"), Some(&VersionId::from_number(1))).await.unwrap();
        assert_eq!(old.value.expose(), b"1");
        assert_eq!(safe.list(None, ListScope::Live).await.unwrap().len(), 1);
        assert_eq!(kind(safe.get(&path("none"), None).await), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_write_while_the_first_backend_is_down_outlives_the_process_and_comes_to_both() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    set(&open(&home, &one, &two).await, "a", "1").await;
    one.turn(false);
    let safe = open(&home, &one, &two).await;
    let written = safe.put(&path("a"), &NewSecret::new("2"), &PutMode::Upsert).await.unwrap();
    assert_eq!((written.level, written.version.unwrap().number()), (Level::Local, Some(2)));
    safe.put(&path("b"), &NewSecret::new("new"), &PutMode::Create).await.unwrap();
    safe.delete(&path("a")).await.unwrap();
    drop(safe);
    let safe = open(&home, &one, &two).await;
    assert_eq!(kind(safe.get(&path("a"), None).await), ErrorKind::NotFound, "it was deleted");
    assert_eq!(value(&safe, "b").await, "new");
    assert_eq!(safe.drain().await.unwrap().left, 3);
    one.turn(true);
    let drained = safe.drain().await.unwrap();
    assert_eq!((drained.left, drained.diverged.len()), (0, 0), "{drained:?}");
    for at in ["a", "b"] {
        assert_eq!(bytes(&one, at).await, bytes(&two, at).await);
    }
    assert_eq!(value(&safe, "b").await, "new");
    assert_eq!(kind(safe.get(&path("a"), None).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn plain_values_have_one_backend() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let mut options = Options::new(one as Arc<dyn SecretBackend>);
    options.standbys = vec![Standby::new(two as Arc<dyn SecretBackend>)];
    options.sealing = Sealing::Plain;
    let refused = Safe::open(&home.places, options, home.key_file()).await.unwrap_err();
    assert!(matches!(refused, secrets_manager::Error::InvalidInput(_)), "{refused}");
}
