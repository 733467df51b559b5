//! Credentials that are given, and roles assumed with them. Those of the environment are tested with the command,
//! since no test can change its own variables.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_backend_aws::{AwsBackend, AwsConfig, Credentials, Keys, Role};
use secrets_testkit::{Answer, AwsStandIn, Body, Responder};
use serde_json::json;

use crate::admin::{backend, config_with};
use crate::errors::ensure;

fn keys() -> Keys {
    Keys::new("AKIAGIVEN", "5ecret-of-the-key")
}

fn role(name: &str, source: Credentials) -> Role {
    Role::new(format!("arn:aws:iam::123456789012:role/{name}"), source)
}

/// Everything at this address, by a role.
fn by(role: Role, url: &str) -> AwsConfig {
    let mut config = config_with(url, keys());
    config.sts_endpoint_url = Some(url.to_owned());
    config.timeout = Duration::from_secs(2);
    config.credentials = Credentials::Role(Box::new(role));
    config
}

fn assumed(cloud: &AwsStandIn) -> AwsBackend {
    backend(by(role("reader", Credentials::Keys(keys())), &cloud.responder().url()))
}

fn path() -> SecretPath {
    SecretPath::parse("app/key").unwrap()
}

#[tokio::test]
async fn keys_sign_and_are_tried_once_when_they_have_expired() {
    let cloud = AwsStandIn::start().unwrap();
    let given = keys().with_session_token("70ken");
    let backend = backend(config_with(&cloud.responder().url(), given));
    backend.check().await.unwrap();
    cloud.expire("AKIAGIVEN");
    ensure(backend.check().await, ErrorKind::Unauthenticated, "expired");
    assert_eq!(cloud.calls(), ["ListSecrets by AKIAGIVEN", "ListSecrets by AKIAGIVEN"]);
    let requests = cloud.responder().requests();
    assert!(requests.iter().all(|request| request.header("x-amz-security-token") == Some("70ken")));
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id_and_with_another_role() {
    let cloud = AwsStandIn::start().unwrap();
    let mut first = role("first", Credentials::Keys(keys()));
    first.session_name = "by-hand".to_owned();
    let mut second = role("second", Credentials::Role(Box::new(first)));
    second.external_id = Some("7 of/9".to_owned());
    let backend = backend(by(second, &cloud.responder().url()));
    backend.check().await.unwrap();
    backend.check().await.unwrap();
    let calls =
        ["AssumeRole by AKIAGIVEN", "AssumeRole by ASIA1", "ListSecrets by ASIA2", "ListSecrets by ASIA2"];
    assert_eq!(cloud.calls(), calls);
    let arns = ["arn:aws:iam::123456789012:role/first", "arn:aws:iam::123456789012:role/second"];
    assert_eq!(cloud.parameters("RoleArn"), arns);
    assert_eq!(cloud.parameters("RoleSessionName"), ["by-hand", "secrets"]);
    assert_eq!(cloud.parameters("ExternalId"), ["7 of/9"]);
}

#[tokio::test]
async fn expired_credentials_are_renewed_once_and_then_refused() {
    let cloud = AwsStandIn::start().unwrap();
    let backend = assumed(&cloud);
    backend.check().await.unwrap();
    cloud.expire("ASIA1");
    backend.check().await.unwrap();
    let renewed = [
        "AssumeRole by AKIAGIVEN",
        "ListSecrets by ASIA1",
        "ListSecrets by ASIA1",
        "AssumeRole by AKIAGIVEN",
        "ListSecrets by ASIA2",
    ];
    assert_eq!(cloud.calls(), renewed);
    cloud.expire("ASIA");
    ensure(backend.check().await, ErrorKind::Unauthenticated, "the renewed ones too");
    let more = ["ListSecrets by ASIA2", "AssumeRole by AKIAGIVEN", "ListSecrets by ASIA3"];
    assert_eq!(cloud.calls()[renewed.len()..], more);
    cloud.deny();
    ensure(backend.check().await, ErrorKind::Unauthenticated, "no others");
    assert_eq!(cloud.calls().last().unwrap(), "AssumeRole by AKIAGIVEN");
}

#[tokio::test]
async fn a_write_with_expired_credentials_is_repeated_as_the_same_write() {
    let cloud = AwsStandIn::start().unwrap();
    let backend = assumed(&cloud);
    cloud.expire("ASIA1");
    backend.put(&path(), &NewSecret::new("x"), &PutMode::Create).await.unwrap();
    let writes = ["CreateSecret by ASIA1", "AssumeRole by AKIAGIVEN", "CreateSecret by ASIA2"];
    assert_eq!(cloud.calls()[1..], writes);
    let requests = cloud.responder().requests();
    assert_eq!(requests[1].json(), requests[3].json());
}

#[tokio::test]
async fn many_callers_whose_credentials_expire_at_once_renew_them_once() {
    let cloud = AwsStandIn::start().unwrap();
    let backend = assumed(&cloud);
    for wave in 1..=3 {
        backend.check().await.unwrap();
        cloud.expire(&format!("ASIA{wave}"));
        let answers = join_all((0..50).map(|_| backend.check())).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        let asked = cloud.calls().iter().filter(|call| call.starts_with("AssumeRole")).count();
        assert_eq!(asked, wave + 1, "one each time");
    }
}

#[tokio::test]
async fn a_role_that_is_refused_is_no_login_and_nothing_is_asked_with_it() {
    let cloud = AwsStandIn::start().unwrap();
    cloud.deny();
    let error = ensure(assumed(&cloud).check().await, ErrorKind::Unauthenticated, "denied");
    assert!(error.detail().unwrap().contains("refused"), "{error}");
    assert_eq!(cloud.calls(), ["AssumeRole by AKIAGIVEN"]);
    let first = role("first", Credentials::Keys(keys()));
    let second = role("second", Credentials::Role(Box::new(first)));
    let chained = backend(by(second, &cloud.responder().url()));
    ensure(chained.check().await, ErrorKind::Unauthenticated, "the first of two");
    assert_eq!(cloud.calls().len(), 2);
}

#[tokio::test]
async fn an_sts_that_is_down_hangs_or_babbles_is_told_apart_within_the_deadline() {
    let never = Answer::text(200, "").after(Duration::from_secs(60));
    let page = || Answer::text(200, "<html>planted-5ecre7-value</html>");
    let rows = [
        (never, ErrorKind::TimedOut),
        (page(), ErrorKind::Unauthenticated),
        (Answer::text(200, "{"), ErrorKind::Unauthenticated),
        (Answer::new(200, Body::Endless), ErrorKind::Unavailable),
        (Answer::text(503, "<html>come back</html>"), ErrorKind::Unavailable),
    ];
    for (answer, kind) in rows {
        let responder = Responder::start().unwrap();
        let what = format!("{answer:?}");
        responder.always("POST", "/", answer);
        let started = Instant::now();
        let backend = backend(by(role("reader", Credentials::Keys(keys())), &responder.url()));
        ensure(backend.check().await, kind, &what);
        assert!(started.elapsed() < Duration::from_secs(5), "{what}");
        let is_service = |request: &secrets_testkit::Request| request.header("x-amz-target").is_some();
        assert!(!responder.requests().iter().any(is_service), "{what}");
    }
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let down = backend(by(role("reader", Credentials::Keys(keys())), &format!("http://{closed}")));
    ensure(down.check().await, ErrorKind::Unavailable, "down");
}

/// Runs itself anew, since no test can change its own variables.
#[tokio::test]
async fn nothing_of_the_environment_goes_with_keys_that_are_given() {
    const URL: &str = "AWS_TEST_SERVICE";
    if let Ok(url) = std::env::var(URL) {
        backend(config_with(&url, keys())).check().await.unwrap();
        return;
    }
    let responder = Responder::start().unwrap();
    responder.always("POST", "/", Answer::json(200, &json!({"SecretList": []})));
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "credentials::nothing_of_the_environment_goes_with_keys_that_are_given"]);
    child.env_clear().env(URL, responder.url()).env("AWS_EC2_METADATA_DISABLED", "true");
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIAOTHER"),
        ("AWS_SECRET_ACCESS_KEY", "other"),
        ("AWS_SESSION_TOKEN", "other"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:9"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_CA_BUNDLE", "/nonexistent"),
        ("AWS_PROFILE", "other"),
    ] {
        child.env(name, value);
    }
    let done = child.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    let requests = responder.requests();
    let authorization = requests[0].header("authorization").unwrap();
    assert!(authorization.contains("Credential=AKIAGIVEN/") && authorization.contains("/us-east-1/"));
    assert_eq!(requests[0].header("x-amz-security-token"), None);
}
