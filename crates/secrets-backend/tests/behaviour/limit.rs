//! The concurrency limit.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use secrets_backend::{LimitBackend, SecretBackend};
use tokio::time::Instant;

use crate::faulty::{FaultyBackend, Step};

#[tokio::test(start_paused = true)]
async fn no_more_calls_run_at_once_than_the_limit() {
    let second = Duration::from_secs(1);
    for (limit, expected) in [(1, 12), (3, 4), (5, 3), (100, 1)] {
        let below = Arc::new(FaultyBackend::new([Step::Slow(second); 12]));
        let backend = LimitBackend::new(below.clone(), limit);
        let start = Instant::now();
        for answer in join_all((0..12).map(|_| backend.check())).await {
            answer.unwrap();
        }
        assert_eq!(start.elapsed(), expected * second, "limit {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_gives_its_place_up() {
    let backend = LimitBackend::new(FaultyBackend::new([Step::Hang]), 1);
    assert!(tokio::time::timeout(Duration::from_secs(1), backend.check()).await.is_err());
    backend.check().await.unwrap();
    assert_eq!(backend.to_string(), "limit(1, faulty)");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_nothing_is_one() {
    LimitBackend::new(FaultyBackend::new([]), 0).check().await.unwrap();
}
