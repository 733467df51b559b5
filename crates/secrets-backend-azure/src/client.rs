//! The client of one vault, made when it is first needed.

use std::sync::Arc;

use azure_core::http::{ClientOptions, RetryOptions};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use reqwest::Url;
use tokio::sync::Mutex;

use crate::config::AzureConfig;
use crate::credentials::{NoToken, Tokens};
use crate::failure::Failure;
use crate::wire::{Peer, Wire};

/// The client, and what it is made of.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    made: Mutex<Option<Made>>,
}

#[derive(Debug)]
struct Made {
    wire: Wire,
    tokens: Arc<Tokens>,
    /// None again where the vault refused its token.
    client: Option<Arc<Client>>,
}

/// Microsoft's client of a vault, and where that is.
pub(crate) struct Client {
    pub(crate) vault: Url,
    pub(crate) secrets: SecretClient,
    tokens: Arc<Tokens>,
}

impl Client {
    /// Sees to it that there is a token. Their client has its callers ask one after the other; here, those
    /// who wait for the same answer have it at once, also where it is none.
    pub(crate) async fn ready(&self) -> Result<(), NoToken> {
        self.tokens.ready().await
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("vault", &self.vault.as_str()).finish_non_exhaustive()
    }
}

impl Clients {
    /// The client, made by whoever needs it first. Nothing is contacted.
    pub(crate) async fn get(&self, config: &AzureConfig, vault: &Url) -> Result<Arc<Client>, Failure> {
        let mut made = self.made.lock().await;
        let made = match &mut *made {
            Some(made) => made,
            none => {
                let wire = Wire::new(config)?;
                let tokens = Arc::new(Tokens::new(config, wire.clone())?);
                none.insert(Made { wire, tokens, client: None })
            }
        };
        match &made.client {
            Some(client) => Ok(Arc::clone(client)),
            None => {
                let client = client(config, vault, &made.wire, Arc::clone(&made.tokens))?;
                Ok(Arc::clone(made.client.insert(Arc::new(client))))
            }
        }
    }

    /// The next call makes a client anew, with a token that nobody has refused yet. Of many callers whose
    /// token is refused at once the first does that; the others find its client. The connections are kept.
    pub(crate) async fn forget(&self, refused: &Arc<Client>) {
        if let Some(made) = &mut *self.made.lock().await
            && made.client.take_if(|client| Arc::ptr_eq(client, refused)).is_some()
        {
            made.tokens.forget();
        }
    }
}

fn client(config: &AzureConfig, vault: &Url, wire: &Wire, tokens: Arc<Tokens>) -> Result<Client, Failure> {
    let unusable = |_| Failure::invalid("vault_url: no client can be made of it");
    let options = SecretClientOptions {
        client_options: ClientOptions {
            transport: Some(wire.transport(Peer::Vault, vec![vault.clone()], config.resource())),
            // Retries are the caller's, who knows what may be repeated.
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        },
        // With a resource of its own the vault may be anywhere; the credential gives no token for another.
        verify_challenge_resource: Some(config.resource.is_none()),
        ..SecretClientOptions::default()
    };
    let secrets =
        SecretClient::new(vault.as_str(), Arc::clone(&tokens) as _, Some(options)).map_err(unusable)?;
    Ok(Client { vault: vault.clone(), secrets, tokens })
}
