//! The backend: the contract over one account and region.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_secretsmanager::Client;
use futures_util::StreamExt;
use futures_util::stream;
use secrets_backend::{
    Capabilities, Error, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret, SecretBackend,
    SecretPath, VersionId, VersionMeta, Written, async_trait,
};

use crate::api::{Api, Found};
use crate::batch::Batches;
use crate::beside::{self, Beside};
use crate::config::{AwsConfig, InvalidConfig};
use crate::failure::{Effect, Failure};
use crate::recent::Recent;
use crate::replicas::{self, Replica};
use crate::{policy, read, remove, value, write};

/// The secrets of one account in one region of AWS Secrets Manager.
///
/// Its versions are the service's ids. See the crate's documentation for how values, metadata and stamps are kept.
pub struct AwsBackend {
    name: String,
    api: Api,
    batches: Batches,
    recent: Recent,
}

impl AwsBackend {
    /// The service of `config`. Nothing is contacted, and nothing is read from the environment before the first call.
    ///
    /// # Errors
    /// [`InvalidConfig`], which names the setting.
    pub fn new(config: AwsConfig) -> std::result::Result<Self, InvalidConfig> {
        config.check()?;
        let region = config.region.as_deref().unwrap_or("the configured region");
        let at = config.endpoint_url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
        let who = config.credentials.who().map(|who| format!(" as {who}")).unwrap_or_default();
        let name = format!("aws in {region}{at}{who}");
        Ok(Self { name, api: Api::new(config), batches: Batches::default(), recent: Recent::default() })
    }

    /// The least policy, in the language of IAM, for every name that starts with `prefix`.
    #[must_use]
    pub fn least_policy(&self, prefix: &str) -> String {
        let config = &self.api.config;
        policy::least(prefix, config.region.as_deref(), config.kms_key_id.as_deref())
    }

    /// The copies of a secret that the service keeps in other regions.
    ///
    /// # Errors
    /// `NotFound`, or what the service refuses.
    pub async fn replicas(&self, path: &SecretPath) -> Result<Vec<Replica>> {
        replicas::of(&self.api, path).await.map_err(self.error(Operation::Get, path))
    }

    /// Has the service keep copies in these regions; answers all copies. A secret of this name that is there already
    /// is left alone, and the copy's state is [`Failed`](crate::ReplicaState::Failed).
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput` for what is no other region, or what the service refuses.
    pub async fn replicate(&self, path: &SecretPath, regions: &[&str]) -> Result<Vec<Replica>> {
        replicas::add(&self.api, path, regions).await.map_err(self.error(Operation::Put, path))
    }

    /// Removes the copies in these regions.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput` for what is no region of a copy, or what the service refuses.
    pub async fn stop_replicating(&self, path: &SecretPath, regions: &[&str]) -> Result<()> {
        replicas::remove(&self.api, path, regions).await.map_err(self.error(Operation::Delete, path))
    }

    /// Makes the copy in this backend's own region a secret by itself, which can be written.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput` where it is no copy, or what the service refuses.
    pub async fn promote_replica(&self, path: &SecretPath) -> Result<()> {
        replicas::promote(&self.api, path).await.map_err(self.error(Operation::Put, path))
    }

    /// The resource policy of a secret, in the language of IAM; none where it has none.
    ///
    /// # Errors
    /// `NotFound`, or what the service refuses.
    pub async fn resource_policy(&self, path: &SecretPath) -> Result<Option<String>> {
        replicas::policy(&self.api, path).await.map_err(self.error(Operation::Get, path))
    }

    /// Gives a secret a resource policy. The service checks it, and refuses one that lets everyone in.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput` for what is no such policy, or what the service refuses.
    pub async fn set_resource_policy(&self, path: &SecretPath, policy: &str) -> Result<()> {
        replicas::set_policy(&self.api, path, policy).await.map_err(self.error(Operation::Put, path))
    }

    /// Takes the resource policy of a secret away.
    ///
    /// # Errors
    /// `NotFound`, or what the service refuses.
    pub async fn remove_resource_policy(&self, path: &SecretPath) -> Result<()> {
        replicas::remove_policy(&self.api, path).await.map_err(self.error(Operation::Delete, path))
    }

    async fn get_at(
        &self,
        path: &SecretPath,
        at: Option<&VersionId>,
    ) -> std::result::Result<Secret, Failure> {
        let found = match at {
            None => self.recent.current(&self.api, path).await?,
            // No version has such an id, and the service would call it a fault of the request.
            Some(id) if !write::is_id(id.as_str()) => return Err(Failure::missing()),
            Some(id) => self.api.value(path, Some(id.as_str())).await?,
        };
        read::secret(&self.api, path, found, at.is_none(), None).await
    }

    /// The answer for one path of a batch, asked for anew where the batch did not tell.
    async fn get_of(
        &self,
        path: &SecretPath,
        answer: Option<std::result::Result<Found, Failure>>,
        beside: Option<Beside>,
    ) -> Result<Secret> {
        let get = async {
            match answer {
                Some(answer) if !self.recent.doubts(path, &answer) => {
                    read::secret(&self.api, path, answer?, true, beside).await
                }
                _ => self.get_at(path, None).await,
            }
        };
        get.await.map_err(self.error(Operation::Get, path))
    }

    fn error(&self, operation: Operation, path: &SecretPath) -> impl FnOnce(Failure) -> Error {
        move |failure| failure.of(operation, &self.name, Some(path))
    }
}

#[async_trait]
impl SecretBackend for AwsBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities::all(value::MAX_LEN, SecretPath::MAX_PREFIXED_LEN)
    }

    async fn check(&self) -> Result<()> {
        let list = |client: &Client| client.list_secrets().max_results(1).send();
        let check = self.api.call(Effect::None, list).await;
        check.map(drop).map_err(|failure| failure.of(Operation::Check, &self.name, None))
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.get_at(path, at).await.map_err(self.error(Operation::Get, path))
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        let mut asked: HashMap<&SecretPath, usize> = HashMap::new();
        paths.iter().for_each(|path| *asked.entry(path).or_default() += 1);
        // One that is asked for twice is read twice: its value is in one place at a time.
        let once: Vec<&SecretPath> = paths.iter().filter(|path| asked.get(path) == Some(&1)).collect();
        let mut answers = self.batches.values(&self.api, &once).await;
        let found: Vec<_> =
            answers.iter().filter_map(|(name, one)| Some((name.as_str(), one.as_ref().ok()?))).collect();
        let mut beside = beside::of_many(&self.api, &found).await;
        let gets: Vec<_> = paths
            .iter()
            .map(|path| self.get_of(path, answers.remove(path.as_str()), beside.remove(path.as_str())))
            .collect();
        stream::iter(gets).buffered(self.api.config.concurrency).collect().await
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let put = write::put(&self.api, path, secret, mode).await;
        let id = put.map_err(self.error(Operation::Put, path))?;
        self.recent.wrote(path, &id);
        Ok(Written::version(VersionId::new(id)))
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.recent.forget(path);
        let delete = remove::delete(&self.api, path).await;
        delete.map(|()| Written::default()).map_err(self.error(Operation::Delete, path))
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        let undelete = remove::undelete(&self.api, path).await;
        undelete.map(|()| Written::default()).map_err(self.error(Operation::Undelete, path))
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.recent.forget(path);
        let purge = remove::purge(&self.api, path).await;
        purge.map(|()| Written::default()).map_err(self.error(Operation::Purge, path))
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        read::versions(&self.api, path).await.map_err(self.error(Operation::Versions, path))
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let list = read::list(&self.api, prefix, page).await;
        list.map_err(|failure| failure.of(Operation::List, &self.name, prefix))
    }
}

impl fmt::Debug for AwsBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsBackend")
            .field("name", &self.name)
            .field("config", &self.api.config)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AwsBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
