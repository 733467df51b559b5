//! The contract, directly and under the production stack, and on backends that have a fault.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use secrets_backend::conformance::{Case, Target, cases};
use secrets_backend::{MemoryBackend, MemoryConfig, PrefixBackend, SecretBackend};
use secrets_backend_aws::{AwsConfig, Keys};
use secrets_testkit::{Answer, Body, Fault, FaultProxy, Responder, skip, sts};
use serde_json::json;

use crate::admin::{backend, config, config_with, fresh, hasty, service};

/// Stands in, after a loud skip, where there is no server.
fn no_server() -> Target {
    let mut config = MemoryConfig::default();
    config.page_size = 3;
    Target::new(MemoryBackend::with_config(config)).with_page_size(3)
}

/// Small pages, so that listings have several.
fn small(url: &str) -> AwsConfig {
    let mut config = config(url);
    config.page_size = 3;
    config
}

fn directly() -> Target {
    let Some(url) = service() else { return no_server() };
    Target::new(backend(small(&url))).with_page_size(3).with_credential("5ecret-of-the-key")
}

/// A part of the service of a safe's own, since a place belongs to one safe.
fn part(url: &str) -> Arc<dyn SecretBackend> {
    Arc::new(PrefixBackend::new(backend(small(url)), format!("{}/", fresh("safe"))).unwrap())
}

async fn under_the_stack() -> Target {
    let Some(url) = service() else { return no_server() };
    let (stack, guard) = secrets_testkit::sealed(part(&url)).await;
    Target::new(stack).with_page_size(3).keeping(guard)
}

async fn under_the_plain_stack() -> Target {
    let Some(url) = service() else { return no_server() };
    let (stack, guard) = secrets_testkit::plain(part(&url)).await;
    Target::new(stack).with_page_size(3).refusing_stamps().keeping(guard)
}

fn dead_endpoint() -> Target {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    Target::new(backend(hasty(&format!("http://127.0.0.1:{port}"))))
}

fn hanging_endpoint() -> Target {
    let nowhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let proxy = FaultProxy::start(nowhere).unwrap();
    proxy.set(Fault::Hang);
    let backend = backend(hasty(&format!("http://{}", proxy.addr())));
    Target::new(backend).with_deadline(Duration::from_secs(5)).keeping(proxy)
}

/// A server that gives every request the same answer.
fn answering(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Target {
    let responder = Responder::start().unwrap();
    responder.on("POST", "/", move |_| answer());
    let mut config = config(&responder.url());
    // Less than the deadline of a case; reading up to the cap takes a busy machine more than a second.
    config.timeout = Duration::from_secs(9);
    Target::new(backend(config)).with_credential("5ecret-of-the-key").keeping(responder)
}

fn throttled() -> Target {
    answering(|| {
        let body = json!({"__type": "ThrottlingException", "message": "Rate exceeded"});
        Answer::json(400, &body).with_header("Retry-After", "7")
    })
}

fn bad_credentials() -> Target {
    answering(|| {
        let body =
            json!({"__type": "UnrecognizedClientException", "message": "The security token is invalid"});
        Answer::json(400, &body)
    })
}

fn oversized_reply() -> Target {
    answering(|| {
        let mut answer = Answer::text(200, "");
        answer.body = Body::Endless;
        answer
    })
}

fn malformed_reply() -> Target {
    answering(|| {
        Answer::text(200, format!("{{\"SecretString\": \"{}", secrets_backend::conformance::PLANTED))
    })
}

mod aws {
    use super::*;
    secrets_backend::conformance_tests! {
        target: directly(),
        faults: {
            bad_credentials: bad_credentials(),
            dead_endpoint: dead_endpoint(),
            hanging_endpoint: hanging_endpoint(),
            throttled: throttled(),
            oversized_reply: oversized_reply(),
            malformed_reply: malformed_reply(),
        }
    }
}

mod aws_sealed {
    use super::*;
    secrets_backend::conformance_tests! { target: under_the_stack().await }
}

mod aws_plain {
    use super::*;
    secrets_backend::conformance_tests! { target: under_the_plain_stack().await }
}

/// moto names no code for this, and so only its status is met: 403.
#[tokio::test]
async fn a_user_without_a_policy_for_it_is_denied() {
    let Some(sts) = sts() else {
        skip("the server that checks signatures was not started");
        return;
    };
    let backend = backend(config_with(&sts.url, Keys::new(sts.access_key, sts.secret_key)));
    let case =
        Case::new("denied", |scratch| Box::pin(cases::a_refused_operation_is_permission_denied(scratch)));
    case.run(Target::new(backend)).await.unwrap();
}
