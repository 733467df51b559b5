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
use crate::config::{AwsConfig, InvalidConfig};
use crate::failure::{Effect, Failure};
use crate::recent::Recent;
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
        let name = format!("aws in {region}{at}");
        Ok(Self { name, api: Api::new(config), batches: Batches::default(), recent: Recent::default() })
    }

    /// The least policy, in the language of IAM, for every name that starts with `prefix`.
    #[must_use]
    pub fn least_policy(&self, prefix: &str) -> String {
        let config = &self.api.config;
        policy::least(prefix, config.region.as_deref(), config.kms_key_id.as_deref())
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
        read::secret(&self.api, path, found, at.is_none()).await
    }

    /// The answer for one path of a batch, asked for anew where the batch did not tell.
    async fn get_of(
        &self,
        path: &SecretPath,
        answer: Option<std::result::Result<Found, Failure>>,
    ) -> Result<Secret> {
        let get = async {
            match answer {
                Some(answer) if !self.recent.doubts(path, &answer) => {
                    read::secret(&self.api, path, answer?, true).await
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
        let gets: Vec<_> =
            paths.iter().map(|path| self.get_of(path, answers.remove(path.as_str()))).collect();
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
