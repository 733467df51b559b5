//! The calls of the service that are used, each with what its errors mean wherever it is used.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsOutput;
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, Tag};
use secrets_backend::{ErrorKind, SecretBytes, SecretPath, Timestamp};
use tokio::sync::Mutex;

use crate::beside::Beside;
use crate::client;
use crate::codes::Code;
use crate::config::AwsConfig;
use crate::failure::{Effect, Failure};
use crate::replicas::{self, Replica};
use crate::token::Fresh;
use crate::value::{self, Native};

/// The stage of the version that a read without a version means. It is always named: a default may be another.
pub(crate) const CURRENT: &str = "AWSCURRENT";
/// The one stage under which a version is put before it becomes the current one.
pub(crate) const PENDING: &str = "secrets-pending";
/// The stage that keeps the version before a tombstone, which the service may remove otherwise.
pub(crate) const UNDELETE: &str = "secrets-undelete";

/// The service, and the one client of it.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) config: AwsConfig,
    pub(crate) fresh: Fresh,
    /// Made by whoever needs it first; none again when its credentials have expired.
    client: Mutex<Option<Arc<Client>>>,
}

/// A version with its value.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) value: SecretBytes,
    pub(crate) created: Option<Timestamp>,
}

/// What the service says about a secret without its value.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) is_deleted: bool,
    pub(crate) description: Option<String>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) changed: Option<Timestamp>,
    stages: HashMap<String, Vec<String>>,
}

impl Described {
    /// What other programs keep there.
    pub(crate) fn beside(self) -> Beside {
        Beside { description: self.description, tags: self.tags }
    }

    /// The version that has this stage.
    pub(crate) fn version_at(&self, stage: &str) -> Option<&str> {
        holder(&self.stages, stage)
    }
}

/// The version that has this stage.
pub(crate) fn holder<'a>(stages: &'a HashMap<String, Vec<String>>, stage: &str) -> Option<&'a str> {
    let has = |stages: &Vec<String>| stages.iter().any(|found| found == stage);
    stages.iter().find(|(_, stages)| has(stages)).map(|(id, _)| id.as_str())
}

impl Api {
    pub(crate) fn new(config: AwsConfig) -> Self {
        Self { config, fresh: Fresh::default(), client: Mutex::default() }
    }

    /// A call of the service, made once more with new credentials where those it was made with have expired.
    ///
    /// The service checks them before anything else, so such a call has changed nothing.
    pub(crate) async fn call<T, E, F>(
        &self,
        effect: Effect,
        send: impl Fn(&Client) -> F + Send,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    {
        let client = self.client().await?;
        let failure = match send(&client).await {
            Ok(reply) => return Ok(reply),
            Err(error) => Failure::of_call(&error, effect),
        };
        if !failure.is_of_expired_credentials() || !self.config.credentials.can_be_renewed() {
            return Err(failure);
        }
        self.forget(&client).await;
        let client = self.client().await?;
        send(&client).await.map_err(|error| Failure::of_call(&error, effect))
    }

    /// The client. Who waits for another to make it, waits no longer than for a call.
    pub(crate) async fn client(&self) -> Result<Arc<Client>, Failure> {
        let made = async {
            let mut client = self.client.lock().await;
            match &*client {
                Some(client) => Ok(Arc::clone(client)),
                None => Ok(Arc::clone(client.insert(Arc::new(client::make(&self.config).await?)))),
            }
        };
        let late = |_| Failure::new(ErrorKind::TimedOut, "the region was not told in time");
        tokio::time::timeout(self.config.timeout, made).await.map_err(late)?
    }

    /// The next call makes a client anew, and so asks the source of the credentials. Of many callers whose
    /// credentials expire at once the first does that; the others find its client.
    async fn forget(&self, expired: &Arc<Client>) {
        self.client.lock().await.take_if(|client| Arc::ptr_eq(client, expired));
    }

    /// The current version of a secret, or the one of this id.
    ///
    /// A deleted secret is missing to a reader; the service says so with a code that has other meanings.
    pub(crate) async fn value(&self, path: &SecretPath, at: Option<&str>) -> Result<Found, Failure> {
        let get = |client: &Client| {
            let call = client.get_secret_value().secret_id(path.as_str());
            match at {
                Some(id) => call.version_id(id).send(),
                None => call.version_stage(CURRENT).send(),
            }
        };
        let reply = match self.call(Effect::None, get).await {
            Ok(reply) => reply,
            Err(failure) => return Err(self.deleted_is_missing(path, failure).await),
        };
        let found = found(reply.version_id, reply.secret_string, reply.secret_binary, reply.created_date)?;
        if at.is_some_and(|at| at != found.id) {
            return Err(Failure::damaged(Effect::None));
        }
        Ok(found)
    }

    /// The same failure, or that there is none, where it was about a secret that is scheduled for deletion.
    pub(crate) async fn deleted_is_missing(&self, path: &SecretPath, failure: Failure) -> Failure {
        if !failure.is(Code::InvalidRequest) {
            return failure;
        }
        match self.describe(path).await {
            Ok(found) if found.as_ref().is_none_or(|found| found.is_deleted) => Failure::missing(),
            _ => failure,
        }
    }

    /// What there is beside the values; none where there is no such secret.
    pub(crate) async fn describe(&self, path: &SecretPath) -> Result<Option<Described>, Failure> {
        let describe = |client: &Client| client.describe_secret().secret_id(path.as_str()).send();
        match self.call(Effect::None, describe).await {
            Ok(reply) => Ok(Some(described(reply))),
            Err(failure) if failure.is(Code::ResourceNotFound) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A page of the secrets whose names start so; all, where that is empty.
    pub(crate) async fn list(&self, start: &str, page: Option<&str>) -> Result<ListSecretsOutput, Failure> {
        let filter = Filter::builder().key(FilterNameStringType::Name).values(start).build();
        let filters = (!start.is_empty()).then(|| vec![filter]);
        let list = |client: &Client| {
            let call = client.list_secrets().max_results(self.config.page_size.into());
            call.set_filters(filters.clone()).set_next_token(page.map(str::to_owned)).send()
        };
        self.call(Effect::None, list).await
    }

    /// Makes a secret with its first version.
    pub(crate) async fn create(
        &self,
        path: &SecretPath,
        id: &str,
        value: &Native,
        description: Option<String>,
        tags: Vec<Tag>,
    ) -> Result<(), Failure> {
        let tags = (!tags.is_empty()).then_some(tags);
        let create = |client: &Client| {
            let (text, binary) = value.parameters();
            let call = client.create_secret().name(path.as_str()).client_request_token(id);
            let call = call.set_secret_string(text).set_secret_binary(binary);
            let call = call.set_description(description.clone()).set_tags(tags.clone());
            call.set_kms_key_id(self.config.kms_key_id.clone()).send()
        };
        self.call(Effect::Write, create).await.map(drop)
    }

    /// Makes a version under this stage. The same version once more changes nothing.
    pub(crate) async fn put(
        &self,
        path: &SecretPath,
        id: &str,
        value: &Native,
        stage: &str,
    ) -> Result<(), Failure> {
        let put = |client: &Client| {
            let (text, binary) = value.parameters();
            let call = client.put_secret_value().secret_id(path.as_str());
            let call = call.client_request_token(id).version_stages(stage);
            call.set_secret_string(text).set_secret_binary(binary).send()
        };
        self.call(Effect::Write, put).await.map(drop)
    }

    /// Moves a stage to a version, from the one that must have it; from none where none has it.
    pub(crate) async fn move_stage(
        &self,
        path: &SecretPath,
        stage: &str,
        from: Option<&str>,
        to: &str,
    ) -> Result<(), Failure> {
        let update = |client: &Client| {
            let call = client.update_secret_version_stage().secret_id(path.as_str());
            let call = call.version_stage(stage).move_to_version_id(to);
            call.set_remove_from_version_id(from.map(str::to_owned)).send()
        };
        self.call(Effect::Write, update).await.map(drop)
    }

    /// Deletes a secret, recoverably for the time that is configured.
    pub(crate) async fn delete(&self, path: &SecretPath) -> Result<(), Failure> {
        let delete = |client: &Client| {
            let call = client.delete_secret().secret_id(path.as_str());
            call.recovery_window_in_days(self.config.recovery_window_days.into()).send()
        };
        self.call(Effect::Write, delete).await.map(drop)
    }

    /// Removes a secret for good. The service does not say whether there was one.
    pub(crate) async fn remove(&self, path: &SecretPath) -> Result<(), Failure> {
        let delete = |client: &Client| {
            client.delete_secret().secret_id(path.as_str()).force_delete_without_recovery(true).send()
        };
        self.call(Effect::Write, delete).await.map(drop)
    }

    /// Brings a deleted secret back.
    pub(crate) async fn restore(&self, path: &SecretPath) -> Result<(), Failure> {
        let restore = |client: &Client| client.restore_secret().secret_id(path.as_str()).send();
        self.call(Effect::Write, restore).await.map(drop)
    }

    pub(crate) async fn tag(&self, path: &SecretPath, tags: Vec<Tag>) -> Result<(), Failure> {
        let tag = |client: &Client| {
            client.tag_resource().secret_id(path.as_str()).set_tags(Some(tags.clone())).send()
        };
        self.call(Effect::Write, tag).await.map(drop)
    }

    pub(crate) async fn untag(&self, path: &SecretPath, names: Vec<String>) -> Result<(), Failure> {
        let untag = |client: &Client| {
            client.untag_resource().secret_id(path.as_str()).set_tag_keys(Some(names.clone())).send()
        };
        self.call(Effect::Write, untag).await.map(drop)
    }

    pub(crate) async fn describe_as(&self, path: &SecretPath, text: &str) -> Result<(), Failure> {
        let update =
            |client: &Client| client.update_secret().secret_id(path.as_str()).description(text).send();
        self.call(Effect::Write, update).await.map(drop)
    }
}

/// A version as a reply has it. Without id or value it is none that a reader can do something with.
pub(crate) fn found(
    id: Option<String>,
    text: Option<String>,
    binary: Option<aws_sdk_secretsmanager::primitives::Blob>,
    created: Option<DateTime>,
) -> Result<Found, Failure> {
    let value = value::read(text, binary);
    let (Some(id), Some(value)) = (id, value) else { return Err(Failure::damaged(Effect::None)) };
    Ok(Found { id, value, created: created.as_ref().and_then(timestamp) })
}

fn described(reply: DescribeSecretOutput) -> Described {
    Described {
        is_deleted: reply.deleted_date.is_some(),
        description: reply.description,
        tags: reply.tags.unwrap_or_default(),
        changed: reply.last_changed_date.as_ref().and_then(timestamp),
        replicas: replicas::read(reply.replication_status),
        stages: reply.version_ids_to_stages.unwrap_or_default(),
    }
}

pub(crate) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    let millis = time.to_millis().ok()?;
    u64::try_from(millis).ok().map(Timestamp::from_millis)
}
