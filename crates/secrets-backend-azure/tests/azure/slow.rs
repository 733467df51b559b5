//! Deletions, recoveries and removals that take longer than their answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend};
use secrets_testkit::KeyVault;
use secrets_testkit::azure::{Operation, VaultFault};

use crate::admin::{asked, hasty_kit, kind, kit, path, put, value};

/// What the service answers to a write of what is deleted.
const DELETED: &str =
    r#"{"error":{"code":"Conflict","innererror":{"code":"ObjectIsDeletedButRecoverable"}}}"#;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn slow(server: &KeyVault, time: Duration) {
    server.asynchronous(time, time, time);
    server.settle_after_recovery(time / 2);
}

/// Rounds of a test that scales.
fn rounds(sample: u64) -> u64 {
    std::env::var("SECRETS_TEST_ROUNDS").map_or(sample, |rounds| rounds.parse().unwrap())
}

#[tokio::test]
async fn a_deleted_secret_is_written_again_at_once_while_the_service_takes_its_time() {
    let (server, backend) = kit();
    slow(&server, millis(300));
    let path = path("app/key");
    for round in 0..3 {
        put(&backend, &path, &format!("life {round}")).await;
        assert_eq!(value(&backend, &path).await, format!("life {round}"));
        backend.delete(&path).await.unwrap();
        assert_eq!(kind(backend.get(&path, None).await), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_deleted_secret_is_written_again_where_the_refusal_does_not_say_that_it_is_deleted() {
    let (server, backend) = kit();
    let path = path("app/key");
    put(&backend, &path, "old").await;
    backend.delete(&path).await.unwrap();
    let untold = r#"{"error":{"code":"Conflict","message":"it is there already"}}"#;
    server.fault_of(Operation::Set, 1, &VaultFault::Status(409, untold.to_owned()));
    server.forget_calls();
    put(&backend, &path, "new").await;
    assert_eq!(value(&backend, &path).await, "new");
    let made = asked(&server).into_iter().filter(|call| call.starts_with("PUT"));
    assert_eq!(made.count(), 2, "recovered at once, before it was written again");
}

#[tokio::test]
async fn deleting_and_setting_at_once_always_ends_with_one_of_the_two() {
    let (server, backend) = kit();
    slow(&server, millis(20));
    let (backend, rounds) = (Arc::new(backend), rounds(8));
    let (mut present, mut absent) = (0, 0);
    for round in 0..rounds {
        let path = path(&format!("race/k{}", round % 5));
        put(&*backend, &path, "before").await;
        let (deleter, target) = (Arc::clone(&backend), path.clone());
        // The one before, while and after the other.
        let (before_delete, before_set) = if round % 2 == 0 { (round % 12, 0) } else { (0, round % 12) };
        let deleting = tokio::spawn(async move {
            tokio::time::sleep(millis(before_delete * 2)).await;
            deleter.delete(&target).await
        });
        let secret = NewSecret::new(format!("round {round}"));
        tokio::time::sleep(millis(before_set * 2)).await;
        let set = backend.put(&path, &secret, &PutMode::Upsert).await;
        let deleted = deleting.await.unwrap();
        set.unwrap();
        assert!(deleted.is_ok() || kind(deleted) == ErrorKind::NotFound);
        match backend.get(&path, None).await {
            Ok(read) => {
                assert!(read.value == secret.value, "what is there is what was set last");
                present += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound);
                absent += 1;
            }
        }
        put(&*backend, &path, "after").await;
        assert_eq!(value(&*backend, &path).await, "after");
    }
    println!(
        "FIGURE: {rounds} rounds of delete and set at once: {present} ended set, {absent} deleted, none broken"
    );
}

#[tokio::test]
async fn undelete_waits_for_the_deletion_and_for_the_recovery() {
    let (server, backend) = kit();
    let path = path("app/key");
    put(&backend, &path, "back").await;
    slow(&server, millis(300));
    let backend = Arc::new(backend);
    let (deleter, target) = (Arc::clone(&backend), path.clone());
    let deleting = tokio::spawn(async move { deleter.delete(&target).await });
    tokio::time::sleep(millis(100)).await;
    backend.undelete(&path).await.unwrap();
    assert_eq!(value(&*backend, &path).await, "back");
    deleting.await.unwrap().unwrap();
}

#[tokio::test]
async fn purge_answers_when_the_old_bytes_are_gone() {
    let (server, backend) = kit();
    slow(&server, millis(300));
    let path = path("app/key");
    put(&backend, &path, "old").await;
    let old = backend.get(&path, None).await.unwrap().version;
    let started = Instant::now();
    backend.purge(&path).await.unwrap();
    assert!(started.elapsed() >= millis(600));
    assert_eq!(kind(backend.undelete(&path).await), ErrorKind::NotFound);
    put(&backend, &path, "new").await;
    assert_eq!(kind(backend.get(&path, Some(&old)).await), ErrorKind::NotFound);
    assert_eq!(backend.versions(&path).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_purged_is_written_again_as_soon_as_its_name_is_free() {
    let (server, backend) = kit();
    slow(&server, millis(100));
    server.hide_after_purge(millis(700));
    let path = path("app/key");
    put(&backend, &path, "old").await;
    backend.purge(&path).await.unwrap();
    assert_eq!(kind(backend.get(&path, None).await), ErrorKind::NotFound);
    let started = Instant::now();
    put(&backend, &path, "new").await;
    assert!(started.elapsed() >= millis(500), "the name was not free at once: {:?}", started.elapsed());
    assert_eq!(value(&backend, &path).await, "new");
    assert_eq!(backend.versions(&path).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_purge_that_has_deleted_waits_for_its_second_half() {
    for fault in [VaultFault::Throttled(1), VaultFault::Status(503, String::new()), VaultFault::Dropped] {
        let (server, backend) = kit();
        let path = path("app/key");
        put(&backend, &path, "x").await;
        server.fault_of(Operation::Purge, 1, &fault);
        backend.purge(&path).await.unwrap();
        assert_eq!(kind(backend.undelete(&path).await), ErrorKind::NotFound, "{fault:?}");
        // Of one that somebody else has deleted nothing was done.
        put(&backend, &path, "x").await;
        backend.delete(&path).await.unwrap();
        server.fault_of(Operation::Purge, 1, &VaultFault::Throttled(1));
        assert_eq!(kind(backend.purge(&path).await), ErrorKind::RateLimited);
        backend.undelete(&path).await.unwrap();
    }
}

#[tokio::test]
async fn a_purge_whose_second_half_never_begins_says_that_the_first_is_done() {
    let (server, backend) = hasty_kit();
    let path = path("app/key");
    put(&backend, &path, "x").await;
    server.fault_of(Operation::Purge, 100, &VaultFault::Status(503, String::new()));
    let error = backend.purge(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(error.to_string().contains("it is deleted, and can be recovered"), "{error}");
    server.heal();
    backend.undelete(&path).await.unwrap();
    put(&backend, &path, "x").await;
    server.deny(Operation::Purge);
    let error = backend.purge(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("it is deleted, and can be recovered"), "{error}");
}

#[tokio::test]
async fn a_put_that_has_recovered_waits_for_its_second_half_and_says_what_is_left() {
    for fault in [VaultFault::Throttled(1), VaultFault::Status(503, String::new())] {
        let (server, backend) = kit();
        let path = path("app/key");
        put(&backend, &path, "old").await;
        backend.delete(&path).await.unwrap();
        server.fault_of(Operation::Set, 1, &VaultFault::Status(409, DELETED.to_owned()));
        server.fault_of(Operation::Set, 1, &fault);
        put(&backend, &path, "new").await;
        assert_eq!(value(&backend, &path).await, "new", "{fault:?}");
    }
    let (server, backend) = hasty_kit();
    let path = path("app/key");
    put(&backend, &path, "old").await;
    backend.delete(&path).await.unwrap();
    server.fault_of(Operation::Set, 1, &VaultFault::Status(409, DELETED.to_owned()));
    server.fault_of(Operation::Set, 100, &VaultFault::Status(503, String::new()));
    let error = backend.put(&path, &NewSecret::new("new"), &PutMode::Upsert).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("what was deleted can be read again"), "{error}");
    assert_eq!(value(&backend, &path).await, "old");
}

#[tokio::test]
async fn a_service_that_is_slow_to_tell_is_not_taken_for_somebody_who_brought_it_back() {
    let (server, backend) = kit();
    let path = path("app/key");
    put(&backend, &path, "x").await;
    let missing = r#"{"error":{"code":"SecretNotFound","message":"not yet"}}"#;
    let id = "https://kit.vault.azure.net/secrets/app--key/0123456789abcdef0123456789abcdef";
    let there = format!(r#"{{"value":[{{"id":"{id}","attributes":{{"enabled":true}}}}]}}"#);
    server.fault_of(Operation::Get, 2, &VaultFault::Status(404, missing.to_owned()));
    server.fault_of(Operation::List, 2, &VaultFault::Status(200, there));
    server.forget_calls();
    backend.delete(&path).await.unwrap();
    let looks = asked(&server).into_iter().filter(|call| call.starts_with("GET /deletedsecrets"));
    assert_eq!(looks.count(), 3);
}

#[tokio::test]
async fn two_who_purge_at_once_both_see_it_gone() {
    let (server, backend) = kit();
    slow(&server, millis(100));
    for round in 0..3 {
        let path = path(&format!("app/k{round}"));
        put(&backend, &path, "old").await;
        let (one, other) = tokio::join!(backend.purge(&path), backend.purge(&path));
        one.unwrap();
        other.unwrap();
        assert_eq!(kind(backend.undelete(&path).await), ErrorKind::NotFound);
        assert_eq!(kind(backend.purge(&path).await), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn what_never_ends_is_given_up_in_time_and_may_take_effect_later() {
    let (server, backend) = hasty_kit();
    let path = path("app/key");
    put(&backend, &path, "x").await;
    slow(&server, Duration::from_secs(4));
    for (what, answer) in
        [("delete", backend.delete(&path).await), ("undelete", backend.undelete(&path).await)]
    {
        assert_eq!(kind(answer), ErrorKind::TimedOut, "{what}");
    }
    let started = Instant::now();
    assert_eq!(kind(backend.purge(&path).await), ErrorKind::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_look_that_fails_for_the_moment_does_not_hide_that_it_was_begun() {
    for fault in [VaultFault::Throttled(1), VaultFault::Status(503, String::new()), VaultFault::Dropped] {
        let (server, backend) = kit();
        slow(&server, millis(150));
        let path = path("app/key");
        put(&backend, &path, "x").await;
        server.fault_of(Operation::Get, 1, &fault);
        backend.delete(&path).await.unwrap();
        assert_eq!(kind(backend.get(&path, None).await), ErrorKind::NotFound, "{fault:?}");
        server.fault_of(Operation::List, 1, &fault);
        backend.undelete(&path).await.unwrap();
        assert_eq!(value(&backend, &path).await, "x", "{fault:?}");
        backend.delete(&path).await.unwrap();
        backend.purge(&path).await.unwrap();
        assert_eq!(kind(backend.undelete(&path).await), ErrorKind::NotFound, "{fault:?}");
    }
}

#[tokio::test]
async fn a_recovery_that_is_refused_or_lost_writes_nothing() {
    let (server, backend) = hasty_kit();
    let path = path("app/key");
    put(&backend, &path, "old").await;
    backend.delete(&path).await.unwrap();
    for fault in [VaultFault::Status(500, String::new()), VaultFault::Dropped] {
        server.fault_of(Operation::Recover, 1, &fault);
        let again = backend.put(&path, &NewSecret::new("new"), &PutMode::Upsert).await;
        assert_eq!(kind(again), ErrorKind::Unavailable, "{fault:?}");
        assert_eq!(kind(backend.get(&path, None).await), ErrorKind::NotFound);
    }
    put(&backend, &path, "new").await;
    assert_eq!(value(&backend, &path).await, "new");
}

#[tokio::test]
async fn a_quick_vault_is_asked_no_more_than_is_needed() {
    let (server, backend) = kit();
    let path = path("app/key");
    let mut calls = Vec::new();
    put(&backend, &path, "x").await;
    calls.push(("put", asked(&server).len()));
    server.forget_calls();
    value(&backend, &path).await;
    calls.push(("get", asked(&server).len()));
    server.forget_calls();
    backend.delete(&path).await.unwrap();
    calls.push(("delete", asked(&server).len()));
    server.forget_calls();
    backend.undelete(&path).await.unwrap();
    calls.push(("undelete", asked(&server).len()));
    server.forget_calls();
    backend.versions(&path).await.unwrap();
    calls.push(("versions", asked(&server).len()));
    backend.delete(&path).await.unwrap();
    server.forget_calls();
    put(&backend, &path, "over a deleted one").await;
    calls.push(("put over a deleted one", asked(&server).len()));
    server.forget_calls();
    backend.purge(&path).await.unwrap();
    calls.push(("purge", asked(&server).len()));
    let expected = [
        ("put", 1),
        ("get", 1),
        ("delete", 2),
        ("undelete", 2),
        ("versions", 1),
        ("put over a deleted one", 3),
        ("purge", 7),
    ];
    assert_eq!(calls, expected);
}
