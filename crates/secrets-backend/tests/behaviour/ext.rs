//! Conveniences over a backend, and what they do with a hostile listing.

use std::fmt;
use std::time::Duration;

use secrets_backend::{
    Capabilities, ErrorKind, Listed, MemoryBackend, NewSecret, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretBackendExt, SecretPath, VersionId, VersionMeta, Written, async_trait, get_each,
};
use tokio::time::Instant;

use crate::faulty::{FaultyBackend, Step};
use crate::{path, value};

#[tokio::test]
async fn a_missing_secret_does_not_exist_and_an_unreachable_one_is_an_error() {
    let backend = FaultyBackend::new([Step::Pass, Step::Fail(ErrorKind::Unavailable)]);
    assert!(!backend.exists(&path("a")).await.unwrap());
    assert_eq!(backend.exists(&path("a")).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn text_reads_as_text_and_other_bytes_are_refused_without_being_shown() {
    let backend = MemoryBackend::new();
    backend.put(&path("text"), &value("Łódź"), &PutMode::Upsert).await.unwrap();
    backend.put(&path("bytes"), &NewSecret::new(&b"secret\xff"[..]), &PutMode::Upsert).await.unwrap();
    assert_eq!(backend.get_str(&path("text")).await.unwrap().as_str(), "Łódź");
    let error = backend.get_str(&path("bytes")).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::InvalidInput, Some(&path("bytes"))));
    assert!(!format!("{error} {error:?}").contains("secret\\xff"), "{error:?}");
}

#[tokio::test]
async fn bulk_writes_answer_per_path_and_one_failure_stops_nothing() {
    let backend = MemoryBackend::new();
    backend.put(&path("b"), &value("old"), &PutMode::Create).await.unwrap();
    let secrets = ["a", "b", "c"].map(|name| (path(name), value(name)));
    let kinds = |answers: Vec<Result<Written>>| -> Vec<Option<ErrorKind>> {
        answers.into_iter().map(|answer| answer.err().map(|error| error.kind())).collect()
    };
    let answers = backend.put_many(&secrets, &PutMode::Create, 2).await;
    assert_eq!(kinds(answers), [None, Some(ErrorKind::AlreadyExists), None]);
    let answers = backend.delete_many(&["c", "x", "a"].map(path), 2).await;
    assert_eq!(kinds(answers), [None, Some(ErrorKind::NotFound), None]);
    assert_eq!(backend.list_all(None).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_bounded_and_answers_keep_their_order() {
    let second = Duration::from_secs(1);
    // The first takes longest: its answer still comes first.
    let mut script = vec![Step::Slow(2 * second)];
    script.extend([Step::Slow(second); 8]);
    let backend = FaultyBackend::new(script);
    let paths: Vec<SecretPath> = (0..9).map(|number| path(&format!("p{number}"))).collect();
    for path in paths.iter().skip(1) {
        backend.memory.put(path, &value(path.as_str()), &PutMode::Upsert).await.unwrap();
    }
    let start = Instant::now();
    let answers = get_each(&backend, &paths, 3).await;
    assert_eq!(answers[0].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    for (answer, path) in answers.iter().zip(&paths).skip(1) {
        assert_eq!(answer.as_ref().unwrap().value.expose(), path.as_str().as_bytes());
    }
    let elapsed = start.elapsed();
    assert!(elapsed >= 3 * second && elapsed <= 5 * second, "{elapsed:?}");
    assert_eq!(get_each(&backend, &paths, 0).await.len(), 9, "a concurrency of nothing is one");
}

#[tokio::test]
async fn a_listing_that_loops_is_an_error() {
    for period in [1, 2, 7] {
        let error = Hostile { period: Some(period) }.list_all(Some(&path("a"))).await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Tampered, Some(&path("a"))));
    }
}

#[tokio::test]
async fn a_listing_that_never_ends_is_an_error() {
    let error = Hostile { period: None }.list_all(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tampered);
}

/// Its pages never end: tokens repeat after a period, or never.
#[derive(Debug)]
struct Hostile {
    period: Option<u64>,
}

impl fmt::Display for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hostile")
    }
}

#[async_trait]
impl SecretBackend for Hostile {
    fn capabilities(&self) -> Capabilities {
        Capabilities::all(0, 0)
    }

    async fn check(&self) -> Result<()> {
        unreachable!("only listed")
    }

    async fn get(&self, _: &SecretPath, _: Option<&VersionId>) -> Result<Secret> {
        unreachable!("only listed")
    }

    async fn get_many(&self, _: &[SecretPath]) -> Vec<Result<Secret>> {
        unreachable!("only listed")
    }

    async fn put(&self, _: &SecretPath, _: &NewSecret, _: &PutMode) -> Result<Written> {
        unreachable!("only listed")
    }

    async fn delete(&self, _: &SecretPath) -> Result<Written> {
        unreachable!("only listed")
    }

    async fn undelete(&self, _: &SecretPath) -> Result<Written> {
        unreachable!("only listed")
    }

    async fn purge(&self, _: &SecretPath) -> Result<Written> {
        unreachable!("only listed")
    }

    async fn versions(&self, _: &SecretPath) -> Result<Vec<VersionMeta>> {
        unreachable!("only listed")
    }

    async fn list(&self, _: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let number: u64 = page.map_or(0, |token| token.as_str().parse().unwrap());
        let next = match self.period {
            Some(period) => number % period + 1,
            None => number + 1,
        };
        Ok(Page::new(vec![Listed::new(path("a/same"))], Some(PageToken::new(next.to_string()))))
    }
}
