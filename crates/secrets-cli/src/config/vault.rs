//! HashiCorp Vault without a configuration file: where Vault's own tools keep things.

use std::path::PathBuf;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::Global;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;

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

/// The fields of a server that flags and Vault's own variables name.
///
/// # Errors
/// Exit 2 where none names its address.
pub(super) fn typed(global: &Global, environment: &Environment) -> Result<Value, Failure> {
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
            "other users of this machine can see a token in an argument; VAULT_TOKEN or a file hides it",
        );
        fields["auth"] = json!({ "method": "token", "token": token });
    }
    Ok(fields)
}
