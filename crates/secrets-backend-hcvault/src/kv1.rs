//! KV version 1: one value per secret. No versions, no conditions, deletes are final.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use futures_util::StreamExt;
use secrets_backend::{
    ErrorKind, Listed, Metadata, NewSecret, PutMode, Secret, SecretPath, VersionId, VersionMeta, async_trait,
};
use serde_json::Value;
use vaultrs::api::kv1::requests::{
    DeleteSecretRequest, GetSecretRequest, ListSecretRequest, SetSecretRequest,
};
use vaultrs::api::kv2::responses::ListSecretsResponse;

use crate::api::Api;
use crate::failure::{Effect, Failure};
use crate::store::{Line, Store, absent, in_order, missing};
use crate::value::{self, Fields};
use crate::wire::{Ask, Wrapped};

/// A mount with KV version 1.
#[derive(Debug)]
pub(crate) struct Kv1 {
    pub(crate) api: Arc<Api>,
    pub(crate) mount: String,
    pub(crate) concurrency: usize,
    /// Versions are named by their content, keyed: a name must not tell anybody what the value may be.
    pub(crate) names: RandomState,
}

/// The engine has no place for metadata but among the fields.
const METADATA: &str = "secrets_metadata";

#[async_trait]
impl Store for Kv1 {
    fn has_versions(&self) -> bool {
        false
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret, Failure> {
        let secret = self.current(path).await?;
        if at.is_some_and(|id| *id != secret.version) {
            return Err(missing());
        }
        Ok(secret)
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<VersionId, Failure> {
        if *mode != PutMode::Upsert {
            return Err(Failure::new(ErrorKind::Unsupported, "KV version 1 has no conditional writes"));
        }
        let mut fields = value::to_fields(secret);
        if secret.metadata != Metadata::default() {
            let metadata = serde_json::to_value(&secret.metadata);
            fields.insert(METADATA.to_owned(), metadata.map_err(|_| Failure::invalid("metadata"))?);
        }
        let version = self.version(&fields);
        let object = Value::Object(fields);
        let request = SetSecretRequest {
            mount: self.mount.clone(),
            path: path.to_string(),
            data: object.to_string().into_bytes(),
        };
        let ask = Ask::of(&request, Effect::Write);
        drop(zeroize::Zeroizing::new(request.data));
        if let Value::Object(fields) = object {
            value::wipe(fields);
        }
        self.change(&ask).await?;
        Ok(version)
    }

    async fn delete(&self, path: &SecretPath) -> Result<(), Failure> {
        // The engine answers the same whether there was one or not.
        self.current(path).await?;
        let request = DeleteSecretRequest { mount: self.mount.clone(), path: path.to_string() };
        self.change(&Ask::of(&request, Effect::Write)).await
    }

    async fn undelete(&self, _: &SecretPath) -> Result<(), Failure> {
        Err(Failure::new(ErrorKind::Unsupported, "KV version 1 deletes for good"))
    }

    async fn purge(&self, path: &SecretPath) -> Result<(), Failure> {
        self.delete(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>, Failure> {
        let secret = self.current(path).await?;
        let mut meta = VersionMeta::new(secret.version.clone());
        meta.stamp = secret.stamp;
        Ok(vec![meta])
    }

    async fn folder(&self, folder: &str) -> Result<Vec<String>, Failure> {
        let request = ListSecretRequest { mount: self.mount.clone(), path: folder.to_owned() };
        let reply = self.api.call(&Ask::of(&request, Effect::None)).await?;
        match reply.status {
            200 => {
                let found: Wrapped<ListSecretsResponse> = reply.json(Effect::None)?;
                Ok(found.data.ok_or_else(damaged)?.keys)
            }
            404 if absent(&reply, &self.mount).kind == ErrorKind::NotFound => Ok(Vec::new()),
            404 => Err(absent(&reply, &self.mount)),
            _ => Err(Failure::of_status(&reply, Effect::None)),
        }
    }

    async fn lines(&self, paths: &[SecretPath]) -> Vec<Line> {
        in_order(paths.iter().map(|path| self.listed(path)).collect(), self.concurrency).collect().await
    }
}

impl Kv1 {
    async fn listed(&self, path: &SecretPath) -> Line {
        let mut listed = Listed::new(path.clone());
        match self.current(path).await {
            Ok(secret) => listed.stamp = secret.stamp,
            // A policy may show names and nothing else.
            Err(failure) if failure.kind == ErrorKind::PermissionDenied => {}
            Err(failure) if failure.kind == ErrorKind::NotFound => return Ok(None),
            Err(failure) => return Err(failure),
        }
        Ok(Some(listed))
    }

    /// A write. Of version 2, which does not know the path, a 404 is about the mount.
    async fn change(&self, ask: &Ask) -> Result<(), Failure> {
        let reply = self.api.call(ask).await?;
        match reply.status {
            200..=299 => Ok(()),
            404 => Err(absent(&reply, &self.mount)),
            _ => Err(Failure::of_status(&reply, Effect::Write)),
        }
    }

    async fn current(&self, path: &SecretPath) -> Result<Secret, Failure> {
        let request = GetSecretRequest { mount: self.mount.clone(), path: path.to_string() };
        let reply = self.api.call(&Ask::of(&request, Effect::None)).await?;
        match reply.status {
            200 => {}
            404 => return Err(absent(&reply, &self.mount)),
            _ => return Err(Failure::of_status(&reply, Effect::None)),
        }
        let found: Wrapped<Value> = reply.json(Effect::None)?;
        let Some(Value::Object(mut fields)) = found.data else { return Err(damaged()) };
        let version = self.version(&fields);
        let metadata = fields.remove(METADATA);
        let (value, stamp) = value::from_fields(fields);
        let mut secret = Secret::new(version, value);
        secret.stamp = stamp;
        if let Some(metadata) = metadata {
            secret.metadata = serde_json::from_value(metadata).unwrap_or_default();
        }
        Ok(secret)
    }

    fn version(&self, fields: &Fields) -> VersionId {
        let text = zeroize::Zeroizing::new(serde_json::to_string(fields).unwrap_or_default());
        VersionId::new(format!("{:016x}", self.names.hash_one(text.as_str())))
    }
}

fn damaged() -> Failure {
    Failure::damaged(Effect::None, "the reply is not what a KV engine of version 1 answers")
}
