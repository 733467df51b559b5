//! What nobody may lose or bring back: after a promotion, a purge that was cut short, a replica that is behind.

use secrets_backend::Level;

use super::*;
use crate::sync::{Applied, ApplyConfig, Direction, Scope, apply, plan};

/// A version on top of another.
fn version(number: u64, content: u8, parent: u8, kind: StampKind) -> NewSecret {
    let parent = Some(ContentId::new([parent; 32]));
    let stamp = Stamp::new(kind, number, Some(1), 7, ContentId::new([content; 32]), parent);
    NewSecret::new(vec![content]).with_stamp(stamp)
}

fn numbers(history: &[VersionMeta]) -> Vec<u64> {
    history.iter().filter_map(|meta| meta.id.number()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_the_old_primary_took_is_a_conflict_after_a_promotion_and_is_not_dropped() {
    let (replicas, backend) = three().await;
    let down = Mood::Fails(ErrorKind::Unavailable);
    replicas[1].is(down);
    replicas[2].is(down);
    let replace = PutMode::Replace(VersionId::from_number(2));
    let ours = version(3, 3, 2, StampKind::Secret);
    assert_eq!(backend.put(&path("a"), &ours, &replace).await.unwrap().level, Level::Primary);
    // The primary is lost with the only copy, and another installation writes to the one that was promoted.
    replicas[0].is(down);
    replicas[1].is(Mood::Well);
    replicas[2].is(Mood::Well);
    let theirs = version(3, 8, 2, StampKind::Secret);
    replicas[1].memory.put(&path("a"), &theirs, &PutMode::Upsert).await.unwrap();
    assert!(backend.lead_with("two"));
    tokio::time::advance(Duration::from_secs(10)).await;
    let drained = backend.drain().await.unwrap();
    assert_eq!((drained.left, drained.diverged), (1, [path("a")].into()));
    replicas[0].is(Mood::Well);
    replicas[0].memory.purge(&path("a")).await.unwrap();
    let rivals = backend.rivals(&path("a")).await.unwrap();
    let held = |rival: &super::super::Rival| (rival.holders.join(" "), rival.stamp.content_id.as_bytes()[0]);
    assert!(rivals.iter().map(held).any(|held| held == ("journal".to_owned(), 3)), "{rivals:?}");
}

#[tokio::test(start_paused = true)]
async fn who_was_promoted_gets_what_the_old_primary_took() {
    let (replicas, backend) = three().await;
    replicas[1].is(Mood::Fails(ErrorKind::Unavailable));
    let replace = PutMode::Replace(VersionId::from_number(2));
    backend.put(&path("a"), &version(3, 3, 2, StampKind::Secret), &replace).await.unwrap();
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    replicas[1].is(Mood::Well);
    assert!(backend.lead_with("two"));
    let shown = backend.get(&path("a"), None).await.unwrap();
    assert_eq!(shown.version.number(), Some(3), "before it is there, too");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert_eq!(replicas[1].memory.get(&path("a"), None).await.unwrap().value.expose(), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_purge_without_its_tombstone_is_not_told_as_refused_and_is_carried_to_its_end() {
    for kind in [ErrorKind::Unavailable, ErrorKind::PermissionDenied] {
        let (replicas, mut backend) = three().await;
        backend.config.when_down = WhenDown::Deny;
        // The purge goes through; what comes after it does not.
        replicas[0].is(Mood::Fails(kind));
        let tombstone = version(3, 3, 2, StampKind::Tombstone);
        let error = backend.purge_to(&path("a"), &tombstone).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{kind}");
        replicas[0].is(Mood::Well);
        assert_eq!(backend.drain().await.unwrap().left, 0);
        for replica in &replicas {
            assert_eq!(replica.memory.versions(&path("a")).await.unwrap().len(), 1, "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_to_be_live_is_extra_nowhere() {
    let (replicas, backend) = three().await;
    for name in ["seen", "unseen"] {
        replicas[1].memory.put(&path(name), &sealed(2, 2), &PutMode::Create).await.unwrap();
    }
    let mut scope = Scope::default();
    (scope.direction, scope.delete_extra) = (Direction::Push, true);
    let plan = plan(&backend, &scope, &|_, _| {}).await.unwrap();
    let mut told = Vec::new();
    let mut progress = |step: &crate::sync::Step, applied: &Applied| {
        told.push((step.path.to_string(), matches!(applied, Applied::Done)));
    };
    apply(&backend, &plan, &ApplyConfig::default(), &mut progress).await.unwrap();
    told.sort();
    assert_eq!(told, [("seen".to_owned(), false), ("unseen".to_owned(), true)]);
    assert!(replicas[1].memory.get(&path("seen"), None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_history_that_ends_before_what_was_seen_is_not_the_answer() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    let third = version(3, 3, 2, StampKind::Secret);
    replicas[2].memory.put(&path("a"), &third, &PutMode::Upsert).await.unwrap();
    assert_eq!(numbers(&backend.history(&path("a"), 2).await.unwrap()), [1, 2]);
    assert_eq!(numbers(&backend.history(&path("a"), 3).await.unwrap()), [1, 2, 3]);
    assert_eq!(backend.history(&path("a"), 4).await.unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(backend.history(&path("seen"), 1).await.unwrap_err().kind(), ErrorKind::Stale);
}

#[tokio::test(start_paused = true)]
async fn a_history_goes_on_with_what_waits_here() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    for (number, content) in [(3, 3), (4, 4)] {
        let mode = PutMode::Replace(VersionId::from_number(number - 1));
        let next = version(number, content, content - 1, StampKind::Secret);
        assert_eq!(backend.put(&path("a"), &next, &mode).await.unwrap().level, Level::Local);
    }
    let history = backend.history(&path("a"), 4).await.unwrap();
    assert_eq!(numbers(&history), [1, 2, 3, 4]);
    let last = backend.get(&path("a"), Some(&history[2].id)).await.unwrap();
    assert_eq!(last.value.expose(), [3]);
    // What waits is the whole history of a new secret.
    backend.put(&path("x/new"), &sealed(1, 1), &PutMode::Create).await.unwrap();
    assert_eq!(numbers(&backend.versions(&path("x/new")).await.unwrap()), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_too_slow_for_reads_still_takes_writes() {
    let (replicas, mut backend) = three().await;
    backend.config.hedge_after = Duration::from_millis(20);
    replicas[0].is(Mood::Slow);
    for _ in 0..3 {
        assert_eq!(by(&backend, "a").await.unwrap().0, "two");
    }
    assert!(backend.is_left_alone(&backend.replicas[0]));
    let replace = PutMode::Replace(VersionId::from_number(2));
    let written = backend.put(&path("a"), &version(3, 3, 2, StampKind::Secret), &replace).await.unwrap();
    assert_eq!(written.level, Level::Primary);
    // One that says nothing is waited for no longer than it takes to see that.
    replicas[0].is(Mood::Hangs);
    for _ in 0..3 {
        backend.get(&path("b"), None).await.unwrap();
    }
    let began = Instant::now();
    let written = backend.put(&path("b"), &version(3, 3, 2, StampKind::Secret), &replace).await.unwrap();
    assert_eq!((written.level, began.elapsed()), (Level::Local, backend.config.hedge_batch_after));
    let began = Instant::now();
    let replace = PutMode::Replace(VersionId::from_number(3));
    let written = backend.put(&path("b"), &version(4, 4, 3, StampKind::Secret), &replace).await.unwrap();
    assert_eq!((written.level, began.elapsed()), (Level::Local, Duration::ZERO), "it was asked just now");
}
