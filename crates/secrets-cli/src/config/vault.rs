//! HashiCorp Vault without a configuration file: flags, and where Vault's own tools keep things.

use std::path::PathBuf;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::schema::{Backend, Settings};
use crate::args::Global;
use crate::backends::HCVAULT;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;

/// The name of the backend that flags make.
const VAULT: &str = "vault";

/// The token that Vault's own tools would use.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct UsualToken {
    /// `VAULT_TOKEN`.
    pub token: Option<Zeroizing<String>>,
    /// `~/.vault-token`, whether it is there or not.
    pub token_file: Option<PathBuf>,
}

impl UsualToken {
    /// Looks at variables; reads no file.
    #[must_use]
    pub fn find(environment: &Environment) -> Self {
        Self {
            token: environment.text("VAULT_TOKEN").map(|token| Zeroizing::new(token.to_owned())),
            token_file: environment.path("HOME").map(|home| home.join(".vault-token")),
        }
    }
}

impl std::fmt::Debug for UsualToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UsualToken").field("token_file", &self.token_file).finish_non_exhaustive()
    }
}

/// The keys of an AWS identity, where AWS's own tools look first; nowhere else is looked.
#[derive(Clone)]
#[non_exhaustive]
pub struct UsualKeys {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Zeroizing<String>,
    /// `AWS_SESSION_TOKEN`, of temporary keys.
    pub session_token: Option<Zeroizing<String>>,
}

impl UsualKeys {
    /// Looks at variables; none where a key lacks its secret.
    #[must_use]
    pub fn find(environment: &Environment) -> Option<Self> {
        let secret = |name| environment.text(name).map(|text| Zeroizing::new(text.to_owned()));
        Some(Self {
            access_key_id: environment.text("AWS_ACCESS_KEY_ID")?.to_owned(),
            secret_access_key: secret("AWS_SECRET_ACCESS_KEY")?,
            session_token: secret("AWS_SESSION_TOKEN"),
        })
    }
}

impl std::fmt::Debug for UsualKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UsualKeys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Adds the backend `vault`, where the command line or the environment asks for one that no file defines.
///
/// # Errors
/// Exit 2 for a flag that goes with another backend, or an address that nothing names.
pub fn add_typed(settings: &mut Settings, global: &Global, environment: &Environment) -> Result<(), Failure> {
    let typed = global.vault_url.is_some() || global.token.is_some();
    if typed && settings.backend.is_none() {
        settings.backend = Some(VAULT.to_owned());
    }
    let asked = matches!(settings.backend_name(), VAULT | HCVAULT);
    if !asked || settings.backends.contains_key(settings.backend_name()) {
        if typed || global.no_seal {
            return Err(Failure::usage(
                "`--vault-url`, `--token` and `--no-seal` go with `--backend vault`, where no file defines it",
            ));
        }
        return Ok(());
    }
    let address =
        global.vault_url.as_deref().or_else(|| environment.text("VAULT_ADDR")).ok_or_else(|| {
            Failure::usage("the backend `vault` has no address")
                .hint("name it with `--vault-url`, in VAULT_ADDR, or in the configuration")
        })?;
    let mut fields = json!({ "address": address });
    if let Some(namespace) = environment.text("VAULT_NAMESPACE") {
        fields["namespace"] = json!(namespace);
    }
    if let Some(token) = &global.token {
        output::warn(
            "a token in an argument is seen by others on this machine; VAULT_TOKEN or a file is not",
        );
        fields["auth"] = json!({ "method": "token", "token": token });
    }
    let Value::Object(fields) = fields else { return Ok(()) };
    let seal = global.no_seal.then_some(false);
    let backend = Backend { kind: HCVAULT.to_owned(), seal, fields: fields.into_iter().collect() };
    settings.backends.insert(settings.backend_name().to_owned(), backend);
    Ok(())
}
