//! Metadata of many plain secrets: from listings where those are sure to be recent enough, one by one otherwise.

use secrets_backend::{SecretBackend, SecretPath, Timestamp};
use secrets_testkit::{Answer, Request, Responder};
use serde_json::{Value, json};

use crate::admin::{backend, config};

const COUNT: usize = 30;

fn action(request: &Request) -> &str {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default()
}

fn id(number: usize) -> String {
    format!("{number:032}")
}

/// What a listing and a description say of a secret: its current version, and one tag.
fn about(number: usize, version: &str, tag: &str) -> Value {
    json!({
        "Name": format!("app/s{number}"),
        "SecretVersionsToStages": {version: ["AWSCURRENT"]},
        "VersionIdsToStages": {version: ["AWSCURRENT"]},
        "Tags": [{"Key": "from", "Value": tag}],
    })
}

/// A service with plain secrets of this age, the last of which a listing shows at an older version.
fn service(age: u64) -> Responder {
    let responder = Responder::start().unwrap();
    let created = Timestamp::now().as_millis() / 1_000 - age;
    responder.on("POST", "/", move |request| {
        let body = request.json();
        let number =
            |name: &Value| name.as_str().unwrap().trim_start_matches("app/s").parse::<usize>().unwrap();
        let answer = match action(request) {
            "BatchGetSecretValue" => {
                let value = |name: &Value| {
                    json!({"Name": name, "VersionId": id(number(name)), "VersionStages": ["AWSCURRENT"],
                        "SecretString": "x", "CreatedDate": created})
                };
                let values: Vec<_> = body["SecretIdList"].as_array().unwrap().iter().map(value).collect();
                json!({ "SecretValues": values })
            }
            "ListSecrets" => {
                assert_eq!(body["Filters"], json!([{"Key": "name", "Values": ["app/s"]}]));
                let version = |number| if number == COUNT - 1 { id(99) } else { id(number) };
                let list: Vec<_> = (0..COUNT).map(|number| about(number, &version(number), "list")).collect();
                json!({ "SecretList": list })
            }
            _ => about(number(&body["SecretId"]), &id(number(&body["SecretId"])), "describe"),
        };
        Answer::json(200, &answer)
    });
    responder
}

/// Where the metadata of each came from, and how many calls of each action there were.
async fn read(age: u64) -> (Vec<String>, [usize; 3]) {
    let responder = service(age);
    let backend = backend(config(&responder.url()));
    let paths: Vec<SecretPath> = (0..COUNT).map(|number| format!("app/s{number}").parse().unwrap()).collect();
    let read = backend.get_many(&paths).await;
    let from = read.into_iter().map(|one| one.unwrap().metadata.tags["from"].clone()).collect();
    let requests = responder.requests();
    let count = |name: &str| requests.iter().filter(|request| action(request) == name).count();
    (from, ["BatchGetSecretValue", "ListSecrets", "DescribeSecret"].map(count))
}

#[tokio::test]
async fn metadata_of_many_comes_from_a_listing_where_it_shows_the_version_that_was_read() {
    let (from, calls) = read(3_600).await;
    assert!(from[..COUNT - 1].iter().all(|from| from == "list") && from[COUNT - 1] == "describe", "{from:?}");
    assert_eq!(calls, [2, 1, 1]);
}

#[tokio::test]
async fn metadata_of_what_was_just_written_is_asked_for_one_by_one() {
    let (from, calls) = read(30).await;
    assert!(from.iter().all(|from| from == "describe"), "a listing may be minutes old");
    assert_eq!(calls, [2, 0, COUNT]);
}
