//! What servers were found to answer, and what becomes of it: the rows that are about more than one call.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{
    Error, ErrorKind, MemoryBackend, NewSecret, PutMode, SecretBackend, SecretBackendExt, SecretPath,
    Timestamp, VersionId, VersionState,
};
use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend, TokenCache};
use secrets_testkit::{Product, openbao, vault};
use serde_json::{Value, json};

use crate::admin::{Admin, admin_or_skip, everything, fresh};

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

fn servers() -> Vec<Admin> {
    [openbao(), vault()].into_iter().filter_map(Admin::of).collect()
}

fn error<T: std::fmt::Debug>(answer: Result<T, Error>, kind: ErrorKind, words: &str) -> Error {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.detail().unwrap_or_default().contains(words), "{error}");
    error
}

fn configured(admin: &Admin, mount: &str, engine: Engine) -> HcVaultBackend {
    let mut config = admin.config(mount);
    config.engine = engine;
    HcVaultBackend::new(config).unwrap()
}

#[tokio::test]
async fn a_version_that_was_never_written_and_a_folder_that_is_not_there_are_missing() {
    for admin in servers() {
        for engine in [Engine::Kv1, Engine::Kv2] {
            let mount = admin.mount(engine).await;
            let backend = admin.backend(&mount);
            backend.put(&path("a"), &NewSecret::new("1"), &PutMode::Upsert).await.unwrap();
            error(backend.get(&path("a"), Some(&VersionId::new("7"))).await, ErrorKind::NotFound, "");
            assert!(backend.list_all(Some(&path("none"))).await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn the_version_of_the_engine_is_detected_and_a_wrong_one_is_named_by_a_check() {
    for admin in servers() {
        for (there, other) in [(Engine::Kv1, Engine::Kv2), (Engine::Kv2, Engine::Kv1)] {
            let mount = admin.mount(there).await;
            let detected = admin.backend(&mount);
            detected.put(&path("a"), &NewSecret::new("1"), &PutMode::Upsert).await.unwrap();
            assert_eq!(detected.get(&path("a"), None).await.unwrap().value.expose(), b"1");
            configured(&admin, &mount, there).check().await.unwrap();
            error(configured(&admin, &mount, other).check().await, ErrorKind::InvalidInput, "engine:");
        }
    }
}

#[tokio::test]
async fn calls_of_version_2_find_nothing_in_a_mount_of_version_1_and_write_no_secret() {
    for admin in servers() {
        let mount = admin.mount(Engine::Kv1).await;
        let backend = configured(&admin, &mount, Engine::Kv2);
        // To the server it is one more name where there is nothing.
        error(backend.get(&path("a"), None).await, ErrorKind::NotFound, "");
        let write = backend.put(&path("a"), &NewSecret::new("1"), &PutMode::Upsert).await;
        error(write, ErrorKind::InvalidInput, "engine:");
    }
}

#[tokio::test]
async fn calls_of_version_1_on_a_mount_of_version_2_are_refused_by_name() {
    for admin in servers() {
        let mount = admin.mount(Engine::Kv2).await;
        let backend = configured(&admin, &mount, Engine::Kv1);
        error(backend.get(&path("a"), None).await, ErrorKind::InvalidInput, "engine:");
        let write = backend.put(&path("a"), &NewSecret::new("1"), &PutMode::Upsert).await;
        error(write, ErrorKind::InvalidInput, "engine:");
    }
}

#[tokio::test]
async fn a_mount_that_is_not_there_is_bad_input_to_root_and_denied_to_others() {
    for admin in servers() {
        let none = fresh("none");
        error(
            configured(&admin, &none, Engine::Kv2).get(&path("a"), None).await,
            ErrorKind::InvalidInput,
            "mount:",
        );
        let token = admin.token("path \"other/*\" { capabilities = [\"read\"] }", json!({})).await;
        for engine in [Engine::Kv2, Engine::Detect] {
            let mut config = admin.config_with(&none, Auth::Token(Credential::value(&*token)));
            config.engine = engine;
            let read = HcVaultBackend::new(config).unwrap().get(&path("a"), None).await;
            error(read, ErrorKind::PermissionDenied, "");
        }
    }
}

#[tokio::test]
async fn a_body_larger_than_the_server_takes_is_bad_input() {
    // Values are refused long before; what logs in is not ours to limit.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, vec![b'a'; 40 * 1024 * 1024]).unwrap();
    for admin in servers() {
        let method = fresh("userpass");
        admin.done("POST", &format!("sys/auth/{method}"), json!({"type": "userpass"})).await;
        let password = Credential::file(&file);
        let auth = Auth::Userpass { mount: method, username: "me".to_owned(), password };
        let backend = HcVaultBackend::new(admin.config_with("secret", auth)).unwrap();
        error(backend.get(&path("a"), None).await, ErrorKind::InvalidInput, "413");
    }
}

/// A login by name and password on a server of the test's own.
async fn userpass(admin: &Admin, mount: &str, more: Value) -> Auth {
    let (method, policy) = (fresh("userpass"), fresh("policy"));
    admin.done("POST", &format!("sys/policies/acl/{policy}"), json!({"policy": everything(mount)})).await;
    admin.done("POST", &format!("sys/auth/{method}"), json!({"type": "userpass"})).await;
    let mut user = json!({"password": "right", "token_policies": [policy]});
    user.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    admin.done("POST", &format!("auth/{method}/users/me"), user).await;
    Auth::Userpass { mount: method, username: "me".to_owned(), password: Credential::value("right") }
}

#[tokio::test]
async fn tokens_that_cannot_be_renewed_are_replaced_by_a_login() {
    let Some(admin) = Admin::own(Product::OpenBao).await else { return };
    let mount = admin.mount(Engine::Kv2).await;
    admin.backend(&mount).put(&path("a"), &NewSecret::new("1"), &PutMode::Create).await.unwrap();
    let auth = userpass(&admin, &mount, json!({"token_type": "batch", "token_ttl": 3})).await;
    let backend = HcVaultBackend::new(admin.config_with(&mount, auth.clone())).unwrap();
    backend.get(&path("a"), None).await.unwrap();
    // Past two thirds of its lease it is replaced, while it still works.
    tokio::time::sleep(Duration::from_millis(2_300)).await;
    backend.get(&path("a"), None).await.unwrap();
    let Auth::Userpass { mount: method, .. } = &auth else { unreachable!() };
    let login = format!("auth/{method}/login/me");
    let renew = "auth/token/renew-self";
    assert_eq!((admin.logged(&login), admin.logged(renew)), (2, 0), "it says that it cannot be renewed");

    // One that an earlier process took for renewable: the server refuses, and the next step is a login.
    let cache = Arc::new(MemoryBackend::new());
    let batch = admin.token(&everything(&mount), json!({"type": "batch", "ttl": "12s"})).await;
    let ends = Timestamp::now().as_millis() + 11_000;
    let kept = NewSecret::new(format!("{ends} 1 {batch}"));
    cache.put(&path("token"), &kept, &PutMode::Create).await.unwrap();
    let mut config = admin.config_with(&mount, auth);
    config.cache = Some(TokenCache { backend: cache, path: path("token") });
    let backend = HcVaultBackend::new(config).unwrap();
    backend.get(&path("a"), None).await.unwrap();
    assert_eq!(admin.logged(&login), 2, "the kept token is taken");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(8)).await;
    tokio::time::resume();
    backend.get(&path("a"), None).await.unwrap();
    assert_eq!((admin.logged(&login), admin.logged(renew)), (3, 1));
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back_if_the_server_does() {
    for product in [Product::OpenBao, Product::Vault] {
        let Some(admin) = Admin::own(product).await else { continue };
        let mount = admin.mount(Engine::Kv2).await;
        let backend = configured(&admin, &mount, Engine::Kv2);
        let quota = json!({"path": format!("{mount}/"), "rate": 1, "interval": "60s"});
        for says_when in [false, true] {
            let settings = json!({"enable_rate_limit_response_headers": says_when});
            admin.done("POST", "sys/quotas/config", settings).await;
            admin.done("POST", "sys/quotas/rate-limit/small", quota.clone()).await;
            let refused = loop {
                match backend.get(&path("a"), None).await.unwrap_err() {
                    missing if missing.kind() == ErrorKind::NotFound => {}
                    other => break other,
                }
            };
            assert_eq!(refused.kind(), ErrorKind::RateLimited, "{product:?}: {refused}");
            assert_eq!(refused.retry_after().is_some(), says_when, "{product:?}");
            assert!(refused.retry_after().is_none_or(|wait| wait <= Duration::from_secs(60)));
            admin.done("DELETE", "sys/quotas/rate-limit/small", Value::Null).await;
        }
    }
}

#[tokio::test]
async fn a_version_that_will_be_deleted_later_is_live_until_then() {
    for admin in servers() {
        let mount = admin.mount(Engine::Kv2).await;
        admin.done("POST", &format!("{mount}/config"), json!({"delete_version_after": "1h"})).await;
        let backend = admin.backend(&mount);
        let first = backend.put(&path("a"), &NewSecret::new("1"), &PutMode::Create).await.unwrap();
        let raw = admin.done("GET", &format!("{mount}/metadata/a"), Value::Null).await;
        assert_ne!(raw["data"]["versions"]["1"]["deletion_time"], "", "the server has set a time");
        assert_eq!(backend.get(&path("a"), None).await.unwrap().value.expose(), b"1");
        assert_eq!(backend.list_all(None).await.unwrap().len(), 1);
        assert_eq!(backend.versions(&path("a")).await.unwrap()[0].state, VersionState::Live);
        let again = backend.put(&path("a"), &NewSecret::new("2"), &PutMode::Create).await;
        error(again, ErrorKind::AlreadyExists, "");
        let next = PutMode::Replace(first.version.unwrap());
        backend.put(&path("a"), &NewSecret::new("2"), &next).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_server_deletes_without_a_word_is_missing_to_us() {
    for admin in servers() {
        let mount = admin.mount(Engine::Kv2).await;
        let backend = admin.backend(&mount);
        let versions = json!({"versions": [1]});
        let raw = [("DELETE", "data", Value::Null), ("POST", "undelete", versions)];
        for (method, kind, body) in raw {
            assert_eq!(admin.call(method, &format!("{mount}/{kind}/never"), body).await.0, 204);
        }
        error(backend.delete(&path("never")).await, ErrorKind::NotFound, "");
        error(backend.undelete(&path("never")).await, ErrorKind::NotFound, "");
        error(backend.purge(&path("never")).await, ErrorKind::NotFound, "");
    }
}

#[tokio::test]
async fn a_write_whose_number_is_taken_is_a_conflict_and_one_without_a_number_is_never_sent() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    admin.done("POST", &format!("{mount}/config"), json!({"cas_required": true})).await;
    let backend = admin.backend(&mount);
    let first = backend.put(&path("a"), &NewSecret::new("1"), &PutMode::Upsert).await.unwrap();
    let replace = PutMode::Replace(first.version.unwrap());
    backend.put(&path("a"), &NewSecret::new("2"), &replace).await.unwrap();
    error(backend.put(&path("a"), &NewSecret::new("3"), &replace).await, ErrorKind::Conflict, "");
    let create = backend.put(&path("a"), &NewSecret::new("3"), &PutMode::Create).await;
    error(create, ErrorKind::AlreadyExists, "");
    // What the server says to a program that sends no number.
    let (status, _) = admin.call("POST", &format!("{mount}/data/a"), json!({"data": {"value": "3"}})).await;
    assert_eq!(status, 400);
}
