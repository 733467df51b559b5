//! The token issuer: whom it believes, and what it says to others.

use std::time::Duration;

use secrets_testkit::azure::IssuerFault;
use secrets_testkit::{KeyVault, KeyVaultAccess};
use serde_json::Value;

use super::client::{Reply, Vault, ask_issuer, send};

const SCOPE: &str = "https://vault.azure.net/.default";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Asks with the secret of the client, but for these fields; an empty one is left out.
fn ask(access: &KeyVaultAccess, but: &[(&str, &str)]) -> Reply {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", &access.client_id),
        ("client_secret", &access.client_secret),
        ("scope", SCOPE),
    ];
    for (name, value) in but {
        form.retain(|(known, _)| known != name);
        form.push((*name, *value));
    }
    form.retain(|(_, value)| !value.is_empty());
    ask_issuer(access, &access.tenant_id, &form)
}

fn refusal(reply: &Reply) -> (u16, &str, u64) {
    let body = &reply.body;
    let number = body["error_codes"][0].as_u64().unwrap_or_default();
    let text = body["error_description"].as_str().unwrap_or_default();
    assert!(text.starts_with(&format!("AADSTS{number}: ")), "{text}");
    (reply.status, body["error"].as_str().unwrap_or_default(), number)
}

#[test]
fn the_right_secret_gets_a_token_that_the_vault_accepts() {
    let server = KeyVault::start().unwrap();
    let access = server.access("kit");
    let reply = ask(&access, &[]);
    assert_eq!((reply.status, &reply.body["token_type"]), (200, &Value::from("Bearer")));
    assert_eq!((reply.body["expires_in"].as_u64(), server.issued()), (Some(3_599), 1));
    let token = reply.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(Vault { access, token }.get("/secrets/a").status, 404);
}

#[test]
fn whoever_is_not_known_is_told_so_in_microsofts_numbers() {
    let server = KeyVault::start().unwrap();
    let access = server.access("kit");
    for (but, expected) in [
        (vec![("client_secret", "wrong")], (401, "invalid_client", 7_000_215)),
        (vec![("client_secret", "")], (401, "invalid_client", 7_000_218)),
        (vec![("client_id", "nobody")], (400, "unauthorized_client", 700_016)),
        (vec![("client_id", "")], (400, "invalid_request", 900_144)),
        (vec![("scope", "https://vault.azure.net")], (400, "invalid_scope", 70_011)),
        (vec![("scope", "")], (400, "invalid_scope", 70_011)),
        (vec![("scope", "https://elsewhere.example/.default")], (400, "invalid_resource", 500_011)),
        (vec![("grant_type", "password")], (400, "unsupported_grant_type", 70_003)),
    ] {
        assert_eq!(refusal(&ask(&access, &but)), expected, "{but:?}");
    }
    let nowhere = ask_issuer(&access, "no-tenant", &[("grant_type", "client_credentials")]);
    assert_eq!(refusal(&nowhere), (400, "invalid_request", 90_002));
    assert_eq!(server.issued(), 0);
}

#[test]
fn a_federated_token_is_checked_in_all_its_parts() {
    let server = KeyVault::start().unwrap();
    let access = server.access("kit");
    server.federate(&access, "reader");
    let minutes = Duration::from_secs(600);
    let by = |assertion: &str, kind: &str| {
        ask(
            &access,
            &[("client_secret", ""), ("client_assertion", assertion), ("client_assertion_type", kind)],
        )
    };
    let good = server.federated_token("reader", minutes);
    assert_eq!(by(&good, ASSERTION).status, 200);
    assert_eq!(refusal(&by(&good, "other")), (401, "invalid_client", 700_033));
    let other = server.federated_token("writer", minutes);
    assert_eq!(refusal(&by(&other, ASSERTION)), (401, "invalid_client", 700_213));
    assert_eq!(refusal(&by("x", ASSERTION)), (401, "invalid_client", 50_027));
    let foreign = server.token(&access, "api://AzureADTokenExchange");
    assert_eq!(refusal(&by(&foreign, ASSERTION)), (401, "invalid_client", 700_021));
    server.forward(minutes * 2);
    assert_eq!(refusal(&by(&good, ASSERTION)), (401, "invalid_client", 700_024));
}

#[test]
fn discovery_names_the_endpoints_and_the_keys() {
    let server = KeyVault::start().unwrap();
    let access = server.access("kit");
    let (host, address) = &access.addresses[1];
    let get = |path: &str| send(&access, host, *address, ("GET", path), &[], "").unwrap();
    let base = format!("{}/{}", access.authority, access.tenant_id);
    let found = get(&format!("/{}/v2.0/.well-known/openid-configuration", access.tenant_id)).body;
    assert_eq!(found["token_endpoint"], format!("{base}/oauth2/v2.0/token"));
    let path = found["jwks_uri"].as_str().unwrap().strip_prefix(&access.authority).unwrap();
    let keys = get(path).body;
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["e"]), (&Value::from("RSA"), &Value::from("AQAB")));
    let instance =
        get(&format!("/common/discovery/instance?authorization_endpoint={base}/oauth2/v2.0/authorize"));
    let expected = format!("{base}/v2.0/.well-known/openid-configuration");
    assert_eq!(instance.body["tenant_discovery_endpoint"], expected);
    assert_eq!(get("/no-tenant/v2.0/.well-known/openid-configuration").status, 400);
}

#[test]
fn the_issuer_can_be_throttled_down_and_slow() {
    let server = KeyVault::start().unwrap();
    let access = server.access("kit");
    server.issuer_fault(Some(IssuerFault::Throttled(9)));
    let throttled = ask(&access, &[]);
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("9")));
    server.issuer_fault(Some(IssuerFault::Status(503, "down".to_owned())));
    assert_eq!(ask(&access, &[]).status, 503);
    server.issuer_fault(Some(IssuerFault::Slow(Duration::from_millis(100))));
    let started = std::time::Instant::now();
    assert_eq!(ask(&access, &[]).status, 200);
    assert!(started.elapsed() >= Duration::from_millis(100));
    server.issuer_fault(None);
    assert_eq!(ask(&access, &[]).status, 200);
}
