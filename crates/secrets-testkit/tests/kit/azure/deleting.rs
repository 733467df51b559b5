//! Deleting, recovering and purging, which take their time by the server's own clock.

use std::time::Duration;

use secrets_testkit::KeyVault;
use serde_json::json;

use super::client::Vault;

const HOUR: Duration = Duration::from_secs(3_600);
const DELETED: (u16, &str, &str) = (409, "Conflict", "ObjectIsDeletedButRecoverable");
const DELETING: (u16, &str, &str) = (409, "Conflict", "ObjectIsBeingDeleted");
const RECOVERING: (u16, &str, &str) = (409, "Conflict", "ObjectIsBeingRecovered");
const MISSING: (u16, &str, &str) = (404, "SecretNotFound", "");

fn vault() -> (KeyVault, Vault) {
    let server = KeyVault::start().unwrap();
    // Tokens live longer than what is tried here.
    server.token_lifetime(HOUR * 24 * 365);
    let vault = Vault::of(&server);
    vault.set("a", "one");
    (server, vault)
}

fn set(vault: &Vault) -> super::client::Reply {
    vault.send("PUT", "/secrets/a", r#"{"value":"two"}"#)
}

#[test]
fn a_deleted_secret_is_gone_at_once_and_shown_as_deleted_later() {
    let (server, vault) = vault();
    server.asynchronous(HOUR, HOUR, HOUR);
    let deleted = vault.send("DELETE", "/secrets/a", "");
    assert_eq!((deleted.status, deleted.body.get("value")), (200, None));
    assert_eq!(deleted.body["recoveryId"], json!(format!("{}/deletedsecrets/a", vault.access.vault_url)));
    assert_eq!(vault.get("/secrets/a").refusal(), MISSING);
    assert_eq!(vault.get("/deletedsecrets/a").refusal(), MISSING);
    assert!(vault.get("/secrets").body["value"].as_array().unwrap().is_empty());
    assert!(vault.get("/deletedsecrets").body["value"].as_array().unwrap().is_empty());
    assert_eq!(set(&vault).refusal(), DELETING);
    for (method, path) in
        [("DELETE", "/secrets/a"), ("POST", "/deletedsecrets/a/recover"), ("DELETE", "/deletedsecrets/a")]
    {
        assert_eq!(vault.send(method, path, "").refusal(), DELETING, "{method} {path}");
    }
    server.forward(HOUR);
    assert_eq!(vault.get("/deletedsecrets/a").status, 200);
    assert_eq!(vault.get("/deletedsecrets").body["value"].as_array().unwrap().len(), 1);
    assert_eq!(vault.get("/secrets/a").refusal(), MISSING);
    assert_eq!(set(&vault).refusal(), DELETED);
    assert_eq!(vault.send("DELETE", "/secrets/a", "").refusal(), MISSING);
}

#[test]
fn a_recovered_secret_comes_back_whole_and_can_be_written_last() {
    let (server, vault) = vault();
    let first = vault.set("a", "two");
    server.asynchronous(Duration::ZERO, HOUR, HOUR);
    server.settle_after_recovery(HOUR);
    vault.send("DELETE", "/secrets/a", "");
    let recovered = vault.send("POST", "/deletedsecrets/a/recover", "");
    assert_eq!((recovered.status, recovered.body.get("value")), (200, None));
    assert_eq!(vault.get("/secrets/a").refusal(), MISSING);
    assert_eq!(set(&vault).refusal(), RECOVERING);
    assert_eq!(vault.send("POST", "/deletedsecrets/a/recover", "").refusal(), RECOVERING);
    server.forward(HOUR);
    assert_eq!(vault.get("/secrets/a").body["value"], "two");
    assert_eq!(vault.get(&format!("/secrets/a/{first}")).body["value"], "two");
    assert_eq!(set(&vault).refusal(), RECOVERING);
    assert_eq!(vault.send("DELETE", "/secrets/a", "").refusal(), RECOVERING);
    server.forward(HOUR);
    assert_eq!(set(&vault).status, 200);
    assert_eq!(vault.get("/secrets/a/versions").body["value"].as_array().unwrap().len(), 3);
}

#[test]
fn a_recovery_says_that_it_has_no_body() {
    let (_server, vault) = vault();
    vault.send("DELETE", "/secrets/a", "");
    let bearer = format!("Bearer {}", vault.token);
    let headers = [("authorization", bearer.as_str()), ("transfer-encoding", "chunked")];
    let recover = "/deletedsecrets/a/recover?api-version=7.6";
    assert_eq!(vault.try_send("POST", recover, &headers, "0\r\n\r\n").unwrap().status, 411);
    assert_eq!(vault.get("/deletedsecrets/a").status, 200);
    assert_eq!(vault.send("POST", "/deletedsecrets/a/recover", "").status, 200);
}

#[test]
fn a_purged_secret_is_gone_for_good_and_its_name_is_free_after_a_while() {
    let (server, vault) = vault();
    server.asynchronous(Duration::ZERO, Duration::ZERO, HOUR);
    assert_eq!(vault.send("DELETE", "/deletedsecrets/a", "").refusal(), MISSING, "it is not deleted");
    vault.send("DELETE", "/secrets/a", "");
    assert_eq!(vault.send("DELETE", "/deletedsecrets/a", "").status, 204);
    assert_eq!(set(&vault).refusal(), DELETING);
    assert_eq!(vault.send("POST", "/deletedsecrets/a/recover", "").refusal(), DELETING);
    server.forward(HOUR);
    assert_eq!(vault.get("/deletedsecrets/a").refusal(), MISSING);
    assert_eq!(vault.send("POST", "/deletedsecrets/a/recover", "").refusal(), MISSING);
    assert_eq!(set(&vault).status, 200);
    assert_eq!(vault.get("/secrets/a/versions").body["value"].as_array().unwrap().len(), 1);
}

#[test]
fn a_purged_secret_is_shown_nowhere_for_a_while_before_its_name_is_free() {
    let (server, vault) = vault();
    server.asynchronous(Duration::ZERO, Duration::ZERO, HOUR);
    server.hide_after_purge(HOUR);
    vault.send("DELETE", "/secrets/a", "");
    assert_eq!(vault.send("DELETE", "/deletedsecrets/a", "").status, 204);
    assert_eq!(vault.get("/deletedsecrets/a").status, 200, "still shown");
    server.forward(HOUR);
    for path in ["/deletedsecrets/a", "/secrets/a"] {
        assert_eq!(vault.get(path).refusal(), MISSING, "{path}");
    }
    for path in ["/deletedsecrets", "/secrets", "/secrets/a/versions"] {
        assert!(vault.get(path).body["value"].as_array().unwrap().is_empty(), "{path}");
    }
    assert_eq!(set(&vault).refusal(), DELETING);
    assert_eq!(vault.send("POST", "/deletedsecrets/a/recover", "").refusal(), DELETING);
    server.forward(HOUR);
    assert_eq!(set(&vault).status, 200);
}

#[test]
fn purge_protection_refuses_and_says_so_in_each_secret() {
    let (server, vault) = vault();
    assert_eq!(vault.get("/secrets/a").body["attributes"]["recoveryLevel"], "Recoverable+Purgeable");
    server.protect_from_purge("kit");
    assert_eq!(vault.get("/secrets/a").body["attributes"]["recoveryLevel"], "Recoverable");
    vault.send("DELETE", "/secrets/a", "");
    assert_eq!(vault.send("DELETE", "/deletedsecrets/a", "").refusal(), (403, "Forbidden", ""));
    assert_eq!(vault.get("/deletedsecrets/a").status, 200);
}

#[test]
fn what_is_deleted_is_kept_for_ninety_days() {
    let (server, vault) = vault();
    let deleted = vault.send("DELETE", "/secrets/a", "").body;
    let kept = deleted["scheduledPurgeDate"].as_u64().unwrap() - deleted["deletedDate"].as_u64().unwrap();
    assert_eq!(kept, 90 * 86_400);
    server.forward(HOUR * 24 * 89);
    assert_eq!(vault.get("/deletedsecrets/a").status, 200);
    server.forward(HOUR * 24);
    assert_eq!(vault.get("/deletedsecrets/a").refusal(), MISSING);
    assert_eq!(set(&vault).status, 200);
}
