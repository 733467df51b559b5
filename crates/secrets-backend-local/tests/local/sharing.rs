//! Several processes, and several tasks of one, in the same store.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend as _, VersionId};
use secrets_backend_local::{Engine, LocalBackend};

use crate::support::{
    ENGINES, assert_success, backend, config, fast_scratch, get, path, put, role, second_process,
};

const INCREMENTS: u64 = 25;

#[tokio::test]
async fn redb_loses_no_increment_of_two_processes() {
    increments("sharing::redb_loses_no_increment_of_two_processes", Engine::Redb).await;
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn sled_loses_no_increment_of_two_processes() {
    increments("sharing::sled_loses_no_increment_of_two_processes", Engine::Sled).await;
}

/// Two processes count up one secret, each step a `Replace` of what was read.
async fn increments(test: &str, engine: Engine) {
    if let Some((_, directory)) = role() {
        return count_up(&directory, engine).await;
    }
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("store");
    put(&backend(&directory, engine), "counter", "0").await.unwrap();
    let children: Vec<_> =
        (0..2).map(|_| second_process(test, "count", &directory).spawn().unwrap()).collect();
    children.into_iter().for_each(assert_success);
    let backend = backend(&directory, engine);
    assert_eq!(get(&backend, "counter").await.unwrap(), (2 * INCREMENTS).to_string());
    assert_eq!(backend.versions(&path("counter")).await.unwrap().len() as u64, 2 * INCREMENTS + 1);
}

async fn count_up(directory: &Path, engine: Engine) {
    let backend = backend(directory, engine);
    let counter = path("counter");
    let mut done = 0;
    while done < INCREMENTS {
        let current = backend.get(&counter, None).await.unwrap();
        let number: u64 = current.value.expose_str().unwrap().parse().unwrap();
        let next = NewSecret::new((number + 1).to_string());
        match backend.put(&counter, &next, &PutMode::Replace(current.version)).await {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
    }
}

#[tokio::test]
async fn readers_of_redb_run_side_by_side() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    put(&backend(&directory, Engine::Redb), "a", "1").await.unwrap();
    // Another reader, as the lock file sees one.
    let other = File::open(directory.join("lock")).unwrap();
    other.lock_shared().unwrap();
    assert_eq!(get(&backend(&directory, Engine::Redb), "a").await.unwrap(), "1");
}

#[tokio::test]
async fn a_writer_waits_for_a_reader_and_then_writes() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    put(&backend(&directory, Engine::Redb), "a", "1").await.unwrap();
    let reader = File::open(directory.join("lock")).unwrap();
    reader.lock_shared().unwrap();
    let writer = tokio::spawn({
        let backend = backend(&directory, Engine::Redb);
        async move { put(&backend, "a", "2").await }
    });
    // The writer stands in the queue: nobody can take its place there.
    let queue = File::open(directory.join("queue")).unwrap();
    while queue.try_lock_shared().is_ok() {
        queue.unlock().unwrap();
        assert!(!writer.is_finished(), "it did not wait");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(reader);
    assert_eq!(writer.await.unwrap().unwrap(), 2);
}

#[tokio::test]
async fn waiting_in_vain_ends_in_time_and_says_unavailable() {
    for &engine in ENGINES {
        let scratch = fast_scratch();
        let directory = scratch.path().join("store");
        put(&backend(&directory, engine), "a", "1").await.unwrap();
        let holder = File::open(directory.join("lock")).unwrap();
        holder.lock().unwrap();
        let mut config = config(&directory, engine);
        config.lock_wait = Duration::from_millis(150);
        let impatient = LocalBackend::new(config).unwrap();
        let started = Instant::now();
        for error in [get(&impatient, "a").await.unwrap_err(), put(&impatient, "a", "2").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            // This process took the lock last, so it is taken for the holder.
            let this = format!("(process {})", std::process::id());
            assert!(error.to_string().contains(&this), "{error}");
        }
        assert!(started.elapsed() >= Duration::from_millis(300));
        assert!(started.elapsed() < Duration::from_secs(5));
        drop(holder);
        assert_eq!(get(&impatient, "a").await.unwrap(), "1");
    }
}

#[tokio::test]
async fn a_batch_opens_the_store_once() {
    for &engine in ENGINES {
        let scratch = fast_scratch();
        let backend = backend(&scratch.path().join("store"), engine);
        for number in 0..10 {
            put(&backend, &format!("a/{number}"), "x").await.unwrap();
        }
        let before = backend.opens();
        let paths: Vec<_> = (0..100).map(|number| path(&format!("a/{number}"))).collect();
        let answers = backend.get_many(&paths).await;
        assert_eq!(backend.opens(), before + 1);
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    }
}

#[tokio::test]
async fn a_dropped_future_ends_its_write_or_never_starts_it() {
    let scratch = fast_scratch();
    let backend = backend(&scratch.path().join("store"), Engine::Redb);
    for round in 1..=20 {
        let hurried = tokio::time::timeout(Duration::from_micros(200), put(&backend, "a", "x")).await;
        let version = put(&backend, "a", "y").await.unwrap();
        assert!(version >= round, "{hurried:?}");
        assert_eq!(get(&backend, "a").await.unwrap().len(), 1);
    }
}

/// Starts all of these while another process holds the store, then lets go of it: the answers in order, and
/// how often the store was opened for them.
async fn at_once<T: Send + 'static>(
    backend: &LocalBackend,
    directory: &Path,
    writes: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> (Vec<T>, u64) {
    let other = File::open(directory.join("lock")).unwrap();
    other.lock().unwrap();
    let before = backend.opens();
    let tasks: Vec<_> = writes.into_iter().map(tokio::spawn).collect();
    // Tasks of this runtime begin in the order in which they were made: the last one after all writes came.
    tokio::spawn(async move { drop(other) }).await.unwrap();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    (answers, backend.opens() - before)
}

#[tokio::test]
async fn a_hundred_writes_that_wait_make_one_transaction() {
    for &engine in ENGINES {
        let scratch = fast_scratch();
        let directory = scratch.path().join("store");
        let backend = backend(&directory, engine);
        put(&backend, "first", "x").await.unwrap();
        let writes = (0..100).map(|number| {
            let backend = backend.clone();
            async move { put(&backend, &format!("a/{number}"), &number.to_string()).await }
        });
        let (answers, opens) = at_once(&backend, &directory, writes).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(1))), "{engine}: {answers:?}");
        assert_eq!(opens, 1, "{engine}");
        for number in 0..100 {
            assert_eq!(get(&backend, &format!("a/{number}")).await.unwrap(), number.to_string(), "{engine}");
        }
        assert_eq!(backend.stats().await.unwrap().live, 101, "{engine}");
    }
}

#[tokio::test]
async fn a_conflict_among_writes_that_share_a_transaction_fails_alone() {
    let replace = |number: u64| PutMode::Replace(VersionId::from_number(number));
    for &engine in ENGINES {
        let scratch = fast_scratch();
        let directory = scratch.path().join("store");
        let backend = backend(&directory, engine);
        put(&backend, "old", "1").await.unwrap();
        let modes = [
            ("old", PutMode::Create),
            ("new", PutMode::Create),
            ("new", PutMode::Create),
            ("old", replace(2)),
            ("old", replace(1)),
            // On top of what came before it in the same transaction.
            ("old", replace(2)),
            ("old", replace(2)),
        ];
        let writes = modes.into_iter().enumerate().map(|(number, (at, mode))| {
            let (backend, at) = (backend.clone(), path(at));
            async move { backend.put(&at, &NewSecret::new(number.to_string()), &mode).await }
        });
        let (answers, opens) = at_once(&backend, &directory, writes).await;
        let numbers: Vec<_> = answers
            .into_iter()
            .map(|answer| answer.map(|written| written.version.unwrap().number().unwrap()))
            .map(|answer| answer.map_err(|error| (error.kind(), error.path().unwrap().to_string())))
            .collect();
        let failed = |kind, at: &str| Err((kind, at.to_owned()));
        let expected = [
            failed(ErrorKind::AlreadyExists, "old"),
            Ok(1),
            failed(ErrorKind::AlreadyExists, "new"),
            failed(ErrorKind::Conflict, "old"),
            Ok(2),
            Ok(3),
            failed(ErrorKind::Conflict, "old"),
        ];
        assert_eq!(numbers, expected, "{engine}");
        assert_eq!(opens, 1, "{engine}");
        assert_eq!(get(&backend, "old").await.unwrap(), "5", "{engine}");
        assert_eq!(get(&backend, "new").await.unwrap(), "1", "{engine}");
    }
}
