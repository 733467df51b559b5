//! What the service keeps of a secret beside its versions: copies in other regions, and who may use it.
//!
//! None of it is part of the contract: a copy that the service makes is another backend to a reader, whose region is
//! in its configuration.

use std::fmt;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{ReplicaRegionType, ReplicationStatusType, StatusType};
use secrets_backend::SecretPath;

use crate::api::Api;
use crate::config::is_region;
use crate::failure::{Effect, Failure};

/// A copy of a secret that the service keeps in another region.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replica {
    /// `eu-west-1`, say
    pub region: String,
    /// How it is
    pub state: ReplicaState,
}

/// How a copy is, by the service's own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplicaState {
    /// The same as the secret itself.
    InSync,
    /// Being written.
    InProgress,
    /// Not written; a secret of this name was there already, for one.
    Failed,
    /// Something that this version does not know.
    Unknown,
}

impl fmt::Display for ReplicaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InSync => "in sync",
            Self::InProgress => "in progress",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        })
    }
}

/// The copies of a secret.
pub(crate) async fn of(api: &Api, path: &SecretPath) -> Result<Vec<Replica>, Failure> {
    Ok(api.describe(path).await?.ok_or_else(Failure::missing)?.replicas)
}

/// Makes copies in these regions, and answers all that there are then.
pub(crate) async fn add(api: &Api, path: &SecretPath, regions: &[&str]) -> Result<Vec<Replica>, Failure> {
    check(regions)?;
    let copy = |region: &&str| ReplicaRegionType::builder().region(*region).build();
    let copies: Vec<_> = regions.iter().map(copy).collect();
    let replicate = |client: &Client| {
        let call = client.replicate_secret_to_regions().secret_id(path.as_str());
        // A secret of this name in another region may be anyone's; it is never overwritten.
        call.set_add_replica_regions(Some(copies.clone())).force_overwrite_replica_secret(false).send()
    };
    Ok(read(api.call(Effect::Write, replicate).await?.replication_status))
}

/// Removes copies.
pub(crate) async fn remove(api: &Api, path: &SecretPath, regions: &[&str]) -> Result<(), Failure> {
    check(regions)?;
    let regions: Vec<_> = regions.iter().map(|&region| region.to_owned()).collect();
    let remove = |client: &Client| {
        let call = client.remove_regions_from_replication().secret_id(path.as_str());
        call.set_remove_replica_regions(Some(regions.clone())).send()
    };
    api.call(Effect::Write, remove).await.map(drop)
}

/// Makes the copy of the client's own region a secret by itself.
pub(crate) async fn promote(api: &Api, path: &SecretPath) -> Result<(), Failure> {
    let stop = |client: &Client| client.stop_replication_to_replica().secret_id(path.as_str()).send();
    api.call(Effect::Write, stop).await.map(drop)
}

/// The policy of a secret; none where it has none.
pub(crate) async fn policy(api: &Api, path: &SecretPath) -> Result<Option<String>, Failure> {
    let get = |client: &Client| client.get_resource_policy().secret_id(path.as_str()).send();
    match api.call(Effect::None, get).await {
        Ok(reply) => Ok(reply.resource_policy),
        Err(failure) => Err(api.deleted_is_missing(path, failure).await),
    }
}

/// Gives a secret a policy; the service refuses one that lets everyone in.
pub(crate) async fn set_policy(api: &Api, path: &SecretPath, policy: &str) -> Result<(), Failure> {
    let put = |client: &Client| {
        let call = client.put_resource_policy().secret_id(path.as_str());
        call.resource_policy(policy).block_public_policy(true).send()
    };
    api.call(Effect::Write, put).await.map(drop)
}

/// Takes the policy of a secret away.
pub(crate) async fn remove_policy(api: &Api, path: &SecretPath) -> Result<(), Failure> {
    let delete = |client: &Client| client.delete_resource_policy().secret_id(path.as_str()).send();
    api.call(Effect::Write, delete).await.map(drop)
}

/// The copies as a reply has them.
pub(crate) fn read(replicas: Option<Vec<ReplicationStatusType>>) -> Vec<Replica> {
    let read = |one: ReplicationStatusType| {
        // It is shown, so it has to be one.
        let region = one.region.filter(|region| is_region(region))?;
        let state = match one.status {
            Some(StatusType::InSync) => ReplicaState::InSync,
            Some(StatusType::InProgress) => ReplicaState::InProgress,
            Some(StatusType::Failed) => ReplicaState::Failed,
            _ => ReplicaState::Unknown,
        };
        Some(Replica { region, state })
    };
    replicas.unwrap_or_default().into_iter().filter_map(read).collect()
}

fn check(regions: &[&str]) -> Result<(), Failure> {
    match regions.iter().all(|region| is_region(region)) && !regions.is_empty() {
        true => Ok(()),
        false => Err(Failure::invalid("a region reads like eu-central-1, and there is at least one")),
    }
}
