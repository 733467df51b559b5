//! The calls of the service that are used, each with what its errors mean wherever it is used.

use std::sync::Arc;

use azure_core::http::pager::PagerContinuation;
use azure_core::http::{Body, RequestContent};
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_secrets::models::{
    DeletedSecret, ListSecretPropertiesResult, Secret as Bundle, SecretAttributes,
    SecretClientGetSecretOptions, SecretClientListSecretPropertiesOptions,
    SecretClientListSecretPropertiesVersionsOptions, SecretProperties, SetSecretParameters,
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use reqwest::Url;
use secrets_backend::{ErrorKind, Timestamp};
use tokio::time::{Instant, timeout_at};

use crate::client::{Client, Clients};
use crate::config::AzureConfig;
use crate::failure::{Effect, Failure};
use crate::names::Name;
use crate::wire;

/// The service, and the one client of it.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) config: AzureConfig,
    /// The vault of it: scheme, host and port.
    pub(crate) vault: Url,
    clients: Clients,
}

/// How many empty pages a listing may begin with.
const MAX_EMPTY: usize = 20;

/// Where a listing goes on: an address that the vault gave, at the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Next(Url);

/// A part of a listing.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) items: Vec<SecretProperties>,
    pub(crate) next: Option<Next>,
}

/// Whether the service lets a secret be removed before its retention ends; it does not say where it does not
/// know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purge {
    Allowed,
    Protected,
}

impl Api {
    pub(crate) fn new(config: AzureConfig, vault: Url) -> Self {
        Self { config, vault, clients: Clients::default() }
    }

    /// A call of the service, made once more with a new token where the vault refused the one it was made with.
    ///
    /// The vault checks that before anything else, so such a call has changed nothing.
    async fn call<T, F>(&self, effect: Effect, send: impl Fn(Arc<Client>) -> F + Send) -> Result<T, Failure>
    where
        F: Future<Output = azure_core::Result<T>> + Send,
    {
        let client = self.clients.get(&self.config, &self.vault).await?;
        let failure = match self.once(effect, &client, send(Arc::clone(&client))).await {
            Err(failure) if failure.is_of_token => failure,
            answer => return answer,
        };
        tracing::debug!("the vault refused the token: {:?}", failure.kind);
        self.clients.forget(&client).await;
        let client = self.clients.get(&self.config, &self.vault).await?;
        self.once(effect, &client, send(Arc::clone(&client))).await
    }

    /// One call, its token included, within its time.
    async fn once<T>(
        &self,
        effect: Effect,
        client: &Client,
        call: impl Future<Output = azure_core::Result<T>> + Send,
    ) -> Result<T, Failure> {
        let end = Instant::now() + self.config.timeout;
        match timeout_at(end, client.ready()).await {
            Ok(ready) => ready.map_err(|reason| Failure::of_source(&reason))?,
            Err(_elapsed) => return Err(Failure::late().unsent()),
        }
        match timeout_at(end, call).await {
            Ok(answer) => answer.map_err(|error| Failure::of_call(&error, effect)),
            Err(_elapsed) => Err(Failure::late()),
        }
    }

    /// The current version of a secret, or the one of this id, with its value.
    pub(crate) async fn get(&self, name: &Name, version: Option<&str>) -> Result<Bundle, Failure> {
        let get = |client: Arc<Client>| {
            let (name, version) = (name.clone(), version.map(str::to_owned));
            async move {
                let options = SecretClientGetSecretOptions { secret_version: version, ..Default::default() };
                client.secrets.get_secret(name.as_str(), Some(options)).await?.into_model()
            }
        };
        self.call(Effect::None, get).await
    }

    /// Makes a version of a secret; its id.
    pub(crate) async fn set(&self, name: &Name, body: &Bytes) -> Result<String, Failure> {
        let set = |client: Arc<Client>| {
            let (name, body) = (name.clone(), body.clone());
            async move {
                let content: RequestContent<SetSecretParameters> = Body::Bytes(body).into();
                client.secrets.set_secret(name.as_str(), content, None).await?.into_model()
            }
        };
        let made = self.call(Effect::Write, set).await?;
        // A reply about another secret does not tell what became of ours.
        version_of(name, made.id.as_deref()).map_err(|failure| failure.or(ErrorKind::TimedOut))
    }

    /// Begins a deletion.
    pub(crate) async fn delete(&self, name: &Name) -> Result<(), Failure> {
        let delete = |client: Arc<Client>| {
            let name = name.clone();
            async move { client.secrets.delete_secret(name.as_str(), None).await }
        };
        self.call(Effect::Write, delete).await.map(drop)
    }

    /// Begins a recovery.
    pub(crate) async fn recover(&self, name: &Name) -> Result<(), Failure> {
        let recover = |client: Arc<Client>| {
            let name = name.clone();
            async move { client.secrets.recover_deleted_secret(name.as_str(), None).await }
        };
        self.call(Effect::Write, recover).await.map(drop)
    }

    /// Begins to remove a deleted secret for good.
    pub(crate) async fn purge(&self, name: &Name) -> Result<(), Failure> {
        let purge = |client: Arc<Client>| {
            let name = name.clone();
            async move { client.secrets.purge_deleted_secret(name.as_str(), None).await }
        };
        self.call(Effect::Write, purge).await.map(drop)
    }

    /// Whether there is a deleted secret of this name, and whether it may be removed; none where there is no
    /// such.
    pub(crate) async fn deleted(&self, name: &Name) -> Result<Option<Purge>, Failure> {
        let deleted = |client: Arc<Client>| {
            let name = name.clone();
            async move { client.secrets.get_deleted_secret(name.as_str(), None).await?.into_model() }
        };
        match self.call(Effect::None, deleted).await {
            Ok(DeletedSecret { attributes, .. }) => Ok(Some(Purge::of(attributes.as_ref()))),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The same for a secret that is not deleted. Its value is not read.
    pub(crate) async fn live(&self, name: &Name) -> Result<Option<Purge>, Failure> {
        let mut next = None;
        for _ in 0..MAX_EMPTY {
            let Some(part) = self.versions(name, next.as_ref(), 1).await? else { return Ok(None) };
            match (part.items.first(), part.next) {
                (Some(item), _) => return Ok(Some(Purge::of(item.attributes.as_ref()))),
                (None, None) => return Ok(None),
                // A page may be empty before the last.
                (None, more) => next = more,
            }
        }
        Err(Failure::damaged(Effect::None))
    }

    /// A part of the versions of a secret; none where there is no such secret.
    pub(crate) async fn versions(
        &self,
        name: &Name,
        next: Option<&Next>,
        limit: u8,
    ) -> Result<Option<Part>, Failure> {
        let list = |client: Arc<Client>| {
            let (name, next) = (name.clone(), next.cloned());
            async move {
                let mut options = SecretClientListSecretPropertiesVersionsOptions {
                    maxresults: Some(limit.into()),
                    ..Default::default()
                };
                options.method_options.continuation = next.map(Next::continuation);
                let pager = client.secrets.list_secret_properties_versions(name.as_str(), Some(options))?;
                part(&client, pager.into_pages().try_next().await?.map(|page| page.into_model()).transpose()?)
            }
        };
        match self.call(Effect::None, list).await {
            Ok(part) => part.map(Some),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A part of the secrets of the vault, those that are deleted left out.
    pub(crate) async fn list(&self, next: Option<&Next>, limit: u8) -> Result<Part, Failure> {
        let list = |client: Arc<Client>| {
            let next = next.cloned();
            async move {
                let mut options = SecretClientListSecretPropertiesOptions {
                    maxresults: Some(limit.into()),
                    ..Default::default()
                };
                options.method_options.continuation = next.map(Next::continuation);
                let pager = client.secrets.list_secret_properties(Some(options))?;
                part(&client, pager.into_pages().try_next().await?.map(|page| page.into_model()).transpose()?)
            }
        };
        self.call(Effect::None, list).await?
    }
}

impl Next {
    /// A token of ours; none where it is no address at this vault.
    pub(crate) fn read(text: &str, vault: &Url) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        wire::is_at(&url, vault).then_some(Self(url))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    fn continuation(self) -> PagerContinuation {
        PagerContinuation::Link(self.0)
    }
}

impl Purge {
    /// REST reference, `DeletionRecoveryLevel`: where it contains `Purgeable`, a secret can be removed by a
    /// user.
    fn of(attributes: Option<&SecretAttributes>) -> Self {
        let level = attributes.and_then(|attributes| attributes.recovery_level.as_ref());
        match level {
            Some(level) if !level.as_ref().contains("Purgeable") => Self::Protected,
            _ => Self::Allowed,
        }
    }
}

/// A page as the vault gave it. What it says to go on with is kept only where that is at the vault itself.
fn part(
    client: &Client,
    page: Option<ListSecretPropertiesResult>,
) -> azure_core::Result<Result<Part, Failure>> {
    let Some(page) = page else { return Ok(Err(Failure::damaged(Effect::None))) };
    let next = match page.next_link.filter(|link| !link.is_empty()) {
        None => None,
        Some(link) => {
            match client.vault.join(&link).ok().and_then(|url| Next::read(url.as_str(), &client.vault)) {
                Some(next) => Some(next),
                None => return Ok(Err(Failure::elsewhere())),
            }
        }
    };
    Ok(Ok(Part { items: page.value, next }))
}

/// The version that a reply is about; an error where it is about another secret.
pub(crate) fn version_of(name: &Name, id: Option<&str>) -> Result<String, Failure> {
    let damaged = || Failure::damaged(Effect::None);
    let url = Url::parse(id.ok_or_else(damaged)?).map_err(|_| damaged())?;
    let mut segments = url.path_segments().ok_or_else(damaged)?;
    let (kind, found, version) = (segments.next(), segments.next(), segments.next());
    let version = version.filter(|version| is_version(version)).ok_or_else(damaged)?;
    if kind == Some("secrets") && found.is_some_and(|found| found.eq_ignore_ascii_case(name.as_str())) {
        return Ok(version.to_ascii_lowercase());
    }
    Err(Failure::elsewhere())
}

/// The name that an id of a listing has.
pub(crate) fn name_of(id: &str) -> Option<String> {
    let url = Url::parse(id).ok()?;
    let mut segments = url.path_segments()?;
    (segments.next()? == "secrets").then_some(())?;
    segments.next().map(str::to_ascii_lowercase)
}

/// REST reference, "Object identifiers": a version is a string of 32 characters, hexadecimal ones.
pub(crate) fn is_version(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(crate) fn timestamp(time: Option<OffsetDateTime>) -> Option<Timestamp> {
    let seconds = u64::try_from(time?.unix_timestamp()).ok()?;
    seconds.checked_mul(1_000).map(Timestamp::from_millis)
}
