//! What becomes of writes when replicas are down, and when they come back.

use secrets_backend::Level;

use super::*;
use crate::failover::WhenDown;

/// The next version of a secret, as the seal above makes it.
fn next(version: u64, content: u8, parent: u8) -> NewSecret {
    let parent = Some(ContentId::new([parent; 32]));
    let stamp = Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([content; 32]), parent);
    NewSecret::new(vec![content]).with_stamp(stamp)
}

fn replace(version: u64) -> PutMode {
    PutMode::Replace(VersionId::from_number(version))
}

async fn put(backend: &FailoverBackend, version: u64, content: u8) -> Result<Level> {
    let written =
        backend.put(&path("a"), &next(version, content, content - 1), &replace(version - 1)).await?;
    assert_eq!(written.version.unwrap().number(), Some(version));
    Ok(written.level)
}

/// What each replica holds of `a`.
async fn held(replicas: &[Arc<Moody>; 3]) -> [u8; 3] {
    let mut held = [0; 3];
    for (one, replica) in held.iter_mut().zip(replicas) {
        *one = replica.memory.get(&path("a"), None).await.unwrap().value.expose()[0];
    }
    held
}

async fn read(backend: &FailoverBackend) -> (u8, String) {
    let secret = backend.get(&path("a"), None).await.unwrap();
    (secret.value.expose()[0], secret.served.unwrap().by)
}

#[tokio::test(start_paused = true)]
async fn a_write_comes_to_all_replicas_with_the_same_bytes() {
    let (replicas, mut backend) = three().await;
    assert_eq!(put(&backend, 3, 3).await.unwrap(), Level::Primary);
    assert_eq!(held(&replicas).await, [3, 2, 2], "nobody waits for the others");
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert_eq!(held(&replicas).await, [3, 3, 3]);
    backend.config.ack = Level::All;
    assert_eq!(put(&backend, 4, 4).await.unwrap(), Level::All);
    assert_eq!(held(&replicas).await, [4, 4, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_down_catches_up_in_order() {
    let (replicas, backend) = three().await;
    replicas[1].is(Mood::Fails(ErrorKind::Unavailable));
    for version in 3..=5 {
        let content = u8::try_from(version).unwrap();
        assert_eq!(put(&backend, version, content).await.unwrap(), Level::Primary);
        assert_eq!(backend.drain().await.unwrap().behind, ["two".to_owned()].into());
    }
    assert_eq!(held(&replicas).await, [5, 2, 5]);
    replicas[1].is(Mood::Well);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert_eq!(held(&replicas).await, [5, 5, 5]);
    assert_eq!(replicas[1].memory.versions(&path("a")).await.unwrap().len(), 5, "none was skipped");
}

#[tokio::test(start_paused = true)]
async fn a_write_while_the_primary_is_down_waits_and_is_seen_by_every_read() {
    for mood in [ErrorKind::Unavailable, ErrorKind::TimedOut, ErrorKind::RateLimited].map(Mood::Fails) {
        let (replicas, backend) = three().await;
        replicas[0].is(mood);
        assert_eq!(put(&backend, 3, 3).await.unwrap(), Level::Local, "{mood:?}");
        assert_eq!(put(&backend, 4, 4).await.unwrap(), Level::Local, "{mood:?}");
        assert_eq!(held(&replicas).await, [2, 2, 2], "nobody has what the primary lacks");
        assert_eq!(read(&backend).await, (4, "journal".to_owned()));
        let batch = backend.get_many(&["a", "b"].map(path)).await;
        assert_eq!(batch[0].as_ref().unwrap().value.expose(), [4]);
        assert_eq!(batch[1].as_ref().unwrap().value.expose(), [2]);
        let old = backend.get(&path("a"), Some(&VersionId::from_number(3))).await.unwrap();
        assert_eq!(old.value.expose(), [3]);
        replicas[0].is(Mood::Well);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(backend.drain().await.unwrap().left, 0);
        assert_eq!((held(&replicas).await, read(&backend).await), ([4, 4, 4], (4, "one".to_owned())));
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_listed() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    let created = sealed(1, 1);
    backend.put(&path("new/one"), &created, &PutMode::Create).await.unwrap();
    put(&backend, 3, 3).await.unwrap();
    let listed = backend.list_all(None).await.unwrap();
    let mut versions: Vec<_> =
        listed.iter().map(|item| (item.path.as_str(), item.stamp.as_ref().unwrap().version)).collect();
    versions.sort_unstable();
    assert_eq!(versions, [("a", 3), ("b", 2), ("c", 2), ("new/one", 1)]);
    assert_eq!(backend.list_all(Some(&path("new"))).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_leaves_nothing_behind() {
    for kind in [ErrorKind::Conflict, ErrorKind::PermissionDenied, ErrorKind::InvalidInput] {
        let (replicas, backend) = three().await;
        replicas[0].is(Mood::Fails(kind));
        assert_eq!(put(&backend, 3, 3).await.unwrap_err().kind(), kind);
        replicas[0].is(Mood::Well);
        assert_eq!(backend.drain().await.unwrap().left, 0);
        assert_eq!(held(&replicas).await, [2, 2, 2], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_journal_nothing_is_written_and_with_deny_nothing_waits() {
    let (replicas, mut backend) = three().await;
    backend.config.when_down = WhenDown::Deny;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    assert_eq!(put(&backend, 3, 3).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(backend.drain().await.unwrap().left, 0);
    let journal = Arc::new(Volatile::default());
    journal.fails.store(true, Ordering::SeqCst);
    backend.journal = Some(journal);
    replicas[0].is(Mood::Well);
    assert_eq!(put(&backend, 3, 3).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(held(&replicas).await, [2, 2, 2], "nothing is begun that is not kept");
}

#[tokio::test(start_paused = true)]
async fn what_someone_else_wrote_meanwhile_is_kept_and_told() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    put(&backend, 3, 3).await.unwrap();
    // Another installation reaches the primary.
    replicas[0].memory.put(&path("a"), &next(3, 9, 2), &PutMode::Upsert).await.unwrap();
    replicas[0].is(Mood::Well);
    let drained = backend.drain().await.unwrap();
    assert_eq!((drained.left, drained.diverged.len()), (1, 1));
    assert_eq!(held(&replicas).await, [9, 2, 2], "neither is written over the other");
}

#[tokio::test(start_paused = true)]
async fn a_slow_replica_does_not_hold_the_answer_up_for_longer_than_its_time() {
    let (replicas, mut backend) = three().await;
    backend.config.ack = Level::All;
    replicas[2].is(Mood::Hangs);
    let began = Instant::now();
    assert_eq!(put(&backend, 3, 3).await.unwrap(), Level::Primary);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(held(&replicas).await, [3, 3, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_hangs_holds_a_write_up_once_and_then_no_more() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Hangs);
    let began = Instant::now();
    for version in 3..=6 {
        assert_eq!(put(&backend, version, u8::try_from(version).unwrap()).await.unwrap(), Level::Local);
    }
    assert_eq!(began.elapsed(), Duration::from_secs(30), "three times the deadline, then it is left alone");
    replicas[0].is(Mood::Well);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert_eq!(held(&replicas).await, [6, 6, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_says_it_stored_and_did_not_is_found_out_before_anybody_is_told() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Forgets);
    assert_eq!(put(&backend, 3, 3).await.unwrap(), Level::Local);
    assert_eq!(read(&backend).await, (3, "journal".to_owned()));
    replicas[0].is(Mood::Well);
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert_eq!(held(&replicas).await, [3, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn another_process_that_sends_our_row_first_makes_no_conflict() {
    let (replicas, backend) = three().await;
    // As a process that drains does between our journal and our write.
    replicas[0].memory.put(&path("a"), &next(3, 3, 2), &replace_native(&replicas[0]).await).await.unwrap();
    assert_eq!(put(&backend, 3, 3).await.unwrap(), Level::Primary);
}

async fn replace_native(replica: &Moody) -> PutMode {
    PutMode::Replace(replica.memory.get(&path("a"), None).await.unwrap().version)
}

#[tokio::test(start_paused = true)]
async fn a_contested_secret_is_served_as_the_primary_has_it_and_says_so_until_somebody_decides() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    put(&backend, 3, 3).await.unwrap();
    replicas[0].memory.put(&path("a"), &next(3, 9, 2), &PutMode::Upsert).await.unwrap();
    replicas[0].is(Mood::Well);
    backend.drain().await.unwrap();
    for _ in 0..2 {
        let secret = backend.get(&path("a"), None).await.unwrap();
        assert_eq!((secret.value.expose(), secret.served.unwrap().conflict), (&[9][..], true));
    }
    let batch = backend.get_many(&[path("a"), path("b")]).await;
    let conflicts = batch.into_iter().map(|answer| answer.unwrap().served.unwrap().conflict);
    assert_eq!(conflicts.collect::<Vec<_>>(), [true, false]);
    let rivals = backend.rivals(&path("a")).await.unwrap();
    let contents: Vec<_> =
        rivals.iter().map(|rival| (rival.secret.value.expose()[0], rival.holders.join(" "))).collect();
    assert_eq!(contents, [(9, "one".to_owned()), (2, "two three".to_owned()), (3, "journal".to_owned())]);
    backend.settle(&path("a"), &next(4, 3, 9)).await.unwrap();
    assert_eq!(held(&replicas).await, [3, 3, 3]);
    assert_eq!(backend.drain().await.unwrap(), Drained::default());
    assert!(!backend.get(&path("a"), None).await.unwrap().served.unwrap().conflict);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_nobody_was_told_of_and_that_came_too_late_is_dropped() {
    let (replicas, backend) = three().await;
    let late = next(3, 3, 2);
    let journal = Arc::clone(backend.journal.as_ref().unwrap());
    journal.add(&[NewRow::new(&path("a"), &late, &["one", "two", "three"])]).await.unwrap();
    replicas[0].memory.put(&path("a"), &next(3, 9, 2), &PutMode::Upsert).await.unwrap();
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert!(!backend.get(&path("a"), None).await.unwrap().served.unwrap().conflict);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_told_of_while_another_process_drains_is_kept() {
    let (replicas, backend) = three().await;
    let journal = Arc::clone(backend.journal.as_ref().unwrap());
    let ours = next(3, 3, 2);
    let rows = journal.add(&[NewRow::new(&path("a"), &ours, &["one", "two", "three"])]).await.unwrap();
    replicas[0].memory.put(&path("a"), &next(3, 9, 2), &PutMode::Upsert).await.unwrap();
    // The other process has read the row, and asks the primary; meanwhile its writer tells.
    replicas[0].is(Mood::Slow);
    let drained = tokio::join!(backend.drain(), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(journal.acknowledge(&rows).await.unwrap(), rows);
    });
    drained.0.unwrap();
    replicas[0].is(Mood::Well);
    assert_eq!(backend.drain().await.unwrap().diverged, [path("a")].into());
    // And the other way round: of what was dropped as too late nobody is told.
    let late = journal.add(&[NewRow::new(&path("a"), &ours, &["one"])]).await.unwrap();
    journal.abandon(&late).await.unwrap();
    assert!(journal.acknowledge(&late).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_process_was_killed_is_completed_by_the_next() {
    let (replicas, backend) = three().await;
    let journal = Arc::clone(backend.journal.as_ref().unwrap());
    journal.add(&[NewRow::new(&path("a"), &next(3, 3, 2), &["one", "two", "three"])]).await.unwrap();
    assert_eq!(read(&backend).await.0, 2, "nobody was told of it yet");
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert_eq!(held(&replicas).await, [3, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_purge_comes_to_every_replica_and_leaves_the_tombstone_alone() {
    let (replicas, backend) = three().await;
    replicas[2].is(Mood::Fails(ErrorKind::Unavailable));
    let mut tombstone = next(3, 3, 2);
    tombstone.stamp.as_mut().unwrap().kind = StampKind::Tombstone;
    assert_eq!(backend.purge_to(&path("a"), &tombstone).await.unwrap().level, Level::Primary);
    assert_eq!(backend.drain().await.unwrap().left, 1);
    replicas[2].is(Mood::Well);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(backend.drain().await.unwrap().left, 0);
    for replica in &replicas {
        let versions = replica.memory.versions(&path("a")).await.unwrap();
        let numbers: Vec<_> = versions.iter().map(|meta| meta.stamp.as_ref().unwrap().version).collect();
        assert_eq!(numbers, [3]);
    }
    let refused = backend.purge(&path("a")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn of_many_writes_each_has_an_answer_of_its_own() {
    let (replicas, backend) = three().await;
    let (a, b, new) = (path("a"), path("b"), path("new"));
    let (good, late, created) = (next(3, 3, 2), next(3, 4, 1), sealed(1, 1));
    let (on_2, on_1) = (replace(2), replace(1));
    let writes = [
        Write::new(&a, &good, &on_2),
        Write::new(&b, &late, &on_1),
        Write::new(&new, &created, &PutMode::Create),
    ];
    let answers = backend.write_many(&writes).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap().level, Level::Primary);
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(answers[2].as_ref().unwrap().level, Level::Primary);
    assert_eq!(backend.drain().await.unwrap().left, 0);
    for replica in &replicas {
        assert_eq!(replica.memory.get(&new, None).await.unwrap().value.expose(), [1]);
        assert_eq!(replica.memory.get(&b, None).await.unwrap().value.expose(), [2]);
    }
}
