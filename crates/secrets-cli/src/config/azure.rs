//! Azure without a configuration file: what Microsoft's own tools find in variables.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::Global;
use crate::environment::Environment;
use crate::failure::Failure;

/// "Environment variables" of the Azure Identity libraries; those of an App Service; those of a job of Azure Pipelines.
const NAMES: [&str; 13] = [
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_TENANT_ID",
    "AZURE_TOKEN_CREDENTIALS",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "SYSTEM_ACCESSTOKEN",
    "SYSTEM_OIDCREQUESTURI",
];

/// The variables that say who asks. `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct AzureVariables(BTreeMap<&'static str, Zeroizing<String>>);

impl AzureVariables {
    /// Looks at variables.
    #[must_use]
    pub fn find(environment: &Environment) -> Self {
        let set = |name| Some((name, Zeroizing::new(environment.text(name)?.to_owned())));
        Self(NAMES.into_iter().filter_map(set).collect())
    }

    /// What one of them says; one that is empty is not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.as_str()).filter(|text| !text.is_empty())
    }
}

impl std::fmt::Debug for AzureVariables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// The fields of a vault that flags and Azure's own variables name.
///
/// # Errors
/// Exit 2 where none names its address.
pub(super) fn typed(global: &Global, environment: &Environment) -> Result<Value, Failure> {
    let url = global.vault_url.as_deref().or_else(|| environment.text("AZURE_KEYVAULT_URL"));
    let url = url.ok_or_else(|| {
        Failure::usage("the backend `azure` has no vault")
            .hint("name it with `--vault-url`, in AZURE_KEYVAULT_URL, or in the configuration")
    })?;
    let mut fields = json!({ "vault_url": url });
    let flags =
        [("tenant_id", &global.tenant_id), ("client_id", &global.client_id), ("prefix", &global.name_prefix)];
    for (name, flag) in flags {
        if let Some(text) = flag {
            fields[name] = json!(text);
        }
    }
    Ok(fields)
}
