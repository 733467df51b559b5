//! Methods that the server decides alone: a token, AppRole, a password, a signed token, a certificate.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use secrets_backend_hcvault::{Auth, Credential};
use secrets_testkit::{Answer, FaultProxy, Responder};
use serde_json::{Value, json};

use super::{Ground, Life, Ready};

impl Ready {
    /// A method whose logins are posts to `auth/<place>/<login>`, where wrong ones end as well.
    pub(super) fn new(ground: &Ground, place: &str, login: &str, policy: String, auths: [Auth; 2]) -> Self {
        let [right, wrong] = auths.map(|auth| ground.config(auth));
        let login = format!("auth/{place}/{login}");
        let revoke = (format!("sys/leases/revoke-prefix/auth/{place}/login"), json!({}));
        let refused = login.clone();
        Self { right, wrong, login, refused, policy, revoke, provider: None, _kept: Box::new(()) }
    }

    /// With what it asks behind a proxy, and what must live as long.
    pub(super) fn asking(self, provider: FaultProxy, kept: impl std::any::Any) -> Self {
        Self { provider: Some(provider), _kept: Box::new(kept), ..self }
    }
}

/// What a role, a user or a method says of the tokens that it gives.
pub(super) fn tokens(policy: &str, life: Life, more: Value) -> Value {
    let mut body = json!({"token_policies": [policy], "token_ttl": life.ttl, "token_max_ttl": life.max});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    body
}

pub(super) async fn token(ground: &Ground, life: Life) -> Option<Ready> {
    let policy = ground.policy().await;
    let body =
        json!({"policies": [policy], "no_parent": true, "ttl": life.ttl, "explicit_max_ttl": life.max});
    let made = ground.admin.done("POST", "auth/token/create", body).await;
    let token = made["auth"]["client_token"].as_str().unwrap();
    let auths = [token, "s.wrong"].map(|token| Auth::Token(Credential::value(token)));
    // Nothing is posted to this place: nobody logs in.
    let ready = Ready::new(ground, "token", "login", policy, auths);
    Some(Ready { revoke: ("auth/token/revoke".to_owned(), json!({ "token": token })), ..ready })
}

/// A role, and its id.
async fn role(ground: &Ground, place: &str, policy: &str, life: Life) -> (String, String) {
    let role = format!("auth/{place}/role/app");
    ground.admin.done("POST", &role, tokens(policy, life, json!({}))).await;
    let id = ground.admin.done("GET", &format!("{role}/role-id"), Value::Null).await;
    (role, id["data"]["role_id"].as_str().unwrap().to_owned())
}

pub(super) async fn app_role(ground: &Ground, life: Life) -> Option<Ready> {
    let (mount, policy) = (ground.enabled("approle").await, ground.policy().await);
    let (role, role_id) = role(ground, &mount, &policy, life).await;
    let made = ground.admin.done("POST", &format!("{role}/secret-id"), json!({})).await;
    let auths = [made["data"]["secret_id"].as_str().unwrap(), "wrong"].map(|secret_id| Auth::AppRole {
        mount: mount.clone(),
        role_id: role_id.clone(),
        secret_id: Credential::value(secret_id),
    });
    Some(Ready::new(ground, &mount, "login", policy, auths))
}

pub(super) async fn wrapped(ground: &Ground, life: Life) -> Option<Ready> {
    let (mount, policy) = (ground.enabled("approle").await, ground.policy().await);
    let (role, role_id) = role(ground, &mount, &policy, life).await;
    let wrapping_token = ground.admin.wrapped(&format!("{role}/secret-id")).await;
    let auths = [&*wrapping_token, "s.wrong"].map(|token| Auth::AppRoleWrapped {
        mount: mount.clone(),
        role_id: role_id.clone(),
        wrapping_token: Credential::value(token),
    });
    let ready = Ready::new(ground, &mount, "login", policy, auths);
    Some(Ready { refused: "sys/wrapping/unwrap".to_owned(), ..ready })
}

pub(super) async fn userpass(ground: &Ground, life: Life) -> Option<Ready> {
    let (mount, policy) = (ground.enabled("userpass").await, ground.policy().await);
    let user = tokens(&policy, life, json!({"password": "right"}));
    ground.admin.done("POST", &format!("auth/{mount}/users/me"), user).await;
    let auths = ["right", "wrong"].map(|password| Auth::Userpass {
        mount: mount.clone(),
        username: "me".to_owned(),
        password: Credential::value(password),
    });
    Some(Ready::new(ground, &mount, "login/me", policy, auths))
}

/// The server gets the keys of the identity provider from an address.
pub(super) async fn jwt(ground: &Ground, life: Life) -> Option<Ready> {
    let (mount, policy) = (ground.enabled("jwt").await, ground.policy().await);
    let [key, foreign] = [[7; 32], [8; 32]].map(|seed| SigningKey::from_bytes(&seed));
    let keys = Responder::start().unwrap();
    let public = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": public}]});
    keys.always("GET", "/keys", Answer::json(200, &set));
    let provider = FaultProxy::start(keys.addr()).unwrap();
    let settings =
        json!({"jwks_url": format!("http://{}/keys", provider.addr()), "jwt_supported_algs": ["EdDSA"]});
    ground.admin.done("POST", &format!("auth/{mount}/config"), settings).await;
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["secrets"]});
    ground.admin.done("POST", &format!("auth/{mount}/role/app"), tokens(&policy, life, role)).await;
    let claims = json!({"sub": "me", "aud": "secrets", "exp": 4_000_000_000_u64, "iat": 1_700_000_000});
    let auths = [&key, &foreign].map(|key| Auth::Jwt {
        mount: mount.clone(),
        role: Some("app".to_owned()),
        jwt: Credential::value(signed(key, &claims)),
    });
    Some(Ready::new(ground, &mount, "login", policy, auths).asking(provider, keys))
}

/// A token of these claims.
pub(crate) fn signed(key: &SigningKey, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({"alg": "EdDSA", "typ": "JWT"})), part(claims));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).to_bytes()))
}

/// A client's certificate that nobody signed but itself, and its key.
pub(crate) fn certificate_of_its_own(name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

pub(super) async fn certificate(ground: &Ground, life: Life) -> Option<Ready> {
    let (mount, policy) = (ground.enabled("cert").await, ground.policy().await);
    let [known, unknown] = ["app", "other"].map(certificate_of_its_own);
    let role = tokens(&policy, life, json!({ "certificate": known.0 }));
    ground.admin.done("POST", &format!("auth/{mount}/certs/app"), role).await;
    let auth = || Auth::Certificate { mount: mount.clone(), role: Some("app".to_owned()) };
    let mut ready = Ready::new(ground, &mount, "login", policy, [auth(), auth()]);
    for (config, (certificate, key), name) in
        [(&mut ready.right, known, "known"), (&mut ready.wrong, unknown, "unknown")]
    {
        let [pem, secret] =
            ["pem", "key"].map(|end| ground.directory.path().join(format!("{mount}-{name}.{end}")));
        std::fs::write(&pem, certificate).unwrap();
        std::fs::write(&secret, key).unwrap();
        config.tls.client_certificate = Some(pem);
        config.tls.client_key = Some(secret);
    }
    Some(ready)
}
