//! Which reads a replace makes of the replica, and what it never writes over.

#![allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrets_backend::{ContentId, MemoryBackend, Metrics, MetricsBackend, StampKind};

use super::*;

/// Counts reads.
#[derive(Debug, Default)]
struct Reads(AtomicU64);

impl Metrics for Reads {
    fn record(&self, operation: Operation, _failure: Option<ErrorKind>, _elapsed: Duration) {
        self.0.fetch_add(u64::from(operation == Operation::Get), Ordering::Relaxed);
    }
}

fn path() -> SecretPath {
    "app/key".parse().unwrap()
}

fn sealed(version: u64, content: u8) -> NewSecret {
    let stamp = Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([content; 32]), None);
    NewSecret::new(vec![content]).with_stamp(stamp)
}

fn replace(version: u64) -> PutMode {
    PutMode::Replace(VersionId::from_number(version))
}

/// The same memory behind two wrappers, as two installations have it, with the reads of the first.
async fn two_installations() -> (Replica, Replica, Arc<Reads>) {
    let (memory, reads) = (Arc::new(MemoryBackend::new()), Arc::new(Reads::default()));
    let verify: Arc<Verify> =
        Arc::new(|_, _, answer| Ok(answer.and_then(|secret| secret.stamp.clone()).map(Verified::good)));
    let counted = MetricsBackend::new(Arc::clone(&memory), Arc::clone(&reads));
    let ours = Replica::new("ours", Arc::new(counted), Arc::clone(&verify));
    let theirs = Replica::new("theirs", memory, verify);
    ours.put(&path(), &sealed(1, 1), &PutMode::Create).await.unwrap();
    (ours, theirs, reads)
}

#[tokio::test]
async fn what_was_just_read_is_replaced_without_a_second_read() {
    let (ours, _, reads) = two_installations().await;
    ours.get(&path(), None).await.unwrap();
    ours.put(&path(), &sealed(2, 2), &replace(1)).await.unwrap();
    assert_eq!(reads.0.load(Ordering::Relaxed), 1);
    // One read serves one write.
    ours.put(&path(), &sealed(3, 3), &replace(2)).await.unwrap();
    assert_eq!(reads.0.load(Ordering::Relaxed), 2);
    assert_eq!(ours.get(&path(), None).await.unwrap().value.expose(), [3]);
}

#[tokio::test]
async fn what_someone_else_has_written_since_it_was_read_is_not_replaced() {
    let (ours, theirs, _) = two_installations().await;
    ours.get(&path(), None).await.unwrap();
    theirs.put(&path(), &sealed(2, 9), &replace(1)).await.unwrap();
    for _ in 0..2 {
        let refused = ours.put(&path(), &sealed(2, 2), &replace(1)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
    }
    ours.get(&path(), None).await.unwrap();
    let refused = ours.put(&path(), &sealed(2, 2), &replace(1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "another version than the one that was read");
    assert_eq!(ours.get(&path(), None).await.unwrap().value.expose(), [9]);
}

/// Four versions; of the second and the third there is another content, which lost: before the winner or after it.
async fn with_losers(winner_first: bool) -> Replica {
    let memory = Arc::new(MemoryBackend::new());
    let verify: Arc<Verify> =
        Arc::new(|_, _, answer| Ok(answer.and_then(|secret| secret.stamp.clone()).map(Verified::good)));
    let put = async |number: u64, content: u8, parent: u8| {
        let mut secret = sealed(number, content);
        secret.stamp.as_mut().unwrap().parent = (parent > 0).then(|| ContentId::new([parent; 32]));
        memory.put(&path(), &secret, &PutMode::Upsert).await.unwrap();
    };
    put(1, 1, 0).await;
    for number in [2, 3] {
        let content = u8::try_from(number).unwrap();
        for is_winner in [winner_first, !winner_first] {
            put(number, if is_winner { content } else { content + 90 }, content - 1).await;
        }
    }
    put(4, 4, 3).await;
    Replica::new("one", memory, verify)
}

#[tokio::test]
async fn a_version_in_the_history_is_the_one_that_won_its_race() {
    for winner_first in [true, false] {
        let backend = with_losers(winner_first).await;
        for number in 1..=4 {
            let read = backend.get(&path(), Some(&VersionId::from_number(number))).await.unwrap();
            assert_eq!(u64::from(read.value.expose()[0]), number, "winner first: {winner_first}");
        }
    }
}

#[tokio::test]
async fn of_the_newest_number_the_current_version_is_the_one_that_won() {
    let (ours, theirs, _) = two_installations().await;
    // As a replica without conditions has it.
    ours.backend.put(&path(), &sealed(2, 9), &PutMode::Upsert).await.unwrap();
    ours.backend.put(&path(), &sealed(2, 2), &PutMode::Upsert).await.unwrap();
    let read = theirs.get(&path(), Some(&VersionId::from_number(2))).await.unwrap();
    assert_eq!(read.value.expose(), [2]);
}

#[tokio::test]
async fn a_race_that_nothing_decides_is_a_conflict() {
    let (ours, _, _) = two_installations().await;
    for (number, content) in [(2, 9), (2, 2), (3, 3)] {
        ours.backend.put(&path(), &sealed(number, content), &PutMode::Upsert).await.unwrap();
    }
    let undecided = ours.get(&path(), Some(&VersionId::from_number(2))).await.unwrap_err();
    assert_eq!(undecided.kind(), ErrorKind::Conflict, "version 3 names no parent");
}

#[tokio::test]
async fn another_content_under_the_number_to_be_replaced_is_not_written_over() {
    for is_known in [true, false] {
        let (ours, _, _) = two_installations().await;
        if is_known {
            ours.get(&path(), None).await.unwrap();
        }
        let mut next = sealed(2, 2);
        next.stamp.as_mut().unwrap().parent = Some(ContentId::new([9; 32]));
        let refused = ours.put(&path(), &next, &replace(1)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
        next.stamp.as_mut().unwrap().parent = Some(ContentId::new([1; 32]));
        ours.put(&path(), &next, &replace(1)).await.unwrap();
    }
}
