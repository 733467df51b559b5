//! The life of a token: renewed in time, replaced when it ends, kept for the next process, and never shown.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{ErrorKind, MemoryBackend, NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend, HcVaultConfig, TokenCache};
use secrets_testkit::{Answer, Responder, openbao};
use serde_json::json;
use tokio::time::Instant;

use crate::admin::{Admin, admin_or_skip, everything, fresh};

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

/// A login by name and password that gives tokens of this life, in seconds.
async fn userpass(admin: &Admin, mount: &str, ttl: u32, max: u32) -> Auth {
    let (method, policy) = (fresh("userpass"), fresh("policy"));
    admin.done("POST", &format!("sys/policies/acl/{policy}"), json!({"policy": everything(mount)})).await;
    admin.done("POST", &format!("sys/auth/{method}"), json!({"type": "userpass"})).await;
    let user =
        json!({"password": "pa55word", "token_policies": [policy], "token_ttl": ttl, "token_max_ttl": max});
    admin.done("POST", &format!("auth/{method}/users/me"), user).await;
    Auth::Userpass { mount: method, username: "me".to_owned(), password: Credential::value("pa55word") }
}

/// Reads with 16 tasks for some seconds; answers how many reads there were. A failed read fails the test.
async fn read_for(backend: &Arc<HcVaultBackend>, length: Duration) -> usize {
    let end = Instant::now() + length;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let backend = Arc::clone(backend);
            tokio::spawn(async move {
                let mut reads = 0;
                while Instant::now() < end {
                    backend.get(&path("a"), None).await.unwrap();
                    reads += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                reads
            })
        })
        .collect();
    let mut reads = 0;
    for task in tasks {
        reads += task.await.unwrap();
    }
    reads
}

#[tokio::test]
async fn short_lived_tokens_fail_no_read_and_are_renewed_as_often_as_needed() {
    let seconds: u32 = std::env::var("SECRETS_TEST_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let Some(server) = secrets_testkit::Server::own(secrets_testkit::Product::OpenBao) else {
        return secrets_testkit::skip("the server whose log this test counts has no program");
    };
    let admin = Admin::of(Some(server)).unwrap();
    let mount = admin.mount(Engine::Kv2).await;
    let auth = userpass(&admin, &mount, 5, 12).await;
    let Auth::Userpass { mount: method, .. } = &auth else { unreachable!() };
    let login = format!("auth/{method}/login/me");
    let backend = Arc::new(HcVaultBackend::new(admin.config_with(&mount, auth.clone())).unwrap());
    admin.backend(&mount).put(&path("a"), &NewSecret::new("1"), &PutMode::Create).await.unwrap();
    let reads = read_for(&backend, Duration::from_secs(seconds.into())).await;
    let logged = |path| u32::try_from(admin.logged(path)).unwrap();
    let (logins, renewals) = (logged(&login), logged("auth/token/renew-self"));
    // A token lives 12 s: renewed at two thirds of 5 s, twice for 5 s and once for the rest, then replaced. A machine
    // that stands still for longer than a third of a lease replaces it sooner, so a short run allows a login each 5 s.
    let every = if seconds >= 60 { 10 } else { 5 };
    let most_logins = seconds / every + 1;
    assert!(logins >= 1 && logins <= most_logins, "{logins} logins in {seconds} s");
    assert!(renewals <= seconds * 3 / 10 + 1, "{renewals} renewals in {seconds} s");
    assert!(logins + renewals > seconds / 6, "{logins} logins and {renewals} renewals in {seconds} s");
    println!(
        "FIGURE: {reads} reads in {seconds} s by 16 readers, none failed; {logins} logins, {renewals} renewals"
    );
}

#[tokio::test]
async fn a_revoked_token_is_replaced_in_the_middle_of_a_batch() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    let auth = userpass(&admin, &mount, 600, 600).await;
    let Auth::Userpass { mount: method, .. } = &auth else { unreachable!() };
    let revoke = format!("sys/leases/revoke-prefix/auth/{method}/login");
    let backend = HcVaultBackend::new(admin.config_with(&mount, auth.clone())).unwrap();
    let paths: Vec<SecretPath> = (0..60).map(|n| path(&format!("s{n}"))).collect();
    for path in &paths {
        backend.put(path, &NewSecret::new("1"), &PutMode::Create).await.unwrap();
    }
    let (answers, ()) = tokio::join!(backend.get_many(&paths), async {
        admin.done("POST", &revoke, json!({})).await;
    });
    for answer in answers {
        answer.unwrap();
    }
    admin.done("POST", &revoke, json!({})).await;
    assert_eq!(backend.get(&path("s0"), None).await.unwrap().value.expose(), b"1");
}

#[tokio::test]
async fn a_given_token_that_ends_is_read_anew_from_its_file() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let first = admin.token(&everything(&mount), json!({})).await;
    std::fs::write(&file, format!("{first}\n")).unwrap();
    let backend =
        HcVaultBackend::new(admin.config_with(&mount, Auth::Token(Credential::file(&file)))).unwrap();
    backend.put(&path("a"), &NewSecret::new("1"), &PutMode::Create).await.unwrap();
    admin.done("POST", "auth/token/revoke", json!({"token": first})).await;
    let error = backend.get(&path("a"), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.detail().unwrap().starts_with("auth.token:"), "{error}");
    let second = admin.token(&everything(&mount), json!({})).await;
    std::fs::write(&file, &second).unwrap();
    assert_eq!(backend.get(&path("a"), None).await.unwrap().value.expose(), b"1");
}

#[tokio::test]
async fn a_token_is_kept_for_the_next_process_and_one_that_died_meanwhile_is_replaced() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    let auth = userpass(&admin, &mount, 600, 600).await;
    let kept = Arc::new(MemoryBackend::new());
    let process = || {
        let mut config = admin.config_with(&mount, auth.clone());
        config.cache = Some(TokenCache { backend: kept.clone(), path: path("hcvault/token") });
        HcVaultBackend::new(config).unwrap()
    };
    process().put(&path("a"), &NewSecret::new("1"), &PutMode::Create).await.unwrap();
    let first = kept.get(&path("hcvault/token"), None).await.unwrap();
    process().get(&path("a"), None).await.unwrap();
    let second = kept.get(&path("hcvault/token"), None).await.unwrap();
    assert_eq!(first.version, second.version, "the second process logged in for nothing");
    let Auth::Userpass { mount: method, .. } = &auth else { unreachable!() };
    admin.done("POST", &format!("sys/leases/revoke-prefix/auth/{method}/login"), json!({})).await;
    process().get(&path("a"), None).await.unwrap();
    let third = kept.get(&path("hcvault/token"), None).await.unwrap();
    assert_ne!(second.version, third.version, "a dead token was kept");
}

#[tokio::test]
async fn one_read_makes_one_call_and_constructing_makes_none() {
    let responder = Responder::start().unwrap();
    let version = json!({"version": 1, "created_time": "2026-01-01T00:00:00Z", "deletion_time": "",
        "destroyed": false, "custom_metadata": null});
    let body = json!({"request_id": "", "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": {"data": {"value": "x"}, "metadata": version}});
    responder.on("GET", "/v1/secret/data/", move |_| Answer::json(200, &body));
    let mut config = HcVaultConfig::new(responder.url(), Auth::Token(Credential::value("s.t")));
    config.engine = Engine::Kv2;
    let backend = HcVaultBackend::new(config).unwrap();
    assert!(responder.requests().is_empty());
    assert_eq!(backend.get(&path("a"), None).await.unwrap().value.expose(), b"x");
    let requests = responder.requests();
    assert_eq!(requests.len(), 1, "{:?}", requests.iter().map(|request| &request.path).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_shows_a_token_or_a_password() {
    let secrets = ["s.t0p-s3cret", "pa55w0rd"];
    for auth in [
        Auth::Token(Credential::value(secrets[0])),
        Auth::Userpass {
            mount: "userpass".to_owned(),
            username: "me".to_owned(),
            password: Credential::value(secrets[1]),
        },
    ] {
        let responder = Responder::start().unwrap();
        responder.on("GET", "/", |request| {
            let token = request.header("x-vault-token").unwrap_or_default().to_owned();
            Answer::json(400, &json!({"errors": [format!("quoted: {token}")]}))
        });
        responder.on("POST", "/", |request| {
            Answer::json(400, &json!({"errors": [format!("quoted: {}", request.json())]}))
        });
        let mut config = HcVaultConfig::new(responder.url(), auth);
        config.engine = Engine::Kv2;
        let shown = format!("{config:?}");
        let backend = HcVaultBackend::new(config).unwrap();
        let error = backend.get(&path("a"), None).await.unwrap_err();
        let mut texts = vec![shown, format!("{backend:?} {backend} {error:?} {error}")];
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            texts.push(format!("{inner} {inner:?}"));
            cause = inner.source();
        }
        for text in texts {
            assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
        }
    }
}
