//! Several installations of one safe at one vault, which has no conditional writes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_manager::{Error, InitOptions, JoinOptions, Options, Places, Safe, Unlock, find, init};
use tempfile::TempDir;

use crate::admin::{VAULT, backend, config, kit, path};

/// A machine of one person, who carries the key file from one to the next.
struct Machine {
    directory: TempDir,
    key_file: PathBuf,
}

impl Machine {
    fn new(key_file: Option<&Self>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("config/key");
        Self { key_file: key_file.map_or(own, |other| other.key_file.clone()), directory }
    }

    fn places(&self) -> Places {
        let root = self.directory.path();
        Places::new(&self.key_file, root.join("data"), root.join("state"))
    }

    fn unlock(&self) -> Unlock {
        Unlock::KeyFile(self.key_file.clone())
    }

    async fn open(&self, backend: Arc<dyn SecretBackend>) -> Arc<Safe> {
        Arc::new(Safe::open(&self.places(), Options::new(backend), self.unlock()).await.unwrap())
    }

    async fn join(&self, backend: Arc<dyn SecretBackend>) {
        let found = find(backend, Duration::from_secs(15)).await.unwrap().expect("a safe is there");
        let unlocked = found.unlock(self.unlock()).await.unwrap();
        unlocked.join(&self.places(), JoinOptions::default()).await.unwrap();
    }
}

async fn set(safe: &Safe, at: &SecretPath, value: &str) -> Result<(), ErrorKind> {
    match safe.put(at, &NewSecret::new(value), &PutMode::Upsert).await {
        Ok(_) => Ok(()),
        Err(Error::Backend(error)) => Err(error.kind()),
        Err(other) => panic!("{other}"),
    }
}

/// Both writers of a version are kept, and nobody is left believing that there was one.
#[tokio::test]
async fn of_two_installations_that_write_at_once_none_is_lost_in_silence() {
    let (server, one) = kit();
    let other: Arc<dyn SecretBackend> = Arc::new(backend(config(&server.access(VAULT))));
    let one: Arc<dyn SecretBackend> = Arc::new(one);
    let first = Machine::new(None);
    init(&first.places(), InitOptions::with_key_file(&first.places())).await.unwrap();
    let a = first.open(Arc::clone(&one)).await;
    set(&a, &path("first"), "value").await.unwrap();
    let second = Machine::new(Some(&first));
    second.join(Arc::clone(&other)).await;
    let b = second.open(Arc::clone(&other)).await;
    let rounds: u64 = std::env::var("SECRETS_TEST_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let (mut both, mut conflicts) = (0, 0);
    for round in 0..rounds {
        let at = path(&format!("race/k{round}"));
        set(&a, &at, "before").await.unwrap();
        let writers = [(&a, "of a"), (&b, "of b")].map(|(safe, value)| {
            let (safe, at) = (Arc::clone(safe), at.clone());
            tokio::spawn(async move { set(&safe, &at, value).await })
        });
        let mut told = Vec::new();
        for writer in writers {
            told.push(writer.await.unwrap());
        }
        assert!(told.iter().all(|told| matches!(told, Ok(()) | Err(ErrorKind::Conflict))), "{told:?}");
        // Every content that reached the vault is still there.
        let native = one.versions(&at).await.unwrap();
        let contents: BTreeSet<String> =
            native.iter().filter_map(|meta| Some(meta.stamp.as_ref()?.content_id.to_string())).collect();
        let numbers: BTreeSet<u64> =
            native.iter().filter_map(|meta| Some(meta.stamp.as_ref()?.version)).collect();
        assert!(contents.len() > told.iter().filter(|told| told.is_ok()).count());
        if contents.len() > numbers.len() {
            both += 1;
            // Two of one number: every read tells, until somebody decides.
            for reader in [&a, &b] {
                match reader.get(&at, None).await {
                    Err(Error::Backend(error)) if error.kind() == ErrorKind::Conflict => {}
                    answer => panic!("{round}: {told:?}, {answer:?}"),
                }
            }
        }
        conflicts += told.iter().filter(|told| told.is_err()).count();
    }
    println!(
        "FIGURE: {rounds} rounds of two writers at once: {both} with two contents of one version, all kept, \
         {conflicts} told"
    );
}

/// What rotations leave behind at a place without conditions.
#[tokio::test]
async fn two_installations_that_rotate_at_once_leave_nothing_unreadable() {
    let (server, one) = kit();
    let one: Arc<dyn SecretBackend> = Arc::new(one);
    let first = Machine::new(None);
    init(&first.places(), InitOptions::with_key_file(&first.places())).await.unwrap();
    let a = first.open(Arc::clone(&one)).await;
    set(&a, &path("first"), "value").await.unwrap();
    let other: Arc<dyn SecretBackend> = Arc::new(backend(config(&server.access(VAULT))));
    let second = Machine::new(Some(&first));
    second.join(Arc::clone(&other)).await;
    let b = second.open(Arc::clone(&other)).await;
    let rounds: u64 = std::env::var("SECRETS_TEST_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let both = [(&a, &first, "one"), (&b, &second, "other")].map(|(safe, machine, name)| {
            let (safe, unlock) = (Arc::clone(safe), machine.unlock());
            tokio::spawn(async move {
                let rotated = safe.rotate_epoch(unlock).await.map(drop);
                set(&safe, &path(&format!("{name}/{round}")), name).await.unwrap();
                rotated
            })
        });
        for one in both {
            if let Err(error) = one.await.unwrap() {
                println!("round {round}: {error}");
            }
        }
        for (safe, name) in [(&a, "other"), (&b, "one")] {
            let read = safe.get(&path(&format!("{name}/{round}")), None).await.unwrap();
            assert_eq!(read.value.expose_str(), Some(name));
        }
    }
    let third = Machine::new(Some(&first));
    third.join(Arc::clone(&one)).await;
    let late = third.open(one).await;
    for round in 0..rounds {
        for name in ["one", "other"] {
            late.get(&path(&format!("{name}/{round}")), None).await.unwrap();
        }
    }
    println!("FIGURE: {rounds} rounds of two rotations at once: none unreadable");
}

/// The service shows nothing of a purged secret, and refuses its name for half a minute.
#[tokio::test]
async fn a_purge_takes_as_long_as_the_service_where_writes_may() {
    let (server, one) = kit();
    let one: Arc<dyn SecretBackend> = Arc::new(one);
    let machine = Machine::new(None);
    init(&machine.places(), InitOptions::with_key_file(&machine.places())).await.unwrap();
    server.hide_after_purge(Duration::from_millis(2_500));
    for write_deadline in [None, Some(Duration::from_secs(20))] {
        let mut options = Options::new(Arc::clone(&one));
        options.deadline = Duration::from_secs(1);
        options.write_deadline = write_deadline;
        let safe = Safe::open(&machine.places(), options, machine.unlock()).await.unwrap();
        let at = path(&format!("app/{}", write_deadline.is_some()));
        set(&safe, &at, "value").await.unwrap();
        let purged = safe.purge(&at).await;
        match (write_deadline, purged) {
            (Some(_), purged) => drop(purged.unwrap()),
            (None, Err(Error::Backend(error))) => assert_eq!(error.kind(), ErrorKind::TimedOut),
            (None, purged) => panic!("{purged:?}"),
        }
    }
}
