//! What a request may hold, and what it is answered.

use secrets_testkit::KeyVault;
use secrets_testkit::azure::Operation;
use serde_json::json;

use super::client::Vault;

fn vault() -> (KeyVault, Vault) {
    let server = KeyVault::start().unwrap();
    let vault = Vault::of(&server);
    (server, vault)
}

#[test]
fn names_have_letters_digits_and_hyphens_and_at_most_127() {
    let (_server, vault) = vault();
    let longest = "a".repeat(127);
    for good in ["a", "A-1", "-", &longest] {
        assert_eq!(vault.send("PUT", &format!("/secrets/{good}"), r#"{"value":"x"}"#).status, 200, "{good}");
    }
    let too_long = "a".repeat(128);
    for bad in ["a_b", "a.b", "a%2Fb", "%C3%A9", "a%20b", &too_long] {
        for method in ["PUT", "GET", "DELETE"] {
            let body = if method == "PUT" { r#"{"value":"x"}"# } else { "" };
            let reply = vault.send(method, &format!("/secrets/{bad}"), body);
            assert_eq!(reply.refusal(), (400, "BadParameter", ""), "{method} {bad}");
        }
    }
}

#[test]
fn names_are_one_whatever_their_case_and_keep_that_of_the_first_write() {
    let (_server, vault) = vault();
    vault.set("Db-Password", "one");
    let second = vault.set("DB-PASSWORD", "two");
    let read = vault.get("/secrets/db-password");
    let id = format!("{}/secrets/Db-Password/{second}", vault.access.vault_url);
    assert_eq!((read.body["id"].as_str().unwrap(), &read.body["value"]), (id.as_str(), &json!("two")));
}

#[test]
fn values_have_at_most_25_kilobytes_and_must_be_there() {
    let (_server, vault) = vault();
    let set = |body: serde_json::Value| vault.send("PUT", "/secrets/a", &body.to_string());
    assert_eq!(set(json!({ "value": "x".repeat(25_600) })).status, 200);
    assert_eq!(set(json!({ "value": "" })).status, 200);
    for bad in [
        json!({ "value": "x".repeat(25_601) }),
        json!({ "value": "é".repeat(12_801) }),
        json!({}),
        json!({ "value": null }),
        json!({ "value": 1 }),
    ] {
        assert_eq!(set(bad).refusal(), (400, "BadParameter", ""));
    }
    assert_eq!(vault.get("/secrets/a").body["value"], "", "nothing was written by what was refused");
}

#[test]
fn tags_and_content_type_have_limits_of_their_own() {
    let (_server, vault) = vault();
    let tags = |count: usize, name: usize, value: usize| {
        let tag = |index: usize| (format!("{index:02}{}", "n".repeat(name - 2)), "v".repeat(value));
        json!({ "value": "x", "tags": (0..count).map(tag).collect::<std::collections::BTreeMap<_, _>>() })
    };
    let kind = |length: usize| json!({ "value": "x", "contentType": "k".repeat(length) });
    let set = |body: serde_json::Value| vault.send("PUT", "/secrets/a", &body.to_string());
    for good in [tags(15, 256, 256), kind(255)] {
        assert_eq!(set(good).status, 200);
    }
    for bad in [tags(16, 2, 1), tags(1, 257, 1), tags(1, 2, 257), kind(256)] {
        assert_eq!(set(bad).refusal(), (400, "BadParameter", ""));
    }
}

#[test]
fn a_version_is_32_digits_and_is_that_of_its_secret() {
    let (_server, vault) = vault();
    let [first, other] = [vault.set("a", "one"), vault.set("b", "two")];
    assert!(
        first.len() == 32 && first.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
    );
    assert_eq!(vault.get(&format!("/secrets/a/{first}")).body["value"], "one");
    assert_eq!(vault.get(&format!("/secrets/a/{other}")).refusal(), (404, "SecretNotFound", ""));
    assert_eq!(vault.get("/secrets/a/1").refusal(), (400, "BadParameter", ""));
    assert_eq!(vault.get("/secrets/none").refusal(), (404, "SecretNotFound", ""));
}

#[test]
fn a_disabled_secret_cannot_be_read_and_one_out_of_its_time_can() {
    let (_server, vault) = vault();
    let set = |attributes: serde_json::Value| {
        let body = json!({ "value": "x", "attributes": attributes }).to_string();
        assert_eq!(vault.send("PUT", "/secrets/a", &body).status, 200);
        vault.get("/secrets/a")
    };
    assert_eq!(set(json!({ "enabled": false })).refusal(), (403, "Forbidden", "SecretDisabled"));
    assert_eq!(set(json!({ "exp": 1 })).body["attributes"]["exp"], 1);
    assert_eq!(set(json!({ "nbf": 4_000_000_000_u64 })).body["value"], "x");
    let listed = vault.get("/secrets");
    assert_eq!(listed.body["value"][0]["attributes"]["nbf"], 4_000_000_000_u64);
    assert!(listed.body["value"][0].get("value").is_none());
}

#[test]
fn the_version_of_the_protocol_must_be_said_and_known() {
    let (_server, vault) = vault();
    vault.set("a", "x");
    for (path, status) in [
        ("/secrets/a", 400),
        ("/secrets/a?api-version=", 400),
        ("/secrets/a?api-version=1.0", 400),
        ("/secrets/a?api-version=7.4", 200),
        ("/secrets/a?api-version=2025-07-01", 200),
    ] {
        assert_eq!(vault.send_as_is("GET", path, "").status, status, "{path}");
    }
}

#[test]
fn bodies_are_json_where_there_are_any() {
    let (_server, vault) = vault();
    let bearer = format!("Bearer {}", vault.token);
    let send = |method: &str, kind: &str, body: &str| {
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let (host, address) = &vault.access.addresses[0];
        let path = "/secrets/a?api-version=7.6";
        super::client::send(&vault.access, host, *address, (method, path), &headers, body).unwrap()
    };
    assert_eq!(send("PUT", "application/json; charset=utf-8", r#"{"value":"x"}"#).status, 200);
    for (method, kind, body) in [
        ("PUT", "application/json", r#"{"value":"x""#),
        ("PUT", "application/json", ""),
        ("PUT", "text/plain", r#"{"value":"y"}"#),
        ("GET", "application/json", "{}"),
    ] {
        assert_eq!(send(method, kind, body).refusal(), (400, "BadParameter", ""), "{method} {kind} {body}");
    }
}

#[test]
fn there_are_no_other_paths_methods_and_vaults() {
    let (_server, vault) = vault();
    assert_eq!(vault.get("/keys/a").status, 404);
    assert_eq!(vault.get("/").status, 404);
    for (method, path) in
        [("POST", "/secrets/a"), ("DELETE", "/secrets"), ("GET", "/deletedsecrets/a/recover")]
    {
        assert_eq!(vault.send(method, path, "").status, 405, "{method} {path}");
    }
    let (_, address) = vault.access.addresses[0].clone();
    let nowhere =
        super::client::send(&vault.access, "nobody.vault.azure.net", address, ("GET", "/secrets"), &[], "");
    assert_eq!(nowhere.unwrap().status, 421);
}

#[test]
fn each_operation_needs_its_role() {
    let (server, vault) = vault();
    let version = vault.set("a", "x");
    let rows = [
        (Operation::Get, "GET", "/secrets/a".to_owned(), ""),
        (Operation::Get, "GET", format!("/secrets/a/{version}"), ""),
        (Operation::Get, "GET", "/deletedsecrets/a".to_owned(), ""),
        (Operation::Set, "PUT", "/secrets/a".to_owned(), r#"{"value":"y"}"#),
        (Operation::Set, "PATCH", format!("/secrets/a/{version}"), "{}"),
        (Operation::List, "GET", "/secrets".to_owned(), ""),
        (Operation::List, "GET", "/secrets/a/versions".to_owned(), ""),
        (Operation::List, "GET", "/deletedsecrets".to_owned(), ""),
        (Operation::Delete, "DELETE", "/secrets/a".to_owned(), ""),
        (Operation::Recover, "POST", "/deletedsecrets/a/recover".to_owned(), ""),
        (Operation::Purge, "DELETE", "/deletedsecrets/a".to_owned(), ""),
    ];
    for (operation, method, path, body) in &rows {
        server.deny(*operation);
        let refused = vault.send(method, path, body);
        assert_eq!(refused.refusal(), (403, "Forbidden", "ForbiddenByRbac"), "{method} {path}");
        for (other, method, path, _) in
            rows.iter().filter(|(other, method, ..)| other != operation && *method == "GET")
        {
            assert_ne!(vault.get(path).status, 403, "{other:?} {method} {path}");
        }
        server.allow();
    }
    server.deny_secret(Operation::Get, "A");
    vault.set("b", "y");
    assert_eq!((vault.get("/secrets/a").status, vault.get("/secrets/b").status), (403, 200));
    assert_eq!(
        vault.get("/secrets/a/versions").body["value"].as_array().unwrap().len(),
        1,
        "nothing was written"
    );
}
