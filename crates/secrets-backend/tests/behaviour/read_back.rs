//! Settling writes of unknown outcome.

use std::error::Error as _;

use secrets_backend::{
    ContentId, ErrorKind, MemoryConfig, NewSecret, Operation, PutMode, SecretBackend, Stamp, StampKind,
    VersionId, read_back,
};

use crate::faulty::{FaultyBackend, Step};
use crate::{path, value};

const LOST: Step = Step::Lose(ErrorKind::TimedOut);
const NOT_DONE: Step = Step::Fail(ErrorKind::TimedOut);
const DOWN: Step = Step::Fail(ErrorKind::Unavailable);

/// A sealed secret: version, content, and the content of the version before.
fn sealed(version: u64, content: u8, parent: u8) -> NewSecret {
    let parent = (parent > 0).then(|| ContentId::new([parent; 32]));
    let stamp = Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([content; 32]), parent);
    NewSecret::new(vec![content]).with_stamp(stamp)
}

#[tokio::test(start_paused = true)]
async fn a_put_that_answers_is_not_read_back() {
    let backend = FaultyBackend::new([]);
    read_back(&backend, &path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap();
    let error = read_back(&backend, &path("a"), &sealed(1, 2, 0), &PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(backend.operations(), [Operation::Put, Operation::Put]);
}

#[tokio::test(start_paused = true)]
async fn our_content_is_done_and_written_once() {
    for (secret, mode) in [
        (sealed(1, 1, 0), PutMode::Create),
        (sealed(1, 1, 0), PutMode::Upsert),
        (value("plain"), PutMode::Create),
        (value("plain"), PutMode::Upsert),
    ] {
        let backend = FaultyBackend::new([LOST]);
        let written = read_back(&backend, &path("a"), &secret, &mode).await.unwrap();
        assert_eq!(written.version, Some(VersionId::from_number(1)));
        assert_eq!(written.stamp, secret.stamp);
        assert_eq!(backend.operations(), [Operation::Put, Operation::Get]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_absent_secret_is_sent_again() {
    for mode in [PutMode::Create, PutMode::Upsert] {
        let backend = FaultyBackend::new([NOT_DONE]);
        read_back(&backend, &path("a"), &sealed(1, 1, 0), &mode).await.unwrap();
        assert_eq!(backend.operations(), [Operation::Put, Operation::Get, Operation::Put]);
        assert_eq!(backend.memory.versions(&path("a")).await.unwrap().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replace_is_sent_again_where_the_version_to_be_replaced_is_still_there() {
    let backend = FaultyBackend::new([NOT_DONE]);
    let before = backend.memory.put(&path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap();
    let mode = PutMode::Replace(before.version.unwrap());
    read_back(&backend, &path("a"), &sealed(2, 2, 1), &mode).await.unwrap();
    assert_eq!(backend.memory.get(&path("a"), None).await.unwrap().value.expose(), [2]);
    assert_eq!(backend.memory.versions(&path("a")).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn other_content_is_a_conflict_and_stays() {
    for mode in [PutMode::Create, PutMode::Upsert, PutMode::Replace(VersionId::from_number(9))] {
        let backend = FaultyBackend::new([NOT_DONE]);
        backend.memory.put(&path("a"), &sealed(1, 2, 0), &PutMode::Create).await.unwrap();
        let error = read_back(&backend, &path("a"), &sealed(1, 1, 0), &mode).await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Conflict, Some(&path("a"))), "{mode:?}");
        assert_eq!(backend.memory.get(&path("a"), None).await.unwrap().value.expose(), [2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replace_of_what_was_deleted_meanwhile_is_a_conflict() {
    let backend = FaultyBackend::new([NOT_DONE]);
    let mode = PutMode::Replace(VersionId::from_number(1));
    let error = read_back(&backend, &path("a"), &sealed(2, 2, 1), &mode).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(backend.operations(), [Operation::Put, Operation::Get]);
}

#[tokio::test(start_paused = true)]
async fn an_upsert_goes_over_an_older_stamp() {
    let backend = FaultyBackend::new([NOT_DONE]);
    backend.memory.put(&path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap();
    read_back(&backend, &path("a"), &sealed(2, 2, 1), &PutMode::Upsert).await.unwrap();
    assert_eq!(backend.memory.get(&path("a"), None).await.unwrap().value.expose(), [2]);
}

#[tokio::test(start_paused = true)]
async fn our_content_below_a_newer_version_is_done() {
    // Ours takes effect, someone writes over it, then we look.
    let backend = FaultyBackend::new([NOT_DONE]);
    backend.memory.put(&path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap();
    backend.memory.put(&path("a"), &sealed(2, 2, 1), &PutMode::Upsert).await.unwrap();
    let written = read_back(&backend, &path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap();
    assert_eq!(written.version, Some(VersionId::from_number(1)));
    // The same without versions: the successor names ours as its parent.
    let mut config = MemoryConfig::default();
    config.capabilities.versions = false;
    let backend = FaultyBackend::over(config, [NOT_DONE]);
    backend.memory.put(&path("a"), &sealed(2, 2, 1), &PutMode::Upsert).await.unwrap();
    let written = read_back(&backend, &path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap();
    assert_eq!(written.version, None);
}

#[tokio::test(start_paused = true)]
async fn a_rewrapped_copy_of_ours_is_ours() {
    let backend = FaultyBackend::new([NOT_DONE]);
    let mut rewrapped = sealed(1, 1, 0);
    rewrapped.stamp.as_mut().unwrap().epoch = 8;
    backend.memory.put(&path("a"), &rewrapped, &PutMode::Create).await.unwrap();
    read_back(&backend, &path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap();
    assert_eq!(backend.operations(), [Operation::Put, Operation::Get]);
}

#[tokio::test(start_paused = true)]
async fn a_second_sending_that_collides_with_our_own_first_is_done() {
    // The second Create is answered as taken: the next look finds our own content.
    let backend = FaultyBackend::new([LOST, Step::Fail(ErrorKind::NotFound), Step::Pass]);
    let written = read_back(&backend, &path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap();
    assert_eq!(written.version, Some(VersionId::from_number(1)));
    use Operation::{Get, Put};
    assert_eq!(backend.operations(), [Put, Get, Put, Get]);
    assert_eq!(backend.memory.versions(&path("a")).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_cannot_be_read_for_a_moment_is_asked_again() {
    let throttled = Step::Fail(ErrorKind::RateLimited);
    let backend = FaultyBackend::new([LOST, DOWN, throttled, NOT_DONE]);
    read_back(&backend, &path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap();
    assert_eq!(backend.operations().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_stays_unknown_is_timed_out_with_the_last_failure_as_its_cause() {
    let backend = FaultyBackend::new([LOST, DOWN, DOWN, DOWN, DOWN, DOWN, DOWN]);
    let error = read_back(&backend, &path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::TimedOut, Some(&path("a"))));
    assert!(error.source().unwrap().to_string().contains("unavailable"));
    assert_eq!(backend.operations().len(), 6, "one put and five looks");
    let denied = Step::Fail(ErrorKind::PermissionDenied);
    let backend = FaultyBackend::new([LOST, denied]);
    let error = read_back(&backend, &path("a"), &sealed(1, 1, 0), &PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(backend.operations().len(), 2, "what may not be read is not asked again");
}
