//! What can happen to an identity on a server, one test each, for every login method at once.
//!
//! The servers are of the test's own. They count: what a method asked for is what their logs say.

use std::time::Duration;

use futures_util::future::join_all;
use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend};
use secrets_backend_hcvault::HcVaultBackend;
use secrets_testkit::Fault;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::methods::{Case, Ground, Life, cases};

/// Longer than any test.
const LONG: Life = Life { ttl: 600, max: 600 };

/// For so long a refused login is not sent again.
const REFUSED_FOR: Duration = Duration::from_millis(1_100);

/// Plays a phase for every method that it makes sense for, side by side.
async fn each(life: Life, phase: impl AsyncFn(&Case)) {
    let cases = cases(life).await;
    join_all(cases.iter().map(async |case| {
        if case.method.logs_in {
            phase(case).await;
        } else if let Some(fresh) = case.another(life).await {
            // A given token lives from when it was made, and others took their time.
            phase(&fresh).await;
        }
    }))
    .await;
}

/// How many logins these would be for a method that has any.
fn logins(case: &Case, count: usize) -> usize {
    if case.method.logs_in { count } else { 0 }
}

#[tokio::test]
async fn the_right_credential_is_one_login_and_a_wrong_one_is_refused_once() {
    each(LONG, async |case| {
        let name = case.method.name;
        case.reads_at_once(&case.backend(), "with the right credential").await;
        assert_eq!(case.logins(), logins(case, 1), "{name}: logins of readers side by side");
        let (refused, requests) = (case.refusals(), case.requests());
        let wrong = case.wrong();
        case.fail_at_once(&wrong, ErrorKind::Unauthenticated, "with a wrong credential").await;
        assert_eq!(case.refusals() - refused, logins(case, 1), "{name}: no login helps that was refused");
        let reads = if case.method.logs_in { 0 } else { 16 };
        assert_eq!(case.requests() - requests, reads, "{name}: reads with a wrong credential, none repeated");
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_ended_while_nobody_renewed_it_is_followed_by_one_login() {
    let life = Life { ttl: 2, max: 600 };
    each(life, async |case| {
        let name = case.method.name;
        let backend = case.backend();
        case.reads(&backend, "at first").await;
        tokio::time::sleep(Duration::from_secs(u64::from(life.ttl)) + Duration::from_millis(200)).await;
        if case.method.logs_in {
            case.reads_at_once(&backend, "after its lease").await;
        } else {
            case.fail_at_once(&backend, ErrorKind::Unauthenticated, "after its lease").await;
        }
        assert_eq!((case.logins(), case.renewals()), (logins(case, 2), 0), "{name}");
    })
    .await;
}

#[tokio::test]
async fn a_token_revoked_between_two_calls_is_followed_by_one_login() {
    each(LONG, async |case| {
        let backend = case.backend();
        case.reads(&backend, "at first").await;
        case.revoke().await;
        if case.method.logs_in {
            case.reads_at_once(&backend, "after its token was revoked").await;
        } else {
            case.fail_at_once(&backend, ErrorKind::Unauthenticated, "after it was revoked").await;
        }
        assert_eq!(case.logins(), logins(case, 2), "{}", case.method.name);
    })
    .await;
}

/// Reads, and the longest time between two of them: on a machine that stands still, a lease may end meanwhile.
struct Reading {
    reads: usize,
    pause: Duration,
}

/// Reads again and again.
async fn read_for(case: &Case, backend: &HcVaultBackend, seconds: u64) -> Reading {
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut reading, mut last) = (Reading { reads: 0, pause: Duration::ZERO }, Instant::now());
    while Instant::now() < end {
        case.reads(backend, "while it is read all the time").await;
        reading.reads += 1;
        reading.pause = reading.pause.max(last.elapsed());
        last = Instant::now();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    reading
}

#[tokio::test]
async fn a_token_in_use_is_renewed_and_not_replaced() {
    // Due at two thirds of a lease: at 2.7 s, 5.3 s and 8 s.
    each(Life { ttl: 4, max: 600 }, async |case| {
        if !case.method.logs_in {
            // Of a given token nothing is known in its first 30 s: the next test is about it.
            return;
        }
        let (name, backend) = (case.method.name, case.backend());
        let Reading { reads, pause } = read_for(case, &backend, 9).await;
        let in_time = pause < Duration::from_secs(1);
        assert!(case.logins() == 1 || !in_time, "{name}: {} logins", case.logins());
        assert!((1..=3).contains(&case.renewals()), "{name}: {} renewals", case.renewals());
        assert!(case.renewals() >= 2 || !in_time, "{name}: {} renewals", case.renewals());
        assert_eq!(case.requests(), reads, "{name}: no read was refused");
    })
    .await;
}

#[tokio::test]
async fn a_given_token_in_use_for_long_is_looked_up_and_renewed() {
    let life = Life { ttl: 4, max: 600 };
    for case in cases(life).await.iter().filter(|case| !case.method.logs_in) {
        let Some(case) = &case.another(life).await else { continue };
        let backend = case.backend();
        case.reads(&backend, "at first").await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
        tokio::time::resume();
        let reads = 1 + read_for(case, &backend, 7).await.reads;
        assert!((1..=3).contains(&case.renewals()), "{}: {}", case.method.name, case.renewals());
        assert_eq!(case.requests(), reads, "{}: no read was refused", case.method.name);
    }
}

#[tokio::test]
async fn a_token_near_its_maximum_is_replaced_before_a_read_is_refused() {
    // Renewed at 2 s, 4 s and, for what is left, 6 s; replaced at 6.7 s.
    each(Life { ttl: 3, max: 7 }, async |case| {
        let (name, backend) = (case.method.name, case.backend());
        if !case.method.logs_in {
            case.reads(&backend, "at first").await;
            tokio::time::sleep(Duration::from_millis(7_200)).await;
            return case.fails(&backend, ErrorKind::Unauthenticated, "past its maximum").await;
        }
        let Reading { reads, pause } = read_for(case, &backend, 8).await;
        let in_time = pause < Duration::from_millis(300);
        assert!(case.logins() == 2 || !in_time, "{name}: {} logins", case.logins());
        assert!((1..=3).contains(&case.renewals()), "{name}: {} renewals", case.renewals());
        assert_eq!(case.requests(), reads, "{name}: no read was refused");
    })
    .await;
}

async fn unseal(ground: &Ground) {
    let key = ground.admin.server.unseal_key.clone().unwrap();
    ground.admin.done("PUT", "sys/unseal", json!({ "key": key })).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    // Unsealed, it takes a moment until its engines serve.
    while ground.admin.call("GET", &format!("{}/config", ground.mount), Value::Null).await.0 != 200 {
        assert!(Instant::now() < deadline, "it does not serve");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// A case, and a backend that has its token already or has not.
struct Met<'a> {
    case: &'a Case,
    backend: HcVaultBackend,
    state: &'static str,
}

fn met<'a>(case: &'a Case, state: &'static str) -> Met<'a> {
    Met { case, backend: case.backend(), state }
}

#[tokio::test]
async fn a_sealed_server_is_unavailable_and_works_again_with_the_tokens_it_gave() {
    let known = cases(LONG).await;
    let others = join_all(known.iter().map(|case| case.another(LONG))).await;
    let known: Vec<Met<'_>> = known.iter().map(|case| met(case, "with a token")).collect();
    join_all(known.iter().map(|met| met.case.reads(&met.backend, "at first"))).await;
    let mut all = known;
    all.extend(others.iter().flatten().map(|case| met(case, "without a token")));
    let mut grounds: Vec<&Ground> = Vec::new();
    for met in &all {
        if !grounds.iter().any(|ground| std::ptr::eq(*ground, &*met.case.ground)) {
            grounds.push(&met.case.ground);
        }
    }
    for ground in &grounds {
        ground.admin.done("PUT", "sys/seal", Value::Null).await;
    }
    join_all(all.iter().map(async |Met { case, backend, state }| {
        case.fail_at_once(backend, ErrorKind::Unavailable, &format!("{state}, sealed")).await;
        let write = backend.put(&case.path(), &NewSecret::new("lost"), &PutMode::Upsert).await;
        let error = write.expect_err(case.method.name);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}, a write: {error}", case.method.name);
    }))
    .await;
    join_all(grounds.into_iter().map(unseal)).await;
    join_all(all.iter().map(async |Met { case, backend, state }| {
        case.reads_at_once(backend, &format!("{state}, unsealed")).await;
        assert_eq!(case.logins(), logins(case, 1), "{}, {state}", case.method.name);
    }))
    .await;
}

#[tokio::test]
async fn an_identity_provider_that_is_down_is_unavailable_and_a_token_outlives_it() {
    each(LONG, async |case| {
        let name = case.method.name;
        let Some(provider) = &case.ready.provider else { return };
        let (backend, unasked) = (case.backend(), case.method.unasked);
        provider.set(Fault::Refuse);
        for asked in 1..=2 {
            case.fails(&backend, unasked, "its identity provider is down").await;
            assert_eq!(case.logins(), asked, "{name}: one login for each read");
            if unasked == ErrorKind::Unauthenticated {
                tokio::time::sleep(REFUSED_FOR).await;
            }
        }
        provider.set(Fault::None);
        case.reads(&backend, "its identity provider is back").await;
        provider.set(Fault::Refuse);
        case.reads(&backend, "with a token, its identity provider is down").await;
        assert_eq!(case.logins(), 3, "{name}");
    })
    .await;
}
