//! How tests reach the service: its address, credentials that are given, paths of their own.

use std::time::Duration;

use secrets_backend::{ContentId, NewSecret, SecretPath, Stamp, StampKind};
use secrets_backend_aws::{AwsBackend, AwsConfig, Credentials, Keys};
use secrets_testkit::{Body, Request, secrets_manager, skip};
use serde_json::Value;

/// Answers from the function with a loud skip where there is no such server.
macro_rules! service_or_skip {
    () => {
        match $crate::admin::service() {
            Some(url) => url,
            None => return,
        }
    };
}
pub(crate) use service_or_skip;

/// The address of the service; none, after a loud skip, where it was not started.
pub(crate) fn service() -> Option<String> {
    let url = secrets_manager();
    if url.is_none() {
        skip("the server that stands for AWS Secrets Manager was not started");
    }
    url
}

/// Everything given: nothing is left to the environment of the tests.
pub(crate) fn config(url: &str) -> AwsConfig {
    config_with(url, Keys::new("AKIAEXAMPLE", "5ecret-of-the-key"))
}

pub(crate) fn config_with(url: &str, keys: Keys) -> AwsConfig {
    let mut config = AwsConfig::new();
    config.region = Some("us-east-1".to_owned());
    config.endpoint_url = Some(url.to_owned());
    config.credentials = Credentials::Keys(keys);
    config
}

/// The same that gives up soon.
pub(crate) fn hasty(url: &str) -> AwsConfig {
    let mut config = config(url);
    config.timeout = Duration::from_secs(1);
    config.settle = Duration::from_millis(400);
    config
}

pub(crate) fn backend(config: AwsConfig) -> AwsBackend {
    AwsBackend::new(config).unwrap()
}

/// A path that no other test has, in no other run either.
pub(crate) fn fresh(what: &str) -> SecretPath {
    let random = getrandom::u64().unwrap();
    SecretPath::parse(&format!("t-{random:016x}/{what}")).unwrap()
}

/// A sealed version: an envelope as far as a backend can see.
pub(crate) fn sealed(kind: StampKind, version: u64, content: u8) -> NewSecret {
    let stamp = Stamp::new(kind, version, Some(1), 7, ContentId::new([content; 32]), None);
    NewSecret::new(vec![content; 40]).with_stamp(stamp)
}

/// A call of the service without the crate under test.
pub(crate) fn native(url: &str, action: &str, body: &Value) -> Value {
    let target = format!("secretsmanager.{action}");
    let headers = [
        ("x-amz-target", target.as_str()),
        ("content-type", "application/x-amz-json-1.1"),
        ("authorization", AUTHORIZATION),
    ];
    let answer = Request::new("POST", "/", &headers, body.to_string()).forward(url).unwrap();
    let Body::Bytes(bytes) = &answer.body else { panic!("{action}: {answer:?}") };
    assert_eq!(answer.status, 200, "{action}: {}", String::from_utf8_lossy(bytes));
    serde_json::from_slice(bytes).unwrap()
}

/// The service knows by it which service and region are meant.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/us-east-1/secretsmanager/aws4_request, \
     SignedHeaders=host, Signature=none";
