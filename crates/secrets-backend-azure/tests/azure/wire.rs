//! Where requests go, and where they never go.

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend};
use secrets_backend_azure::AzureBackend;
use secrets_testkit::azure::VaultFault;
use secrets_testkit::{Answer, Certificates, Fault, FaultProxy, KeyVault, Responder};
use serde_json::json;

use crate::admin::{VAULT, backend, config, hasty, hasty_kit, kind, kit, path, put, value};

/// A host that would take the token, and counts who comes.
fn trap() -> Responder {
    let responder = Responder::start_tls().unwrap();
    responder.always("GET", "/", Answer::json(200, &json!({"value": [], "nextLink": null})));
    responder.always("PUT", "/", Answer::json(200, &json!({"value": "x"})));
    responder
}

#[tokio::test]
async fn no_request_follows_a_next_link_to_another_host() {
    let (server, backend) = kit();
    let trap = trap();
    put(&backend, &path("app/key"), "x").await;
    let port = trap.addr().port();
    for link in [
        format!("https://localhost:{port}/secrets?skip=1"),
        format!("https://kit.vault.azure.net:{port}/secrets?skip=1"),
        format!("https://kit.vault.azure.net.evil.example:{port}/secrets"),
        format!("//localhost:{port}/secrets"),
        "http://kit.vault.azure.net/secrets".to_owned(),
        "https://user@kit.vault.azure.net/secrets".to_owned(),
    ] {
        server.fault(1, &VaultFault::NextLink(link.clone()));
        assert_eq!(kind(backend.list(None, None).await), ErrorKind::Tampered, "{link}");
        server.fault(1, &VaultFault::NextLink(link.clone()));
        assert_eq!(kind(backend.versions(&path("app/key")).await), ErrorKind::Tampered, "{link}");
    }
    assert!(trap.requests().is_empty());
}

#[tokio::test]
async fn no_request_follows_a_redirect() {
    let (server, backend) = kit();
    let trap = trap();
    for to in [trap.url(), format!("{}/secrets", server.access(VAULT).vault_url)] {
        server.forget_calls();
        server.fault(2, &VaultFault::Redirect(to));
        assert_eq!(kind(backend.get(&path("app/key"), None).await), ErrorKind::Unavailable);
        let put = backend.put(&path("app/key"), &NewSecret::new("x"), &PutMode::Upsert).await;
        assert_eq!(kind(put), ErrorKind::Unavailable);
        assert_eq!(crate::admin::asked(&server).len(), 2);
    }
    assert!(trap.requests().is_empty());
}

#[tokio::test]
async fn a_server_that_cannot_be_trusted_gets_nothing() {
    let server = KeyVault::start().unwrap();
    let access = server.access(VAULT);
    let mut foreign = hasty(&access);
    foreign.ca_pem = Some(Certificates::valid().unwrap().authority);
    let mut unknown = hasty(&access);
    unknown.ca_pem = None;
    for config in [foreign, unknown] {
        let error = backend(config).check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.detail().unwrap().contains("TLS"), "{error}");
    }
    assert!(server.calls().is_empty());
}

/// The vault has taken the request, and what it answers cannot be opened.
#[tokio::test]
async fn tls_that_fails_after_a_write_was_sent_does_not_say_that_nothing_was_written() {
    let server = KeyVault::start().unwrap();
    let proxy = FaultProxy::start(server.addr()).unwrap();
    let mut through = config(&server.access(VAULT));
    through.vault_url = format!("https://{VAULT}.vault.azure.net:{}", proxy.addr().port());
    let (direct, backend) = (backend(config(&server.access(VAULT))), backend(through));
    backend.check().await.unwrap();
    proxy.set(Fault::Garble);
    let put = backend.put(&path("app/key"), &NewSecret::new("x"), &PutMode::Upsert).await;
    assert_eq!(kind(put), ErrorKind::TimedOut);
    assert_eq!(value(&direct, &path("app/key")).await, "x");
    proxy.set(Fault::None);
    backend.check().await.unwrap();
    proxy.set(Fault::Garble);
    assert_eq!(kind(backend.get(&path("app/key"), None).await), ErrorKind::Unavailable);
}

#[tokio::test]
async fn tokens_are_asked_for_key_vault_and_nothing_else() {
    let (server, backend) = hasty_kit();
    put(&backend, &path("app/key"), "x").await;
    // A vault that names another resource gets no token for it: the next call has none to give.
    let mut strange = config(&server.access(VAULT));
    strange.resource = Some("https://management.azure.com".to_owned());
    let strange = AzureBackend::new(strange).unwrap();
    let error = strange.get(&path("app/key"), None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Tampered), "{error}");
}

#[tokio::test]
async fn no_request_goes_without_a_token_and_one_connection_pool_serves_all() {
    let (server, backend) = kit();
    let paths: Vec<_> = (0..64).map(|number| path(&format!("many/s{number}"))).collect();
    for answer in backend.get_many(&paths).await {
        assert_eq!(kind(answer), ErrorKind::NotFound);
    }
    let calls = server.calls();
    assert!(calls.iter().filter(|call| call.host.contains("vault")).all(|call| call.with_token));
    assert_eq!(server.issued(), 1);
}

#[tokio::test]
async fn an_answer_that_is_too_much_is_given_up() {
    let (server, backend) = kit();
    server.fault(1, &VaultFault::Endless);
    assert_eq!(kind(backend.get(&path("app/key"), None).await), ErrorKind::Unavailable);
    server.fault(1, &VaultFault::Endless);
    let put = backend.put(&path("app/key"), &NewSecret::new("x"), &PutMode::Upsert).await;
    assert_eq!(kind(put), ErrorKind::TimedOut);
}
