//! The timeout wrapper.

use std::time::Duration;

use secrets_backend::{ErrorKind, Operation, PutMode, SecretBackend, TimeoutBackend};
use tokio::time::Instant;

use crate::faulty::{FaultyBackend, Step};
use crate::{path, value};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn every_method_that_hangs_is_timed_out_at_the_limit_and_names_itself() {
    let backend = TimeoutBackend::new(FaultyBackend::new([Step::Hang; 9]), LIMIT);
    let path = path("a/b");
    let start = Instant::now();
    let mut errors = vec![
        (Operation::Check, backend.check().await.unwrap_err()),
        (Operation::Get, backend.get(&path, None).await.unwrap_err()),
        (Operation::Put, backend.put(&path, &value("x"), &PutMode::Create).await.unwrap_err()),
        (Operation::Delete, backend.delete(&path).await.unwrap_err()),
        (Operation::Undelete, backend.undelete(&path).await.unwrap_err()),
        (Operation::Purge, backend.purge(&path).await.unwrap_err()),
        (Operation::Versions, backend.versions(&path).await.unwrap_err()),
        (Operation::List, backend.list(Some(&path), None).await.unwrap_err()),
    ];
    let many = backend.get_many(&[path.clone(), path.clone()]).await;
    assert_eq!(many.len(), 2);
    errors.extend(many.into_iter().map(|answer| (Operation::Get, answer.unwrap_err())));
    for (operation, error) in &errors {
        assert_eq!((error.kind(), error.operation()), (ErrorKind::TimedOut, *operation));
        assert_eq!(error.path(), (*operation != Operation::Check).then_some(&path));
    }
    assert_eq!(start.elapsed(), 9 * LIMIT);
    assert_eq!(errors[1].1.to_string(), "get a/b on faulty: timed out (no answer within 10s)");
}

#[tokio::test(start_paused = true)]
async fn writing_calls_can_have_a_limit_of_their_own() {
    let backend = TimeoutBackend::new(FaultyBackend::new([Step::Hang; 9]), LIMIT).with_writes(6 * LIMIT);
    let path = path("a/b");
    let start = Instant::now();
    for error in [
        backend.put(&path, &value("x"), &PutMode::Create).await.unwrap_err(),
        backend.delete(&path).await.unwrap_err(),
        backend.undelete(&path).await.unwrap_err(),
        backend.purge(&path).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(error.detail(), Some("no answer within 60s"));
    }
    assert_eq!(start.elapsed(), 24 * LIMIT);
    backend.get(&path, None).await.unwrap_err();
    backend.check().await.unwrap_err();
    backend.list(None, None).await.unwrap_err();
    backend.versions(&path).await.unwrap_err();
    backend.get_many(&[path]).await.pop().unwrap().unwrap_err();
    assert_eq!(start.elapsed(), 29 * LIMIT);
}

#[tokio::test(start_paused = true)]
async fn what_answers_in_time_is_left_alone() {
    let script = [Step::Slow(Duration::from_millis(9_999)), Step::Fail(ErrorKind::PermissionDenied)];
    let backend = TimeoutBackend::new(FaultyBackend::new(script), LIMIT);
    backend.put(&path("a"), &value("x"), &PutMode::Create).await.unwrap();
    assert_eq!(backend.get(&path("a"), None).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(backend.get(&path("a"), None).await.unwrap().value.expose(), b"x");
    assert_eq!(backend.to_string(), "timeout(10s, faulty)");
}
