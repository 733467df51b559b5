//! A server's administrator: mounts, policies, tokens, login methods.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend, HcVaultConfig};
use secrets_testkit::{Product, Server, skip};
use serde_json::{Value, json};

/// The root of a server, speaking its API without the crate under test.
pub(crate) struct Admin {
    pub(crate) server: Server,
    http: reqwest::Client,
    namespace: Option<String>,
}

/// Answers from the function with a loud skip where there is no such server.
macro_rules! admin_or_skip {
    ($server:expr) => {
        match $crate::admin::Admin::of($server) {
            Some(admin) => admin,
            None => return,
        }
    };
}
pub(crate) use admin_or_skip;

/// A name that no other test has.
pub(crate) fn fresh(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{what}-{}-{next}", std::process::id())
}

impl Admin {
    pub(crate) fn of(server: Option<Server>) -> Option<Self> {
        let Some(server) = server else {
            skip("the server of this test was not started");
            return None;
        };
        let tls = trusting(server.authority.as_deref().unwrap_or_default());
        let http = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls).build().unwrap();
        Some(Self { server, http, namespace: None })
    }

    /// The same inside a namespace.
    pub(crate) fn inside(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// A call as root; the status and, if it is JSON, the body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.call_as(&self.server.root_token, method, path, body).await
    }

    pub(crate) async fn call_as(&self, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.request(token, method, path);
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        answer(request).await
    }

    /// The token that wraps what a call as root would have answered.
    pub(crate) async fn wrapped(&self, path: &str) -> String {
        let request = self.request(&self.server.root_token, "POST", path).header("X-Vault-Wrap-TTL", "60s");
        let (_, answer) = answer(request).await;
        answer["wrap_info"]["token"].as_str().unwrap().to_owned()
    }

    fn request(&self, token: &str, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}/v1/{path}", self.server.address);
        let request = self.http.request(method, url).header("X-Vault-Token", token);
        match &self.namespace {
            Some(namespace) => request.header("X-Vault-Namespace", namespace),
            None => request,
        }
    }

    /// A server of the test's own, which logs each request; none, after a loud skip, where its program is not here.
    pub(crate) async fn own(product: Product) -> Option<Self> {
        let server = tokio::task::spawn_blocking(move || Server::own(product)).await.unwrap();
        let admin = Self::of(server)?;
        if product == Product::Vault {
            // OpenBao takes its log from its configuration alone, Vault by a call.
            let options = json!({"file_path": admin.server.audit_log()});
            admin.done("PUT", "sys/audit/requests", json!({"type": "file", "options": options})).await;
        }
        Some(admin)
    }

    /// How many requests to a path a server of the test's own has logged.
    pub(crate) fn logged(&self, path: &str) -> usize {
        self.requests(|entry| entry["request"]["path"] == path)
    }

    /// How many of the requests that it has logged are meant.
    pub(crate) fn requests(&self, is_meant: impl Fn(&Value) -> bool) -> usize {
        let text = std::fs::read_to_string(self.server.audit_log()).unwrap();
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries.filter(|entry| entry["type"] == "request" && is_meant(entry)).count()
    }

    /// Reads as root and looks at nothing but the length.
    pub(crate) async fn get_bytes(&self, path: String) -> usize {
        let url = format!("{}/v1/{path}", self.server.address);
        let request = self.http.get(url).header("X-Vault-Token", &*self.server.root_token);
        request.send().await.unwrap().bytes().await.unwrap().len()
    }

    /// A call as root that must succeed.
    pub(crate) async fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// A fresh mount of this KV version.
    pub(crate) async fn mount(&self, engine: Engine) -> String {
        let name = fresh("kv");
        let version = if engine == Engine::Kv1 { "1" } else { "2" };
        self.done(
            "POST",
            &format!("sys/mounts/{name}"),
            json!({"type": "kv", "options": {"version": version}}),
        )
        .await;
        if engine != Engine::Kv1 {
            // The engine gets ready in the background, and says so by refusing.
            for _ in 0..200 {
                let (status, _) = self.call("GET", &format!("{name}/config"), Value::Null).await;
                if status == 200 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            }
        }
        name
    }

    /// A token with this policy, and more of what a token may have.
    pub(crate) async fn token(&self, policy: &str, more: Value) -> String {
        let name = fresh("policy");
        self.done("POST", &format!("sys/policies/acl/{name}"), json!({ "policy": policy })).await;
        let mut body = json!({"policies": [name], "no_parent": true});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let made = self.done("POST", "auth/token/create", body).await;
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// A configuration for root on this mount.
    pub(crate) fn config(&self, mount: &str) -> HcVaultConfig {
        let mut config = self.config_with(mount, Auth::Token(Credential::value(&*self.server.root_token)));
        config.namespace.clone_from(&self.namespace);
        config
    }

    pub(crate) fn config_with(&self, mount: &str, auth: Auth) -> HcVaultConfig {
        let mut config = HcVaultConfig::new(&*self.server.address, auth);
        config.mount = mount.to_owned();
        config
    }

    /// A backend for root on this mount.
    pub(crate) fn backend(&self, mount: &str) -> HcVaultBackend {
        HcVaultBackend::new(self.config(mount)).unwrap()
    }
}

/// The status and, if it is JSON, the body.
async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// TLS that trusts this authority (PEM) and no other.
fn trusting(authority: &str) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A policy that allows everything below a mount.
pub(crate) fn everything(mount: &str) -> String {
    format!(
        "path \"{mount}/*\" {{ capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }}"
    )
}
