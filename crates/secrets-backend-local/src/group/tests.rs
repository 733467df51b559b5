//! Who shares a transaction, whom a failure in it concerns, and what becomes of those who wait.

use std::time::Duration;

use secrets_backend::{NewSecret, PutMode, SecretPath, Timestamp};

use super::*;
use crate::LocalConfig;
use crate::engine::Table;
use crate::operations::{self, Put};

fn store(scratch: &tempfile::TempDir) -> Arc<Store> {
    Arc::new(Store::new(LocalConfig::new(scratch.path().join("store"))).unwrap())
}

fn path(at: &str) -> SecretPath {
    at.parse().unwrap()
}

fn put(at: &'static str, bytes: usize) -> Change {
    Change::making_the_store(bytes, move |rows| {
        let put = Put {
            path: &path(at),
            secret: &NewSecret::new(vec![7; bytes]),
            metadata: &[],
            mode: &PutMode::Create,
            now: Timestamp::from_millis(7),
            keep: 10,
        };
        operations::put(rows, &put)
    })
}

/// Lets a worker write all of these as what waits when it comes, and gives the kinds of their failures.
fn outcomes(store: &Arc<Store>, changes: impl IntoIterator<Item = Change>) -> Vec<Option<ErrorKind>> {
    let group = Arc::new(Group::new(Arc::clone(store)));
    let (writes, answers): (Vec<_>, Vec<_>) = changes.into_iter().map(Waiting::new).unzip();
    let needed: Vec<_> = writes.into_iter().map(|write| group.enqueue(write)).collect();
    assert_eq!(needed.iter().filter(|needed| **needed).count(), 1, "one worker is enough");
    Worker { group: Arc::clone(&group), done: false }.run();
    assert!(group.queue().waiting.is_empty() && !group.queue().working);
    let kind = |answer: Answer| answer.err().map(|fault| fault.kind());
    answers.into_iter().map(|mut answer| kind(answer.try_recv().unwrap())).collect()
}

fn holds(store: &Store, at: &str) -> bool {
    store.read(|rows| Ok(operations::get(rows, &path(at), None).is_ok())).unwrap().unwrap()
}

#[test]
fn a_write_that_fails_half_way_or_panics_takes_no_other_with_it() {
    let scratch = tempfile::tempdir().unwrap();
    let store = store(&scratch);
    let broken = || {
        Change::new(|rows| {
            rows.put(Table::Index, b"half", b"done")?;
            Err(Fault::damaged("in a test"))
        })
    };
    let panicking = Change::new(|_| panic!("on purpose"));
    let changes = [put("a", 1), broken(), put("b", 1), panicking, put("c", 1), broken()];
    let damaged = Some(ErrorKind::Tampered);
    assert_eq!(outcomes(&store, changes), [None, damaged, None, damaged, None, damaged]);
    assert!(["a", "b", "c"].iter().all(|at| holds(&store, at)));
    let half = store.read(|rows| rows.get(Table::Index, b"half")).unwrap().unwrap();
    assert!(half.is_none(), "what failed left something behind");
}

#[test]
fn a_transaction_is_no_larger_than_one_write_may_be() {
    let scratch = tempfile::tempdir().unwrap();
    let store = store(&scratch);
    let large = MOST_BYTES + 1;
    let sizes =
        [("a", large), ("b", 1), ("c", 1), ("d", large), ("e", MOST_BYTES / 2), ("f", MOST_BYTES / 2)];
    assert_eq!(outcomes(&store, sizes.map(|(at, bytes)| put(at, bytes))), [None; 6]);
    assert_eq!(store.opens(), 5, "only the two small ones share a transaction");
}

#[test]
fn without_a_store_a_deletion_finds_nothing_and_makes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let store = store(&scratch);
    let delete = || Change::new(|rows| operations::delete(rows, &path("a")));
    assert_eq!(outcomes(&store, [delete(), delete()]), [Some(ErrorKind::NotFound); 2]);
    assert!(!scratch.path().join("store").exists());
    let missing = Some(ErrorKind::NotFound);
    assert_eq!(outcomes(&store, [delete(), put("a", 1), delete(), delete()]), [missing, None, None, missing]);
}

#[test]
fn writes_that_wait_in_vain_for_another_process_all_end_in_time() {
    let scratch = tempfile::tempdir().unwrap();
    let mut config = LocalConfig::new(scratch.path().join("store"));
    config.lock_wait = Duration::from_millis(100);
    let store = Arc::new(Store::new(config).unwrap());
    assert_eq!(outcomes(&store, [put("a", 1)]), [None]);
    let other = std::fs::File::open(scratch.path().join("store/lock")).unwrap();
    other.lock().unwrap();
    let begun = Instant::now();
    let unavailable = Some(ErrorKind::Unavailable);
    assert_eq!(outcomes(&store, (0..50).map(|_| put("b", 1))), [unavailable; 50]);
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert!(begun.elapsed() < Duration::from_millis(2_500), "each waited by itself");
    drop(other);
    assert_eq!(outcomes(&store, [put("b", 1)]), [None]);
}

#[test]
fn a_worker_that_never_began_leaves_nobody_waiting_and_the_group_usable() {
    let scratch = tempfile::tempdir().unwrap();
    let group = Arc::new(Group::new(store(&scratch)));
    let (write, mut answer) = Waiting::new(put("a", 1));
    assert!(group.enqueue(write));
    // As a runtime that has ended drops what it was to run.
    drop(Worker { group: Arc::clone(&group), done: false });
    assert_eq!(answer.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
    let (write, mut answer) = Waiting::new(put("a", 1));
    assert!(group.enqueue(write), "it counts on a worker that is gone");
    Worker { group, done: false }.run();
    answer.try_recv().unwrap().unwrap();
}
