//! What a backend is told when it is made: which server, which part of it, and how to log in.

use std::path::PathBuf;
use std::time::Duration;

use secrets_backend::SecretPath;

use crate::auth::Auth;
use crate::session::TokenCache;
use crate::wire;

/// Which server, which part of it, and how to log in.
///
/// ```
/// use secrets_backend_hcvault::{Auth, Credential, HcVaultConfig};
///
/// let auth = Auth::Token(Credential::value("hvs.example"));
/// let mut config = HcVaultConfig::new("https://vault.example.org:8200", auth);
/// config.mount = "team/kv".to_owned();
/// config.namespace = Some("payments/staging".to_owned());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HcVaultConfig {
    /// Scheme, host and port of the server, and the path under which a proxy serves it, if any.
    pub address: String,
    /// How to get a token.
    pub auth: Auth,
    /// Where the KV engine is mounted, without `/` at its ends. Default: `secret`.
    pub mount: String,
    /// The version of the KV engine. Default: asked of the server, once.
    pub engine: Engine,
    /// The namespace (Vault Enterprise, OpenBao), such as `payments/staging`.
    pub namespace: Option<String>,
    /// Whom to trust, and who we are, on `https`.
    pub tls: Tls,
    /// How long a connection may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long a call may take, its connection included. Default: 10 s.
    pub timeout: Duration,
    /// How many calls of one batch or listing run at once. Default: 16.
    pub concurrency: usize,
    /// How many secrets a page of a listing holds at most. Default: 100.
    pub page_size: usize,
    /// How many versions of a secret the server is told to keep (KV version 2); what its mount says, by default.
    pub max_versions: Option<u32>,
    /// Where to keep the token for the next process; nowhere, by default.
    pub cache: Option<TokenCache>,
}

/// The version of the KV engine of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// Ask the server, once, before the first operation.
    #[default]
    Detect,
    /// One value per secret, no conditions.
    Kv1,
    /// Versions, conditional writes, recoverable deletes.
    Kv2,
}

/// Whom to trust, and who we are, on `https`. Nothing of it comes from the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// Certificates (PEM) of the authorities to trust, instead of those of the system.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, with its chain (PEM). Goes with `client_key`.
    pub client_certificate: Option<PathBuf>,
    /// Its private key (PEM, not encrypted).
    pub client_key: Option<PathBuf>,
}

/// Why a configuration cannot be used. It names the setting; nothing was contacted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct InvalidConfig {
    setting: &'static str,
    problem: String,
}

impl HcVaultConfig {
    /// The server at `address`, with a KV engine at `secret`.
    #[must_use]
    pub fn new(address: impl Into<String>, auth: Auth) -> Self {
        Self {
            address: address.into(),
            auth,
            mount: "secret".to_owned(),
            engine: Engine::Detect,
            namespace: None,
            tls: Tls::default(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            concurrency: 16,
            page_size: 100,
            max_versions: None,
            cache: None,
        }
    }

    /// Checks it without making a client: the system's authorities, some hundred certificates, are not read.
    ///
    /// # Errors
    /// [`InvalidConfig`], which names the setting.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let config = self.clone().checked()?;
        wire::check(&config)
    }

    /// Checks what can be checked without a server, and brings mount and namespace into one form.
    pub(crate) fn checked(mut self) -> Result<Self, InvalidConfig> {
        self.mount = segments("mount", &self.mount)?;
        self.namespace = self.namespace.as_deref().map(|text| segments("namespace", text)).transpose()?;
        if self.concurrency == 0 || self.page_size == 0 {
            return Err(InvalidConfig::new("concurrency", "concurrency and page size are at least 1"));
        }
        self.auth.check()?;
        Ok(self)
    }
}

impl InvalidConfig {
    pub(crate) fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }

    /// The setting that is wrong, such as `address`.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

/// Segments of letters, digits, `.`, `_` and `-`: `..`, `//` and `%2e` would lead to another part of the server.
pub(crate) fn segments(setting: &'static str, text: &str) -> Result<String, InvalidConfig> {
    let trimmed = text.trim_matches('/');
    SecretPath::native(trimmed)
        .map(|_| trimmed.to_owned())
        .map_err(|invalid| InvalidConfig::new(setting, invalid.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Credential;

    fn config() -> HcVaultConfig {
        HcVaultConfig::new("http://127.0.0.1:8200", Auth::Token(Credential::value("t")))
    }

    #[test]
    fn mounts_and_namespaces_lose_their_outer_slashes() {
        let mut config = config();
        config.mount = "/team/kv/".to_owned();
        config.namespace = Some("payments/".to_owned());
        let checked = config.checked().unwrap();
        assert_eq!((checked.mount.as_str(), checked.namespace.as_deref()), ("team/kv", Some("payments")));
    }

    #[test]
    fn what_leads_elsewhere_is_refused_by_its_setting() {
        for hostile in ["", "/", "..", "a/../sys", "a//b", "a%2fb", "a?b", "a#b", "a b", "a\nb"] {
            let mut mount = config();
            mount.mount = hostile.to_owned();
            assert_eq!(mount.checked().unwrap_err().setting(), "mount", "{hostile:?}");
            let mut namespace = config();
            namespace.namespace = Some(hostile.to_owned());
            assert_eq!(namespace.checked().unwrap_err().setting(), "namespace", "{hostile:?}");
        }
    }
}
