//! What boto3 sees of a safe under the production stack.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_backend::{Metadata, NewSecret, PrefixBackend, PutMode, SecretPath};
use serde_json::{Value, json};

use super::{both, tags};
use crate::admin::{backend, config, fresh};

const PLANTED: [&str; 5] =
    ["planted-5ecre7", "planted-description", "planted-owner", "planted-tag", "planted-text"];

/// What is given to the safe: a value and metadata, all of it planted.
fn planted() -> NewSecret {
    let [value, description, owner, tag, text] = PLANTED.map(str::to_owned);
    let mut metadata = Metadata::default();
    metadata.description = Some(description);
    metadata.owner = Some(owner);
    metadata.tags.insert(tag, text);
    NewSecret::new(value).with_metadata(metadata)
}

#[tokio::test]
async fn of_a_sealed_secret_boto3_sees_ciphertext_a_mark_and_a_stamp_and_nothing_else() {
    let Some((url, boto3)) = both() else { return };
    let prefix = format!("{}/", fresh("safe"));
    let part = Arc::new(PrefixBackend::new(backend(config(&url)), prefix.clone()).unwrap());
    let (safe, _guard) = secrets_testkit::sealed(part).await;
    let [kept, gone] = ["app/kept", "app/gone"].map(|text| SecretPath::parse(text).unwrap());
    for path in [&kept, &gone] {
        safe.put(path, &planted(), &PutMode::Create).await.unwrap();
        safe.put(path, &planted(), &PutMode::Upsert).await.unwrap();
    }
    safe.delete(&gone).await.unwrap();

    let filters = json!([{"Key": "name", "Values": [prefix]}]);
    let listing = boto3.done(&[("list_secrets", json!({"MaxResults": 100, "Filters": filters}))]);
    let names = texts(&listing[0]["SecretList"], "Name");
    assert!(names.iter().any(|name| name.contains("/_secrets/")), "{names:?}");
    let (mut about, mut reads) = (Vec::new(), Vec::new());
    for name in &names {
        about.push(("describe_secret", json!({"SecretId": name})));
        about.push(("list_secret_version_ids", json!({"SecretId": name, "IncludeDeprecated": true})));
    }
    let about = boto3.done(&about);
    for (name, pair) in names.iter().zip(about.chunks(2)) {
        for version in texts(&pair[1]["Versions"], "VersionId") {
            reads.push(("get_secret_value", json!({"SecretId": name, "VersionId": version})));
        }
    }
    let values = boto3.done(&reads);
    for described in about.iter().step_by(2) {
        let own: Vec<&Value> = values.iter().filter(|value| value["Name"] == described["Name"]).collect();
        if !described["Name"].as_str().unwrap().contains("/_secrets/") {
            is_sealed(described, &own);
        }
    }
    let seen = spread(&json!([listing, about, values]));
    for planted in PLANTED {
        let is_seen = seen.windows(planted.len()).any(|found| found == planted.as_bytes());
        assert!(!is_seen, "{planted} is to be seen");
    }
}

/// One text of each item.
fn texts(items: &Value, name: &str) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

/// What boto3 says about a sealed secret, and its versions.
fn is_sealed(described: &Value, values: &[&Value]) {
    assert_eq!(tags(described), [("secrets-sealed".to_owned(), "1".to_owned())]);
    assert_eq!(described["Description"], Value::Null);
    assert!(values.len() >= 2);
    for value in values {
        assert_eq!(value["SecretString"], Value::Null);
        let envelope = STANDARD.decode(value["SecretBinary"]["base64"].as_str().unwrap()).unwrap();
        assert!(envelope.starts_with(b"SEV1"));
        let id = value["VersionId"].as_str().unwrap();
        let number = u64::from_str_radix(&id[1..16], 16).unwrap();
        assert!(id.len() == 64 && ["1", "2"].contains(&&id[..1]) && (1..=3).contains(&number), "{id}");
    }
}

/// All that is in a value: its text, and the bytes in it once more by themselves.
fn spread(value: &Value) -> Vec<u8> {
    fn bytes_of(value: &Value, found: &mut Vec<u8>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| bytes_of(item, found)),
            Value::Object(fields) => {
                if let Some(text) = fields.get("base64").and_then(Value::as_str) {
                    found.extend(STANDARD.decode(text).unwrap());
                }
                fields.values().for_each(|field| bytes_of(field, found));
            }
            _ => {}
        }
    }
    let mut found = value.to_string().into_bytes();
    bytes_of(value, &mut found);
    found
}
