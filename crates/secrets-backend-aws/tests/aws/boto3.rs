//! Beside AWS's own SDK for Python: what we write it reads, what it writes we read, and what is sealed it sees sealed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_backend::{
    ErrorKind, Metadata, NewSecret, PutMode, SecretBackend, SecretBackendExt, SecretPath, Timestamp,
    VersionState,
};
use serde_json::{Value, json};

use crate::admin::{backend, config, fresh, service};

mod client;
mod sealed;

pub(crate) use client::Boto3;

/// The service and boto3; none, after a loud skip, where one of them is not here.
fn both() -> Option<(String, Boto3)> {
    let url = service()?;
    let boto3 = Boto3::at(&url)?;
    Some((url, boto3))
}

fn id(path: &SecretPath) -> Value {
    json!({"SecretId": path.as_str()})
}

fn bytes(bytes: &[u8]) -> Value {
    json!({"base64": STANDARD.encode(bytes)})
}

/// Values of each form that the service has, and one of the largest.
fn values() -> [(&'static str, Vec<u8>); 4] {
    [
        ("text", "hunter2 – Łódź 🔑\n".into()),
        ("json", br#"{"user": "x", "password": "\"5ecret\""}"#.into()),
        ("binary", vec![0, 0xff, 0x80, b'\n']),
        ("large", "0123456789abcdef".repeat(4_096).into()),
    ]
}

/// The form that both sides give a value: string where it is text.
fn native_form(value: &[u8]) -> (&'static str, Value) {
    match std::str::from_utf8(value) {
        Ok(text) => ("SecretString", json!(text)),
        Err(_) => ("SecretBinary", bytes(value)),
    }
}

fn described() -> Metadata {
    let mut metadata = Metadata::default();
    metadata.description = Some("Key – für Łódź".to_owned());
    metadata.owner = Some("ops@example.org".to_owned());
    metadata.expires = Some(Timestamp::from_millis(1_893_456_000_000));
    metadata.tags.insert("team".to_owned(), "red".to_owned());
    metadata
}

#[tokio::test]
async fn boto3_reads_what_is_written_here() {
    let Some((url, boto3)) = both() else { return };
    let backend = backend(config(&url));
    let mut rows: Vec<_> = values().map(|(name, value)| (name, native_form(&value), value)).into();
    rows.push(("empty", ("SecretBinary", bytes(b"\0secrets: an empty value")), Vec::new()));
    let (mut expected, mut calls) = (Vec::new(), Vec::new());
    for (name, (form, native), value) in rows {
        let path = fresh(name);
        let written = backend.put(&path, &NewSecret::new(value), &PutMode::Create).await.unwrap();
        expected.push((name, form, native, written.version.unwrap()));
        calls.push(("get_secret_value", id(&path)));
    }
    for ((name, form, native, version), read) in expected.into_iter().zip(boto3.done(&calls)) {
        let other = if form == "SecretString" { "SecretBinary" } else { "SecretString" };
        assert!(read[form] == native && read[other] == Value::Null, "{name}");
        assert_eq!(read["VersionId"], version.as_str(), "{name}");
    }
}

#[tokio::test]
async fn boto3_sees_metadata_as_description_and_tags() {
    let Some((url, boto3)) = both() else { return };
    let backend = backend(config(&url));
    let path = fresh("described");
    let secret = NewSecret::new("hunter2").with_metadata(described());
    let version = backend.put(&path, &secret, &PutMode::Create).await.unwrap().version.unwrap();
    let seen = boto3.done(&[("describe_secret", id(&path))]).remove(0);
    assert_eq!(seen["Description"], "Key – für Łódź");
    let expected = [
        ("expires", "1893456000000".to_owned()),
        ("owner", "ops@example.org".to_owned()),
        ("secrets-version", format!("{version}/description")),
        ("team", "red".to_owned()),
    ];
    assert_eq!(tags(&seen), expected.map(|(name, value)| (name.to_owned(), value)));
}

/// The tags of a secret by their names.
fn tags(seen: &Value) -> Vec<(String, String)> {
    let text = |tag: &Value, part: &str| tag[part].as_str().unwrap().to_owned();
    let tags = seen["Tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut tags: Vec<_> = tags.iter().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect();
    tags.sort();
    tags
}

#[tokio::test]
async fn what_boto3_writes_is_read_here() {
    let Some((url, boto3)) = both() else { return };
    let backend = backend(config(&url));
    let rows = values().map(|(name, value)| (fresh(name), value));
    let bodies = rows.each_ref().map(|(path, value)| {
        let (form, native) = native_form(value);
        let tags = json!([{"Key": "team", "Value": "red"}, {"Key": "owner", "Value": "ops"}]);
        let mut body = json!({"Name": path.as_str(), "Description": "theirs", "Tags": tags});
        body[form] = native;
        ("create_secret", body)
    });
    for ((path, value), made) in rows.iter().zip(boto3.done(&bodies)) {
        let read = backend.get(path, None).await.unwrap();
        assert!(read.value.expose() == value, "{path}");
        assert_eq!(
            (read.version.as_str(), read.stamp),
            (made["VersionId"].as_str().unwrap(), None),
            "{path}"
        );
        assert_eq!(read.metadata.description.as_deref(), Some("theirs"), "{path}");
        assert_eq!(read.metadata.owner.as_deref(), Some("ops"), "{path}");
        assert_eq!(read.metadata.tags, [("team".to_owned(), "red".to_owned())].into(), "{path}");
    }
}

#[tokio::test]
async fn versions_that_boto3_writes_are_a_history_here() {
    let Some((url, boto3)) = both() else { return };
    let backend = backend(config(&url));
    let path = fresh("versions");
    let name = path.as_str();
    let made = boto3.done(&[
        ("create_secret", json!({"Name": name, "SecretString": "one"})),
        ("put_secret_value", json!({"SecretId": name, "SecretBinary": bytes(&[0xff, 2])})),
        ("update_secret", json!({"SecretId": name, "SecretString": "three", "Description": "the third"})),
    ]);
    let ids: Vec<&str> = made.iter().map(|answer| answer["VersionId"].as_str().unwrap()).collect();
    let history = backend.versions(&path).await.unwrap();
    let mut found: Vec<&str> = history.iter().map(|meta| meta.id.as_str()).collect();
    assert!(history.iter().all(|meta| meta.state == VersionState::Live && meta.created.is_some()));
    let current = backend.get(&path, None).await.unwrap();
    assert_eq!((current.version.as_str(), current.value.expose()), (ids[2], &b"three"[..]));
    assert_eq!(current.metadata.description.as_deref(), Some("the third"));
    // Versions of one second have no order there; the two before the current one have stages or none.
    let earlier = [(ids[0], &b"one"[..]), (ids[1], &[0xff, 2][..])];
    for (id, value) in earlier {
        let at = history.iter().find(|meta| meta.id.as_str() == id).unwrap();
        assert_eq!(backend.get(&path, Some(&at.id)).await.unwrap().value.expose(), value);
    }
    found.sort_unstable();
    let mut expected = ids.clone();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let listed = backend.list_all(Some(&path)).await.unwrap();
    assert!(listed.len() == 1 && listed[0].path == path && listed[0].stamp.is_none());
}

#[tokio::test]
async fn what_one_side_deletes_the_other_brings_back() {
    let Some((url, boto3)) = both() else { return };
    let backend = backend(config(&url));
    let path = fresh("deleted");
    boto3.done(&[
        ("create_secret", json!({"Name": path.as_str(), "SecretString": "hunter2"})),
        ("delete_secret", json!({"SecretId": path.as_str(), "RecoveryWindowInDays": 7})),
    ]);
    assert_eq!(backend.get(&path, None).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(backend.list_all(Some(&path)).await.unwrap().is_empty());
    let history = backend.versions(&path).await.unwrap();
    assert!(history.len() == 1 && history[0].state == VersionState::Deleted);
    backend.undelete(&path).await.unwrap();
    assert_eq!(boto3.done(&[("get_secret_value", id(&path))])[0]["SecretString"], "hunter2");

    backend.delete(&path).await.unwrap();
    let (seen, _) = boto3.calls(&[
        ("get_secret_value", id(&path)),
        ("describe_secret", id(&path)),
        ("restore_secret", id(&path)),
    ]);
    assert_eq!(seen[0]["refused"], "InvalidRequestException");
    let days =
        (seen[1]["DeletedDate"].as_f64().unwrap() - seen[1]["CreatedDate"].as_f64().unwrap()) / 86_400.0;
    assert!((29.9..30.1).contains(&days), "it is removed after {days} days");
    assert_eq!(backend.get(&path, None).await.unwrap().value.expose(), b"hunter2");
}

#[tokio::test]
async fn tags_of_boto3_stay_where_a_write_here_has_no_metadata() {
    let Some((url, boto3)) = both() else { return };
    let backend = backend(config(&url));
    let path = fresh("tagged");
    let tag = json!([{"Key": "team", "Value": "red"}]);
    let body = json!({"Name": path.as_str(), "SecretString": "a", "Description": "theirs", "Tags": tag});
    boto3.done(&[("create_secret", body)]);
    let first = backend.get(&path, None).await.unwrap().version;
    backend.put(&path, &NewSecret::new("b"), &PutMode::Replace(first)).await.unwrap();
    let seen = boto3.done(&[("get_secret_value", id(&path)), ("describe_secret", id(&path))]);
    assert_eq!(seen[0]["SecretString"], "b");
    assert_eq!((&seen[1]["Tags"], &seen[1]["Description"]), (&tag, &json!("theirs")));
}
