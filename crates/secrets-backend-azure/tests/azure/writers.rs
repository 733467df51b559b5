//! Answers that are lost, and two who write at once, directly and under the production stack.

use std::sync::Arc;

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend};
use secrets_testkit::azure::{Operation, VaultFault};

use crate::admin::{VAULT, asked, backend, hasty, hasty_kit, kind, path, put, sealed, value};

const LOST: [VaultFault; 2] = [VaultFault::LostAnswer, VaultFault::BrokenJson];

#[tokio::test]
async fn a_sealed_write_whose_answer_is_lost_is_found_and_not_repeated() {
    for fault in LOST {
        let (server, backend) = hasty_kit();
        let path = path("app/key");
        backend.put(&path, &sealed(1, 1), &PutMode::Upsert).await.unwrap();
        server.fault_of(Operation::Set, 1, &fault);
        server.forget_calls();
        let written = backend.put(&path, &sealed(2, 2), &PutMode::Upsert).await.unwrap();
        assert_eq!(asked(&server).iter().filter(|call| call.starts_with("PUT")).count(), 1, "{fault:?}");
        let current = backend.get(&path, None).await.unwrap();
        assert_eq!(Some(&current.version), written.version.as_ref());
        assert_eq!(backend.versions(&path).await.unwrap().len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_sealed_write_that_never_arrived_is_of_unknown_outcome() {
    let (server, backend) = hasty_kit();
    server.fault_of(Operation::Set, 1, &VaultFault::Dropped);
    let lost = backend.put(&path("app/key"), &sealed(1, 1), &PutMode::Upsert).await;
    assert_eq!(kind(lost), ErrorKind::TimedOut);
    assert_eq!(kind(backend.get(&path("app/key"), None).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_plain_write_whose_answer_is_lost_is_of_unknown_outcome_and_not_repeated() {
    for fault in LOST {
        let (server, backend) = hasty_kit();
        let path = path("app/key");
        server.fault_of(Operation::Set, 1, &fault);
        let lost = backend.put(&path, &NewSecret::new("there"), &PutMode::Upsert).await;
        assert_eq!(kind(lost), ErrorKind::TimedOut, "{fault:?}");
        assert_eq!(value(&backend, &path).await, "there");
        assert_eq!(backend.versions(&path).await.unwrap().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn under_the_stack_a_lost_answer_is_one_version_and_success() {
    for fault in LOST {
        let (server, backend) = hasty_kit();
        let (stack, _guard) = secrets_testkit::sealed(Arc::new(backend)).await;
        let path = path("app/key");
        put(&*stack, &path, "first").await;
        server.fault_of(Operation::Set, 1, &fault);
        let written = stack.put(&path, &NewSecret::new("second"), &PutMode::Upsert).await.unwrap();
        assert_eq!(written.version.unwrap().number(), Some(2), "{fault:?}");
        assert_eq!(value(&*stack, &path).await, "second");
        let metas = stack.versions(&path).await.unwrap();
        assert_eq!(metas.len(), 2, "{fault:?}: {metas:?}");
        put(&*stack, &path, "third").await;
        assert_eq!(value(&*stack, &path).await, "third");
    }
}

#[tokio::test]
async fn under_the_plain_stack_a_lost_answer_is_looked_for_once() {
    let (server, backend) = hasty_kit();
    let (stack, _guard) = secrets_testkit::plain(Arc::new(backend)).await;
    let path = path("app/key");
    server.fault_of(Operation::Set, 1, &VaultFault::LostAnswer);
    put(&*stack, &path, "there").await;
    assert_eq!(value(&*stack, &path).await, "there");
    assert_eq!(stack.versions(&path).await.unwrap().len(), 1);
}

#[tokio::test]
async fn two_contents_of_one_version_are_both_kept_and_shown() {
    let (server, one) = hasty_kit();
    let other = backend(hasty(&server.access(VAULT)));
    let path = path("app/key");
    one.put(&path, &sealed(1, 1), &PutMode::Upsert).await.unwrap();
    // Both passed the first look.
    let (two, three) = (sealed(2, 2), sealed(2, 3));
    let (a, b) =
        tokio::join!(one.put(&path, &two, &PutMode::Upsert), other.put(&path, &three, &PutMode::Upsert));
    let (a, b) = (a.unwrap().version.unwrap(), b.unwrap().version.unwrap());
    let metas = one.versions(&path).await.unwrap();
    let second = metas.iter().filter(|meta| meta.stamp.as_ref().is_some_and(|stamp| stamp.version == 2));
    assert_eq!(second.count(), 2);
    for (id, content) in [(&a, 2), (&b, 3)] {
        assert_eq!(one.get(&path, Some(id)).await.unwrap().value.expose(), [content; 40]);
    }
}

#[tokio::test]
async fn of_two_safes_places_only_the_first_can_be_written() {
    let (server, one) = hasty_kit();
    let other = backend(hasty(&server.access(VAULT)));
    let (first, _one) = secrets_testkit::sealed(Arc::new(one)).await;
    put(&*first, &path("app/key"), "first").await;
    let (second, _other) = secrets_testkit::sealed(Arc::new(other)).await;
    let refused = second.put(&path("app/key"), &NewSecret::new("second"), &PutMode::Upsert).await;
    assert_eq!(kind(refused), ErrorKind::InvalidInput);
    assert_eq!(value(&*first, &path("app/key")).await, "first");
}
