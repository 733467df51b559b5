//! The metrics hook.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrets_backend::{ErrorKind, Metrics, MetricsBackend, Operation, PutMode, SecretBackend};

use crate::faulty::{FaultyBackend, Step};
use crate::{path, value};

#[derive(Debug, Default)]
struct Records(Mutex<Vec<(Operation, Option<ErrorKind>, Duration)>>);

impl Metrics for Records {
    fn record(&self, operation: Operation, failure: Option<ErrorKind>, elapsed: Duration) {
        self.0.lock().unwrap().push((operation, failure, elapsed));
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_is_recorded_with_its_outcome_and_its_time() {
    let second = Duration::from_secs(1);
    let records = Arc::new(Records::default());
    let script = [Step::Slow(second), Step::Fail(ErrorKind::Unavailable), Step::Pass];
    let backend = MetricsBackend::new(FaultyBackend::new(script), records.clone());
    let path = path("a");
    backend.put(&path, &value("x"), &PutMode::Create).await.unwrap();
    backend.check().await.unwrap_err();
    backend.get(&path, None).await.unwrap();
    backend.versions(&path).await.unwrap();
    backend.list(None, None).await.unwrap();
    backend.delete(&path).await.unwrap();
    backend.undelete(&path).await.unwrap();
    backend.purge(&path).await.unwrap();
    let none = Duration::ZERO;
    let expected = [
        (Operation::Put, None, second),
        (Operation::Check, Some(ErrorKind::Unavailable), none),
        (Operation::Get, None, none),
        (Operation::Versions, None, none),
        (Operation::List, None, none),
        (Operation::Delete, None, none),
        (Operation::Undelete, None, none),
        (Operation::Purge, None, none),
    ];
    assert_eq!(*records.0.lock().unwrap(), expected);
    assert_eq!(backend.to_string(), "metrics(faulty)");
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_recorded_once_per_answer() {
    let records = Arc::new(Records::default());
    let backend =
        MetricsBackend::new(FaultyBackend::new([Step::Slow(Duration::from_secs(2))]), records.clone());
    backend.put(&path("a"), &value("x"), &PutMode::Create).await.unwrap();
    backend.get_many(&[path("a"), path("b")]).await;
    let expected = [
        (Operation::Put, None, Duration::from_secs(2)),
        (Operation::Get, None, Duration::ZERO),
        (Operation::Get, Some(ErrorKind::NotFound), Duration::ZERO),
    ];
    assert_eq!(*records.0.lock().unwrap(), expected);
}
