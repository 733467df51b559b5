//! Answers that the service documents, and moto does not give: each by its code, never by its text or status alone.

use std::time::Duration;

use secrets_backend::{
    Error, ErrorKind, Metadata, NewSecret, PrefixBackend, PutMode, Result, SecretBackend, SecretPath,
    VersionId,
};
use secrets_backend_aws::AwsBackend;
use secrets_testkit::{Answer, Request, Responder};
use serde_json::{Value, json};

use crate::admin::{backend, hasty};

const PLANTED: &str = "planted-5ecre7-value";

/// A responder and a backend that talks to it.
fn service() -> (Responder, AwsBackend) {
    let responder = Responder::start().unwrap();
    let backend = backend(hasty(&responder.url()));
    (responder, backend)
}

/// What the service answers to a fault, in its documented form.
fn fault(status: u16, code: &str) -> Answer {
    Answer::json(status, &json!({"__type": code, "Message": PLANTED}))
        .with_header("x-amzn-requestid", "1b2c3d4e-0000-4000-8000-0123456789ab")
}

/// The action of a request: `GetSecretValue`, say.
fn action(request: &Request) -> String {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

fn actions(responder: &Responder) -> Vec<String> {
    responder.requests().iter().map(action).collect()
}

fn path() -> SecretPath {
    SecretPath::parse("app/key").unwrap()
}

async fn get(backend: &AwsBackend) -> Result<Vec<u8>> {
    backend.get(&path(), None).await.map(|secret| secret.value.expose().to_vec())
}

async fn create(backend: &AwsBackend) -> Result<()> {
    backend.put(&path(), &NewSecret::new(PLANTED), &PutMode::Create).await.map(drop)
}

/// Of this kind, and nothing in it came from a body, a value or a key.
pub(crate) fn ensure<T: std::fmt::Debug>(answer: Result<T>, kind: ErrorKind, what: &str) -> Error {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), kind, "{what}: {error}");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(PLANTED) && !shown.contains("5ecret-of-the-key"), "{what}: {shown}");
    error
}

#[tokio::test]
async fn each_code_has_its_kind_whatever_its_status() {
    let rows = [
        ("ResourceNotFoundException", ErrorKind::NotFound),
        ("AccessDeniedException", ErrorKind::PermissionDenied),
        ("ThrottlingException", ErrorKind::RateLimited),
        ("ExpiredTokenException", ErrorKind::Unauthenticated),
        ("UnrecognizedClientException", ErrorKind::Unauthenticated),
        ("InvalidSignatureException", ErrorKind::Unauthenticated),
        ("ValidationException", ErrorKind::InvalidInput),
        ("DecryptionFailure", ErrorKind::Unavailable),
        ("InternalServiceError", ErrorKind::Unavailable),
        ("Planted5ecre7Exception", ErrorKind::Unavailable),
    ];
    for (code, kind) in rows {
        for status in [400, 403, 404, 500] {
            let (responder, backend) = service();
            responder.always("POST", "/", fault(status, code));
            let error = ensure(get(&backend).await, kind, code);
            assert!(error.to_string().contains(&format!("status {status}, request 1b2c3d4e")), "{error}");
            assert_eq!(actions(&responder), ["GetSecretValue"], "{code} is not repeated here");
        }
    }
}

#[tokio::test]
async fn a_write_whose_outcome_is_unknown_says_so() {
    let rows = [
        (fault(500, "InternalServiceError"), ErrorKind::TimedOut),
        (fault(503, "ServiceUnavailable"), ErrorKind::Unavailable),
        (Answer::text(502, "<html>bad gateway</html>"), ErrorKind::TimedOut),
        (Answer::text(503, "<html>come back</html>"), ErrorKind::Unavailable),
        (Answer::text(200, "<html>welcome</html>"), ErrorKind::TimedOut),
        (fault(400, "ThrottlingException"), ErrorKind::RateLimited),
    ];
    for (answer, kind) in rows {
        let (responder, backend) = service();
        let what = format!("{answer:?}");
        responder.always("POST", "/", answer);
        ensure(create(&backend).await, kind, &what);
    }
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_answer_of_the_service() {
    for (status, kind) in [
        (404, ErrorKind::Unavailable),
        (400, ErrorKind::Unavailable),
        (302, ErrorKind::Unavailable),
        (403, ErrorKind::PermissionDenied),
        (200, ErrorKind::Unavailable),
    ] {
        let (responder, backend) = service();
        let page = Answer::text(status, format!("<html>{PLANTED}</html>"));
        responder.always("POST", "/", page.with_header("location", "http://127.0.0.1:9/elsewhere"));
        ensure(get(&backend).await, kind, "a page");
        assert_eq!(responder.requests().len(), 1, "nothing is followed");
    }
}

/// Answers by action, each always the same; any other is a fault of the test.
fn answers(responder: &Responder, rows: &[(&'static str, Answer)]) {
    let rows = rows.to_vec();
    responder.on("POST", "/", move |request| {
        let row = rows.iter().find(|(name, _)| *name == action(request));
        row.map_or_else(|| fault(500, "InternalServiceError"), |(_, answer)| answer.clone())
    });
}

fn described(deleted: bool, versions: &Value) -> Answer {
    let mut body = json!({"Name": "app/key", "VersionIdsToStages": versions});
    if deleted {
        body["DeletedDate"] = json!(1_900_000_000);
    }
    Answer::json(200, &body)
}

#[tokio::test]
async fn a_secret_that_is_scheduled_for_deletion_is_missing_and_any_other_refusal_is_not() {
    for (deleted, kind) in [(true, ErrorKind::NotFound), (false, ErrorKind::InvalidInput)] {
        let (responder, backend) = service();
        let refused = fault(400, "InvalidRequestException");
        let rows = [
            ("GetSecretValue", refused.clone()),
            ("DeleteSecret", refused.clone()),
            ("PutSecretValue", refused),
            ("DescribeSecret", described(deleted, &json!({}))),
        ];
        answers(&responder, &rows);
        ensure(get(&backend).await, kind, "get");
        ensure(backend.delete(&path()).await, kind, "delete");
        let version = VersionId::new("v".repeat(32));
        let put = backend.put(&path(), &NewSecret::new("x"), &PutMode::Replace(version)).await;
        ensure(put, if deleted { ErrorKind::Conflict } else { kind }, "replace");
    }
}

#[tokio::test]
async fn a_create_over_a_deleted_secret_restores_it_however_the_service_says_that_it_is_there() {
    for code in ["InvalidRequestException", "ResourceExistsException"] {
        let (responder, backend) = service();
        let last = "v".repeat(32);
        let rows = [
            ("CreateSecret", fault(400, code)),
            ("DescribeSecret", described(true, &json!({last.as_str(): ["AWSCURRENT"]}))),
            ("RestoreSecret", Answer::json(200, &json!({}))),
            ("PutSecretValue", Answer::json(200, &json!({}))),
            ("UpdateSecretVersionStage", Answer::json(200, &json!({}))),
        ];
        answers(&responder, &rows);
        create(&backend).await.unwrap();
        let order =
            ["CreateSecret", "DescribeSecret", "RestoreSecret", "PutSecretValue", "UpdateSecretVersionStage"];
        assert_eq!(actions(&responder), order, "{code}");
        let moved = responder.requests()[4].json();
        assert_eq!(
            (&moved["RemoveFromVersionId"], &moved["VersionStage"]),
            (&json!(last), &json!("AWSCURRENT"))
        );
        assert_eq!(responder.requests()[3].json()["VersionStages"], json!(["secrets-pending"]));
    }
}

#[tokio::test]
async fn a_create_while_the_name_is_being_freed_is_to_be_tried_again() {
    for described in [described(true, &json!({})), fault(400, "ResourceNotFoundException")] {
        let (responder, backend) = service();
        let rows = [
            ("CreateSecret", fault(400, "InvalidRequestException")),
            ("DescribeSecret", described),
            ("RestoreSecret", fault(400, "ResourceNotFoundException")),
        ];
        answers(&responder, &rows);
        ensure(create(&backend).await, ErrorKind::Unavailable, "the name is not free yet");
    }
}

#[tokio::test]
async fn what_the_service_would_refuse_is_refused_before_any_call() {
    let (responder, backend) = service();
    let backend = std::sync::Arc::new(backend);
    let put = async |secret: NewSecret| backend.put(&path(), &secret, &PutMode::Upsert).await;
    ensure(put(NewSecret::new(vec![b'x'; 65_537])).await, ErrorKind::InvalidInput, "65,537 bytes");
    let mut metadata = Metadata::default();
    metadata.tags = (0..50).map(|number| (format!("t{number}"), String::new())).collect();
    let tagged = NewSecret::new("x").with_metadata(metadata.clone());
    ensure(put(tagged).await, ErrorKind::InvalidInput, "50 tags and ours");
    metadata.tags = [("n".repeat(129), String::new())].into();
    ensure(put(NewSecret::new("x").with_metadata(metadata)).await, ErrorKind::InvalidInput, "a long name");
    let long = format!("{}/", ["p".repeat(64), "q".repeat(64), "r".repeat(64), "s".repeat(64)].join("/"));
    let behind = PrefixBackend::new(std::sync::Arc::clone(&backend), long).unwrap();
    let long = SecretPath::parse(&["t".repeat(64), "u".repeat(64), "v".repeat(64)].join("/")).unwrap();
    ensure(behind.get(&long, None).await, ErrorKind::InvalidInput, "a path too long behind its prefix");
    let odd = VersionId::new("7");
    ensure(backend.get(&path(), Some(&odd)).await, ErrorKind::NotFound, "no id of the service");
    assert!(responder.requests().is_empty());
}

#[tokio::test]
async fn a_batch_without_its_permission_is_read_one_by_one() {
    let (responder, backend) = service();
    let value = json!({"Name": "a", "VersionId": format!("1{}", "0".repeat(63)), "SecretBinary": "eA=="});
    let rows = [
        ("BatchGetSecretValue", fault(400, "AccessDeniedException")),
        ("GetSecretValue", Answer::json(200, &value)),
    ];
    answers(&responder, &rows);
    let paths = ["a", "b", "c"].map(|text| SecretPath::parse(text).unwrap());
    for _ in 0..2 {
        let values = backend.get_many(&paths).await;
        assert!(
            values.iter().all(|answer| answer.as_ref().is_ok_and(|secret| secret.value.expose() == b"x"))
        );
    }
    let batches = actions(&responder).iter().filter(|action| *action == "BatchGetSecretValue").count();
    assert_eq!((batches, responder.requests().len()), (1, 7));
}

#[tokio::test]
async fn a_batch_has_an_answer_for_each_path_and_none_of_another_stage() {
    let (responder, backend) = service();
    let sealed = |name: &str, stage: &str, value: &str| {
        let id = format!("1{}", "0".repeat(63));
        json!({"Name": name, "VersionId": id, "VersionStages": [stage], "SecretBinary": value})
    };
    let errors = json!([
        {"SecretId": "denied", "ErrorCode": "AccessDeniedException", "Message": PLANTED},
        {"SecretId": "missing", "ErrorCode": "ResourceNotFoundException", "Message": PLANTED},
    ]);
    let values = [sealed("present", "AWSCURRENT", "eA=="), sealed("old", "AWSPREVIOUS", "b2xk")];
    let rows = [
        ("BatchGetSecretValue", Answer::json(200, &json!({"SecretValues": values, "Errors": errors}))),
        ("GetSecretValue", Answer::json(200, &sealed("old", "AWSCURRENT", "bmV3"))),
    ];
    answers(&responder, &rows);
    let paths = ["denied", "old", "present", "missing"].map(|text| SecretPath::parse(text).unwrap());
    let mut values = backend.get_many(&paths).await.into_iter();
    ensure(values.next().unwrap(), ErrorKind::PermissionDenied, "denied");
    assert_eq!(values.next().unwrap().unwrap().value.expose(), b"new");
    assert_eq!(values.next().unwrap().unwrap().value.expose(), b"x");
    ensure(values.next().unwrap(), ErrorKind::NotFound, "missing");
    assert_eq!(actions(&responder), ["BatchGetSecretValue", "GetSecretValue"]);
}

#[tokio::test]
async fn a_page_token_that_repeats_is_an_error() {
    let (responder, backend) = service();
    responder.always("POST", "/", Answer::json(200, &json!({"SecretList": [], "NextToken": "again"})));
    let page = backend.list(None, None).await.unwrap();
    ensure(backend.list(None, page.next.as_ref()).await, ErrorKind::Unavailable, "list");
    let (responder, backend) = service();
    let versions = Answer::json(200, &json!({"Versions": [], "NextToken": "again"}));
    answers(
        &responder,
        &[("ListSecretVersionIds", versions), ("DescribeSecret", described(false, &json!({})))],
    );
    ensure(backend.versions(&path()).await, ErrorKind::Unavailable, "versions");
}

#[tokio::test]
async fn an_answer_from_before_our_own_write_is_asked_for_again_and_then_stale() {
    for (stale_reads, is_seen) in [(2, true), (usize::MAX, false)] {
        let (responder, backend) = service();
        let mut config = hasty(&responder.url());
        config.settle = if is_seen { Duration::from_secs(5) } else { Duration::from_millis(300) };
        let backend = if is_seen { crate::admin::backend(config) } else { backend };
        let written = crate::admin::sealed(secrets_backend::StampKind::Secret, 2, 2);
        answers(&responder, &[("PutSecretValue", Answer::json(200, &json!({})))]);
        let written = backend.put(&path(), &written, &PutMode::Upsert).await.unwrap();
        let new = json!({"Name": "app/key", "VersionId": written.version.unwrap().as_str(), "SecretBinary": "eA=="});
        let old = json!({"Name": "app/key", "VersionId": format!("1{:015x}{}", 1, "0".repeat(48)), "SecretBinary": "b2xk"});
        let reads = std::sync::atomic::AtomicUsize::new(0);
        responder.on("POST", "/", move |_| match reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => fault(400, "ResourceNotFoundException"),
            read if read < stale_reads => Answer::json(200, &old),
            _ => Answer::json(200, &new),
        });
        match get(&backend).await {
            Ok(value) => assert!(is_seen && value == b"x"),
            error => drop(ensure(error, ErrorKind::Stale, "never seen")),
        }
    }
}
