//! Azure Key Vault: its fields in a configuration file, and what they become.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrets_backend_azure::{AzureBackend, AzureConfig, Cloud};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fields::{self, at};
use super::{AZURE, Configured};
use crate::config::Configuration;
use crate::config::azure::AzureVariables;
use crate::config::schema::Backend;
use crate::failure::Failure;

mod auth;

/// The fields of `[backends.NAME]` with `type = "azure"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    vault_url: String,
    prefix: Option<String>,
    tenant_id: Option<String>,
    client_id: Option<String>,
    /// `public`, `government` or `china`.
    cloud: Option<String>,
    authority: Option<String>,
    resource: Option<String>,
    ca_file: Option<PathBuf>,
    /// Host → `ADDRESS:PORT`.
    addresses: Option<BTreeMap<String, String>>,
    /// Seconds.
    timeout: Option<u32>,
    /// Seconds.
    connect_timeout: Option<u32>,
    /// Seconds.
    settle: Option<u32>,
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
    let config = fields.config(name, Some(&configuration.azure))?;
    // What the service does in its own time is looked at once more when that is over.
    let writes = Some(config.settle + config.timeout);
    let whole = AzureBackend::new(config).map_err(|invalid| at(name, &invalid))?;
    let least_policy = Some(whole.least_policy(&prefix));
    let backend = fields::behind(name, &prefix, whole)?;
    Ok(Configured { kind: AZURE.to_owned(), backend, least_policy, about: None, writes })
}

impl Fields {
    /// Without variables, the configuration is only checked: no file of its is read.
    fn config(self, name: &str, variables: Option<&AzureVariables>) -> Result<AzureConfig, Failure> {
        let none = AzureVariables::default();
        let login = auth::Login {
            name,
            tenant_id: self.tenant_id,
            client_id: self.client_id,
            variables: variables.unwrap_or(&none),
            is_checked_only: variables.is_none(),
        };
        let credentials = login.credentials(self.auth.unwrap_or_default())?;
        let mut config = AzureConfig::new(self.vault_url, credentials);
        config.cloud = match self.cloud.as_deref() {
            None | Some("public") => Cloud::Public,
            Some("government") => Cloud::Government,
            Some("china") => Cloud::China,
            Some(_) => return Err(at(name, "cloud: one of public, government, china")),
        };
        let of_variable = || variables.and_then(|set| set.get("AZURE_AUTHORITY_HOST")).map(str::to_owned);
        config.authority = self.authority.or_else(of_variable);
        config.resource = self.resource;
        if let (Some(file), Some(_)) = (self.ca_file, variables) {
            let read = std::fs::read_to_string(&file);
            let unread = |error| at(name, &format!("ca_file {}: {error}", file.display()));
            config.ca_pem = Some(read.map_err(unread)?);
        }
        for (host, address) in self.addresses.unwrap_or_default() {
            let parsed = address.parse();
            let parsed = parsed.map_err(|_| at(name, "addresses: HOST = \"ADDRESS:PORT\""))?;
            config.addresses.push((host, parsed));
        }
        for (limit, given) in [
            (&mut config.timeout, self.timeout),
            (&mut config.connect_timeout, self.connect_timeout),
            (&mut config.settle, self.settle),
        ] {
            if let Some(seconds) = given {
                *limit = Duration::from_secs(seconds.into());
            }
        }
        Ok(config)
    }
}
