//! Beside Microsoft's own SDK for Python: what we write it reads, what it writes we read, and what is sealed
//! it sees sealed.

use std::sync::Arc;

use secrets_backend::{
    ErrorKind, Metadata, NewSecret, PutMode, SecretBackend, SecretPath, Timestamp, VersionId,
};
use secrets_backend_azure::AzureBackend;
use secrets_testkit::azure::AzureSdk;
use secrets_testkit::{KeyVault, key_vault};
use serde_json::{Value, json};

use crate::admin::{backend, config, fresh, kind, path};

/// A vault, our backend of it, and the SDK; none, after a loud skip, where that is not installed.
fn both() -> Option<(AzureBackend, AzureSdk, Option<KeyVault>)> {
    let (access, server) = key_vault();
    Some((backend(config(&access)), AzureSdk::of(&access)?, server))
}

/// The name of a path that has nothing but letters, digits, hyphens and slashes.
fn name(path: &SecretPath) -> Value {
    json!({"name": path.as_str().replace('/', "--")})
}

fn described() -> Metadata {
    let mut metadata = Metadata::default();
    metadata.description = Some("Key – für Łódź".to_owned());
    metadata.owner = Some("ops@example.org".to_owned());
    metadata.content_type = Some("application/json".to_owned());
    metadata.expires = Some(Timestamp::from_millis(1_893_456_000_000));
    metadata.tags.insert("team".to_owned(), "red".to_owned());
    metadata
}

#[tokio::test]
async fn the_sdk_reads_what_is_written_here() {
    let Some((backend, sdk, _server)) = both() else { return };
    let binary = "application/octet-stream;base64";
    let (mut expected, mut calls) = (Vec::new(), Vec::new());
    for (what, value, text, content_type) in [
        ("text", "hunter2 – Łódź 🔑\n".into(), "hunter2 – Łódź 🔑\n", Value::Null),
        ("json", br#"{"user": "x"}"#.to_vec(), r#"{"user": "x"}"#, Value::Null),
        ("binary", vec![0, 0xff, 0x80], "AP+A", json!(binary)),
        ("empty", Vec::new(), "AHNlY3JldHM6IGFuIGVtcHR5IHZhbHVl", json!(binary)),
    ] {
        let path = fresh(what);
        let written = backend.put(&path, &NewSecret::new(value), &PutMode::Upsert).await.unwrap();
        expected.push((what, text, content_type, written.version.unwrap()));
        calls.push(("get_secret", name(&path)));
    }
    for ((what, text, content_type, version), read) in expected.into_iter().zip(sdk.done(&calls)) {
        assert!(read["value"] == text && read["content_type"] == content_type, "{what}");
        assert_eq!(read["version"], version.as_str(), "{what}");
    }
}

#[tokio::test]
async fn the_sdk_sees_metadata_as_content_type_expiry_and_tags() {
    let Some((backend, sdk, _server)) = both() else { return };
    let path = fresh("described");
    let secret = NewSecret::new("hunter2").with_metadata(described());
    backend.put(&path, &secret, &PutMode::Upsert).await.unwrap();
    let mut seen = sdk.done(&[("get_secret", name(&path))]).remove(0);
    assert_eq!(
        (&seen["content_type"], &seen["expires_on"]),
        (&json!("application/json"), &json!(1_893_456_000))
    );
    let tags = seen["tags"].as_object_mut().unwrap();
    assert!(tags.remove("secrets").is_some());
    let expected = json!({"description": "Key – für Łódź", "owner": "ops@example.org", "team": "red"});
    assert_eq!(seen["tags"], expected);
}

#[tokio::test]
async fn what_the_sdk_writes_is_read_here() {
    let Some((backend, sdk, _server)) = both() else { return };
    let path = fresh("theirs");
    let mut set = name(&path);
    for (field, value) in [
        ("value", json!("hunter2 – Łódź 🔑\n")),
        ("content_type", json!("text/plain")),
        ("tags", json!({"team": "red", "empty": ""})),
        ("expires_on", json!(1_893_456_000)),
    ] {
        set[field] = value;
    }
    let mut bytes = name(&path);
    (bytes["value"], bytes["content_type"]) = (json!("AP+A"), json!("application/octet-stream;base64"));
    let written = sdk.done(&[("set_secret", set), ("set_secret", bytes)]);
    let version = |of: &Value| VersionId::new(of["version"].as_str().unwrap());
    let (first, second) = (version(&written[0]), version(&written[1]));
    let read = backend.get(&path, Some(&first)).await.unwrap();
    assert_eq!(read.value.expose_str(), Some("hunter2 – Łódź 🔑\n"));
    let mut expected = Metadata::default();
    expected.content_type = Some("text/plain".to_owned());
    expected.expires = Some(Timestamp::from_millis(1_893_456_000_000));
    expected.tags = [("team", "red"), ("empty", "")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    assert_eq!(read.metadata, expected);
    let read = backend.get(&path, None).await.unwrap();
    assert_eq!((read.version, read.value.expose()), (second.clone(), &[0, 0xff, 0x80][..]));
    let mut ids: Vec<_> = backend.versions(&path).await.unwrap().into_iter().map(|meta| meta.id).collect();
    ids.sort_by_key(|id| *id == second);
    assert_eq!(ids, [first, second]);
    let listed = backend.list(Some(&path), None).await.unwrap();
    assert!(listed.next.is_some() || listed.items.iter().any(|item| item.path == path));
}

#[tokio::test]
async fn a_secret_that_the_sdk_disabled_or_deleted_is_not_read() {
    let Some((backend, sdk, _server)) = both() else { return };
    let (disabled, deleted) = (fresh("disabled"), fresh("deleted"));
    let set = |path: &SecretPath, enabled: bool| {
        let mut set = name(path);
        (set["value"], set["enabled"]) = (json!("x"), json!(enabled));
        ("set_secret", set)
    };
    let _ = sdk.done(&[set(&disabled, false), set(&deleted, true), ("begin_delete_secret", name(&deleted))]);
    assert_eq!(kind(backend.get(&disabled, None).await), ErrorKind::PermissionDenied);
    assert_eq!(kind(backend.get(&deleted, None).await), ErrorKind::NotFound);
    backend.undelete(&deleted).await.unwrap();
    assert_eq!(backend.get(&deleted, None).await.unwrap().value.expose(), b"x");
}

#[tokio::test]
async fn of_a_sealed_secret_the_sdk_sees_an_envelope_and_a_stamp() {
    let Some((backend, sdk, _server)) = both() else { return };
    let (stack, _guard) = secrets_testkit::sealed(Arc::new(backend)).await;
    let random = getrandom::u64().unwrap();
    let path = path(&format!("t-{random:016x}"));
    stack.put(&path, &NewSecret::new("hunter2"), &PutMode::Upsert).await.unwrap();
    let seen = sdk.done(&[("get_secret", name(&path))]).remove(0);
    assert!(seen["value"].as_str().unwrap().starts_with("sev1:"));
    assert!(seen["tags"]["secrets-stamp"].as_str().unwrap().starts_with("secret;1;"));
    assert!(!seen.to_string().contains("hunter2"));
}
