//! Several installations of one safe on a real server.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{NewSecret, PutMode, SecretBackend, SecretBackendExt, SecretPath};
use secrets_backend_hcvault::{Engine, HcVaultBackend};
use secrets_manager::{InitOptions, JoinOptions, ListScope, Options, Places, Safe, Unlock, find, init};
use secrets_testkit::{openbao, vault};
use tempfile::TempDir;

use crate::admin::{Admin, admin_or_skip};

/// A machine of one person, who carries the key file from one to the next.
struct Machine {
    directory: TempDir,
    key_file: std::path::PathBuf,
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

    async fn open(&self, backend: &Arc<HcVaultBackend>) -> Arc<Safe> {
        let options = Options::new(Arc::<HcVaultBackend>::clone(backend));
        Arc::new(Safe::open(&self.places(), options, self.unlock()).await.unwrap())
    }

    async fn join(&self, backend: &Arc<HcVaultBackend>) {
        let found = find(Arc::<HcVaultBackend>::clone(backend), Duration::from_secs(15)).await.unwrap();
        let unlocked = found.expect("a safe is there").unlock(self.unlock()).await.unwrap();
        assert!(unlocked.join(&self.places(), JoinOptions::default()).await.unwrap().listed);
    }
}

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

async fn set(safe: &Safe, at: &str, value: &str) {
    safe.put(&path(at), &NewSecret::new(value), &PutMode::Upsert).await.unwrap();
}

async fn value(safe: &Safe, at: &str) -> String {
    let secret = safe.get(&path(at), None).await.unwrap_or_else(|error| panic!("{at}: {error}"));
    secret.value.expose_str().unwrap().to_owned()
}

/// Two installations at a fresh mount.
async fn two(admin: &Admin) -> (Arc<HcVaultBackend>, Machine, Machine) {
    let backend = Arc::new(admin.backend(&admin.mount(Engine::Kv2).await));
    let first = Machine::new(None);
    init(&first.places(), InitOptions::with_key_file(&first.places())).await.unwrap();
    set(&*first.open(&backend).await, "first", "value").await;
    let second = Machine::new(Some(&first));
    second.join(&backend).await;
    (backend, first, second)
}

#[tokio::test]
async fn two_installations_that_rotate_at_once_leave_nothing_unreadable() {
    let (backend, first, second) = two(&admin_or_skip!(openbao())).await;
    let (one, other) = (first.open(&backend).await, second.open(&backend).await);
    let rounds = std::env::var("SECRETS_TEST_ROUNDS").map_or(4, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let both = [(&one, &first, "one"), (&other, &second, "other")].map(|(safe, machine, name)| {
            let (safe, unlock) = (Arc::clone(safe), machine.unlock());
            tokio::spawn(async move {
                safe.rotate_epoch(unlock).await.unwrap();
                set(&safe, &format!("{name}/{round}"), &format!("of {name}")).await;
            })
        });
        for one in both {
            one.await.unwrap();
        }
        assert_eq!(value(&one, &format!("other/{round}")).await, "of other");
        assert_eq!(value(&other, &format!("one/{round}")).await, "of one");
    }
    // And whoever comes later, with nothing but the backend and the key file.
    let third = Machine::new(Some(&first));
    third.join(&backend).await;
    let late = third.open(&backend).await;
    let all = late.list(None, ListScope::Live).await.unwrap();
    assert_eq!(all.len() as u64, 1 + 2 * rounds);
    let paths: Vec<_> = all.into_iter().map(|summary| summary.path).collect();
    let read = late.get_many(&paths).await.unwrap();
    assert!(read.iter().all(Result::is_ok), "{:?}", read.iter().find(|one| one.is_err()));
    let epochs = late.rotate_epoch(third.unlock()).await.unwrap().epochs as u64;
    assert_eq!(epochs, 2 + 2 * rounds, "the first, two of each round, and the last");
    println!(
        "FIGURE: {rounds} rounds of two rotations at once: {epochs} epochs, {} secrets, none unreadable",
        paths.len()
    );
}

#[tokio::test]
async fn what_a_safe_keeps_of_itself_is_beside_its_secrets_on_both_servers() {
    for server in [openbao(), vault()] {
        let admin = admin_or_skip!(server);
        let (backend, first, _) = two(&admin).await;
        let names: Vec<_> =
            backend.list_all(None).await.unwrap().iter().map(|item| item.path.to_string()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!((names[0].as_str(), names[2].as_str()), ("_secrets/safe", "first"));
        let listed = first.open(&backend).await.list(None, ListScope::WithDeleted).await.unwrap();
        assert_eq!(listed.len(), 1);
        // Another safe is refused, and what is there stays.
        let other = Machine::new(None);
        init(&other.places(), InitOptions::with_key_file(&other.places())).await.unwrap();
        let refused = other.open(&backend).await.list(None, ListScope::Live).await.unwrap_err();
        assert!(refused.to_string().contains("belongs to another safe"), "{refused}");
    }
}

#[tokio::test]
async fn kv_version_1_is_for_one_installation() {
    let admin = admin_or_skip!(openbao());
    let backend = Arc::new(admin.backend(&admin.mount(Engine::Kv1).await));
    let machine = Machine::new(None);
    init(&machine.places(), InitOptions::with_key_file(&machine.places())).await.unwrap();
    let safe = machine.open(&backend).await;
    set(&safe, "a", "1").await;
    let refused = safe.rotate_epoch(machine.unlock()).await.unwrap_err();
    assert!(matches!(refused, secrets_manager::Error::NotShareable(_)), "{refused}");
    // A process that has read nothing yet does not know which engine it is.
    let refused = machine.open(&backend).await.rotate_epoch(machine.unlock()).await.unwrap_err();
    assert!(matches!(refused, secrets_manager::Error::NotShareable(_)), "{refused}");
    let found = find(Arc::<HcVaultBackend>::clone(&backend), Duration::from_secs(15)).await.unwrap().unwrap();
    let second = Machine::new(Some(&machine));
    let unlocked = found.unlock(second.unlock()).await.unwrap();
    let joined = unlocked.join(&second.places(), JoinOptions::default()).await;
    assert!(matches!(joined, Err(secrets_manager::Error::NotShareable(_))));
    assert_eq!(value(&safe, "a").await, "1");
}

/// After the first call a place costs nothing: what was agreed on is remembered.
#[tokio::test]
async fn a_place_is_looked_at_once_and_not_by_every_process() {
    let (backend, first, second) = two(&admin_or_skip!(openbao())).await;
    for machine in [&first, &second] {
        value(&*machine.open(&backend).await, "first").await;
        let at = SecretPath::control("_secrets/safe").unwrap();
        let header = backend.get(&at, None).await.unwrap();
        backend.purge(&at).await.unwrap();
        assert_eq!(
            value(&*machine.open(&backend).await, "first").await,
            "value",
            "nobody asked for the header"
        );
        backend.put(&at, &NewSecret::new(header.value), &PutMode::Create).await.unwrap();
    }
}
