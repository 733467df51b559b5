//! Files do not grow with what was overwritten.

use std::fs;
use std::sync::Arc;

use secrets_backend::{NewSecret, PutMode, SecretBackend as _};
use secrets_backend_local::LocalBackend;
use secrets_manager::Safe;

use crate::harness::{Home, path, set};

const SECRETS: u64 = 100;

#[allow(clippy::disallowed_methods, reason = "a proof sets the number of rounds")]
fn rounds(every_day: u64) -> u64 {
    std::env::var("SECRETS_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(every_day)
}

#[tokio::test]
async fn overwriting_for_ever_keeps_the_files_small() {
    let home = Home::in_memory().await;
    let store = home.store();
    let safe = home.open_over(Arc::<LocalBackend>::clone(&store)).await.unwrap();
    let rounds = rounds(1_000);
    let (mut largest_store, mut largest_state) = (0, 0);
    for turn in 0..rounds.div_ceil(SECRETS) {
        overwrite_all(&safe, turn).await;
        if turn % 10 == 9 {
            largest_store = largest_store.max(store.stats().await.unwrap().bytes);
            largest_state = largest_state.max(fs::metadata(home.places.state_db()).unwrap().len());
        }
    }
    let live = live_bytes(&store).await;
    store.compact().await.unwrap();
    let compacted = store.stats().await.unwrap().bytes;
    println!(
        "FIGURE: {rounds} overwrites of {SECRETS} secrets, a tenth of them one by one: {} KiB live, \
         the store at most {} KiB, compacted {} KiB; the state at most {} KiB",
        live / 1024,
        largest_store / 1024,
        compacted / 1024,
        largest_state / 1024
    );
    assert!(largest_store <= live * 10, "{largest_store} bytes for {live} of live data");
    assert!(compacted <= live * 2, "{compacted} bytes after compaction for {live} of live data");
}

/// Every tenth turn one by one, each in a transaction of its own; else all in one call, whose transactions
/// are large.
async fn overwrite_all(safe: &Safe, turn: u64) {
    let values = (0..SECRETS).map(|number| (format!("app/key-{number}"), format!("value of turn {turn}")));
    if turn.is_multiple_of(10) {
        for (at, value) in values {
            set(safe, &at, &value).await;
        }
    } else {
        let secrets: Vec<_> = values.map(|(at, value)| (path(&at), NewSecret::new(value))).collect();
        safe.put_many(&secrets, &PutMode::Upsert).await.unwrap();
    }
}

/// The bytes of every version that the store keeps, as it was given them: path, stamp and envelope.
async fn live_bytes(store: &LocalBackend) -> u64 {
    let mut bytes = 0;
    for number in 0..SECRETS {
        let at = path(&format!("app/key-{number}"));
        for version in store.versions(&at).await.unwrap() {
            let secret = store.get(&at, Some(&version.id)).await.unwrap();
            let stamp = secret.stamp.unwrap().to_string();
            bytes += (at.as_str().len() + stamp.len() + secret.value.expose().len()) as u64;
        }
    }
    bytes
}
