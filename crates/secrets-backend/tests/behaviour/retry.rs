//! The retry wrapper: what it repeats, when, and how often in all.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{ErrorKind, Operation, PutMode, RetryBackend, RetryConfig, SecretBackend, SecretPath};

use crate::faulty::{FaultyBackend, Step};
use crate::{path, value};

/// Jitter at its longest, so that pauses are known.
fn longest(below: Arc<FaultyBackend>, config: RetryConfig) -> RetryBackend<Arc<FaultyBackend>> {
    RetryBackend::with_jitter(below, config, |longest| longest)
}

fn faulty(script: impl IntoIterator<Item = Step>) -> Arc<FaultyBackend> {
    Arc::new(FaultyBackend::new(script))
}

async fn call(backend: &impl SecretBackend, operation: Operation, path: &SecretPath) -> Option<ErrorKind> {
    let failure = match operation {
        Operation::Check => backend.check().await.err(),
        Operation::Get => backend.get(path, None).await.err(),
        Operation::Put => backend.put(path, &value("x"), &PutMode::Upsert).await.err(),
        Operation::Delete => backend.delete(path).await.err(),
        Operation::Undelete => backend.undelete(path).await.err(),
        Operation::Purge => backend.purge(path).await.err(),
        Operation::Versions => backend.versions(path).await.err(),
        _ => backend.list(Some(path), None).await.err(),
    };
    failure.map(|error| error.kind())
}

const OPERATIONS: [Operation; 8] = [
    Operation::Check,
    Operation::Get,
    Operation::Put,
    Operation::Delete,
    Operation::Undelete,
    Operation::Purge,
    Operation::Versions,
    Operation::List,
];

#[tokio::test(start_paused = true)]
async fn every_kind_is_repeated_for_the_operations_of_the_table_and_no_others() {
    use ErrorKind as K;
    use Operation as O;
    let all = OPERATIONS.to_vec();
    let reads = vec![O::Check, O::Get, O::Versions, O::List];
    let mut timed_out = reads.clone();
    timed_out.extend([O::Delete, O::Purge]);
    let table = [
        (K::Unavailable, all.clone()),
        (K::RateLimited, all),
        (K::TimedOut, timed_out),
        (K::Stale, reads),
        (K::AlreadyExists, vec![]),
        (K::Conflict, vec![]),
        (K::InvalidInput, vec![]),
        (K::NotFound, vec![]),
        (K::PermissionDenied, vec![]),
        (K::Unauthenticated, vec![]),
        (K::Tampered, vec![]),
        (K::AuditUnavailable, vec![]),
        (K::Unsupported, vec![]),
        (K::Unexpected, vec![]),
    ];
    for (kind, repeated) in table {
        for operation in OPERATIONS {
            let below = faulty([Step::Fail(kind), Step::Fail(kind)]);
            let path = path("a/b");
            below.memory.put(&path, &value("x"), &PutMode::Upsert).await.unwrap();
            if operation == O::Undelete {
                below.memory.delete(&path).await.unwrap();
            }
            let failure = call(&longest(below.clone(), RetryConfig::default()), operation, &path).await;
            let expected = if repeated.contains(&operation) { (None, 3) } else { (Some(kind), 1) };
            assert_eq!((failure, below.operations().len()), expected, "{operation} after {kind:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_that_timed_out_is_never_repeated_although_it_had_been_retried_before() {
    let below = faulty([Step::Fail(ErrorKind::Unavailable), Step::Lose(ErrorKind::TimedOut)]);
    let retry = longest(below.clone(), RetryConfig::default());
    assert_eq!(call(&retry, Operation::Put, &path("a")).await, Some(ErrorKind::TimedOut));
    assert_eq!(below.operations(), [Operation::Put, Operation::Put]);
    assert_eq!(below.memory.versions(&path("a")).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn pauses_double_up_to_the_cap() {
    let below = faulty([Step::Fail(ErrorKind::Unavailable); 6]);
    let mut config = RetryConfig::default();
    config.attempts = 7;
    config.cap = Duration::from_millis(500);
    assert_eq!(call(&longest(below.clone(), config), Operation::Check, &path("a")).await, None);
    assert_eq!(below.pauses(), [100, 200, 400, 500, 500, 500].map(Duration::from_millis));
}

#[tokio::test(start_paused = true)]
async fn the_jitter_decides_between_nothing_and_the_longest_pause() {
    for (divisor, expected) in [(1, 100), (2, 50), (100, 1)] {
        let below = faulty([Step::Fail(ErrorKind::Unavailable)]);
        let retry = RetryBackend::with_jitter(below.clone(), RetryConfig::default(), move |longest| {
            longest / divisor
        });
        assert_eq!(call(&retry, Operation::Check, &path("a")).await, None);
        assert_eq!(below.pauses(), [Duration::from_millis(expected)]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_systems_jitter_stays_within_the_longest_pause_and_varies() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        let below = faulty([Step::Fail(ErrorKind::Unavailable)]);
        let retry = RetryBackend::new(below.clone(), RetryConfig::default());
        assert_eq!(call(&retry, Operation::Check, &path("a")).await, None);
        // The timer's own resolution is a millisecond.
        assert!(below.pauses()[0] <= Duration::from_millis(101), "{:?}", below.pauses());
        seen.insert(below.pauses()[0]);
    }
    assert!(seen.len() > 3, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_the_last_error_is_answered() {
    let below = faulty([Step::Fail(ErrorKind::Unavailable); 100]);
    let retry = longest(below.clone(), RetryConfig::default());
    let error = retry.get(&path("a/b"), None).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Unavailable, Some(&path("a/b"))));
    assert_eq!(below.operations().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_where_it_ends_before_the_deadline() {
    let below = faulty([Step::Throttle(Duration::from_secs(7))]);
    assert_eq!(call(&longest(below.clone(), RetryConfig::default()), Operation::Put, &path("a")).await, None);
    assert_eq!(below.pauses(), [Duration::from_secs(7)]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_beyond_the_deadline_is_answered_at_once() {
    let below = faulty([Step::Throttle(Duration::from_secs(60))]);
    let start = tokio::time::Instant::now();
    let error = longest(below.clone(), RetryConfig::default()).check().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(60))));
    assert_eq!((below.operations().len(), start.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_after_the_deadline() {
    let below = faulty([Step::Fail(ErrorKind::Unavailable); 100]);
    let mut config = RetryConfig::default();
    config.attempts = 100;
    config.budget = 100;
    let start = tokio::time::Instant::now();
    let failure = call(&longest(below.clone(), config), Operation::Check, &path("a")).await;
    assert_eq!(failure, Some(ErrorKind::Unavailable));
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(below.operations().len() > 5);
}

#[tokio::test(start_paused = true)]
async fn the_budget_bounds_the_retries_of_all_calls_together() {
    let below = faulty([Step::Fail(ErrorKind::Unavailable); 12]);
    let mut config = RetryConfig::default();
    config.budget = 2;
    let retry = longest(below.clone(), config);
    for expected in [3, 4, 5, 6] {
        call(&retry, Operation::Check, &path("a")).await;
        assert_eq!(below.operations().len(), expected, "two retries in all, then one attempt per call");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_successes_earn_one_retry() {
    use Step::{Fail, Pass};
    let down = Fail(ErrorKind::Unavailable);
    let mut script = vec![down, down];
    script.extend([Pass; 9]);
    script.push(down);
    script.push(Pass);
    script.extend([down, Pass]);
    let below = faulty(script);
    let mut config = RetryConfig::default();
    config.budget = 1;
    config.attempts = 2;
    let retry = longest(below.clone(), config);
    let unavailable = Some(ErrorKind::Unavailable);
    // The one token goes on a retry that fails too.
    assert_eq!(call(&retry, Operation::Check, &path("a")).await, unavailable);
    for _ in 0..9 {
        assert_eq!(call(&retry, Operation::Check, &path("a")).await, None);
    }
    assert_eq!(call(&retry, Operation::Check, &path("a")).await, unavailable, "nine tenths are not enough");
    assert_eq!(call(&retry, Operation::Check, &path("a")).await, None);
    assert_eq!(call(&retry, Operation::Check, &path("a")).await, None, "ten tenths are");
}

#[tokio::test(start_paused = true)]
async fn a_delete_whose_answer_was_lost_succeeds_when_it_is_repeated() {
    for operation in [Operation::Delete, Operation::Purge] {
        let below = faulty([Step::Lose(ErrorKind::TimedOut)]);
        below.memory.put(&path("a"), &value("x"), &PutMode::Upsert).await.unwrap();
        let retry = longest(below.clone(), RetryConfig::default());
        assert_eq!(call(&retry, operation, &path("a")).await, None);
        assert_eq!(below.operations(), [operation, operation]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_of_nothing_is_not_found_although_it_was_repeated() {
    let below = faulty([Step::Fail(ErrorKind::Unavailable)]);
    let retry = longest(below.clone(), RetryConfig::default());
    assert_eq!(call(&retry, Operation::Delete, &path("a")).await, Some(ErrorKind::NotFound));
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_only_what_failed_is_asked_again() {
    let down = Step::Fail(ErrorKind::Unavailable);
    let denied = Step::Fail(ErrorKind::PermissionDenied);
    let below = faulty([Step::Pass, down, denied, down, Step::Pass, down, Step::Pass]);
    let paths = ["a", "b", "c", "d", "e"].map(path);
    for path in &paths[..4] {
        below.memory.put(path, &value(path.as_str()), &PutMode::Upsert).await.unwrap();
    }
    let retry = longest(below.clone(), RetryConfig::default());
    let answers = retry.get_many(&paths).await;
    let outcomes: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().map(|s| s.value.expose()).map_err(secrets_backend::Error::kind))
        .collect();
    let expected: [Result<&[u8], ErrorKind>; 5] =
        [Ok(b"a"), Ok(b"b"), Err(ErrorKind::PermissionDenied), Ok(b"d"), Err(ErrorKind::NotFound)];
    assert_eq!(outcomes, expected);
    assert_eq!(below.operations().len(), 5 + 2 + 1);
}

#[test]
fn its_names_nest() {
    let retry = RetryBackend::new(FaultyBackend::new([]), RetryConfig::default());
    assert_eq!(retry.to_string(), "retry(faulty)");
    assert!(format!("{retry:?}").starts_with("RetryBackend { inner: FaultyBackend"));
}
