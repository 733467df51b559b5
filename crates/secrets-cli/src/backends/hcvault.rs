//! HashiCorp Vault and OpenBao: their fields in a configuration file, and what they become.

use std::path::PathBuf;
use std::time::Duration;

use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend, HcVaultConfig};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fields::{self, at};
use super::{Configured, HCVAULT};
use crate::config::Configuration;
use crate::config::schema::Backend;
use crate::failure::Failure;

mod auth;
mod elsewhere;

pub(super) use elsewhere::check as check_references;

/// The fields of `[backends.NAME]` with `type = "hcvault"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    address: String,
    mount: Option<String>,
    prefix: Option<String>,
    namespace: Option<String>,
    /// 1 or 2; without it the server is asked.
    engine: Option<u8>,
    max_versions: Option<u32>,
    ca_file: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    /// Seconds.
    timeout: Option<u32>,
    /// Seconds.
    connect_timeout: Option<u32>,
    auth: Option<Map<String, Value>>,
}

pub(super) fn check(name: &str, backend: &Backend) -> Result<(), Failure> {
    let fields: Fields = fields::read(name, backend)?;
    fields::check_prefix(name, fields.prefix.as_deref())?;
    fields.config(name, None)?.check().map_err(|invalid| at(name, &invalid))
}

pub(super) fn make(
    name: &str,
    backend: &Backend,
    configuration: &Configuration,
) -> Result<Configured, Failure> {
    let fields: Fields = fields::read(name, backend)?;
    let prefix = fields.prefix.clone().unwrap_or_default();
    let config = fields.config(name, Some(configuration))?;
    let whole = HcVaultBackend::new(config).map_err(|invalid| at(name, &invalid))?;
    let least_policy = Some(whole.least_policy(&prefix));
    let backend = fields::behind(name, &prefix, whole)?;
    Ok(Configured { kind: HCVAULT.to_owned(), backend, least_policy, about: None, writes: None })
}

impl Fields {
    /// With a configuration, a token that nothing names is looked for where Vault's own tools keep it.
    fn config(self, name: &str, configuration: Option<&Configuration>) -> Result<HcVaultConfig, Failure> {
        let auth = match self.auth {
            Some(fields) => auth::read(name, fields, configuration)?,
            None => usual_token(configuration),
        };
        let mut config = HcVaultConfig::new(self.address, auth);
        if let Some(mount) = self.mount {
            config.mount = mount;
        }
        config.namespace = self.namespace;
        config.engine = match self.engine {
            None => Engine::Detect,
            Some(1) => Engine::Kv1,
            Some(2) => Engine::Kv2,
            Some(_) => return Err(at(name, "engine: 1 or 2")),
        };
        config.max_versions = self.max_versions;
        config.tls.ca_file = self.ca_file;
        config.tls.client_certificate = self.client_certificate;
        config.tls.client_key = self.client_key;
        if let Some(seconds) = self.timeout {
            config.timeout = Duration::from_secs(seconds.into());
        }
        if let Some(seconds) = self.connect_timeout {
            config.connect_timeout = Duration::from_secs(seconds.into());
        }
        Ok(config)
    }
}

/// `VAULT_TOKEN`, else `~/.vault-token`. Whoever lacks both can still use the other backends, and see what this one needs.
fn usual_token(configuration: Option<&Configuration>) -> Auth {
    let usual = configuration.map(|configuration| &configuration.vault);
    let token = usual.and_then(|usual| usual.token.as_ref());
    let file = usual.and_then(|usual| usual.token_file.as_ref()).filter(|file| file.exists());
    Auth::Token(match (token, file) {
        (Some(token), _) => Credential::value(token.as_str()),
        (None, Some(file)) => Credential::file(file),
        (None, None) => Credential::missing("there is no token in VAULT_TOKEN nor in ~/.vault-token"),
    })
}
