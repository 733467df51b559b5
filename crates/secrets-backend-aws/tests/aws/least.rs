//! The least policy that is printed, on a server that checks policies: by their actions, not by their resources.

use secrets_backend::{ErrorKind, Metadata, NewSecret, PutMode, Result, SecretBackend};
use secrets_backend_aws::{AwsBackend, Keys};
use secrets_testkit::{Sts, skip, sts};
use serde_json::{Value, json};

use crate::admin::{backend, config_with, fresh};
use crate::boto3::Boto3;

/// Tolerated by readers where it is missing: a batch is then read one by one.
const NOT_NEEDED: &str = "secretsmanager:BatchGetSecretValue";

fn described(text: &str, tag: &str) -> NewSecret {
    let mut metadata = Metadata::default();
    metadata.description = Some(text.to_owned());
    metadata.tags.insert(tag.to_owned(), "x".to_owned());
    NewSecret::new(text).with_metadata(metadata)
}

/// All that a backend does.
async fn everything(backend: &AwsBackend) -> Result<()> {
    let (path, other) = (fresh("one"), fresh("two"));
    backend.check().await?;
    let first = backend.put(&path, &described("a", "team"), &PutMode::Create).await?.version.unwrap();
    backend.put(&path, &described("b", "stage"), &PutMode::Replace(first)).await?;
    backend.put(&other, &NewSecret::new("c"), &PutMode::Upsert).await?;
    backend.get(&path, None).await?;
    for answer in backend.get_many(&[path.clone(), other.clone()]).await {
        answer?;
    }
    backend.versions(&path).await?;
    backend.list(None, None).await?;
    backend.delete(&path).await?;
    backend.undelete(&path).await?;
    backend.purge(&path).await.map(drop)
}

/// A backend of a new user for each of these policies.
fn users(sts: &Sts, policies: &[String]) -> Option<Vec<AwsBackend>> {
    let iam = Boto3::of("iam", &sts.url, [&sts.access_key, &sts.secret_key])?;
    let user = |number| format!("u{number}-{:08x}", std::process::id());
    let calls = policies.iter().enumerate().flat_map(|(number, policy)| {
        let name = json!({"UserName": user(number)});
        let policy = json!({"UserName": user(number), "PolicyName": "least", "PolicyDocument": policy});
        [("create_user", name.clone()), ("put_user_policy", policy), ("create_access_key", name)]
    });
    let answers = iam.done(&calls.collect::<Vec<_>>());
    let of_key = |answer: &Value| {
        let text = |name: &str| answer["AccessKey"][name].as_str().unwrap().to_owned();
        backend(config_with(&sts.url, Keys::new(text("AccessKeyId"), text("SecretAccessKey"))))
    };
    Some(answers.chunks(3).map(|three| of_key(&three[2])).collect())
}

#[tokio::test]
async fn the_least_policy_is_enough_and_each_of_its_actions_is_needed() {
    let Some(sts) = sts() else { return skip("the server that checks policies was not started") };
    let whole = backend(config_with(&sts.url, Keys::new("a", "b"))).least_policy("");
    let mut policy: Value = serde_json::from_str(&whole).unwrap();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement["Resource"] = json!("*");
    }
    let (mut missing, mut policies) = (Vec::new(), vec![policy.to_string()]);
    for (at, statement) in policy["Statement"].as_array().unwrap().iter().enumerate() {
        for (number, action) in statement["Action"].as_array().unwrap().iter().enumerate() {
            let mut without = policy.clone();
            without["Statement"][at]["Action"].as_array_mut().unwrap().remove(number);
            missing.push(action.as_str().unwrap().to_owned());
            policies.push(without.to_string());
        }
    }
    let Some(users) = users(&sts, &policies) else { return };
    everything(&users[0]).await.unwrap();
    let other = users[0].resource_policy(&fresh("none")).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::PermissionDenied, "more than the least is allowed: {other}");
    for (action, user) in missing.iter().zip(&users[1..]) {
        match everything(user).await {
            Ok(()) => assert_eq!(action, NOT_NEEDED, "works without {action}"),
            Err(error) => {
                let is_denied = error.kind() == ErrorKind::PermissionDenied
                    || error.to_string().contains(&ErrorKind::PermissionDenied.to_string());
                assert!(is_denied && action != NOT_NEEDED, "without {action}: {error}");
            }
        }
    }
}
