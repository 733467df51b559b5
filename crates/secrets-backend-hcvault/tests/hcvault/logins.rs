//! What only one login method has: where its secret comes from, what it names, what it takes.
//!
//! What all of them go through is in `matrix`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use secrets_backend::{Error, ErrorKind, MemoryBackend, NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend, HcVaultConfig};
use secrets_testkit::{Product, Server, TokenReviews, openbao, skip, vault};
use serde_json::{Value, json};

use crate::admin::{Admin, admin_or_skip, everything, fresh};
use crate::methods::set_up::{certificate_of_its_own, signed};

fn path() -> SecretPath {
    "a".parse().unwrap()
}

fn servers() -> Vec<Admin> {
    [openbao(), vault()].into_iter().filter_map(Admin::of).collect()
}

/// A method enabled at a fresh place, a mount with one secret, and a policy that allows it.
pub(crate) struct Place {
    mount: String,
    pub(crate) method: String,
    pub(crate) policy: String,
}

impl Place {
    pub(crate) async fn of(admin: &Admin, kind: &str) -> Self {
        let (mount, method, policy) = (admin.mount(Engine::Kv2).await, fresh(kind), fresh("policy"));
        admin.done("POST", &format!("sys/auth/{method}"), json!({ "type": kind })).await;
        admin
            .done("POST", &format!("sys/policies/acl/{policy}"), json!({"policy": everything(&mount)}))
            .await;
        let secret = NewSecret::new("found");
        admin.backend(&mount).put(&path(), &secret, &PutMode::Create).await.unwrap();
        Self { mount, method, policy }
    }
}

fn config(admin: &Admin, place: &Place, auth: Auth) -> HcVaultConfig {
    admin.config_with(&place.mount, auth)
}

pub(crate) async fn read(admin: &Admin, place: &Place, auth: Auth) -> Result<Vec<u8>, Error> {
    let backend = HcVaultBackend::new(config(admin, place, auth)).unwrap();
    backend.get(&path(), None).await.map(|secret| secret.value.expose().to_vec())
}

pub(crate) async fn assert_reads(admin: &Admin, place: &Place, auth: Auth) {
    assert_eq!(read(admin, place, auth).await.unwrap(), b"found");
}

pub(crate) async fn assert_refused(admin: &Admin, place: &Place, auth: Auth) {
    let error = read(admin, place, auth).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
}

fn userpass(place: &Place, username: &str, password: Credential) -> Auth {
    Auth::Userpass { mount: place.method.clone(), username: username.to_owned(), password }
}

#[tokio::test]
async fn userpass_works_and_refuses() {
    for admin in servers() {
        let place = Place::of(&admin, "userpass").await;
        let user = json!({"password": "right", "token_policies": [place.policy]});
        admin.done("POST", &format!("auth/{}/users/me", place.method), user).await;
        assert_reads(&admin, &place, userpass(&place, "me", Credential::value("right"))).await;
        assert_refused(&admin, &place, userpass(&place, "me", Credential::value("wrong"))).await;
        assert_refused(&admin, &place, userpass(&place, "nobody", Credential::value("right"))).await;
    }
}

#[tokio::test]
async fn the_secret_of_a_login_comes_from_a_file_or_another_backend() {
    let admin = admin_or_skip!(openbao());
    let place = Place::of(&admin, "userpass").await;
    let user = json!({"password": "right", "token_policies": [place.policy]});
    admin.done("POST", &format!("auth/{}/users/me", place.method), user).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "right\n").unwrap();
    assert_reads(&admin, &place, userpass(&place, "me", Credential::file(file))).await;
    let other = Arc::new(MemoryBackend::new());
    let from = || Credential::backend(other.clone(), "vault/password".parse().unwrap());
    let error = read(&admin, &place, userpass(&place, "me", from())).await.unwrap_err();
    // Of the secret that is asked for it says nothing.
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.detail().unwrap().starts_with("auth.password:"), "{error}");
    let secret = NewSecret::new("right");
    other.put(&"vault/password".parse().unwrap(), &secret, &PutMode::Create).await.unwrap();
    assert_reads(&admin, &place, userpass(&place, "me", from())).await;
}

#[tokio::test]
async fn a_login_method_that_is_not_there_is_named_by_its_setting() {
    for admin in servers() {
        let place = Place::of(&admin, "userpass").await;
        let auth = Auth::Userpass {
            mount: fresh("none"),
            username: "me".to_owned(),
            password: Credential::value("x"),
        };
        let error = read(&admin, &place, auth).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unauthenticated), "{error}");
        assert!(error.detail().unwrap().contains("auth"), "{error}");
    }
}

async fn role(admin: &Admin, place: &Place) -> (String, String) {
    let at = format!("auth/{}/role/app", place.method);
    admin.done("POST", &at, json!({"token_policies": [place.policy]})).await;
    let id = admin.done("GET", &format!("{at}/role-id"), Value::Null).await;
    (at, id["data"]["role_id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn app_role_works_and_refuses() {
    for admin in servers() {
        let place = Place::of(&admin, "approle").await;
        let (at, role_id) = role(&admin, &place).await;
        let made = admin.done("POST", &format!("{at}/secret-id"), json!({})).await;
        let secret_id = made["data"]["secret_id"].as_str().unwrap();
        let auth = |secret_id: &str| Auth::AppRole {
            mount: place.method.clone(),
            role_id: role_id.clone(),
            secret_id: Credential::value(secret_id),
        };
        assert_reads(&admin, &place, auth(secret_id)).await;
        assert_refused(&admin, &place, auth("wrong")).await;
        admin.done("POST", &format!("{at}/secret-id/destroy"), json!({ "secret_id": secret_id })).await;
        assert_refused(&admin, &place, auth(secret_id)).await;
    }
}

#[tokio::test]
async fn a_wrapped_secret_id_is_unwrapped_once_and_kept() {
    for admin in servers() {
        let place = Place::of(&admin, "approle").await;
        let (at, role_id) = role(&admin, &place).await;
        let wrapping_token = admin.wrapped(&format!("{at}/secret-id")).await;
        let auth = Auth::AppRoleWrapped {
            mount: place.method.clone(),
            role_id,
            wrapping_token: Credential::value(&*wrapping_token),
        };
        let backend = HcVaultBackend::new(config(&admin, &place, auth.clone())).unwrap();
        backend.get(&path(), None).await.unwrap();
        // The token dies, and the secret id is still known.
        let revoke = format!("sys/leases/revoke-prefix/auth/{}/login", place.method);
        admin.done("POST", &revoke, json!({})).await;
        backend.get(&path(), None).await.unwrap();
        let error = read(&admin, &place, auth).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.detail().unwrap().starts_with("auth.wrapping_token:"), "{error}");
    }
}

/// A key that signs tokens, its public half as PEM.
fn jwt_key() -> (SigningKey, String) {
    let key = SigningKey::from_bytes(&[7; 32]);
    // SubjectPublicKeyInfo of an Ed25519 key (RFC 8410).
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend_from_slice(key.verifying_key().as_bytes());
    let text = STANDARD.encode(der);
    (key, format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"))
}

#[tokio::test]
async fn a_signed_token_works_and_one_that_ended_or_is_foreign_does_not() {
    let admin = admin_or_skip!(openbao());
    let place = Place::of(&admin, "jwt").await;
    let (key, public) = jwt_key();
    let at = |what: &str| format!("auth/{}/{what}", place.method);
    let settings =
        json!({"jwt_validation_pubkeys": [public], "jwt_supported_algs": ["EdDSA"], "default_role": "app"});
    admin.done("POST", &at("config"), settings).await;
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["secrets"],
        "token_policies": [place.policy]});
    admin.done("POST", &at("role/app"), role).await;
    let auth = |role: Option<&str>, text: String| Auth::Jwt {
        mount: place.method.clone(),
        role: role.map(str::to_owned),
        jwt: Credential::value(text),
    };
    let good = json!({"sub": "me", "aud": "secrets", "exp": 4_000_000_000_u64, "iat": 1_700_000_000});
    assert_reads(&admin, &place, auth(Some("app"), signed(&key, &good))).await;
    assert_reads(&admin, &place, auth(None, signed(&key, &good))).await;
    let ended = json!({"sub": "me", "aud": "secrets", "exp": 1_700_000_100, "iat": 1_700_000_000});
    assert_refused(&admin, &place, auth(Some("app"), signed(&key, &ended))).await;
    let foreign = SigningKey::from_bytes(&[8; 32]);
    assert_refused(&admin, &place, auth(Some("app"), signed(&foreign, &good))).await;
}

#[tokio::test]
async fn a_service_account_works_and_its_file_is_read_anew() {
    for admin in servers() {
        let place = Place::of(&admin, "kubernetes").await;
        let cluster = TokenReviews::start().unwrap();
        let settings = json!({"kubernetes_host": cluster.responder().url(),
            "kubernetes_ca_cert": cluster.responder().authority(),
            "token_reviewer_jwt": cluster.token("kube-system", "reviewer"), "disable_local_ca_jwt": true});
        admin.done("POST", &format!("auth/{}/config", place.method), settings).await;
        let role = json!({"bound_service_account_names": "app", "bound_service_account_namespaces": "shop",
            "audience": "https://kubernetes.default.svc", "token_policies": [place.policy]});
        admin.done("POST", &format!("auth/{}/role/app", place.method), role).await;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        let auth = || Auth::Kubernetes {
            mount: place.method.clone(),
            role: "app".to_owned(),
            jwt: Credential::file(&file),
        };
        std::fs::write(&file, cluster.token("shop", "other")).unwrap();
        let backend = HcVaultBackend::new(config(&admin, &place, auth())).unwrap();
        let refused = backend.get(&path(), None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{refused}");
        let good = cluster.token("shop", "app");
        std::fs::write(&file, &good).unwrap();
        // A login that was refused just now is not sent again.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        assert_eq!(backend.get(&path(), None).await.unwrap().value.expose(), b"found");
        cluster.revoke(&good);
        assert_refused(&admin, &place, auth()).await;
    }
}

#[tokio::test]
async fn a_certificate_works_and_none_does_not() {
    let Some(server) = Server::own(Product::OpenBaoTls) else {
        return skip("the server with TLS that this test needs has no program");
    };
    let directory = tempfile::tempdir().unwrap();
    let files = ["ca.pem", "client.pem", "client.key"].map(|name| directory.path().join(name));
    std::fs::write(&files[0], server.authority.as_deref().unwrap()).unwrap();
    let (certificate, key) = certificate_of_its_own("app");
    std::fs::write(&files[1], &certificate).unwrap();
    std::fs::write(&files[2], key).unwrap();
    let admin = Admin::of(Some(server)).unwrap();
    let trusting = |auth: Auth, with_certificate: bool| {
        let mut config = admin.config_with("secret", auth);
        config.tls.ca_file = Some(files[0].clone());
        if with_certificate {
            config.tls.client_certificate = Some(files[1].clone());
            config.tls.client_key = Some(files[2].clone());
        }
        HcVaultBackend::new(config).unwrap()
    };
    let root = trusting(Auth::Token(Credential::value(&*admin.server.root_token)), false);
    root.put(&path(), &NewSecret::new("found"), &PutMode::Create).await.unwrap();
    admin.done("POST", "sys/policies/acl/app", json!({"policy": everything("secret")})).await;
    admin.done("POST", "sys/auth/cert", json!({"type": "cert"})).await;
    let role = json!({"certificate": certificate, "token_policies": ["app"]});
    admin.done("POST", "auth/cert/certs/app", role).await;
    for role in [None, Some("app".to_owned())] {
        let auth = Auth::Certificate { mount: "cert".to_owned(), role };
        let found = trusting(auth.clone(), true).get(&path(), None).await.unwrap();
        assert_eq!(found.value.expose(), b"found");
        let refused = trusting(auth, false).get(&path(), None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{refused}");
    }
}
