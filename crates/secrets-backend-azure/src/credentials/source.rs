//! Asking one source for one token. What it takes is made for each time, so that nothing of Microsoft's keeps a token
//! that was refused.

use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, Secret, TokenCredential};
use azure_core::http::{ClientOptions, RetryOptions};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions,
};
use reqwest::Url;

use crate::config::AzureConfig;
use crate::credentials::certificate::Signed;
use crate::credentials::chain::Chain;
use crate::credentials::federated::{OfFile, OfJob};
use crate::credentials::given::Application;
use crate::credentials::no_token::NoToken;
use crate::credentials::{ClientSecret, Credentials, cli, machine};
use crate::failure::Failure;
use crate::wire::{Peer, Wire};

/// Where the tokens of a configuration come from.
#[derive(Debug)]
pub(super) enum Source {
    One(Credentials, Asker),
    Several(Chain, Asker),
}

/// What it takes to ask for a token.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) wire: Wire,
    /// Who issues them.
    authority: Url,
    /// For whom they are.
    pub(super) resource: String,
}

impl Source {
    pub(super) fn new(config: &AzureConfig, wire: Wire) -> Result<Self, Failure> {
        let authority = config.authority().map_err(|_| Failure::invalid("authority"))?;
        let asker = Asker { wire, authority, resource: config.resource() };
        Ok(match &config.credentials {
            Credentials::Default(chain) => Self::Several(Chain::new(chain), asker),
            one => Self::One(one.clone(), asker),
        })
    }

    pub(super) async fn token(&self, scope: &str) -> Result<AccessToken, NoToken> {
        match self {
            Self::One(one, asker) => asker.token(one, scope).await,
            Self::Several(chain, asker) => chain.token(asker, scope).await,
        }
    }
}

impl Asker {
    /// A token of this credential, asked for now.
    pub(super) async fn token(&self, of: &Credentials, scope: &str) -> Result<AccessToken, NoToken> {
        let (who, answer) = match of {
            Credentials::ClientSecret(given) => ("client secret", self.by_secret(given, scope).await),
            Credentials::ClientCertificate(given) => {
                let assertion = Signed::new(given, &self.authority);
                ("certificate", self.by_assertion(&given.application, assertion, scope).await)
            }
            Credentials::WorkloadIdentity(given) => {
                let assertion = OfFile::new(&given.token_file);
                ("workload identity", self.by_assertion(&given.application, assertion, scope).await)
            }
            Credentials::Pipelines(given) => {
                let assertion = OfJob::new(given, &self.wire);
                ("Azure Pipelines", self.by_assertion(&given.application, assertion, scope).await)
            }
            Credentials::ManagedIdentity(given) => {
                ("managed identity", machine::token(given, &self.wire, &self.resource).await)
            }
            Credentials::AzureCli(given) => ("Azure CLI", cli::azure(given, scope).await),
            Credentials::DeveloperCli(given) => ("Azure Developer CLI", cli::developer(given, scope).await),
            // `check` refuses one within another.
            Credentials::Default(_) => ("credentials", Err(NoToken::absent("a chain within a chain"))),
        };
        answer.map_err(|reason| reason.of_whom(who))
    }

    async fn by_secret(&self, given: &ClientSecret, scope: &str) -> Result<AccessToken, NoToken> {
        let Application { tenant_id, client_id } = &given.application;
        let secret = Secret::new(given.secret.expose_str().unwrap_or_default().to_owned());
        let options = ClientSecretCredentialOptions { client_options: self.options() };
        let made = ClientSecretCredential::new(tenant_id, client_id.clone(), secret, Some(options));
        let credential = made.map_err(|error| NoToken::of(&error))?;
        credential.get_token(&[scope], None).await.map_err(|error| NoToken::of(&error))
    }

    async fn by_assertion(
        &self,
        application: &Application,
        assertion: impl ClientAssertion + 'static,
        scope: &str,
    ) -> Result<AccessToken, NoToken> {
        let Application { tenant_id, client_id } = application.clone();
        let options = ClientAssertionCredentialOptions { client_options: self.options() };
        let made = ClientAssertionCredential::new(tenant_id, client_id, assertion, Some(options));
        let credential = made.map_err(|error| NoToken::of(&error))?;
        credential.get_token(&[scope], None).await.map_err(|error| NoToken::of(&error))
    }

    fn options(&self) -> ClientOptions {
        let mut custom = CustomConfiguration::default();
        custom.authority_host = self.authority.to_string();
        let to = vec![self.authority.clone()];
        ClientOptions {
            transport: Some(self.wire.transport(Peer::Source, to, self.resource.clone())),
            // Retries are the caller's.
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(CloudConfiguration::Custom(custom))),
            ..ClientOptions::default()
        }
    }
}
