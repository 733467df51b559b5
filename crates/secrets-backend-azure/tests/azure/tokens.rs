//! Tokens: one for all callers, another where the vault refuses it, none that is asked for again and again.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend};
use secrets_testkit::azure::{IssuerFault, VaultFault};

use crate::admin::{VAULT, asked, backend, config, hasty_kit, kind, kit, path, put, value};

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_once() {
    let (server, backend) = kit();
    put(&backend, &path("app/key"), "x").await;
    server.revoke_tokens();
    assert_eq!(value(&backend, &path("app/key")).await, "x");
    assert_eq!(server.issued(), 2);
}

#[tokio::test]
async fn a_token_that_expires_between_two_calls_is_replaced() {
    let (server, backend) = kit();
    put(&backend, &path("app/key"), "x").await;
    server.forward(Duration::from_secs(2 * 24 * 60 * 60));
    assert_eq!(value(&backend, &path("app/key")).await, "x");
    assert_eq!(server.issued(), 2);
}

#[tokio::test]
async fn callers_whose_token_is_refused_at_once_share_another() {
    let (server, backend) = kit();
    put(&backend, &path("app/key"), "x").await;
    server.revoke_tokens();
    let paths = vec![path("app/key"); 64];
    for answer in backend.get_many(&paths).await {
        answer.unwrap();
    }
    assert!(server.issued() <= 3, "{}", server.issued());
}

#[tokio::test]
async fn a_vault_that_refuses_every_token_is_asked_a_bounded_number_of_times() {
    let (server, backend) = kit();
    server.fail(100, 401, "{}");
    assert_eq!(kind(backend.get(&path("app/key"), None).await), ErrorKind::Unauthenticated);
    assert_eq!(asked(&server).len(), 2, "{:?}", asked(&server));
}

/// What a vault says with a refusal is not for Microsoft's client, which would send the same token once more, or
/// believe whom the vault names.
#[tokio::test]
async fn whatever_a_vault_says_with_a_refusal_the_call_is_made_once_more_with_another_token() {
    let claims = "Bearer authorization=\"https://login.microsoftonline.com/t\", error=\"insufficient_claims\", \
                  claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"";
    for challenge in [
        "Bearer authorization=\"https://login.microsoftonline.com/t\", resource=\"https://vault.azure.net\"",
        claims,
        "Bearer authorization=\"https://elsewhere.example/t\", resource=\"https://azure.net\"",
        "Bearer authorization=\"https://elsewhere.example/t\", resource=\"https://elsewhere.example\"",
    ] {
        let (server, backend) = kit();
        let path = path("app/key");
        put(&backend, &path, "old").await;
        for is_write in [false, true] {
            server.forget_calls();
            server.fault(2, &VaultFault::Challenge(challenge.to_owned()));
            let answer = if is_write {
                backend.put(&path, &NewSecret::new("new"), &PutMode::Upsert).await.map(drop)
            } else {
                backend.get(&path, None).await.map(drop)
            };
            assert_eq!(kind(answer), ErrorKind::Unauthenticated, "{challenge}");
            assert_eq!(asked(&server).len(), 2, "{challenge}");
            assert_eq!(value(&backend, &path).await, "old", "{challenge}");
        }
        // One refusal is made good by another token.
        let issued = server.issued();
        server.fault(1, &VaultFault::Challenge(challenge.to_owned()));
        put(&backend, &path, "new").await;
        assert_eq!(value(&backend, &path).await, "new");
        assert_eq!(server.issued(), issued + 1);
    }
}

#[tokio::test]
async fn credentials_that_are_refused_are_asked_for_once_a_call() {
    let (server, _) = kit();
    let access = server.access(VAULT);
    server.change_secret(&access, "another");
    let backend = backend(config(&access));
    assert_eq!(kind(backend.check().await), ErrorKind::Unauthenticated);
    assert_eq!((asked(&server).len(), server.calls().len()), (0, 1));
}

#[tokio::test]
async fn an_issuer_that_fails_has_its_kind_and_nothing_was_asked_of_the_vault() {
    for (fault, expected) in [
        (IssuerFault::Status(500, "x".to_owned()), ErrorKind::Unavailable),
        (IssuerFault::Status(503, String::new()), ErrorKind::Unavailable),
        (IssuerFault::Status(400, "<html>".to_owned()), ErrorKind::Unauthenticated),
        (IssuerFault::Status(302, String::new()), ErrorKind::Unavailable),
        (IssuerFault::Throttled(9), ErrorKind::RateLimited),
        (IssuerFault::Hang, ErrorKind::TimedOut),
    ] {
        let (server, backend) = hasty_kit();
        server.issuer_fault(Some(fault.clone()));
        assert_eq!(kind(backend.get(&path("app/key"), None).await), expected, "{fault:?}");
        assert!(asked(&server).is_empty());
        server.issuer_fault(None);
        assert_eq!(kind(backend.get(&path("app/key"), None).await), ErrorKind::NotFound, "{fault:?}");
    }
}

#[tokio::test]
async fn first_callers_at_once_make_one_token_request() {
    let (server, backend) = kit();
    server.issuer_fault(Some(IssuerFault::Slow(Duration::from_millis(100))));
    let backend = Arc::new(backend);
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let backend = Arc::clone(&backend);
            tokio::spawn(async move { backend.check().await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(server.issued(), 1);
}
