//! What conditional writes leave behind, seen by someone who does not use the crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_backend::{
    ErrorKind, Metadata, NewSecret, PutMode, SecretBackend, SecretPath, StampKind, VersionId, read_back,
};
use secrets_testkit::{Answer, Body, Responder};
use serde_json::{Value, json};

use crate::admin::{backend, config, fresh, native, sealed, service_or_skip};

/// How many rounds: a few, or as many as a proof asks for.
fn rounds() -> usize {
    std::env::var("SECRETS_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

fn value(content: u8) -> NewSecret {
    sealed(StampKind::Secret, u64::from(content), content)
}

async fn put(on: &dyn SecretBackend, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> VersionId {
    on.put(path, secret, mode).await.unwrap().version.unwrap()
}

/// The stages of each version, by the service's own account.
fn stages(url: &str, path: &SecretPath) -> Value {
    native(url, "DescribeSecret", &json!({"SecretId": path.as_str()}))["VersionIdsToStages"].take()
}

/// How many versions there are, with stages or without.
fn count(url: &str, path: &SecretPath) -> usize {
    let body = json!({"SecretId": path.as_str(), "IncludeDeprecated": true});
    native(url, "ListSecretVersionIds", &body)["Versions"].as_array().unwrap().len()
}

#[tokio::test]
async fn of_two_writers_that_replace_one_version_exactly_one_wins() {
    let url = service_or_skip!();
    let (one, other) = (backend(config(&url)), backend(config(&url)));
    let path = fresh("contended");
    let mut current = put(&one, &path, &value(0), &PutMode::Create).await;
    for round in 0..rounds() {
        let version = u64::try_from(round).unwrap() + 1;
        let [a, b] = [1, 2].map(|content| sealed(StampKind::Secret, version, content));
        let mode = PutMode::Replace(current.clone());
        let (a, b) = tokio::join!(one.put(&path, &a, &mode), other.put(&path, &b, &mode));
        let (winner, refused, content) = match (a, b) {
            (Ok(written), Err(refused)) => (written, refused, 1),
            (Err(refused), Ok(written)) => (written, refused, 2),
            both => panic!("round {round}: {both:?}"),
        };
        assert_eq!(refused.kind(), ErrorKind::Conflict, "round {round}: {refused}");
        let read = one.get(&path, None).await.unwrap();
        assert!(Some(&read.version) == winner.version.as_ref() && read.value.expose() == [content; 40]);
        current = read.version;
    }
    println!("FIGURE: {} rounds of two writers, one winner each", rounds());
}

#[tokio::test]
async fn a_late_replace_never_moves_the_current_version_back() {
    let url = service_or_skip!();
    let backend = backend(config(&url));
    let path = fresh("late");
    let first = put(&backend, &path, &value(1), &PutMode::Create).await;
    let second = put(&backend, &path, &value(2), &PutMode::Replace(first.clone())).await;
    // The same content wrapped under another epoch key, by someone who read the first version.
    let mut late = value(1);
    late.stamp.as_mut().unwrap().epoch = 8;
    let refused = backend.put(&path, &late, &PutMode::Replace(first)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(stages(&url, &path)[second.as_str()].as_array().unwrap().contains(&json!("AWSCURRENT")));
    let history = backend.versions(&path).await.unwrap();
    assert_eq!(history.len(), 2, "what was put and never became current is no version");
}

#[tokio::test]
async fn a_rewrap_waits_until_the_secret_has_rested() {
    let url = service_or_skip!();
    let (real, path) = (backend(config(&url)), fresh("rewrapped"));
    let first = put(&real, &path, &value(1), &PutMode::Create).await;
    let mut rewrapped = value(1);
    rewrapped.stamp.as_mut().unwrap().epoch = 8;
    let mode = PutMode::Replace(first.clone());
    let refused = real.put(&path, &rewrapped, &mode).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RateLimited, "{refused}");
    let wait = refused.retry_after().unwrap().as_secs();
    assert!((500..=600).contains(&wait) && count(&url, &path) == 1, "{wait} s");
    // The same service, where the secret is as old as it has to be.
    let responder = Responder::start().unwrap();
    responder.on("POST", "/", move |request| {
        if !request.header("x-amz-target").is_some_and(|target| target.ends_with("DescribeSecret")) {
            return request.forward(&url).unwrap();
        }
        let mut described = native(&url, "DescribeSecret", &request.json());
        described["LastChangedDate"] = json!(1_700_000_000);
        Answer::json(200, &described)
    });
    let aged = backend(config(&responder.url()));
    let second = put(&aged, &path, &rewrapped, &mode).await;
    assert!(second != first && aged.get(&path, None).await.unwrap().version == second);
    assert_eq!(
        put(&aged, &path, &rewrapped, &mode).await,
        second,
        "a request that is repeated changes nothing"
    );
    rewrapped.stamp.as_mut().unwrap().epoch = 9;
    let late = aged.put(&path, &rewrapped, &mode).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict, "another read the first version, too late");
}

/// A backend whose answer to the first request of this action is lost after it took effect; and how many were made.
fn losing(url: &str, action: &'static str) -> (Responder, Arc<AtomicUsize>) {
    let responder = Responder::start().unwrap();
    let (url, met) = (url.to_owned(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&met);
    responder.on("POST", "/", move |request| {
        let answer = request.forward(&url).unwrap();
        let is_meant = request.header("x-amz-target").is_some_and(|target| target.ends_with(action));
        if is_meant && counted.fetch_add(1, Ordering::SeqCst) == 0 {
            return Answer::new(200, Body::Truncated { declared: 500, sent: Vec::new() });
        }
        answer
    });
    (responder, met)
}

#[tokio::test]
async fn a_replace_whose_answers_are_lost_makes_one_version() {
    let url = service_or_skip!();
    for action in ["PutSecretValue", "UpdateSecretVersionStage"] {
        let (responder, met) = losing(&url, action);
        let backend = backend(config(&responder.url()));
        let path = fresh("lost");
        let first = put(&backend, &path, &value(1), &PutMode::Create).await;
        let mode = PutMode::Replace(first);
        let lost = backend.put(&path, &value(2), &mode).await.unwrap_err();
        assert_eq!((lost.kind(), met.load(Ordering::SeqCst)), (ErrorKind::TimedOut, 1), "{action}: {lost}");
        let written = put(&backend, &path, &value(2), &mode).await;
        assert_eq!((backend.get(&path, None).await.unwrap().version, count(&url, &path)), (written, 2));
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_settled_by_reading_back() {
    let url = service_or_skip!();
    for action in ["CreateSecret", "PutSecretValue", "UpdateSecretVersionStage"] {
        let (responder, met) = losing(&url, action);
        let backend = backend(config(&responder.url()));
        let path = fresh("lost");
        let mut mode = PutMode::Create;
        if action != "CreateSecret" {
            mode = PutMode::Replace(put(&backend, &path, &value(1), &mode).await);
        }
        let before = if mode == PutMode::Create { 0 } else { 1 };
        let written = read_back(&backend, &path, &value(2), &mode).await.unwrap();
        assert!(met.load(Ordering::SeqCst) >= 1);
        assert_eq!(backend.get(&path, None).await.unwrap().version, written.version.unwrap(), "{action}");
        assert_eq!(count(&url, &path), before + 1, "{action}");
    }
}

#[tokio::test]
async fn a_repeated_request_changes_nothing_and_another_content_under_its_id_is_refused() {
    let url = service_or_skip!();
    let backend = backend(config(&url));
    let path = fresh("repeated");
    let first = put(&backend, &path, &value(1), &PutMode::Create).await;
    assert_eq!(put(&backend, &path, &value(1), &PutMode::Create).await, first);
    let second = put(&backend, &path, &value(2), &PutMode::Replace(first.clone())).await;
    assert_eq!(put(&backend, &path, &value(2), &PutMode::Replace(first)).await, second);
    let mut forged = value(2);
    forged.value = "other bytes".into();
    for mode in [PutMode::Upsert, PutMode::Replace(second)] {
        let refused = backend.put(&path, &forged, &mode).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{mode:?}");
    }
    assert_eq!(count(&url, &path), 2);
}

#[tokio::test]
async fn a_sealed_secret_shows_its_bytes_a_mark_and_a_stamp() {
    let url = service_or_skip!();
    let backend = backend(config(&url));
    let path = fresh("sealed");
    let first = put(&backend, &path, &value(1), &PutMode::Create).await;
    put(&backend, &path, &value(2), &PutMode::Replace(first)).await;
    let read =
        native(&url, "GetSecretValue", &json!({"SecretId": path.as_str(), "VersionStage": "AWSCURRENT"}));
    assert_eq!(
        (&read["SecretBinary"], &read["SecretString"]),
        (&json!(STANDARD.encode([2; 40])), &Value::Null)
    );
    assert_eq!(read["VersionId"], format!("1{:015x}{:08x}{}", 2, 7, "02".repeat(20)));
    let described = native(&url, "DescribeSecret", &json!({"SecretId": path.as_str()}));
    assert_eq!(described["Tags"], json!([{"Key": "secrets-sealed", "Value": "1"}]));
    assert_eq!(described["Description"], Value::Null);
    let listed = backend.list(Some(&path), None).await.unwrap().items.remove(0);
    assert!(listed.stamp.unwrap().agrees_with(&value(2).stamp.unwrap()));
}

#[tokio::test]
async fn the_version_before_each_tombstone_has_a_stage_that_keeps_it() {
    let url = service_or_skip!();
    let backend = backend(config(&url));
    let path = fresh("tombstone");
    let mut current = put(&backend, &path, &value(1), &PutMode::Create).await;
    // The second time the stage is on the version of the first.
    for version in [2, 4] {
        let tombstone = sealed(StampKind::Tombstone, version, 9);
        let before = current;
        current = put(&backend, &path, &tombstone, &PutMode::Replace(before.clone())).await;
        let kept = stages(&url, &path);
        assert!(kept[before.as_str()].as_array().unwrap().contains(&json!("secrets-undelete")), "{kept}");
        let again = value(u8::try_from(version).unwrap() + 1);
        current = put(&backend, &path, &again, &PutMode::Replace(current)).await;
    }
}

#[tokio::test]
async fn what_another_program_wrote_is_read_and_the_other_way_round() {
    let url = service_or_skip!();
    let backend = backend(config(&url));
    let (theirs, ours) = (fresh("theirs"), fresh("ours"));
    let tags = json!([{"Key": "team", "Value": "red"}]);
    let body = json!({"Name": theirs.as_str(), "SecretString": "{\"user\":\"x\"}", "Tags": tags, "Description": "d",
        "ClientRequestToken": "0b0a5e8e-7f0e-4d8a-9a3e-0123456789ab"});
    native(&url, "CreateSecret", &body);
    let read = backend.get(&theirs, None).await.unwrap();
    assert_eq!(read.value.expose(), b"{\"user\":\"x\"}");
    assert_eq!((read.metadata.description.as_deref(), &*read.metadata.tags["team"]), (Some("d"), "red"));
    let mut metadata = Metadata::default();
    metadata.owner = Some("ops@example.org".to_owned());
    let secret = NewSecret::new("hunter2").with_metadata(metadata);
    let version = put(&backend, &ours, &secret, &PutMode::Upsert).await;
    let read = native(&url, "GetSecretValue", &json!({"SecretId": ours.as_str()}));
    assert_eq!((&read["SecretString"], &read["VersionId"]), (&json!("hunter2"), &json!(version.as_str())));
    let tags = &native(&url, "DescribeSecret", &json!({"SecretId": ours.as_str()}))["Tags"];
    assert!(
        tags.as_array().unwrap().contains(&json!({"Key": "owner", "Value": "ops@example.org"})),
        "{tags}"
    );
}
