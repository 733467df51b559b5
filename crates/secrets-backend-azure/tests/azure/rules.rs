//! Each rule of the service, at the client's side: the right kind, no call more than is of use, nothing
//! written.

use std::time::Duration;

use secrets_backend::{
    ErrorKind, Metadata, NewSecret, PutMode, SecretBackend, SecretBackendExt, SecretPath, VersionId,
};
use secrets_testkit::azure::Operation;
use serde_json::json;

use crate::admin::{VAULT, asked, config, hasty_kit, kind, kit, path, put, value};

fn refusal(code: &str, inner: Option<&str>) -> String {
    let inner = inner.map(|code| json!({"code": code}));
    json!({"error": {"code": code, "message": "\"said\" \\ aloud\n", "innererror": inner}}).to_string()
}

/// The kinds of a read and of a write that meet this answer, and that each made one call.
async fn kinds(status: u16, body: &str) -> (ErrorKind, ErrorKind) {
    let (server, backend) = kit();
    let path = path("app/key");
    let mut met = Vec::new();
    for is_write in [false, true] {
        server.fail(1, status, body);
        server.forget_calls();
        met.push(if is_write {
            kind(backend.put(&path, &NewSecret::new("x"), &PutMode::Upsert).await)
        } else {
            kind(backend.get(&path, None).await)
        });
        // A 401 is answered with another token, once; then the fault is over.
        assert_eq!(asked(&server).len(), 1, "{status} {body}");
    }
    assert_eq!(kind(backend.get(&path, None).await), ErrorKind::NotFound, "{status}: nothing was written");
    (met[0], met[1])
}

#[tokio::test]
async fn each_refusal_has_its_kind_after_one_call() {
    use ErrorKind::{InvalidInput, NotFound, PermissionDenied, RateLimited, TimedOut, Unavailable};
    let html = "<html>proxy</html>";
    for (status, body, read, write) in [
        (400, refusal("BadParameter", None), InvalidInput, InvalidInput),
        (403, refusal("Forbidden", Some("ForbiddenByRbac")), PermissionDenied, PermissionDenied),
        (403, refusal("Forbidden", Some("ForbiddenByPolicy")), PermissionDenied, PermissionDenied),
        (403, refusal("Forbidden", Some("ForbiddenByFirewall")), PermissionDenied, PermissionDenied),
        (403, refusal("Forbidden", Some("SecretDisabled")), PermissionDenied, PermissionDenied),
        (403, html.to_owned(), PermissionDenied, PermissionDenied),
        (404, refusal("SecretNotFound", None), NotFound, NotFound),
        (404, html.to_owned(), Unavailable, Unavailable),
        (404, refusal("VaultNotFound", None), Unavailable, Unavailable),
        (404, refusal("NotFound", None), Unavailable, Unavailable),
        (408, refusal("RequestTimeout", None), Unavailable, TimedOut),
        (413, refusal("RequestTooLarge", None), InvalidInput, InvalidInput),
        (429, refusal("Throttled", None), RateLimited, RateLimited),
        (500, refusal("InternalServerError", None), Unavailable, TimedOut),
        (502, html.to_owned(), Unavailable, TimedOut),
        (503, refusal("ServiceUnavailable", None), Unavailable, Unavailable),
        (504, String::new(), Unavailable, TimedOut),
    ] {
        assert_eq!(kinds(status, &body).await, (read, write), "{status} {body}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_by_its_codes_status_and_request_and_by_nothing_else() {
    let (server, backend) = kit();
    server.fail(1, 403, &refusal("Forbidden", Some("ForbiddenByRbac")));
    let error = backend.get(&path("app/key"), None).await.unwrap_err();
    assert!(error.detail().unwrap().starts_with("Forbidden: ForbiddenByRbac, status 403"), "{error}");
    assert!(!error.to_string().contains("aloud"), "{error}");
    server.fail(1, 403, &refusal("planted-5ecre7-value", Some("planted")));
    let error = backend.get(&path("app/key"), None).await.unwrap_err();
    assert!(error.detail().unwrap().starts_with("no known code, status 403"), "{error}");
}

#[tokio::test]
async fn a_throttled_call_is_not_repeated_and_passes_the_time_on() {
    let (server, backend) = kit();
    for (given, expected) in [(7, 7), (10_000, 3_600)] {
        server.throttle(1, given);
        let error = backend.get(&path("app/key"), None).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_after()),
            (ErrorKind::RateLimited, Some(Duration::from_secs(expected)))
        );
    }
    assert_eq!(asked(&server).len(), 2);
}

#[tokio::test]
async fn what_can_never_be_stored_is_refused_before_any_call() {
    let (server, backend) = kit();
    let can = backend.capabilities();
    let rich = |change: fn(&mut Metadata)| {
        let mut metadata = Metadata::default();
        change(&mut metadata);
        NewSecret::new("x").with_metadata(metadata)
    };
    let here = path("app/key");
    let long = SecretPath::native("a/".repeat(can.max_path).trim_end_matches('/')).unwrap();
    let upsert = PutMode::Upsert;
    let rows = [
        (&here, NewSecret::new("x".repeat(can.max_value + 1)), &upsert, ErrorKind::InvalidInput),
        (&long, NewSecret::new("x"), &upsert, ErrorKind::InvalidInput),
        (&here, rich(|m| m.owner = Some("o".repeat(257))), &upsert, ErrorKind::InvalidInput),
        (
            &here,
            rich(|m| m.tags = (0..15).map(|n| (n.to_string(), String::new())).collect()),
            &upsert,
            ErrorKind::InvalidInput,
        ),
        (
            &here,
            rich(|m| m.tags = [("n".repeat(257), String::new())].into()),
            &upsert,
            ErrorKind::InvalidInput,
        ),
        (&here, NewSecret::new("x"), &PutMode::Create, ErrorKind::Unsupported),
        (
            &here,
            NewSecret::new("x"),
            &PutMode::Replace(VersionId::new("0".repeat(32))),
            ErrorKind::Unsupported,
        ),
    ];
    for (path, secret, mode, expected) in rows {
        assert_eq!(kind(backend.put(path, &secret, mode).await), expected);
    }
    for answer in [
        backend.get(&long, None).await.map(drop),
        backend.delete(&long).await.map(drop),
        backend.undelete(&long).await.map(drop),
        backend.purge(&long).await.map(drop),
        backend.versions(&long).await.map(drop),
    ] {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.detail().unwrap().contains("127"), "{error}");
    }
    assert!(server.calls().is_empty(), "{:?}", server.calls());
}

#[tokio::test]
async fn what_leads_elsewhere_is_never_part_of_an_address() {
    let (server, backend) = kit();
    for hostile in ["../keys/x", "..", "0/../../keys", "0123456789abcdef0123456789abcdeg", "", "?x", "%2e%2e"]
    {
        let at = VersionId::new(hostile);
        assert_eq!(kind(backend.get(&path("app/key"), Some(&at)).await), ErrorKind::NotFound, "{hostile:?}");
    }
    assert!(server.calls().is_empty());
    for legal in ["x/keys", "a..b", "a.-_/b..", "keys", "secrets/deleted"] {
        put(&backend, &path(legal), legal).await;
        assert_eq!(value(&backend, &path(legal)).await, legal);
    }
    let plain = |call: String| call.split('/').all(|part| part != ".." && !part.contains(['%', '.', '_']));
    assert!(asked(&server).into_iter().all(plain), "{:?}", asked(&server));
}

#[tokio::test]
async fn the_largest_name_and_the_largest_value_are_what_the_service_takes() {
    let (_server, backend) = kit();
    let can = backend.capabilities();
    // Every character needs as much room as any: the packed form.
    let widest: String = "Z_.-".chars().cycle().take(can.max_path - 1).collect();
    let path = SecretPath::native(&format!("a{widest}")).unwrap();
    let secret = NewSecret::new(vec![0xff; can.max_value]);
    backend.put(&path, &secret, &PutMode::Upsert).await.unwrap();
    assert!(backend.get(&path, None).await.unwrap().value == secret.value);
    assert_eq!(backend.list_all(None).await.unwrap()[0].path, path);
}

#[tokio::test]
async fn a_disabled_secret_is_refused_and_an_expired_one_is_read() {
    let (server, backend) = kit();
    let old = path("old/key");
    let mut metadata = Metadata::default();
    metadata.expires = Some(secrets_backend::Timestamp::from_millis(1_000_000_000_000));
    let secret = NewSecret::new("expired").with_metadata(metadata.clone());
    backend.put(&old, &secret, &PutMode::Upsert).await.unwrap();
    let read = backend.get(&old, None).await.unwrap();
    assert_eq!((read.value.expose_str(), read.metadata.expires), (Some("expired"), metadata.expires));
    server.fail(1, 403, &refusal("Forbidden", Some("SecretDisabled")));
    let error = backend.get(&old, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.detail().unwrap().contains("SecretDisabled"), "{error}");
}

#[tokio::test]
async fn a_purge_that_the_vault_protects_from_changes_nothing() {
    let (server, backend) = kit();
    let path = path("app/key");
    put(&backend, &path, "kept").await;
    server.protect_from_purge(VAULT);
    server.forget_calls();
    let error = backend.purge(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.detail().unwrap().contains("purge protection"), "{error}");
    assert_eq!(value(&backend, &path).await, "kept");
    backend.delete(&path).await.unwrap();
    assert_eq!(kind(backend.purge(&path).await), ErrorKind::Unsupported);
    backend.undelete(&path).await.unwrap();
    assert_eq!(value(&backend, &path).await, "kept");
    let purges = asked(&server).into_iter().filter(|call| call.starts_with("DELETE /deletedsecrets"));
    assert_eq!(purges.count(), 0);
}

#[tokio::test]
async fn a_purge_that_is_not_permitted_says_so() {
    let (server, backend) = kit();
    let path = path("app/key");
    put(&backend, &path, "kept").await;
    server.deny(Operation::Purge);
    assert_eq!(kind(backend.purge(&path).await), ErrorKind::PermissionDenied);
    server.allow();
    backend.undelete(&path).await.unwrap();
    assert_eq!(value(&backend, &path).await, "kept");
}

#[tokio::test]
async fn every_permission_that_is_missing_is_permission_denied_and_the_rest_works() {
    let (server, backend) = kit();
    let path = path("app/key");
    put(&backend, &path, "here").await;
    server.deny(Operation::Recover);
    backend.delete(&path).await.unwrap();
    let again = backend.put(&path, &NewSecret::new("x"), &PutMode::Upsert).await;
    assert_eq!(kind(again), ErrorKind::PermissionDenied);
    assert_eq!(kind(backend.undelete(&path).await), ErrorKind::PermissionDenied);
    server.allow();
    server.deny(Operation::Get);
    backend.undelete(&path).await.unwrap();
    // Who may delete, may not always look whether it is done.
    backend.delete(&path).await.unwrap();
    server.allow();
    assert_eq!(kind(backend.get(&path, None).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_reply_about_another_secret_is_not_taken() {
    let (server, backend) = kit();
    let at = |name: &str| {
        let id = format!("https://kit.vault.azure.net/secrets/{name}/0123456789abcdef0123456789abcdef");
        json!({"value": "x", "id": id, "attributes": {"enabled": true}})
    };
    let other = at("other");
    server.fail(1, 200, &other.to_string());
    assert_eq!(kind(backend.get(&path("app/key"), None).await), ErrorKind::Tampered);
    server.fail(1, 200, &other.to_string());
    let put = backend.put(&path("app/key"), &NewSecret::new("x"), &PutMode::Upsert).await;
    assert_eq!(kind(put), ErrorKind::TimedOut);
    let version = VersionId::new("f".repeat(32));
    let asked_for_another = at("app--key");
    server.fail(1, 200, &asked_for_another.to_string());
    assert_eq!(kind(backend.get(&path("app/key"), Some(&version)).await), ErrorKind::Tampered);
}

#[tokio::test]
async fn a_conflict_without_end_is_given_up_and_nothing_is_written() {
    let (server, backend) = hasty_kit();
    for inner in ["ObjectIsBeingDeleted", "ObjectIsBeingRecovered", "ObjectIsDeletedButRecoverable"] {
        server.fail(100, 409, &refusal("Conflict", Some(inner)));
        let put = backend.put(&path("app/key"), &NewSecret::new("x"), &PutMode::Upsert).await;
        assert_eq!(kind(put), ErrorKind::Unavailable, "{inner}");
        server.heal();
        assert_eq!(kind(backend.get(&path("app/key"), None).await), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn constructing_and_describing_contacts_nothing() {
    let (server, backend) = kit();
    let again = config(&server.access(VAULT));
    let shown =
        format!("{backend:?} {backend} {} {:?}", backend.least_policy("app/"), backend.capabilities());
    drop(super::admin::backend(again));
    assert!(shown.contains("kit.vault.azure.net") && server.calls().is_empty());
}
