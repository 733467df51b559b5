//! KV version 2: every version kept, every write conditional, deletes that can be undone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use secrets_backend::{
    ErrorKind, NewSecret, PutMode, Secret, SecretPath, Stamp, Timestamp, VersionId, VersionMeta,
    VersionState, async_trait,
};
use serde_json::Value;
use vaultrs::api::kv2::requests::{
    DeleteSecretMetadataRequest, DeleteSecretVersionsRequest, ListSecretsRequest, ReadSecretMetadataRequest,
    ReadSecretRequest, SetSecretMetadataRequest, SetSecretRequest, SetSecretRequestOptions,
    UndeleteSecretVersionsRequest,
};
use vaultrs::api::kv2::responses::{
    ListSecretsResponse, ReadSecretMetadataResponse, ReadSecretResponse, SecretMetadata,
    SecretVersionMetadata,
};

use crate::api::Api;
use crate::failure::{Effect, Failure};
use crate::labels::{self, Labels};
use crate::mount;
use crate::store::{Line, Store, absent, in_order, missing};
use crate::value::{self, Fields};
use crate::wire::{Ask, Wrapped};

mod details;

/// A mount with KV version 2.
#[derive(Debug)]
pub(crate) struct Kv2 {
    pub(crate) api: Arc<Api>,
    pub(crate) mount: String,
    pub(crate) concurrency: usize,
    pub(crate) max_versions: Option<u32>,
    /// The server refused to keep a copy of a stamp: it is not asked again.
    pub(crate) no_copies: AtomicBool,
    /// The server does not list metadata: it is asked for secret by secret.
    pub(crate) no_details: AtomicBool,
}

/// How often an `Upsert` that met another writer looks again.
const UPSERTS: usize = 10;

#[async_trait]
impl Store for Kv2 {
    fn has_versions(&self) -> bool {
        true
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret, Failure> {
        let version = match at {
            // Zero means the current version to the server.
            Some(id) => Some(id.number().filter(|&number| number > 0).ok_or_else(missing)?),
            None => None,
        };
        let request = ReadSecretRequest { mount: self.mount.clone(), path: path.to_string(), version };
        let reply = self.api.call(&Ask::of(&request, Effect::None)).await?;
        match reply.status {
            200 => {}
            404 => return Err(absent(&reply, &self.mount)),
            _ => return Err(Failure::of_status(&reply, Effect::None)),
        }
        let found: Wrapped<ReadSecretResponse> = reply.json(Effect::None)?;
        let ReadSecretResponse { data, metadata } = found.data.ok_or_else(damaged)?;
        let Value::Object(fields) = data else { return Err(damaged()) };
        if version.is_some_and(|asked| asked != metadata.version) {
            return Err(damaged());
        }
        Ok(secret(fields, &metadata))
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<VersionId, Failure> {
        let labels = labels::to_labels(&secret.metadata, secret.stamp.as_ref())?;
        let fields = value::to_fields(secret);
        let written = self.put_fields(path, &fields, secret.stamp.is_some(), mode).await;
        value::wipe(fields);
        let written = written?;
        self.label(path, labels, secret.stamp.is_some(), &written).await?;
        Ok(VersionId::from_number(written.version))
    }

    async fn delete(&self, path: &SecretPath) -> Result<(), Failure> {
        // This version and no other: what someone writes meanwhile stays.
        let version = self.live(path).await?.ok_or_else(missing)?;
        let request = DeleteSecretVersionsRequest {
            mount: self.mount.clone(),
            path: path.to_string(),
            versions: vec![version],
        };
        self.api.done(&Ask::of(&request, Effect::Write)).await.map(drop)
    }

    async fn undelete(&self, path: &SecretPath) -> Result<(), Failure> {
        let metadata = self.metadata(path).await?.ok_or_else(missing)?;
        let version = metadata.current_version;
        match current_state(&metadata) {
            Some(VersionState::Live) => return Ok(()),
            Some(VersionState::Deleted) => {}
            _ => return Err(missing()),
        }
        let request = UndeleteSecretVersionsRequest {
            mount: self.mount.clone(),
            path: path.to_string(),
            versions: vec![version],
        };
        self.api.done(&Ask::of(&request, Effect::Write)).await.map(drop)
    }

    async fn purge(&self, path: &SecretPath) -> Result<(), Failure> {
        self.metadata(path).await?.ok_or_else(missing)?;
        let request = DeleteSecretMetadataRequest { mount: self.mount.clone(), path: path.to_string() };
        self.api.done(&Ask::of(&request, Effect::Write)).await.map(drop)
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>, Failure> {
        let metadata = self.metadata(path).await?.ok_or_else(missing)?;
        let mut metas: Vec<VersionMeta> = metadata.versions.iter().filter_map(version_meta).collect();
        metas.sort_by_key(|meta| meta.id.number());
        if metas.is_empty() {
            return Err(missing());
        }
        if self.is_sealed(path, &metadata).await? {
            self.add_stamps(path, &mut metas).await?;
        }
        Ok(metas)
    }

    async fn folder(&self, folder: &str) -> Result<Vec<String>, Failure> {
        let request = ListSecretsRequest { mount: self.mount.clone(), path: folder.to_owned() };
        let reply = self.api.call(&Ask::of(&request, Effect::None)).await?;
        match reply.status {
            200 => {}
            404 if absent(&reply, &self.mount).kind == ErrorKind::NotFound => return Ok(Vec::new()),
            404 => return Err(absent(&reply, &self.mount)),
            _ => return Err(Failure::of_status(&reply, Effect::None)),
        }
        let found: Wrapped<ListSecretsResponse> = reply.json(Effect::None)?;
        Ok(found.data.ok_or_else(damaged)?.keys)
    }

    async fn lines(&self, paths: &[SecretPath]) -> Vec<Line> {
        let details = self.details(paths).await;
        let lines = paths.iter().map(|path| self.listed(path, details.get(path)));
        in_order(lines.collect(), self.concurrency).collect().await
    }
}

impl Kv2 {
    async fn put_fields(
        &self,
        path: &SecretPath,
        fields: &Fields,
        sealed: bool,
        mode: &PutMode,
    ) -> Result<SecretVersionMetadata, Failure> {
        let conflict = || Failure::new(ErrorKind::Conflict, "");
        match mode {
            PutMode::Replace(id) => {
                let version = id.number().filter(|&number| number > 0).ok_or_else(conflict)?;
                // The server lets a deleted version be replaced. A sealed secret is never deleted natively.
                if !sealed && self.live(path).await? != Some(version) {
                    return Err(conflict());
                }
                self.write(path, fields, version).await?.ok_or_else(conflict)
            }
            PutMode::Create => {
                let exists = || Failure::new(ErrorKind::AlreadyExists, "");
                if let Some(written) = self.write(path, fields, 0).await? {
                    return Ok(written);
                }
                // To the server a deleted secret is one that exists, with its last version.
                match self.metadata(path).await? {
                    Some(found) if current_state(&found) == Some(VersionState::Live) => Err(exists()),
                    Some(found) => self.write(path, fields, found.current_version).await?.ok_or_else(exists),
                    None => Err(exists()),
                }
            }
            PutMode::Upsert => {
                for _ in 0..UPSERTS {
                    let current = self.metadata(path).await?.map_or(0, |found| found.current_version);
                    if let Some(written) = self.write(path, fields, current).await? {
                        return Ok(written);
                    }
                }
                Err(Failure::new(ErrorKind::Conflict, "others write it all the time"))
            }
        }
    }

    /// Writes the version after `current`, or answers `None` where another version is the current one.
    async fn write(
        &self,
        path: &SecretPath,
        fields: &Fields,
        current: u64,
    ) -> Result<Option<SecretVersionMetadata>, Failure> {
        let Ok(cas) = u32::try_from(current) else { return Ok(None) };
        let request = SetSecretRequest {
            mount: self.mount.clone(),
            path: path.to_string(),
            data: Value::Object(fields.clone()),
            options: Some(SetSecretRequestOptions { cas }),
        };
        let ask = Ask::of(&request, Effect::Write);
        if let Value::Object(copy) = request.data {
            value::wipe(copy);
        }
        let reply = self.api.call(&ask).await?;
        match reply.status {
            200 => {
                let written: Wrapped<SecretVersionMetadata> = reply.json(Effect::Write)?;
                let unknown = || Failure::damaged(Effect::Write, "the write was answered without a version");
                written.data.map(Some).ok_or_else(unknown)
            }
            // What version 1 says of a write, under a name that begins with `data/`.
            204 => Err(mount::other_engine(&self.mount)),
            // 400 has many reasons, told apart by text alone; the number of the current version is none.
            400 => {
                let found = self.metadata(path).await?.map_or(0, |found| found.current_version);
                if found == current { Err(Failure::of_status(&reply, Effect::Write)) } else { Ok(None) }
            }
            404 => Err(absent(&reply, &self.mount)),
            _ => Err(Failure::of_status(&reply, Effect::Write)),
        }
    }

    /// Writes the entries that belong to a version beside it, and removes those of the version before.
    async fn label(
        &self,
        path: &SecretPath,
        labels: Labels,
        sealed: bool,
        written: &SecretVersionMetadata,
    ) -> Result<(), Failure> {
        let stale = written.custom_metadata.as_ref().is_some_and(labels::is_ours);
        let limited = self.max_versions.filter(|_| written.version == 1);
        if labels.is_empty() && !stale && limited.is_none() {
            return Ok(());
        }
        if sealed && self.no_copies.load(Ordering::Relaxed) {
            return Ok(());
        }
        let labels = if labels.is_empty() { labels } else { labels::labelled(labels, written.version) };
        let request = SetSecretMetadataRequest {
            mount: self.mount.clone(),
            path: path.to_string(),
            max_versions: self.max_versions.map(u64::from),
            custom_metadata: Some(labels),
            ..SetSecretMetadataRequest::default()
        };
        match self.api.done(&Ask::of(&request, Effect::Write)).await {
            Ok(_) => Ok(()),
            // The stamp is in the version itself; the copy saves a call when it is listed.
            Err(failure) if sealed => {
                if failure.kind == ErrorKind::PermissionDenied {
                    self.no_copies.store(true, Ordering::Relaxed);
                }
                tracing::debug!(kind = ?failure.kind, "the copy of a stamp was not written");
                Ok(())
            }
            Err(failure) => {
                let detail = format!("the value was written, its metadata was not: {}", failure.kind);
                Err(Failure::new(ErrorKind::TimedOut, detail))
            }
        }
    }

    async fn metadata(&self, path: &SecretPath) -> Result<Option<ReadSecretMetadataResponse>, Failure> {
        let request = ReadSecretMetadataRequest { mount: self.mount.clone(), path: path.to_string() };
        let reply = self.api.call(&Ask::of(&request, Effect::None)).await?;
        match reply.status {
            200 => {
                let found: Wrapped<ReadSecretMetadataResponse> = reply.json(Effect::None)?;
                Ok(Some(found.data.ok_or_else(damaged)?))
            }
            404 => match absent(&reply, &self.mount) {
                failure if failure.kind == ErrorKind::NotFound => Ok(None),
                failure => Err(failure),
            },
            _ => Err(Failure::of_status(&reply, Effect::None)),
        }
    }

    /// The current version, where it can be read.
    async fn live(&self, path: &SecretPath) -> Result<Option<u64>, Failure> {
        let found = self.metadata(path).await?;
        let live = found.filter(|found| current_state(found) == Some(VersionState::Live));
        Ok(live.map(|found| found.current_version))
    }

    async fn is_sealed(
        &self,
        path: &SecretPath,
        metadata: &ReadSecretMetadataResponse,
    ) -> Result<bool, Failure> {
        let labels = metadata.custom_metadata.as_ref();
        if labels.is_some_and(labels::is_ours) {
            return Ok(labels::is_sealed(labels));
        }
        Ok(self.stamp_at(path, None).await?.is_some())
    }

    async fn add_stamps(&self, path: &SecretPath, metas: &mut [VersionMeta]) -> Result<(), Failure> {
        let live = metas.iter_mut().filter(|meta| meta.state == VersionState::Live);
        let reads = live.map(|meta| async {
            meta.stamp = self.stamp_at(path, Some(&meta.id)).await?;
            Ok(())
        });
        in_order(reads.collect(), self.concurrency).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// The stamp in a version; none where there is no such version, or it is not sealed.
    async fn stamp_at(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Option<Stamp>, Failure> {
        match self.get(path, at).await {
            Ok(secret) => Ok(secret.stamp),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

fn secret(fields: Fields, found: &SecretVersionMetadata) -> Secret {
    let (value, stamp) = value::from_fields(fields);
    let mut secret = Secret::new(VersionId::from_number(found.version), value);
    if stamp.is_none() {
        secret.metadata = labels::metadata(found.custom_metadata.as_ref(), found.version);
    }
    secret.stamp = stamp;
    secret.created = timestamp(&found.created_time);
    secret
}

fn version_meta((number, found): (&String, &SecretMetadata)) -> Option<VersionMeta> {
    let mut meta = VersionMeta::new(VersionId::from_number(number.parse().ok()?));
    meta.created = timestamp(&found.created_time);
    meta.state = state(found);
    Some(meta)
}

/// The state of the current version; none where there is no version.
fn current_state(metadata: &ReadSecretMetadataResponse) -> Option<VersionState> {
    let versions: &HashMap<String, SecretMetadata> = &metadata.versions;
    versions.get(&metadata.current_version.to_string()).map(state)
}

/// A time of deletion may lie ahead: `delete_version_after`.
fn state(found: &SecretMetadata) -> VersionState {
    if found.destroyed {
        VersionState::Destroyed
    } else if timestamp(&found.deletion_time).is_some_and(|deleted| deleted <= Timestamp::now()) {
        VersionState::Deleted
    } else {
        VersionState::Live
    }
}

/// RFC 3339, as the server writes times; none for an empty one.
fn timestamp(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok().map(Timestamp::from_millis)
}

fn damaged() -> Failure {
    Failure::damaged(Effect::None, "the reply is not what a KV engine of version 2 answers")
}
