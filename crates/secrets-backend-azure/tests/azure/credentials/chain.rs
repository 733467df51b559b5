//! The default chain: its order, its memory, its time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrets_backend::{ErrorKind, PutMode, SecretBackend};
use secrets_backend_azure::{AppService, AzureBackend, AzureCli, Credentials, DefaultChain};
use secrets_testkit::azure::IssuerFault;
use secrets_testkit::{KeyVault, KeyVaultAccess};

use super::program::Program;
use super::{closed, with};
use crate::admin::{VAULT, asked, backend, config, kind, path, sealed};

/// A chain on one server, with its `az`.
struct Scene {
    server: KeyVault,
    access: KeyVaultAccess,
    az: Program,
}

impl Scene {
    fn new(az: Program) -> Self {
        let server = KeyVault::start().unwrap();
        let access = server.access(VAULT);
        Self { server, access, az }
    }

    /// All three, of which each would answer.
    fn chain(&self) -> DefaultChain {
        let mut chain = DefaultChain::default();
        chain.managed_identity.metadata_url = Some(format!("http://{}", self.server.identity_addr()));
        chain.azure_cli = self.cli();
        chain.environment = Some(Box::new(config(&self.access).credentials));
        chain
    }

    fn cli(&self) -> AzureCli {
        let mut cli = AzureCli::default();
        cli.path = self.az.path();
        cli
    }

    /// How often machine, program and issuer were asked; the machine also whether it is there.
    fn asked(&self) -> [usize; 3] {
        let calls = self.server.calls();
        let with = |part: &str| calls.iter().filter(|call| call.path.contains(part)).count();
        [with("/metadata/"), self.az.asked().len(), with("/oauth2/v2.0/token")]
    }

    /// The same with the endpoint of an App Service.
    fn app_service(&self) -> DefaultChain {
        let [(_, endpoint), (_, header)] = self.server.app_service();
        let mut chain = self.chain();
        chain.managed_identity.app_service = Some(AppService::new(endpoint, header));
        chain
    }

    fn backend(&self, chain: DefaultChain) -> AzureBackend {
        backend(with(&self.access, Credentials::Default(chain)))
    }
}

fn logged_in() -> Scene {
    let scene = Scene::new(Program::printing("az"));
    scene.az.login(&scene.server, &scene.access);
    scene
}

fn logged_out() -> Scene {
    Scene::new(Program::new("az", "exit 1"))
}

#[tokio::test]
async fn the_machine_comes_first_then_the_program_then_the_environment() {
    let scene = logged_in();
    let backend_of = |chain: DefaultChain| backend(with(&scene.access, Credentials::Default(chain)));
    let first = backend_of(scene.chain());
    assert_eq!(scene.asked(), [0, 0, 0], "making it asks nobody");
    first.check().await.unwrap();
    assert_eq!(scene.asked(), [2, 0, 0]);

    let mut elsewhere = scene.chain();
    elsewhere.managed_identity.metadata_url = Some(closed());
    backend_of(elsewhere.clone()).check().await.unwrap();
    assert_eq!(scene.asked(), [2, 1, 0]);

    elsewhere.azure_cli.path = Some("/nowhere".into());
    backend_of(elsewhere).check().await.unwrap();
    assert_eq!(scene.asked(), [2, 1, 1]);
}

#[tokio::test]
async fn who_answered_first_is_asked_from_then_on_and_nobody_else() {
    let scene = logged_out();
    scene.server.identity_fault(Some(IssuerFault::Status(500, String::new())));
    let backend = backend(with(&scene.access, Credentials::Default(scene.chain())));
    backend.check().await.unwrap();
    assert_eq!(scene.asked(), [2, 1, 1]);
    // The machine would answer now; but that would be somebody else.
    scene.server.identity_fault(None);
    for round in 2..5 {
        scene.server.revoke_tokens();
        backend.check().await.unwrap();
        assert_eq!(scene.asked(), [2, 1, round]);
    }
    scene.server.revoke_tokens();
    scene.server.change_secret(&scene.access, "another");
    let error = backend.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.to_string().contains("client secret: refused, AADSTS7000215"), "{error}");
    assert_eq!(scene.asked(), [2, 1, 5]);
}

#[tokio::test]
async fn a_machine_that_is_slow_is_waited_for_and_stays_who_this_is() {
    let scene = logged_in();
    scene.server.identity_fault(Some(IssuerFault::Slow(Duration::from_millis(1_500))));
    for (chain, endpoint) in [(scene.chain(), "/metadata/"), (scene.app_service(), "/msi/token")] {
        scene.server.forget_calls();
        let backend = scene.backend(chain);
        backend.check().await.unwrap();
        let asked = scene.server.calls().iter().filter(|call| call.path.contains(endpoint)).count();
        assert!(asked >= 1, "{:?}", scene.server.calls());
        assert_eq!(scene.asked()[1..], [0, 0], "nobody else was asked");
    }
}

#[tokio::test]
async fn a_machine_that_does_not_show_itself_gives_way_soon_and_one_that_was_told_does_not() {
    let scene = logged_in();
    scene.server.identity_fault(Some(IssuerFault::Hang));
    let started = Instant::now();
    scene.backend(scene.chain()).check().await.unwrap();
    let took = started.elapsed();
    assert!((Duration::from_millis(600)..Duration::from_secs(3)).contains(&took), "{took:?}");
    assert_eq!(scene.asked(), [1, 1, 0]);
    // Variables say that this endpoint is there; who else answers is somebody else.
    let started = Instant::now();
    let error = scene.backend(scene.app_service()).check().await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("the machine: no answer in time; "), "{error}");
    assert_eq!(scene.asked(), [1, 1, 0], "nobody is left the time to be asked");
}

#[tokio::test]
async fn a_machine_that_is_throttled_or_down_is_no_refusal_and_one_that_is_not_there_is_no_failure() {
    let scene = logged_out();
    let status = |status: u16| IssuerFault::Status(status, String::new());
    for (fault, expected, retry_after) in [
        (IssuerFault::Throttled(7), ErrorKind::RateLimited, Some(Duration::from_secs(7))),
        (status(410), ErrorKind::Unavailable, None),
        (status(500), ErrorKind::Unavailable, None),
        (status(503), ErrorKind::Unavailable, None),
        (status(404), ErrorKind::Unauthenticated, None),
        (status(400), ErrorKind::Unauthenticated, None),
        (IssuerFault::Hang, ErrorKind::Unauthenticated, None),
    ] {
        scene.server.identity_fault(Some(fault.clone()));
        let mut chain = scene.chain();
        chain.environment = None;
        let error = scene.backend(chain).check().await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (expected, retry_after), "{fault:?}: {error}");
    }
}

/// Nothing of it was sent to the vault, so there is nothing to look for there.
#[tokio::test]
async fn a_write_that_gets_no_token_is_not_looked_for() {
    let scene = Scene::new(Program::hanging("az"));
    scene.server.identity_fault(Some(IssuerFault::Hang));
    scene.server.issuer_fault(Some(IssuerFault::Hang));
    let backend = scene.backend(scene.chain());
    let started = Instant::now();
    let put = backend.put(&path("app/key"), &sealed(1, 7), &PutMode::Upsert).await;
    assert_eq!(kind(put), ErrorKind::TimedOut);
    assert!(started.elapsed() < Duration::from_millis(5_500), "{:?}", started.elapsed());
    assert_eq!(scene.asked(), [1, 1, 1], "one search");
    assert!(asked(&scene.server).is_empty());
}

#[tokio::test]
async fn a_chain_of_sources_that_hang_ends_within_five_seconds_for_all_callers() {
    let scene = Scene::new(Program::hanging("az"));
    scene.server.identity_fault(Some(IssuerFault::Hang));
    scene.server.issuer_fault(Some(IssuerFault::Hang));
    let backend = Arc::new(backend(with(&scene.access, Credentials::Default(scene.chain()))));
    let started = Instant::now();
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let backend = Arc::clone(&backend);
            tokio::spawn(async move { backend.check().await.unwrap_err() })
        })
        .collect();
    for caller in callers {
        let error = caller.await.unwrap();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{text}");
        assert!(
            text.contains("the machine: no answer in time; the login of az: no answer in time; "),
            "{text}"
        );
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    println!("FIGURE: three sources that hang cost 64 callers {:.1} s together", took.as_secs_f64());
    assert_eq!(scene.asked(), [1, 1, 1]);
    assert!(asked(&scene.server).is_empty());
    scene.az.is_gone();
}

#[tokio::test]
async fn a_chain_that_finds_nobody_says_where_it_looked() {
    let scene = logged_out();
    let mut chain = scene.chain();
    chain.managed_identity.metadata_url = Some(closed());
    chain.environment = None;
    let error = backend(with(&scene.access, Credentials::Default(chain))).check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let text = error.to_string();
    for part in
        ["managed identity: no connection", "Azure CLI: no login; run `az login`", "environment: not set"]
    {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn an_issuer_that_is_down_behind_a_chain_is_no_refusal() {
    let scene = logged_out();
    let mut chain = scene.chain();
    chain.managed_identity.metadata_url = Some(closed());
    scene.server.issuer_fault(Some(IssuerFault::Throttled(7)));
    let error = backend(with(&scene.access, Credentials::Default(chain))).check().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn a_program_is_run_once_for_64_callers_and_told_tenant_or_subscription() {
    for is_tenant in [true, false] {
        let scene = logged_in();
        let mut cli = scene.cli();
        let told = if is_tenant {
            cli.tenant_id = Some(scene.access.tenant_id.clone());
            format!("--tenant {}", scene.access.tenant_id)
        } else {
            cli.subscription = Some("Shop - test".to_owned());
            "--subscription Shop - test".to_owned()
        };
        let backend = Arc::new(backend(with(&scene.access, Credentials::AzureCli(cli))));
        let callers: Vec<_> = (0..64)
            .map(|_| {
                let backend = Arc::clone(&backend);
                tokio::spawn(async move { backend.check().await })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap().unwrap();
        }
        let expected =
            format!("account get-access-token -o json --scope https://vault.azure.net/.default {told}");
        assert_eq!(scene.az.asked(), [expected]);
    }
}
