//! Writes of plain values that go wrong: of unknown outcome, in bulk, at the same time.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{ErrorKind, MemoryBackend, NewSecret, PutMode, SecretBackend};
use secrets_manager::{Error, ListScope, Safe};

use crate::harness::{Home, kind, path, set, value};
use crate::lossy::{Fault, Lossy};
use crate::plain::{described, objects, plain, plain_waiting, three};

async fn over_lossy() -> (Home, Arc<Lossy>, Safe) {
    let (home, lossy) = (Home::in_memory().await, Arc::new(Lossy::default()));
    let safe = plain(&home, Arc::<Lossy>::clone(&lossy)).await;
    (home, lossy, safe)
}

#[tokio::test]
async fn a_plain_write_of_unknown_outcome_is_looked_at_once_and_never_repeated() {
    let (home, lossy, safe) = over_lossy().await;
    let at = path("a");
    set(&safe, "a", "old").await;
    lossy.fail(at.as_str(), Fault::AnswerLost);
    assert_eq!(set(&safe, "a", "new").await, 2, "it is there");
    lossy.fail(at.as_str(), Fault::RequestLost);
    let newer = NewSecret::new("newer");
    assert_eq!(kind(safe.put(&at, &newer, &PutMode::Upsert).await), ErrorKind::TimedOut);
    assert_eq!((value(&safe, "a").await, lossy.puts()), ("new".to_owned(), 3));
    assert!(home.log_lines().iter().any(|line| line.contains(r#""out":"unknown""#)));
    // The value arrived and its metadata did not: that is not what was asked for.
    lossy.fail(at.as_str(), Fault::RequestLost);
    let described = NewSecret::new("new").with_metadata(described("x"));
    assert_eq!(kind(safe.put(&at, &described, &PutMode::Upsert).await), ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_plain_bulk_write_is_checked_as_a_whole_first() {
    let (home, lossy, safe) = over_lossy().await;
    set(&safe, "c", "here first").await;
    let before = home.log_lines().len();
    let answer = safe.put_many(&three(), &PutMode::Create).await;
    let Err(Error::Backend(error)) = answer else { panic!("{answer:?}") };
    assert_eq!((error.kind(), error.path()), (ErrorKind::AlreadyExists, Some(&path("c"))));
    let mut large = three();
    large[2].1 = NewSecret::new(vec![0; lossy.capabilities().max_value + 1]);
    assert_eq!(kind(safe.put_many(&large, &PutMode::Upsert).await), ErrorKind::InvalidInput);
    assert_eq!(kind(safe.delete_many(&[path("c"), path("a")]).await), ErrorKind::NotFound);
    let mut twice = three();
    twice.extend(three());
    assert_eq!(kind(safe.put_many(&twice, &PutMode::Upsert).await), ErrorKind::InvalidInput);
    assert_eq!((lossy.puts(), value(&safe, "c").await), (1, "here first".to_owned()));
    assert_eq!(home.log_lines().len(), before + 3 * 2 + 1);
}

#[tokio::test]
async fn a_plain_bulk_write_that_fails_says_how_far_it_came() {
    let (home, lossy, safe) = over_lossy().await;
    set(&safe, "b", "old").await;
    lossy.fail("b", Fault::Refused(ErrorKind::PermissionDenied));
    let answer = safe.put_many(&three(), &PutMode::Upsert).await;
    let Err(Error::Backend(error)) = answer else { panic!("{answer:?}") };
    assert_eq!((error.kind(), error.path()), (ErrorKind::PermissionDenied, Some(&path("b"))));
    assert!(error.to_string().contains("1 of 3 were done before it"), "{error}");
    assert_eq!(objects(&home), [(1, String::new()), (0, String::new()), (0, String::new())]);
    assert_eq!(value(&safe, "a").await, "new a");
    assert_eq!(value(&safe, "b").await, "old");
    assert_eq!(kind(safe.get(&path("c"), None).await), ErrorKind::NotFound);
    safe.put_many(&three(), &PutMode::Upsert).await.unwrap();
    assert_eq!(value(&safe, "c").await, "new c");
    safe.delete_many(&[path("a"), path("b"), path("c")]).await.unwrap();
    assert!(safe.list(None, ListScope::Live).await.unwrap().is_empty());
    assert_eq!(home.verified(&safe).fault, None);
}

#[tokio::test]
async fn a_plain_create_in_bulk_overwrites_nothing_that_came_meanwhile() {
    let (_home, lossy, safe) = over_lossy().await;
    // Found to be free, and then written by someone else: the backend itself refuses the second.
    lossy.fail("b", Fault::Overtaken);
    let answer = safe.put_many(&three(), &PutMode::Create).await;
    assert_eq!(kind(answer), ErrorKind::AlreadyExists);
    assert_eq!(value(&safe, "b").await, "theirs");
}

#[tokio::test]
async fn a_plain_write_waits_for_the_lock_of_another_process() {
    let (home, memory) = (Home::in_memory().await, Arc::new(MemoryBackend::new()));
    let slow = crate::bulk::Slow::after(Arc::clone(&memory), 0);
    let one = plain(&home, Arc::new(slow)).await;
    let two = plain_waiting(&home, memory, Duration::from_millis(50)).await;
    let (at, secret) = (path("a"), NewSecret::new("x"));
    let mut hanging = Box::pin(one.put(&at, &secret, &PutMode::Upsert));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut hanging).await.is_err());
    assert_eq!(kind(two.put(&at, &secret, &PutMode::Upsert).await), ErrorKind::Unavailable);
    drop(hanging);
    assert_eq!(set(&two, "a", "y").await, 1);
    let unknown = home.log_lines().iter().filter(|line| line.contains(r#""code":"killed""#)).count();
    assert_eq!(unknown, 1, "the write that was cut short got an outcome");
}
