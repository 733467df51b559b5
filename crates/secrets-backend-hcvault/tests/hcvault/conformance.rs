//! The contract, on every server and engine, directly and under the production stack.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use secrets_backend::conformance::{Case, Target, cases};
use secrets_backend::{ErrorKind, MemoryBackend, MemoryConfig, SecretBackend};
use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend, HcVaultConfig};
use secrets_testkit::{Answer, Body, Fault, FaultProxy, Responder, Server, openbao, sealed, vault};
use serde_json::json;

use crate::admin::{Admin, admin_or_skip, everything};

/// Stands in, after a loud skip, where there is no server.
fn no_server() -> Target {
    let mut config = MemoryConfig::default();
    config.page_size = 3;
    Target::new(MemoryBackend::with_config(config)).with_page_size(3)
}

/// Small pages, and room for as many versions as a case writes.
fn small(mut config: HcVaultConfig) -> HcVaultConfig {
    config.page_size = 3;
    config.max_versions = Some(20);
    config
}

/// A fresh mount as a target.
async fn mount(server: Option<Server>, engine: Engine) -> Target {
    let Some(admin) = Admin::of(server) else { return no_server() };
    let mount = admin.mount(engine).await;
    let backend = HcVaultBackend::new(small(admin.config(&mount))).unwrap();
    backend.check().await.unwrap();
    Target::new(backend).with_page_size(3).with_credential(&*admin.server.root_token).keeping(admin)
}

/// The same under the production stack.
async fn stack(server: Option<Server>, engine: Engine) -> Target {
    let Some(admin) = Admin::of(server) else { return no_server() };
    let mount = admin.mount(engine).await;
    let (stack, guard) = sealed(Arc::new(HcVaultBackend::new(small(admin.config(&mount))).unwrap())).await;
    stack.check().await.unwrap();
    let target = Target::new(stack).with_page_size(3).keeping(guard).keeping(admin);
    if engine == Engine::Kv1 { target.keeping_conditions() } else { target }
}

fn config(address: impl std::fmt::Display) -> HcVaultConfig {
    let mut config = HcVaultConfig::new(address.to_string(), Auth::Token(Credential::value("s.some-token")));
    config.timeout = Duration::from_secs(1);
    config
}

fn dead_endpoint() -> Target {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    Target::new(HcVaultBackend::new(config(format!("http://127.0.0.1:{port}"))).unwrap())
}

fn hanging_endpoint() -> Target {
    let nowhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let proxy = FaultProxy::start(nowhere).unwrap();
    proxy.set(Fault::Hang);
    let backend = HcVaultBackend::new(config(format!("http://{}", proxy.addr()))).unwrap();
    Target::new(backend).with_deadline(Duration::from_secs(5)).keeping(proxy)
}

/// A server that gives every request the same answer, as a mount of version 2.
fn answering(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Target {
    let responder = Responder::start().unwrap();
    let answer = Arc::new(answer);
    for method in ["GET", "POST", "DELETE", "LIST"] {
        let answer = Arc::clone(&answer);
        responder.on(method, "/", move |_| answer());
    }
    let mut config = config(responder.url());
    config.engine = Engine::Kv2;
    Target::new(HcVaultBackend::new(config).unwrap()).with_credential("s.some-token").keeping(responder)
}

fn throttled() -> Target {
    answering(|| {
        let body = json!({"errors": ["request path \"kv/data/a\": rate limit quota exceeded"]});
        Answer::json(429, &body).with_header("Retry-After", "7")
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
        Answer::text(200, format!("{{\"data\": {{\"data\": \"{}\"", secrets_backend::conformance::PLANTED))
    })
}

mod openbao_kv2 {
    use super::*;
    secrets_backend::conformance_tests! {
        target: mount(openbao(), Engine::Kv2).await,
        faults: {
            dead_endpoint: dead_endpoint(),
            hanging_endpoint: hanging_endpoint(),
            throttled: throttled(),
            oversized_reply: oversized_reply(),
            malformed_reply: malformed_reply(),
        }
    }
}

mod openbao_kv1 {
    use super::*;
    secrets_backend::conformance_tests! { target: mount(openbao(), Engine::Kv1).await }
}

mod vault_kv1 {
    use super::*;
    secrets_backend::conformance_tests! { target: mount(vault(), Engine::Kv1).await }
}

mod vault_kv2 {
    use super::*;
    secrets_backend::conformance_tests! { target: mount(vault(), Engine::Kv2).await }
}

mod openbao_kv1_sealed {
    use super::*;
    secrets_backend::conformance_tests! { target: stack(openbao(), Engine::Kv1).await }
}

mod vault_kv1_sealed {
    use super::*;
    secrets_backend::conformance_tests! { target: stack(vault(), Engine::Kv1).await }
}

mod openbao_kv2_sealed {
    use super::*;
    secrets_backend::conformance_tests! { target: stack(openbao(), Engine::Kv2).await }
}

mod vault_kv2_sealed {
    use super::*;
    secrets_backend::conformance_tests! { target: stack(vault(), Engine::Kv2).await }
}

#[tokio::test]
async fn a_stack_that_has_asked_nothing_yet_says_that_version_1_cannot_undelete() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv1).await;
    let (stack, _guard) = sealed(Arc::new(admin.backend(&mount))).await;
    let error = stack.undelete(&"never/written".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn bad_credentials_are_unauthenticated() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    let config = admin.config_with(&mount, Auth::Token(Credential::value("s.not-a-token")));
    let target = Target::new(HcVaultBackend::new(config).unwrap()).with_credential("s.not-a-token");
    let case =
        Case::new("bad_credentials", |scratch| Box::pin(cases::bad_credentials_are_unauthenticated(scratch)));
    case.run(target).await.unwrap();
}

#[tokio::test]
async fn a_token_without_a_policy_is_denied() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    let policy = "path \"sys/none\" { capabilities = [\"read\"] }";
    let token = admin.token(policy, json!({})).await;
    for engine in [Engine::Kv2, Engine::Detect] {
        let mut config = admin.config_with(&mount, Auth::Token(Credential::value(&*token)));
        config.engine = engine;
        let case =
            Case::new("denied", |scratch| Box::pin(cases::a_refused_operation_is_permission_denied(scratch)));
        case.run(Target::new(HcVaultBackend::new(config).unwrap())).await.unwrap();
    }
}

#[tokio::test]
async fn one_denied_path_leaves_the_rest_of_a_batch() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    let policy =
        format!("{}\npath \"{mount}/data/refused\" {{ capabilities = [\"deny\"] }}", everything(&mount));
    let token = admin.token(&policy, json!({})).await;
    let config = admin.config_with(&mount, Auth::Token(Credential::value(&*token)));
    let target = Target::new(HcVaultBackend::new(config).unwrap());
    let case = Case::new("denied_in_batch", |scratch| {
        Box::pin(cases::a_refused_secret_leaves_the_rest_of_a_batch(scratch))
    });
    case.run(target.with_refused_path("refused".parse().unwrap())).await.unwrap();
}

/// A fresh mount under the production stack of plain values.
async fn plain_stack(server: Option<Server>, engine: Engine) -> Target {
    let Some(admin) = Admin::of(server) else { return no_server() };
    let mount = admin.mount(engine).await;
    let backend = HcVaultBackend::new(small(admin.config(&mount))).unwrap();
    // What it can do is known once the server has said which engine this is.
    backend.check().await.unwrap();
    let (stack, guard) = secrets_testkit::plain(Arc::new(backend)).await;
    Target::new(stack).with_page_size(3).refusing_stamps().keeping(guard).keeping(admin)
}

mod openbao_kv2_plain {
    use super::*;
    secrets_backend::conformance_tests! { target: plain_stack(openbao(), Engine::Kv2).await }
}

mod openbao_kv1_plain {
    use super::*;
    secrets_backend::conformance_tests! { target: plain_stack(openbao(), Engine::Kv1).await }
}

mod vault_kv2_plain {
    use super::*;
    secrets_backend::conformance_tests! { target: plain_stack(vault(), Engine::Kv2).await }
}
