//! How tests reach the service: its address, credentials that are given, paths of their own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use secrets_backend::{ContentId, NewSecret, SecretPath, Stamp, StampKind};
use secrets_backend_aws::{AwsBackend, AwsConfig, Credentials, Keys};
use secrets_testkit::{Answer, Request, secrets_manager, skip};
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
    let headers = [
        ("x-amz-target".to_owned(), format!("secretsmanager.{action}")),
        ("authorization".to_owned(), AUTHORIZATION.to_owned()),
    ];
    let (status, answer) = call(url, &headers, body.to_string().as_bytes());
    assert_eq!(status, 200, "{action}: {}", String::from_utf8_lossy(&answer));
    serde_json::from_slice(&answer).unwrap()
}

/// Passes a request on to the service, and its answer back.
pub(crate) fn forwarded(url: &str, request: &Request) -> Answer {
    request.forward(url).unwrap()
}

/// The service knows by it which service and region are meant.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/us-east-1/secretsmanager/aws4_request, \
     SignedHeaders=host, Signature=none";

fn call(url: &str, headers: &[(String, String)], body: &[u8]) -> (u16, Vec<u8>) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "POST / HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/x-amz-json-1.1\r\n\
         content-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer.split_off(end + 4))
}
