//! Who asks: where tokens come from, and that they are for Key Vault alone.

use std::fmt;
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use secrets_backend::SecretBytes;

use crate::config::{AzureConfig, InvalidConfig};
use crate::failure::Failure;
use crate::wire::{Fault, Peer};

/// Who asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// An application with a secret of its own.
    ClientSecret(ClientSecret),
}

/// An application with a secret of its own. `Debug` does not show the secret; it is wiped when dropped.
#[derive(Clone)]
pub struct ClientSecret {
    tenant_id: String,
    client_id: String,
    secret: Arc<SecretBytes>,
}

/// A credential that gives tokens for one resource and no other, whatever a challenge asks for.
#[derive(Debug)]
struct Pinned {
    scope: String,
    source: Arc<dyn TokenCredential>,
}

impl ClientSecret {
    /// The application `client_id` of a tenant.
    #[must_use]
    pub fn new(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        secret: impl Into<SecretBytes>,
    ) -> Self {
        Self { tenant_id: tenant_id.into(), client_id: client_id.into(), secret: Arc::new(secret.into()) }
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret")
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Checks what can be checked without asking anybody.
    pub(crate) fn check(&self) -> Result<(), InvalidConfig> {
        match self {
            Self::ClientSecret(given) => {
                name("tenant_id", &given.tenant_id)?;
                name("client_id", &given.client_id)?;
                let has_text = given.secret.expose_str().is_some_and(|text| !text.is_empty());
                if has_text { Ok(()) } else { Err(InvalidConfig::new("client_secret", "it is a text")) }
            }
        }
    }

    /// Who that is, for people.
    pub(crate) fn who(&self) -> String {
        match self {
            Self::ClientSecret(given) => format!("application {}", given.client_id),
        }
    }

    /// The credential of the Azure clients, for tokens of the configured resource.
    pub(crate) fn provider(
        &self,
        config: &AzureConfig,
        transport: Transport,
    ) -> Result<Arc<dyn TokenCredential>, Failure> {
        let unusable = |_| Failure::invalid("credentials: they cannot be used");
        let mut custom = CustomConfiguration::default();
        custom.authority_host = config.authority().map_err(|_| Failure::invalid("authority"))?.into();
        let client_options = ClientOptions {
            transport: Some(transport),
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(CloudConfiguration::Custom(custom))),
            ..ClientOptions::default()
        };
        let source: Arc<dyn TokenCredential> = match self {
            Self::ClientSecret(given) => {
                let secret = Secret::new(given.secret.expose_str().unwrap_or_default().to_owned());
                let options = Some(ClientSecretCredentialOptions { client_options });
                ClientSecretCredential::new(&given.tenant_id, given.client_id.clone(), secret, options)
                    .map_err(unusable)?
            }
        };
        Ok(Arc::new(Pinned { scope: format!("{}/.default", config.resource()), source }))
    }
}

#[async_trait::async_trait]
impl TokenCredential for Pinned {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if scopes != [self.scope.as_str()] {
            return Err(azure_core::Error::new(AzureErrorKind::Credential, Fault::elsewhere(Peer::Vault)));
        }
        self.source.get_token(scopes, options).await
    }
}

/// A part of a URL or a name: letters, digits, `.`, `_` and `-`.
fn name(setting: &'static str, text: &str) -> Result<(), InvalidConfig> {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_one) && !text.starts_with('.') {
        return Ok(());
    }
    Err(InvalidConfig::new(setting, "it has letters, digits, `.`, `_` and `-`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for hostile in ["", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\nb", "é"] {
            let tenant = Credentials::ClientSecret(ClientSecret::new(hostile, "client", "s"));
            assert_eq!(tenant.check().unwrap_err().setting(), "tenant_id", "{hostile:?}");
            let client = Credentials::ClientSecret(ClientSecret::new("tenant", hostile, "s"));
            assert_eq!(client.check().unwrap_err().setting(), "client_id", "{hostile:?}");
        }
        let empty = Credentials::ClientSecret(ClientSecret::new("tenant", "client", ""));
        assert_eq!(empty.check().unwrap_err().setting(), "client_secret");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let given = Credentials::ClientSecret(ClientSecret::new("tenant", "client", "pl4nted"));
        assert!(!format!("{given:?} {given:#?} {}", given.who()).contains("pl4nted"));
    }
}
