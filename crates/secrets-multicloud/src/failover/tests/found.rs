//! What the simulation found.

use secrets_backend::Level;

use super::*;

/// A version on top of another.
fn version(number: u64, content: u8, parent: u8, kind: StampKind) -> NewSecret {
    let parent = Some(ContentId::new([parent; 32]));
    let stamp = Stamp::new(kind, number, Some(1), 7, ContentId::new([content; 32]), parent);
    NewSecret::new(vec![content]).with_stamp(stamp)
}

/// The versions that a replica keeps of `a`.
async fn numbers(replica: &Moody) -> Vec<u64> {
    let versions = replica.memory.versions(&path("a")).await.unwrap();
    versions.iter().map(|meta| meta.stamp.as_ref().unwrap().version).collect()
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_taken_and_cannot_be_read_back_is_not_told_as_failed() {
    let (replicas, backend) = three().await;
    // So that the write needs no look at what is there.
    backend.get(&path("a"), None).await.unwrap();
    replicas[0].is(Mood::Lies(9));
    let replace = PutMode::Replace(VersionId::from_number(2));
    let written = backend.put(&path("a"), &version(3, 3, 2, StampKind::Secret), &replace).await.unwrap();
    assert_eq!(written.level, Level::Local);
    replicas[0].is(Mood::Well);
    assert_eq!(backend.drain().await.unwrap().left, 0);
    for replica in &replicas {
        assert_eq!(numbers(replica).await, [1, 2, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_takes_the_history_of_a_replica_that_got_the_tombstone_as_a_copy() {
    let (replicas, backend) = three().await;
    let tombstone = version(3, 3, 2, StampKind::Tombstone);
    backend.purge_to(&path("a"), &tombstone).await.unwrap();
    replicas[1].memory.put(&path("a"), &tombstone, &PutMode::Upsert).await.unwrap();
    replicas[2].memory.put(&path("a"), &tombstone, &PutMode::Upsert).await.unwrap();
    let newer = version(4, 4, 3, StampKind::Secret);
    replicas[2].memory.put(&path("a"), &newer, &PutMode::Upsert).await.unwrap();
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert_eq!(numbers(&replicas[1]).await, [3]);
    assert_eq!(numbers(&replicas[2]).await, [4], "what came after it stays");
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_waits_is_not_done_by_a_version_that_was_written_without_it() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    let tombstone = version(3, 3, 2, StampKind::Tombstone);
    assert_eq!(backend.purge_to(&path("a"), &tombstone).await.unwrap().level, Level::Local);
    replicas[0].is(Mood::Well);
    for (number, content, parent) in [(3, 8, 2), (4, 9, 8)] {
        let theirs = version(number, content, parent, StampKind::Secret);
        replicas[0].memory.put(&path("a"), &theirs, &PutMode::Upsert).await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(5)).await;
    let drained = backend.drain().await.unwrap();
    assert_eq!((drained.left, drained.diverged), (1, [path("a")].into()));
    assert_eq!(numbers(&replicas[0]).await, [3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_version_from_before_anothers_purge_waits_no_longer_for_a_replica_that_is_in_step() {
    let (replicas, backend) = three().await;
    let late = version(3, 3, 2, StampKind::Secret);
    let journal = Arc::clone(backend.journal.as_ref().unwrap());
    journal.add(&[NewRow::new(&path("a"), &late, &["three"])]).await.unwrap();
    for replica in &replicas {
        replica.memory.purge(&path("a")).await.unwrap();
        let tombstone = version(5, 5, 4, StampKind::Tombstone);
        replica.memory.put(&path("a"), &tombstone, &PutMode::Create).await.unwrap();
    }
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert_eq!(numbers(&replicas[2]).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_not_shown_once_a_newer_version_was_seen() {
    let (replicas, backend) = three().await;
    let journal = Arc::clone(backend.journal.as_ref().unwrap());
    // The primary has it, and could not be asked since.
    let ids = journal.add(&[NewRow::new(&path("a"), &sealed(1, 1), &["one"])]).await.unwrap();
    journal.acknowledge(&ids).await.unwrap();
    let shown = |secret: Secret| (secret.version.number(), secret.served.unwrap().by);
    let newest = (Some(2), "one".to_owned());
    assert_eq!(shown(backend.get(&path("a"), None).await.unwrap()), newest);
    let batch = backend.get_many(&[path("a")]).await.pop().unwrap();
    assert_eq!(shown(batch.unwrap()), newest);
    let old = backend.get(&path("a"), Some(&VersionId::from_number(1))).await.unwrap();
    assert_eq!(shown(old), (Some(1), "journal".to_owned()));
    let listed = backend.list_all(None).await.unwrap();
    assert!(listed.iter().all(|item| item.stamp.as_ref().unwrap().version == 2));
    replicas[0].memory.purge(&path("a")).await.unwrap();
    let listed = backend.list_all(None).await.unwrap();
    assert!(listed.iter().all(|item| item.path != path("a")), "nor where the newer one is a deletion");
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_shows_anothers_versions_has_not_stored_ours() {
    let (replicas, backend) = three().await;
    backend.get(&path("a"), None).await.unwrap();
    replicas[0].is(Mood::Forgets);
    for (number, content, parent) in [(3, 8, 2), (4, 9, 8)] {
        let theirs = version(number, content, parent, StampKind::Secret);
        replicas[0].memory.put(&path("a"), &theirs, &PutMode::Upsert).await.unwrap();
    }
    let replace = PutMode::Replace(VersionId::from_number(2));
    let written = backend.put(&path("a"), &version(3, 3, 2, StampKind::Secret), &replace).await.unwrap();
    assert_eq!(written.level, Level::Local);
    replicas[0].is(Mood::Well);
    assert_eq!(backend.drain().await.unwrap().diverged, [path("a")].into());
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_refuses_and_shows_nothing_does_not_know() {
    let (replicas, backend) = three().await;
    backend.get(&path("a"), None).await.unwrap();
    replicas[0].memory.purge(&path("a")).await.unwrap();
    let replace = PutMode::Replace(VersionId::from_number(2));
    let written = backend.put(&path("a"), &version(3, 3, 2, StampKind::Secret), &replace).await.unwrap();
    assert_eq!(written.level, Level::Local, "not a conflict: after a version there is always another");
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert_eq!(numbers(&replicas[0]).await, [3]);
}

#[tokio::test(start_paused = true)]
async fn a_write_after_which_nobody_could_look_is_not_told_as_failed() {
    let service = unconditional();
    let backend = FailoverBackend::new(Replica::new("one", Arc::clone(&service) as _, verify()));
    backend.put(&path("of/one"), &sealed(1, 1), &PutMode::Create).await.unwrap();
    service.is(Mood::GoesBlind);
    let replace = PutMode::Replace(VersionId::from_number(1));
    let told =
        backend.put(&path("of/one"), &version(2, 2, 1, StampKind::Secret), &replace).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::TimedOut);
    service.is(Mood::Well);
    assert_eq!(backend.get(&path("of/one"), None).await.unwrap().value.expose(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_another_process_dropped_is_not_at_all_replicas() {
    let (replicas, mut backend) = three().await;
    backend.config.ack = Level::All;
    replicas[0].is(Mood::Slow);
    let third = version(3, 3, 2, StampKind::Secret);
    let replace = PutMode::Replace(VersionId::from_number(2));
    let at = path("a");
    let other = async {
        tokio::time::sleep(Duration::from_millis(75)).await;
        let journal = backend.journal.as_ref().unwrap();
        let rows: Vec<u64> = journal.rows().await.unwrap().iter().map(|row| row.id).collect();
        assert_eq!(rows.len(), 1);
        journal.abandon(&rows).await.unwrap();
    };
    let (written, ()) = tokio::join!(backend.put(&at, &third, &replace), other);
    assert_eq!(written.unwrap().level, Level::Primary);
    assert_eq!(numbers(&replicas[1]).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_shows_what_is_out_of_date_gets_no_second_copy_where_its_times_tell() {
    let (replicas, backend) = over([unconditional(), unconditional(), unconditional()]).await;
    replicas[0].is(Mood::Lags);
    let third = version(3, 3, 2, StampKind::Secret);
    let replace = PutMode::Replace(VersionId::from_number(2));
    let written = backend.put(&path("a"), &third, &replace).await.unwrap();
    assert_eq!(written.level, Level::Local, "it could not be seen");
    for _ in 0..3 {
        assert_eq!(backend.drain().await.unwrap().left, 1);
    }
    assert_eq!(numbers(&replicas[0]).await, [1, 2, 3]);
    // Of one time, the one that is shown may have come last.
    replicas[0].is(Mood::Hurries);
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert_eq!(numbers(&replicas[0]).await, [1, 2, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_history_of_any_replica_shows_that_there_is_no_conflict() {
    let (replicas, backend) = three().await;
    for replica in &replicas {
        for (number, content) in [(3, 3), (4, 4), (5, 5)] {
            let next = version(number, content, content - 1, StampKind::Secret);
            replica.memory.put(&path("a"), &next, &PutMode::Upsert).await.unwrap();
        }
    }
    // It became the primary before it had what was written before.
    replicas[0].memory.purge(&path("a")).await.unwrap();
    replicas[0].memory.put(&path("a"), &version(5, 5, 4, StampKind::Secret), &PutMode::Create).await.unwrap();
    let journal = Arc::clone(backend.journal.as_ref().unwrap());
    let third = version(3, 3, 2, StampKind::Secret);
    let ids = journal.add(&[NewRow::new(&path("a"), &third, &["one"])]).await.unwrap();
    journal.acknowledge(&ids).await.unwrap();
    assert_eq!(backend.drain().await.unwrap(), Drained::default());
    assert_eq!(numbers(&replicas[0]).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_another_process_sent_and_a_third_wrote_on_top_of_is_there() {
    let (replicas, backend) = three().await;
    backend.get(&path("a"), None).await.unwrap();
    let third = version(3, 3, 2, StampKind::Secret);
    let replace = PutMode::Replace(VersionId::from_number(2));
    for next in [&third, &version(4, 4, 3, StampKind::Secret), &version(5, 5, 4, StampKind::Secret)] {
        replicas[0].memory.put(&path("a"), next, &PutMode::Upsert).await.unwrap();
    }
    assert_eq!(backend.put(&path("a"), &third, &replace).await.unwrap().level, Level::Primary);
    let rival = version(3, 9, 2, StampKind::Secret);
    let refused = backend.put(&path("a"), &rival, &replace).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "what is on top of another's is not on top of ours");
    // However many came since, and although the history no longer reaches back.
    for number in 6..=210 {
        let content = u8::try_from(number % 256).unwrap();
        let next = version(number, content, content.wrapping_sub(1), StampKind::Secret);
        replicas[0].memory.put(&path("a"), &next, &PutMode::Upsert).await.unwrap();
    }
    replicas[0].asked();
    let refused = backend.put(&path("a"), &rival, &replace).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(replicas[0].asked() < 6, "nor is the whole history read for that");
}
