//! What the service keeps of a secret beside its versions: copies in other regions, and a policy.

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend};
use secrets_backend_aws::{AwsBackend, Replica, ReplicaState};
use serde_json::{Value, json};

use crate::admin::{backend, config, fresh, service_or_skip};

/// The same account in another region.
fn elsewhere(url: &str, region: &str) -> AwsBackend {
    let mut config = config(url);
    config.region = Some(region.to_owned());
    backend(config)
}

fn states(replicas: &[Replica]) -> Vec<(&str, ReplicaState)> {
    replicas.iter().map(|one| (one.region.as_str(), one.state)).collect()
}

#[tokio::test]
async fn a_copy_in_another_region_is_the_same_version_until_it_is_removed() {
    let url = service_or_skip!();
    let (backend, path) = (backend(config(&url)), fresh("copied"));
    let secret = crate::admin::sealed(secrets_backend::StampKind::Secret, 1, 1);
    let written = backend.put(&path, &secret, &PutMode::Create).await.unwrap();
    assert!(backend.replicas(&path).await.unwrap().is_empty());
    let made = backend.replicate(&path, &["eu-west-1", "ap-south-1"]).await.unwrap();
    assert_eq!(states(&made), [("eu-west-1", ReplicaState::InSync), ("ap-south-1", ReplicaState::InSync)]);
    let ireland = elsewhere(&url, "eu-west-1");
    let read = ireland.get(&path, None).await.unwrap();
    assert_eq!((Some(read.version), read.value.expose()), (written.version, secret.value.expose()));
    assert!(read.stamp.unwrap().agrees_with(&secret.stamp.unwrap()));
    backend.stop_replicating(&path, &["eu-west-1"]).await.unwrap();
    assert_eq!(states(&backend.replicas(&path).await.unwrap()), [("ap-south-1", ReplicaState::InSync)]);
    assert_eq!(ireland.get(&path, None).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_copy_is_not_written_and_a_secret_that_is_in_the_way_is_not_overwritten() {
    let url = service_or_skip!();
    let (backend, ireland, path) = (backend(config(&url)), elsewhere(&url, "eu-west-1"), fresh("taken"));
    ireland.put(&path, &NewSecret::new("theirs"), &PutMode::Create).await.unwrap();
    backend.put(&path, &NewSecret::new("ours"), &PutMode::Create).await.unwrap();
    let made = backend.replicate(&path, &["eu-west-1", "ca-central-1"]).await.unwrap();
    assert_eq!(states(&made), [("eu-west-1", ReplicaState::Failed), ("ca-central-1", ReplicaState::InSync)]);
    assert_eq!(ireland.get(&path, None).await.unwrap().value.expose(), b"theirs");
    let canada = elsewhere(&url, "ca-central-1");
    let refused = canada.put(&path, &NewSecret::new("x"), &PutMode::Upsert).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
    assert_eq!(canada.get(&path, None).await.unwrap().value.expose(), b"ours");
}

#[tokio::test]
async fn a_resource_policy_is_set_read_and_taken_away() {
    let url = service_or_skip!();
    let (backend, path) = (backend(config(&url)), fresh("policy"));
    backend.put(&path, &NewSecret::new("x"), &PutMode::Create).await.unwrap();
    assert_eq!(backend.resource_policy(&path).await.unwrap(), None);
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "secretsmanager:DeleteSecret", "Resource": "*"
    }]});
    backend.set_resource_policy(&path, &policy.to_string()).await.unwrap();
    let read = backend.resource_policy(&path).await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&read).unwrap(), policy);
    backend.remove_resource_policy(&path).await.unwrap();
    assert_eq!(backend.resource_policy(&path).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_no_region_or_no_secret_is_refused() {
    let url = service_or_skip!();
    let (backend, path) = (backend(config(&url)), fresh("missing"));
    for regions in [&[][..], &["eu-west-1", "../x"], &["EU"]] {
        let refused = backend.replicate(&path, regions).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{regions:?}");
    }
    let missing = [
        backend.replicas(&path).await.map(drop),
        backend.replicate(&path, &["eu-west-1"]).await.map(drop),
        backend.stop_replicating(&path, &["eu-west-1"]).await,
        backend.resource_policy(&path).await.map(drop),
        backend.set_resource_policy(&path, "{}").await,
        backend.remove_resource_policy(&path).await,
    ];
    for (number, answer) in missing.into_iter().enumerate() {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::NotFound, "call {number}");
    }
}
