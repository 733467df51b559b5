//! Servers that are not the service, and answers that are too much: typed errors, soon.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_backend_aws::AwsBackend;
use secrets_testkit::{Answer, Body, Certificates, Responder};
use serde_json::json;

use crate::admin::{backend, hasty};
use crate::errors::ensure;

/// A backend that trusts the authority in a file, or what the system trusts.
fn trusting(responder: &Responder, authority: Option<&str>) -> (AwsBackend, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = hasty(&responder.url());
    config.timeout = Duration::from_secs(5);
    if let Some(authority) = authority {
        let file: PathBuf = directory.path().join("ca.pem");
        std::fs::write(&file, authority).unwrap();
        config.ca_file = Some(file);
    }
    (backend(config), directory)
}

fn empty(responder: &Responder) {
    responder.always("POST", "/", Answer::json(200, &json!({"SecretList": []})));
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named() {
    let responder = Responder::start_tls().unwrap();
    empty(&responder);
    let (backend, _file) = trusting(&responder, responder.authority());
    backend.check().await.unwrap();
    assert_eq!(responder.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_cannot_be_trusted_gets_nothing() {
    let foreign = Certificates::valid().unwrap().authority;
    let elsewhere = Certificates::for_another_host().unwrap();
    let of_elsewhere = elsewhere.authority.clone();
    let expired = Responder::start_tls_expired().unwrap();
    let of_expired = expired.authority().unwrap().to_owned();
    let rows = [
        ("a foreign authority", Responder::start_tls().unwrap(), Some(foreign)),
        ("an authority that the system does not know", Responder::start_tls().unwrap(), None),
        ("a certificate that has expired", expired, Some(of_expired)),
        ("another host", Responder::start_tls_with(elsewhere).unwrap(), Some(of_elsewhere)),
    ];
    for (what, responder, authority) in rows {
        empty(&responder);
        let (backend, _file) = trusting(&responder, authority.as_deref());
        let started = Instant::now();
        let error = ensure(backend.check().await, ErrorKind::Unavailable, what);
        assert!(error.detail().unwrap().contains("TLS"), "{what}: {error}");
        assert!(started.elapsed() < Duration::from_secs(5), "{what}");
        assert!(responder.requests().is_empty(), "{what}");
    }
}

#[test]
fn an_authority_that_cannot_be_used_is_named_before_anything_is_asked() {
    let mut config = hasty("https://127.0.0.1:9");
    config.ca_file = Some("/nonexistent/ca.pem".into());
    let invalid = AwsBackend::new(config).unwrap_err();
    assert_eq!(invalid.setting(), "ca_file");
    assert!(invalid.to_string().contains("/nonexistent/ca.pem"), "{invalid}");
}

/// 64 MiB of JSON in some hundred kilobytes.
fn bomb() -> Vec<u8> {
    let mut text = br#"{"SecretString":""#.to_vec();
    text.resize(64 << 20, b'a');
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip.extend(miniz_oxide::deflate::compress_to_vec(&text, 1));
    // The end of the file, with a checksum of zero: whoever gets there has unpacked it all.
    gzip.extend([0; 8]);
    gzip
}

#[tokio::test]
async fn an_answer_that_is_too_much_is_given_up() {
    let packed = bomb();
    assert!(packed.len() < 1 << 20, "{}", packed.len());
    let gzip = Answer::new(200, Body::Bytes(packed)).with_header("content-encoding", "gzip");
    let declared = Body::Truncated { declared: 2 << 30, sent: vec![b'a'; 1 << 20] };
    let rows = [
        ("a bomb", gzip),
        ("2 GiB as they are announced", Answer::new(200, declared)),
        ("no end", Answer::new(200, Body::Endless)),
        ("no end of a fault", Answer::new(400, Body::Endless)),
    ];
    for (what, answer) in rows {
        let responder = Responder::start().unwrap();
        responder.always("POST", "/", answer);
        let mut config = hasty(&responder.url());
        // Reading up to the cap takes a busy machine more than a second.
        config.timeout = Duration::from_secs(20);
        let backend = backend(config);
        let path = SecretPath::parse("app/key").unwrap();
        ensure(backend.get(&path, None).await, ErrorKind::Unavailable, what);
        let put = backend.put(&path, &NewSecret::new("x"), &PutMode::Create).await;
        ensure(put, ErrorKind::TimedOut, what);
        assert_eq!(responder.requests().len(), 2, "{what}");
    }
}
