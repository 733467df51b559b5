//! Several installations at a backend that keeps versions and knows no conditions.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{
    ErrorKind, MemoryBackend, MemoryConfig, NewSecret, PutMode, SecretBackend, SecretPath,
};
use secrets_manager::{JoinOptions, find};

use crate::harness::{Home, kind, path, set, value};
use crate::lossy::Lossy;

const DEADLINE: Duration = Duration::from_secs(5);

/// Calls take a moment, so that those of two installations come between each other.
fn backend() -> Arc<dyn SecretBackend> {
    let mut config = MemoryConfig::default();
    let can = &mut config.capabilities;
    (can.atomic_create, can.atomic_replace) = (false, false);
    config.max_versions = 10_000;
    let memory = MemoryBackend::with_config(config);
    let mut backend = Lossy::default();
    (backend.memory, backend.distance) = (memory, Duration::from_millis(2));
    Arc::new(backend)
}

/// Another installation, with a key file of its own.
async fn join(first: &Home, backend: &Arc<dyn SecretBackend>) -> Home {
    let home = Home::empty();
    let found = find(Arc::clone(backend), DEADLINE).await.unwrap().unwrap();
    let unlocked = found.unlock(first.key_file()).await.unwrap();
    let mut options = JoinOptions::default();
    options.key_file = Some(home.places.key_file.clone());
    assert!(unlocked.join(&home.places, options).await.unwrap().listed);
    home
}

#[tokio::test]
async fn two_that_rotate_at_once_lose_no_key() {
    let rounds: usize = std::env::var("SECRETS_TEST_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    let (first, backend) = (Home::new().await, backend());
    let one = first.share(&backend).await.unwrap();
    set(&one, "begun", "0").await;
    let second = join(&first, &backend).await;
    let two = second.share(&backend).await.unwrap();
    for round in 0..rounds {
        let mine = async {
            one.rotate_epoch(first.key_file()).await.unwrap();
            set(&one, &format!("one/{round}"), "1").await;
        };
        let yours = async {
            two.rotate_epoch(second.key_file()).await.unwrap();
            set(&two, &format!("two/{round}"), "2").await;
        };
        tokio::join!(mine, yours);
        assert_eq!(value(&one, &format!("two/{round}")).await, "2", "round {round}");
        assert_eq!(value(&two, &format!("one/{round}")).await, "1", "round {round}");
    }
    let third = join(&first, &backend).await;
    let three = third.share(&backend).await.unwrap();
    for round in 0..rounds {
        assert_eq!(value(&three, &format!("one/{round}")).await, "1");
        assert_eq!(value(&three, &format!("two/{round}")).await, "2");
    }
    let epochs = three.rotate_epoch(third.key_file()).await.unwrap().epochs;
    assert_eq!(epochs, 2 * rounds + 2, "the stored keyring has every key");
    println!("FIGURE: {rounds} times two installations rotated at once, nothing unreadable");
}

#[tokio::test]
async fn two_that_join_at_once_are_both_listed() {
    let (first, backend) = (Home::new().await, backend());
    set(&first.share(&backend).await.unwrap(), "a", "1").await;
    let (second, third) = tokio::join!(join(&first, &backend), join(&first, &backend));
    let found = find(Arc::clone(&backend), DEADLINE).await.unwrap().unwrap();
    assert_eq!(found.slots().len(), 3);
    for home in [second, third] {
        let safe = home.share(&backend).await.unwrap();
        assert_eq!(value(&safe, "a").await, "1");
    }
}

#[tokio::test]
async fn what_someone_left_in_the_history_of_a_keyring_is_left_out() {
    let (first, backend) = (Home::new().await, backend());
    let safe = first.share(&backend).await.unwrap();
    set(&safe, "a", "1").await;
    let names = secrets_backend::SecretBackendExt::list_all(&*backend, None).await.unwrap();
    let keyring = names.iter().find(|item| item.path.as_str().ends_with("/keyring")).unwrap();
    let keyring = SecretPath::control(keyring.path.as_str()).unwrap();
    let good = backend.get(&keyring, None).await.unwrap().value;
    for bytes in [b"damaged".as_slice(), good.expose()] {
        backend.put(&keyring, &NewSecret::new(bytes), &PutMode::Upsert).await.unwrap();
    }
    assert_eq!(safe.rotate_epoch(first.key_file()).await.unwrap().epochs, 2);
    let second = join(&first, &backend).await;
    assert_eq!(value(&second.share(&backend).await.unwrap(), "a").await, "1");
    assert_eq!(value(&safe, "a").await, "1");
}

#[tokio::test]
async fn of_two_that_write_at_once_none_is_dropped_without_a_word() {
    let (first, backend) = (Home::new().await, backend());
    let one = first.share(&backend).await.unwrap();
    set(&one, "begun", "0").await;
    let second = join(&first, &backend).await;
    let two = second.share(&backend).await.unwrap();
    let (mut told, mut settled) = (0, 0);
    for round in 0..40 {
        let at = path(&format!("round/{round}"));
        set(&one, at.as_str(), "before").await;
        let (mine, yours) = (NewSecret::new("one"), NewSecret::new("two"));
        let (mine, yours) =
            tokio::join!(one.put(&at, &mine, &PutMode::Upsert), two.put(&at, &yours, &PutMode::Upsert));
        let third = one.get(&at, None).await;
        if mine.is_ok() && yours.is_ok() && third.is_ok() {
            // One after the other: both are in the history.
            assert_eq!(one.history(&at).await.unwrap().len(), 3, "round {round}");
            continue;
        }
        for reader in [&one, &two] {
            assert_eq!(kind(reader.get(&at, None).await), ErrorKind::Conflict, "round {round}");
        }
        told += 1;
        let all = two.contenders(&at).await.unwrap();
        assert_eq!(all.len(), 2, "round {round}: both are kept");
        two.resolve(&at, &all[1].holders[0]).await.unwrap();
        assert_eq!(value(&one, at.as_str()).await, value(&two, at.as_str()).await);
        settled += 1;
    }
    assert!(told > 0 && settled == told, "no two met");
}
