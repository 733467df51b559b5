//! HashiCorp Vault and OpenBao: their fields in a configuration file, and what they become.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{PrefixBackend, SecretBackend, SecretPath};
use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend, HcVaultConfig};
use serde::Deserialize;

use super::{Configured, HCVAULT};
use crate::config::Configuration;
use crate::config::schema::Backend;
use crate::failure::Failure;

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
    auth: Option<AuthFields>,
}

/// The fields of `auth`, those of all methods together; which go with which is checked by [`AuthFields::auth`].
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthFields {
    method: Option<String>,
    mount: Option<String>,
    token: Option<String>,
    token_file: Option<PathBuf>,
    role_id: Option<String>,
    secret_id: Option<String>,
    secret_id_file: Option<PathBuf>,
    wrapping_token: Option<String>,
    wrapping_token_file: Option<PathBuf>,
    role: Option<String>,
    jwt: Option<String>,
    jwt_file: Option<PathBuf>,
    username: Option<String>,
    password: Option<String>,
    password_file: Option<PathBuf>,
}

/// Where Kubernetes puts the token of a pod's service account.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

pub(super) fn check(name: &str, backend: &Backend) -> Result<(), Failure> {
    let fields = fields(name, backend)?;
    // Something has to follow a prefix for it to make a name.
    let with_prefix = SecretPath::native(&format!("{}x", fields.prefix.as_deref().unwrap_or_default()));
    with_prefix.map_err(|invalid| at(name, &format!("prefix: {invalid}")))?;
    fields.config(name, None)?.check().map_err(|invalid| at(name, &invalid))
}

pub(super) fn make(
    name: &str,
    backend: &Backend,
    configuration: &Configuration,
) -> Result<Configured, Failure> {
    let fields = fields(name, backend)?;
    let prefix = fields.prefix.clone().unwrap_or_default();
    let config = fields.config(name, Some(configuration))?;
    let whole = HcVaultBackend::new(config).map_err(|invalid| at(name, &invalid))?;
    let least_policy = Some(whole.least_policy(&prefix));
    let backend: Arc<dyn SecretBackend> = if prefix.is_empty() {
        Arc::new(whole)
    } else {
        let part = PrefixBackend::new(whole, prefix);
        Arc::new(part.map_err(|invalid| at(name, &format!("prefix: {invalid}")))?)
    };
    Ok(Configured { kind: HCVAULT.to_owned(), backend, least_policy })
}

fn fields(name: &str, backend: &Backend) -> Result<Fields, Failure> {
    let object = serde_json::Value::Object(backend.fields.clone().into_iter().collect());
    // Its messages name fields and types; of a value they would show a part, so only the known ones are passed on.
    serde_json::from_value(object).map_err(|error| {
        let text = error.to_string();
        let known = ["unknown field", "missing field"].iter().any(|start| text.starts_with(start));
        at(name, if known { text.as_str() } else { "a field has a value of the wrong type" })
    })
}

fn at(name: &str, problem: &(impl std::fmt::Display + ?Sized)) -> Failure {
    Failure::config(format!("`backends.{name}`: {problem}"))
}

impl Fields {
    /// With a configuration, a token that nothing names is looked for where Vault's own tools keep it.
    fn config(self, name: &str, configuration: Option<&Configuration>) -> Result<HcVaultConfig, Failure> {
        let auth = match self.auth {
            Some(auth) => auth.auth(name)?,
            None => usual_token(name, configuration)?,
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

/// `VAULT_TOKEN`, else `~/.vault-token`.
fn usual_token(name: &str, configuration: Option<&Configuration>) -> Result<Auth, Failure> {
    let Some(configuration) = configuration else {
        return Ok(Auth::Token(Credential::value("checked without one")));
    };
    if let Some(token) = &configuration.vault.token {
        return Ok(Auth::Token(Credential::value(token.as_str())));
    }
    match &configuration.vault.token_file {
        Some(file) if file.exists() => Ok(Auth::Token(Credential::file(file))),
        _ => Err(at(name, "auth: there is no token in VAULT_TOKEN nor in ~/.vault-token")
            .hint(format!("log in with `vault login`, or add [backends.{name}.auth]"))),
    }
}

impl AuthFields {
    fn auth(mut self, name: &str) -> Result<Auth, Failure> {
        let method = self.method.take().unwrap_or_else(|| "token".to_owned());
        let mount = self.mount.take();
        let mount = |default: &str| mount.clone().unwrap_or_else(|| default.to_owned());
        let auth = match method.as_str() {
            "token" => {
                let (value, file) = (self.token.take(), self.token_file.take());
                Auth::Token(credential(name, "token", value, file)?)
            }
            "approle" if self.wrapping_token.is_some() || self.wrapping_token_file.is_some() => {
                let (value, file) = (self.wrapping_token.take(), self.wrapping_token_file.take());
                Auth::AppRoleWrapped {
                    mount: mount("approle"),
                    role_id: needed(name, "role_id", self.role_id.take())?,
                    wrapping_token: credential(name, "wrapping_token", value, file)?,
                }
            }
            "approle" => {
                let (value, file) = (self.secret_id.take(), self.secret_id_file.take());
                Auth::AppRole {
                    mount: mount("approle"),
                    role_id: needed(name, "role_id", self.role_id.take())?,
                    secret_id: credential(name, "secret_id", value, file)?,
                }
            }
            "kubernetes" => Auth::Kubernetes {
                mount: mount("kubernetes"),
                role: needed(name, "role", self.role.take())?,
                jwt: Credential::file(self.jwt_file.take().unwrap_or_else(|| POD_TOKEN.into())),
            },
            "ldap" => {
                let (username, password) = self.user(name)?;
                Auth::Ldap { mount: mount("ldap"), username, password }
            }
            "userpass" => {
                let (username, password) = self.user(name)?;
                Auth::Userpass { mount: mount("userpass"), username, password }
            }
            "jwt" => {
                let (value, file) = (self.jwt.take(), self.jwt_file.take());
                let jwt = credential(name, "jwt", value, file)?;
                Auth::Jwt { mount: mount("jwt"), role: self.role.take(), jwt }
            }
            "cert" => Auth::Certificate { mount: mount("cert"), role: self.role.take() },
            _ => {
                return Err(at(
                    name,
                    "auth.method: one of token, approle, kubernetes, ldap, userpass, jwt, cert",
                ));
            }
        };
        match self.left() {
            None => Ok(auth),
            Some(field) => Err(at(name, &format!("auth.{field}: does not go with the method `{method}`"))),
        }
    }

    fn user(&mut self, name: &str) -> Result<(String, Credential), Failure> {
        let username = needed(name, "username", self.username.take())?;
        let (value, file) = (self.password.take(), self.password_file.take());
        Ok((username, credential(name, "password", value, file)?))
    }

    /// A field that the method did not take.
    fn left(&self) -> Option<&'static str> {
        let fields = [
            ("token", self.token.is_some()),
            ("token_file", self.token_file.is_some()),
            ("role_id", self.role_id.is_some()),
            ("secret_id", self.secret_id.is_some()),
            ("secret_id_file", self.secret_id_file.is_some()),
            ("wrapping_token", self.wrapping_token.is_some()),
            ("wrapping_token_file", self.wrapping_token_file.is_some()),
            ("role", self.role.is_some()),
            ("jwt", self.jwt.is_some()),
            ("jwt_file", self.jwt_file.is_some()),
            ("username", self.username.is_some()),
            ("password", self.password.is_some()),
            ("password_file", self.password_file.is_some()),
        ];
        fields.into_iter().find_map(|(field, left)| left.then_some(field))
    }
}

fn needed(name: &str, field: &str, value: Option<String>) -> Result<String, Failure> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| at(name, &format!("auth.{field}: missing")))
}

/// The secret of a login: in the configuration, mostly by `${VAR}`, or in a file.
fn credential(
    name: &str,
    field: &str,
    value: Option<String>,
    file: Option<PathBuf>,
) -> Result<Credential, Failure> {
    match (value, file) {
        (Some(value), None) => Ok(Credential::value(value)),
        (None, Some(file)) => Ok(Credential::file(file)),
        (None, None) => Err(at(name, &format!("auth.{field}: missing; `auth.{field}_file` names a file"))),
        (Some(_), Some(_)) => Err(at(name, &format!("auth.{field}: also given as `auth.{field}_file`"))),
    }
}
