//! The backend: the contract over one vault.

use std::fmt;

use secrets_backend::{
    Capabilities, Error, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret, SecretBackend,
    SecretPath, VersionId, VersionMeta, Written, async_trait, get_each,
};

use crate::api::Api;
use crate::config::{AzureConfig, InvalidConfig};
use crate::failure::Failure;
use crate::names::{self, Name};
use crate::write::Order;
use crate::{policy, read, remove, value, write};

/// The secrets of one vault of Azure Key Vault.
///
/// Its versions are the service's ids. See the crate's documentation for how names, values, metadata and
/// stamps are kept.
pub struct AzureBackend {
    name: String,
    api: Api,
    order: Order,
}

impl AzureBackend {
    /// The vault of `config`. Nothing is contacted, and nothing is read from the environment.
    ///
    /// # Errors
    /// [`InvalidConfig`], which names the setting.
    pub fn new(config: AzureConfig) -> std::result::Result<Self, InvalidConfig> {
        config.check()?;
        let vault = config.vault()?;
        let at = vault.as_str().trim_end_matches('/').trim_start_matches("https://");
        let name = format!("azure at {at}");
        Ok(Self { name, api: Api::new(config, vault), order: Order::default() })
    }

    /// The least role, as Azure's tools take a role definition. Azure has no roles for a prefix of names.
    #[must_use]
    pub fn least_policy(&self, _prefix: &str) -> String {
        policy::least(&self.api.vault)
    }

    /// Whether there is such a vault and it lets us list.
    async fn reached(&self) -> std::result::Result<(), Failure> {
        self.api.list(None, 1).await.map(drop)
    }

    fn error(&self, operation: Operation, path: &SecretPath) -> impl FnOnce(Failure) -> Error {
        move |failure| failure.of(operation, &self.name, Some(path))
    }
}

#[async_trait]
impl SecretBackend for AzureBackend {
    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::all(value::MAX_LEN, names::MAX_PATH);
        can.atomic_create = false;
        can.atomic_replace = false;
        can
    }

    async fn check(&self) -> Result<()> {
        self.reached().await.map_err(|failure| failure.of(Operation::Check, &self.name, None))
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        read::get(&self.api, path, at).await.map_err(self.error(Operation::Get, path))
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        get_each(self, paths, self.api.config.concurrency).await
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let put = write::put(&self.api, &self.order, path, secret, mode).await;
        put.map(|id| Written::version(VersionId::new(id))).map_err(self.error(Operation::Put, path))
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        let delete = async { remove::delete(&self.api, &Name::of(path)?).await };
        delete.await.map(|()| Written::default()).map_err(self.error(Operation::Delete, path))
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        let undelete = async { remove::undelete(&self.api, &Name::of(path)?).await };
        undelete.await.map(|()| Written::default()).map_err(self.error(Operation::Undelete, path))
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        let purge = async { remove::purge(&self.api, &Name::of(path)?).await };
        purge.await.map(|()| Written::default()).map_err(self.error(Operation::Purge, path))
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        read::versions(&self.api, path).await.map_err(self.error(Operation::Versions, path))
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let list = read::list(&self.api, prefix, page).await;
        list.map_err(|failure| failure.of(Operation::List, &self.name, prefix))
    }
}

impl fmt::Debug for AzureBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureBackend")
            .field("name", &self.name)
            .field("config", &self.api.config)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AzureBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
