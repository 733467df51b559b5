//! Microsoft's own SDK for Python against the server, so that its rules are not only true for our client.

use std::time::Duration;

use secrets_testkit::azure::{AzureSdk, ClientCertificate, Operation, SdkCredential};
use secrets_testkit::{KeyVault, KeyVaultAccess, key_vault};
use serde_json::{Value, json};

/// A server, and the SDK with the secret of its client; none, after a loud skip, where it is not installed.
fn server() -> Option<(KeyVault, KeyVaultAccess, AzureSdk)> {
    let server = KeyVault::start().unwrap();
    let access = server.access("kit");
    let sdk = AzureSdk::of(&access)?;
    Some((server, access, sdk))
}

fn named(name: &str) -> Value {
    json!({ "name": name })
}

#[test]
fn the_sdk_writes_reads_and_lists() {
    // Also against a Key Vault that was given by variables: its names are therefore nobody else's.
    let (access, _server) = key_vault();
    let Some(sdk) = AzureSdk::of(&access) else { return };
    let name = format!("Kit-sdk-{}", std::process::id());
    let tags = json!({ "team": "red", "empty": "" });
    let set = json!({
        "name": name, "value": "hunter2 – Łódź 🔑\n", "content_type": "text/plain", "tags": tags,
        "not_before": 1_000_000_000, "expires_on": 1_900_000_000,
    });
    let written = sdk.done(&[("set_secret", set), ("set_secret", json!({ "name": name, "value": "" }))]);
    let [first, second] = [&written[0], &written[1]];
    let read = sdk.done(&[
        ("get_secret", named(&name.to_lowercase())),
        ("get_secret", json!({ "name": name, "version": first["version"] })),
        ("list_properties_of_secret_versions", named(&name)),
        ("list_properties_of_secrets", json!({})),
    ]);
    assert!(read[0]["value"] == "" && read[0]["version"] == second["version"] && read[0]["tags"].is_null());
    assert_eq!(read[0]["name"], name, "the name keeps its case");
    assert_eq!(read[1]["value"], "hunter2 – Łódź 🔑\n");
    for (field, expected) in [
        ("content_type", json!("text/plain")),
        ("tags", tags),
        ("not_before", json!(1_000_000_000)),
        ("expires_on", json!(1_900_000_000)),
        ("enabled", json!(true)),
        ("recoverable_days", json!(90)),
    ] {
        assert_eq!(read[1][field], expected, "{field}");
    }
    let versions: Vec<&Value> = read[2].as_array().unwrap().iter().map(|item| &item["version"]).collect();
    assert_eq!(versions.len(), 2);
    assert!([first, second].iter().all(|secret| versions.contains(&&secret["version"])));
    let listed = read[3].as_array().unwrap().iter().filter(|item| item["name"] == name);
    assert_eq!(listed.count(), 1);
    let _ =
        sdk.done(&[("begin_delete_secret", json!({ "name": name })), ("purge_deleted_secret", named(&name))]);
}

#[test]
fn the_sdk_pages_through_sixty_secrets_with_empty_pages_between() {
    let Some((server, _, sdk)) = server() else { return };
    let names: Vec<String> = (0..60).map(|index| format!("many-{index:02}")).collect();
    let sets: Vec<_> =
        names.iter().map(|name| ("set_secret", json!({ "name": name, "value": "x" }))).collect();
    let _ = sdk.done(&sets);
    server.sparse_pages();
    let listed = &sdk.done(&[("list_properties_of_secrets", json!({}))])[0];
    let found: Vec<&str> =
        listed.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(found, names);
}

#[test]
fn the_sdk_deletes_recovers_and_purges_with_the_service_taking_its_time() {
    let Some((server, _, sdk)) = server() else { return };
    let time = Duration::from_millis(300);
    server.asynchronous(time, time, Duration::from_secs(3_600));
    let polled = json!({ "name": "key", "_polling_interval": 0.05 });
    let answers = sdk.calls(&[
        ("set_secret", json!({ "name": "key", "value": "one" })),
        ("begin_delete_secret", polled.clone()),
        ("get_secret", named("key")),
        ("get_deleted_secret", named("key")),
        ("set_secret", json!({ "name": "key", "value": "two" })),
        ("begin_recover_deleted_secret", polled.clone()),
        ("get_secret", named("key")),
        ("begin_delete_secret", polled),
        ("purge_deleted_secret", named("key")),
        ("set_secret", json!({ "name": "key", "value": "three" })),
    ]);
    assert_eq!(answers[2]["refused"], "ResourceNotFoundError");
    assert_eq!(answers[2]["code"], "SecretNotFound");
    assert!(answers[3]["recovery_id"].as_str().unwrap().ends_with("/deletedsecrets/key"));
    assert_eq!(
        answers[3]["scheduled_purge_date"].as_u64().unwrap() - answers[3]["deleted_date"].as_u64().unwrap(),
        90 * 86_400
    );
    assert_eq!(answers[4]["refused"], "ResourceExistsError");
    assert_eq!(answers[4]["inner"], "ObjectIsDeletedButRecoverable");
    assert_eq!(answers[6]["value"], "one");
    assert_eq!(answers[9]["inner"], "ObjectIsBeingDeleted");
}

#[test]
fn the_sdk_sees_each_refusal_as_an_exception_of_its_own() {
    let Some((server, access, sdk)) = server() else { return };
    let long = "x".repeat(25_601);
    let refusals = sdk.calls(&[
        ("get_secret", named("missing")),
        ("get_secret", json!({ "name": "missing", "version": "0".repeat(32) })),
        ("get_deleted_secret", named("missing")),
        ("set_secret", json!({ "name": "a_b", "value": "x" })),
        ("set_secret", json!({ "name": "a", "value": long })),
        ("set_secret", json!({ "name": "a", "value": "x", "enabled": false })),
        ("get_secret", named("a")),
    ]);
    let seen = |answer: &Value| {
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        (text("refused"), answer["status"].as_u64().unwrap_or_default(), text("code"), text("inner"))
    };
    let row = |class: &str, status, code: &str, inner: &str| {
        (class.to_owned(), status, code.to_owned(), inner.to_owned())
    };
    let missing = row("ResourceNotFoundError", 404, "SecretNotFound", "");
    let bad = row("HttpResponseError", 400, "BadParameter", "");
    let expected = [
        missing.clone(),
        missing.clone(),
        missing,
        bad.clone(),
        bad,
        row("", 0, "", ""),
        row("HttpResponseError", 403, "Forbidden", "SecretDisabled"),
    ];
    assert_eq!(refusals.iter().map(seen).collect::<Vec<_>>(), expected);

    server.deny(Operation::Get);
    let denied = sdk.calls(&[("get_secret", named("a"))]);
    assert_eq!(seen(&denied[0]), row("HttpResponseError", 403, "Forbidden", "ForbiddenByRbac"));
    server.allow();
    server.throttle(1, 7);
    let throttled = sdk.calls(&[("get_secret", named("a"))]);
    assert_eq!(seen(&throttled[0]), row("HttpResponseError", 429, "Throttled", ""));
    server.change_secret(&access, "another");
    let unknown = sdk.calls(&[("get_secret", named("a"))]);
    assert_eq!(unknown[0]["refused"], "ClientAuthenticationError");
    server.protect_from_purge("kit");
    server.change_secret(&access, &access.client_secret);
    let protected = sdk.calls(&[("begin_delete_secret", named("a")), ("purge_deleted_secret", named("a"))]);
    assert_eq!(seen(&protected[1]), row("HttpResponseError", 403, "Forbidden", ""));
}

#[test]
fn the_sdk_changes_attributes_of_a_version_and_leaves_its_value() {
    let Some((_server, _, sdk)) = server() else { return };
    let first = sdk.done(&[("set_secret", json!({ "name": "a", "value": "x", "tags": { "team": "red" } }))]);
    let version = &first[0]["version"];
    let change = json!({ "name": "a", "version": version, "enabled": false, "content_type": "text/x" });
    let _ = sdk.done(&[("update_secret_properties", change)]);
    let enable = json!({ "name": "a", "enabled": true, "expires_on": 1_900_000_000 });
    let after = sdk.done(&[("update_secret_properties", enable), ("get_secret", named("a"))]);
    assert!(after[1]["value"] == "x" && after[1]["version"] == *version);
    assert_eq!((&after[1]["content_type"], &after[1]["tags"]["team"]), (&json!("text/x"), &json!("red")));
    assert_eq!(after[1]["expires_on"], 1_900_000_000);
}

#[test]
fn the_sdk_proves_itself_by_certificate_federation_and_managed_identity() {
    let Some((server, access, _)) = server() else { return };
    let write = [("set_secret", json!({ "name": "a", "value": "x" }))];
    let certificate = ClientCertificate::new("an application").unwrap();
    let by_certificate = AzureSdk::with(&access, SdkCredential::Certificate(&certificate)).unwrap();
    assert_eq!(by_certificate.calls(&write)[0]["refused"], "ClientAuthenticationError", "not registered yet");
    server.register(&access, &certificate);
    let _ = by_certificate.done(&write);

    let token = server.federated_token("system:serviceaccount:kit:reader", Duration::from_secs(600));
    let by_federation = AzureSdk::with(&access, SdkCredential::Workload(&token)).unwrap();
    assert_eq!(by_federation.calls(&write)[0]["refused"], "ClientAuthenticationError", "not federated yet");
    server.federate(&access, "system:serviceaccount:kit:reader");
    let _ = by_federation.done(&write);

    let [_, assigned] = server.identities();
    for client in [None, Some(assigned.client_id.as_str())] {
        let identity = SdkCredential::AppService(server.app_service(), client);
        let _ = AzureSdk::with(&access, identity).unwrap().done(&write);
    }
    let nobody = SdkCredential::AppService(server.app_service(), Some("nobody"));
    let refused = AzureSdk::with(&access, nobody).unwrap().calls(&write);
    assert_eq!(refused[0]["refused"], "CredentialUnavailableError");
}
