//! What goes wrong on purpose.

use std::time::{Duration, Instant};

use secrets_testkit::KeyVault;
use secrets_testkit::azure::{Operation, VaultFault};
use serde_json::Value;

use super::client::Vault;

fn vault() -> (KeyVault, Vault) {
    let server = KeyVault::start().unwrap();
    let vault = Vault::of(&server);
    vault.set("a", "one");
    (server, vault)
}

fn try_set(vault: &Vault, value: &str) -> std::io::Result<super::client::Reply> {
    let bearer = format!("Bearer {}", vault.token);
    let body = serde_json::json!({ "value": value }).to_string();
    vault.try_send("PUT", "/secrets/a?api-version=7.6", &[("authorization", &bearer)], &body)
}

fn current(vault: &Vault) -> Value {
    vault.get("/secrets/a").body["value"].clone()
}

#[test]
fn a_fault_is_met_as_often_as_was_said_and_by_the_operation_that_was_said() {
    let (server, vault) = vault();
    server.throttle(2, 3);
    for _ in 0..2 {
        let reply = vault.get("/secrets/a");
        assert_eq!((reply.refusal(), reply.header("retry-after")), ((429, "Throttled", ""), Some("3")));
    }
    assert_eq!(vault.get("/secrets/a").status, 200);
    server.fault_of(Operation::Set, 1, &VaultFault::Status(500, "<html>".to_owned()));
    assert_eq!(vault.get("/secrets/a").status, 200);
    assert_eq!(try_set(&vault, "two").unwrap().status, 500);
    assert_eq!(current(&vault), "one", "without effect");
    server.fail(5, 503, "");
    server.heal();
    assert_eq!(vault.get("/secrets/a").status, 200);
}

#[test]
fn a_lost_answer_is_lost_after_the_effect_and_a_dropped_request_has_none() {
    let (server, vault) = vault();
    server.fault(1, &VaultFault::Dropped);
    assert!(try_set(&vault, "two").is_err());
    assert_eq!(current(&vault), "one");
    server.fault(1, &VaultFault::LostAnswer);
    assert!(try_set(&vault, "three").is_err());
    assert_eq!(current(&vault), "three");
    let lost = server.calls().into_iter().filter(|call| call.method == "PUT" && call.status.is_none());
    assert_eq!(lost.count(), 2);
}

#[test]
fn answers_echo_break_redirect_and_lead_elsewhere() {
    let (server, vault) = vault();
    server.fault(1, &VaultFault::Echo);
    let echo = try_set(&vault, "planted-5ecre7-value").unwrap();
    assert!(echo.status == 500 && echo.body.to_string().contains("planted-5ecre7-value"));
    server.fault(1, &VaultFault::BrokenJson);
    let broken = vault.get("/secrets/a");
    assert_eq!((broken.status, broken.body), (200, Value::Null));
    server.fault(1, &VaultFault::Redirect("https://elsewhere.example/".to_owned()));
    let redirect = vault.get("/secrets/a");
    assert_eq!((redirect.status, redirect.header("location")), (307, Some("https://elsewhere.example/")));
    server.fault(1, &VaultFault::Challenge("Bearer error=\"insufficient_claims\"".to_owned()));
    let challenge = vault.get("/secrets/a");
    let said = Some("Bearer error=\"insufficient_claims\"");
    assert_eq!((challenge.status, challenge.header("www-authenticate")), (401, said));
    server.fault_of(Operation::List, 1, &VaultFault::NextLink("https://elsewhere.example/x".to_owned()));
    let page = vault.get("/secrets").body;
    assert_eq!(page["nextLink"], "https://elsewhere.example/x");
    assert_eq!(page["value"].as_array().unwrap().len(), 1);
}

#[test]
fn every_request_waits_as_long_as_was_said() {
    let (server, vault) = vault();
    server.delay(Duration::from_millis(150));
    let started = Instant::now();
    assert_eq!(vault.get("/secrets/a").status, 200);
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[test]
fn calls_are_remembered_without_what_they_hold() {
    let (server, vault) = vault();
    server.forget_calls();
    vault.set("b", "planted-5ecre7-value");
    vault.try_send("GET", "/secrets/b?api-version=7.6", &[], "").unwrap();
    let calls = server.calls();
    let seen: Vec<_> = calls
        .iter()
        .map(|call| (call.method.as_str(), call.path.as_str(), call.with_token, call.status))
        .collect();
    assert_eq!(seen, [("PUT", "/secrets/b", true, Some(200)), ("GET", "/secrets/b", false, Some(401))]);
    assert!(calls.iter().all(|call| call.host == "kit.vault.azure.net"));
    let shown = format!("{server:?} {calls:?} {:?}", vault.access);
    assert!(!shown.contains("planted") && !shown.contains(&vault.access.client_secret));
}
