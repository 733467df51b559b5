//! What a listing shows, page by page.

use secrets_backend::{ErrorKind, SecretBackend, SecretBackendExt};
use secrets_testkit::azure::VaultFault;
use serde_json::json;

use crate::admin::{asked, kind, kit, path, put};

#[tokio::test]
async fn names_of_other_programs_are_left_alone() {
    let (server, backend) = kit();
    put(&backend, &path("ours/one"), "x").await;
    let id =
        |name: &str| json!({"id": format!("https://kit.vault.azure.net/secrets/{name}"), "attributes": {}});
    let mut of_certificate = id("cert");
    of_certificate["managed"] = json!(true);
    let page = json!({"value": [id("App--Key"), id("a----b"), id("x---"), id("-x"), of_certificate, id("plain")],
        "nextLink": null});
    server.fail(1, 200, &page.to_string());
    let listed = backend.list(None, None).await.unwrap();
    let paths: Vec<&str> = listed.items.iter().map(|item| item.path.as_str()).collect();
    assert_eq!(paths, ["app/key", "plain"]);
}

#[tokio::test]
async fn pages_have_25_secrets_at_most_and_a_page_that_repeats_is_an_error() {
    let (server, backend) = kit();
    for number in 0..30 {
        put(&backend, &path(&format!("many/s{number}")), "x").await;
    }
    server.forget_calls();
    assert_eq!(backend.list_all(None).await.unwrap().len(), 30);
    assert_eq!(asked(&server).len(), 2);
    let first = backend.list(None, None).await.unwrap();
    let token = first.next.unwrap();
    server.fault(1, &VaultFault::NextLink(token.as_str().to_owned()));
    assert_eq!(kind(backend.list(None, Some(&token)).await), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_page_token_of_another_place_is_refused_before_any_call() {
    let (server, backend) = kit();
    for token in [
        "no-token",
        "https://evil.example/secrets?x",
        "http://kit.vault.azure.net/",
        "https://kit.vault.azure.net/",
    ] {
        let token = secrets_backend::PageToken::new(token);
        assert_eq!(kind(backend.list(None, Some(&token)).await), ErrorKind::InvalidInput);
    }
    assert!(server.calls().is_empty());
}
