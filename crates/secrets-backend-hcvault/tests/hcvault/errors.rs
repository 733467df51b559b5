//! Each row of the table of errors in the crate's README: on a real server where it can be made to answer so, else on
//! documented answers.

use std::time::Duration;

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend, SecretPath, VersionId};
use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend, HcVaultConfig};
use secrets_testkit::{Answer, Product, Responder, Server, openbao, skip, vault};
use serde_json::{Value, json};

use crate::admin::{Admin, fresh};

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

fn servers() -> Vec<Admin> {
    [openbao(), vault()].into_iter().filter_map(Admin::of).collect()
}

fn kind<T: std::fmt::Debug>(answer: Result<T, secrets_backend::Error>) -> ErrorKind {
    answer.unwrap_err().kind()
}

#[tokio::test]
async fn absence_says_whether_there_was_something() {
    for admin in servers() {
        let mount = admin.mount(Engine::Kv2).await;
        let backend = admin.backend(&mount);
        let missing = backend.get(&path("a"), None).await.unwrap_err();
        assert_eq!((missing.kind(), missing.detail()), (ErrorKind::NotFound, None));
        backend.put(&path("a"), &NewSecret::new("1"), &PutMode::Create).await.unwrap();
        backend.delete(&path("a")).await.unwrap();
        let deleted = backend.get(&path("a"), None).await.unwrap_err();
        assert_eq!((deleted.kind(), deleted.detail()), (ErrorKind::NotFound, Some("deleted")));
        admin.done("POST", &format!("{mount}/destroy/a"), json!({"versions": [1]})).await;
        let purged = backend.get(&path("a"), None).await.unwrap_err();
        assert_eq!((purged.kind(), purged.detail()), (ErrorKind::NotFound, Some("purged")));
        let never = backend.get(&path("a"), Some(&VersionId::new("0"))).await.unwrap_err();
        assert_eq!(never.kind(), ErrorKind::NotFound, "0 is the current version to the server, not to us");
    }
}

#[tokio::test]
async fn the_wrong_engine_is_named_by_its_setting() {
    for admin in servers() {
        let mount = admin.mount(Engine::Kv2).await;
        let mut config = admin.config(&mount);
        config.engine = Engine::Kv1;
        let backend = HcVaultBackend::new(config).unwrap();
        let error = backend.get(&path("a"), None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.detail().unwrap().starts_with("engine:"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_mount_and_one_of_another_type_are_named_by_their_setting() {
    for admin in servers() {
        let error = admin.backend(&fresh("none")).check().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::PermissionDenied), "{error}");
        assert!(error.detail().unwrap().starts_with("mount:"), "{error}");
        let error = admin.backend("sys").check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.detail().unwrap().contains("another engine than KV"), "{error}");
    }
}

#[tokio::test]
async fn a_mount_that_demands_conditions_gets_them() {
    for admin in servers() {
        let mount = admin.mount(Engine::Kv2).await;
        admin.done("POST", &format!("{mount}/config"), json!({"cas_required": true})).await;
        let backend = admin.backend(&mount);
        for value in ["1", "2"] {
            backend.put(&path("a"), &NewSecret::new(value), &PutMode::Upsert).await.unwrap();
        }
        assert_eq!(backend.get(&path("a"), None).await.unwrap().version, VersionId::new("2"));
    }
}

#[tokio::test]
async fn a_denied_call_and_a_dead_token_are_two_things() {
    for admin in servers() {
        let mount = admin.mount(Engine::Kv2).await;
        let token = admin.token("path \"none\" { capabilities = [\"read\"] }", json!({})).await;
        let config = |token: &str| admin.config_with(&mount, Auth::Token(Credential::value(token)));
        let backend = HcVaultBackend::new(config(&token)).unwrap();
        assert_eq!(kind(backend.get(&path("a"), None).await), ErrorKind::PermissionDenied);
        admin.done("POST", "auth/token/revoke", json!({"token": token})).await;
        assert_eq!(kind(backend.get(&path("a"), None).await), ErrorKind::Unauthenticated);
        assert_eq!(kind(backend.check().await), ErrorKind::Unauthenticated);
    }
}

#[tokio::test]
async fn a_sealed_server_is_said_to_be_sealed_and_works_again_unsealed() {
    for product in [Product::OpenBao, Product::Vault] {
        let Some(server) = Server::own(product) else {
            skip("the server that this test would seal has no program");
            continue;
        };
        let admin = Admin::of(Some(server)).unwrap();
        let mount = admin.mount(Engine::Kv2).await;
        let backend = admin.backend(&mount);
        backend.put(&path("a"), &NewSecret::new("1"), &PutMode::Create).await.unwrap();
        admin.done("PUT", "sys/seal", Value::Null).await;
        let error = backend.check().await.unwrap_err();
        assert_eq!((error.kind(), error.detail()), (ErrorKind::Unavailable, Some("the server is sealed")));
        assert_eq!(kind(backend.get(&path("a"), None).await), ErrorKind::Unavailable);
        let write = backend.put(&path("a"), &NewSecret::new("2"), &PutMode::Upsert).await;
        assert_eq!(kind(write), ErrorKind::Unavailable, "it took no effect");
        let key = admin.server.unseal_key.clone().unwrap();
        admin.done("PUT", "sys/unseal", json!({ "key": key })).await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while backend.check().await.is_err() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(backend.get(&path("a"), None).await.unwrap().value.expose(), b"1");
    }
}

/// A backend on a server that answers every request about a secret in this way.
fn answered(answer: fn() -> Answer) -> (Responder, HcVaultBackend) {
    let responder = Responder::start().unwrap();
    for method in ["GET", "POST", "LIST", "DELETE"] {
        responder.on(method, "/", move |_| answer());
    }
    let mut config = HcVaultConfig::new(responder.url(), Auth::Token(Credential::value("s.t")));
    config.engine = Engine::Kv2;
    (responder, HcVaultBackend::new(config).unwrap())
}

async fn kinds(answer: fn() -> Answer) -> (ErrorKind, ErrorKind) {
    let (_responder, backend) = answered(answer);
    let read = backend.get(&path("a"), None).await;
    let secret = NewSecret::new("x").with_stamp(stamp());
    let write = backend.put(&path("a"), &secret, &PutMode::Create).await;
    (kind(read), kind(write))
}

fn stamp() -> secrets_backend::Stamp {
    let content = secrets_backend::ContentId::new([1; 32]);
    secrets_backend::Stamp::new(secrets_backend::StampKind::Secret, 1, Some(1), 7, content, None)
}

#[tokio::test]
async fn what_was_not_served_took_no_effect_and_what_broke_may_have() {
    let unavailable = (ErrorKind::Unavailable, ErrorKind::Unavailable);
    assert_eq!(kinds(|| Answer::json(412, &json!({"errors": []}))).await, unavailable);
    assert_eq!(kinds(|| Answer::json(472, &json!({"errors": []}))).await, unavailable);
    assert_eq!(kinds(|| Answer::json(473, &json!({"errors": []}))).await, unavailable);
    assert_eq!(kinds(|| Answer::json(503, &json!({"errors": ["Vault is sealed"]}))).await, unavailable);
    let broken = (ErrorKind::Unavailable, ErrorKind::TimedOut);
    assert_eq!(kinds(|| Answer::json(500, &json!({"errors": ["internal error"]}))).await, broken);
    assert_eq!(kinds(|| Answer::text(502, "<html>bad gateway</html>")).await, broken);
    assert_eq!(kinds(|| Answer::text(200, "<html>hello</html>")).await, broken);
    let limited = (ErrorKind::RateLimited, ErrorKind::RateLimited);
    assert_eq!(kinds(|| Answer::json(429, &json!({"errors": []}))).await, limited);
    let invalid = (ErrorKind::InvalidInput, ErrorKind::InvalidInput);
    assert_eq!(kinds(|| Answer::json(413, &json!({"errors": ["too large"]}))).await, invalid);
    assert_eq!(kinds(|| Answer::text(404, "<html>not here</html>")).await, invalid);
}

#[tokio::test]
async fn no_token_follows_a_redirect() {
    let elsewhere = Responder::start().unwrap();
    elsewhere.on("GET", "/", |_| Answer::json(200, &json!({})));
    let target = format!("{}/v1/secret/data/a", elsewhere.url());
    let responder = Responder::start().unwrap();
    responder.on("GET", "/", move |_| Answer::text(307, "").with_header("Location", target.clone()));
    let mut config = HcVaultConfig::new(responder.url(), Auth::Token(Credential::value("s.t0ken")));
    config.engine = Engine::Kv2;
    let backend = HcVaultBackend::new(config).unwrap();
    let error = backend.get(&path("a"), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.detail().unwrap().contains("address"), "{error}");
    assert!(elsewhere.requests().is_empty(), "nothing was sent elsewhere");
    assert_eq!(responder.requests()[0].header("x-vault-token"), Some("s.t0ken"));
}

#[tokio::test]
async fn the_states_that_no_test_server_has_are_told_apart() {
    for (status, words) in
        [(429, "standby"), (472, "disaster recovery"), (473, "does not answer"), (501, "not initialised")]
    {
        let responder = Responder::start().unwrap();
        responder.on("GET", "/v1/auth", |_| Answer::json(503, &json!({"errors": []})));
        responder.on("GET", "/v1/sys/health", move |_| Answer::json(status, &json!({"sealed": false})));
        let config = HcVaultConfig::new(responder.url(), Auth::Token(Credential::value("s.t")));
        let error = HcVaultBackend::new(config).unwrap().check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.detail().unwrap().contains(words), "{status}: {error}");
    }
}
