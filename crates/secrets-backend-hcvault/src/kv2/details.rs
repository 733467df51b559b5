//! Lines of a listing: the metadata of many secrets of a folder in one call, where the server has it.
//!
//! Source: OpenBao's API documentation, "List detailed metadata". Vault has no such path. What it does not answer, for
//! whatever reason, is asked for secret by secret.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use secrets_backend::{ErrorKind, Listed, SecretPath, VersionState};
use serde::Deserialize;
use serde_json::Value;
use vaultrs::api::kv2::responses::ReadSecretMetadataResponse;

use super::{Kv2, current_state, damaged, timestamp};
use crate::failure::{Effect, Failure};
use crate::labels;
use crate::store::Line;
use crate::wire::{Ask, Wrapped};

/// Metadata by path.
pub(super) type Details = HashMap<SecretPath, ReadSecretMetadataResponse>;

/// A folder of fewer names is asked secret by secret.
const WORTH_ASKING: usize = 3;

#[derive(Deserialize)]
struct Answer {
    /// What is said of a folder is an empty object.
    key_info: HashMap<String, Value>,
}

impl Kv2 {
    /// What the server says of these secrets, folder by folder; of some, or of all, nothing.
    pub(super) async fn details(&self, paths: &[SecretPath]) -> Details {
        let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for path in paths {
            let (folder, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
            folders.entry(folder).or_default().push(name);
        }
        let mut details = Details::new();
        for (folder, mut names) in folders {
            if names.len() < WORTH_ASKING || self.no_details.load(Ordering::Relaxed) {
                continue;
            }
            names.sort_unstable();
            match self.details_of(folder, &names).await {
                Ok(found) => details.extend(found),
                Err(failure) => {
                    tracing::debug!(kind = ?failure.kind, "no detailed listing");
                    // A server that is away for a moment has said nothing of what it can do.
                    let is_final =
                        matches!(failure.kind, ErrorKind::InvalidInput | ErrorKind::PermissionDenied);
                    self.no_details.fetch_or(is_final, Ordering::Relaxed);
                }
            }
        }
        details
    }

    /// The line of a listing for a name, of which the server may have told the metadata already.
    pub(super) async fn listed(&self, path: &SecretPath, told: Option<&ReadSecretMetadataResponse>) -> Line {
        if let Some(metadata) = told {
            return self.line(path, metadata).await;
        }
        match self.metadata(path).await {
            Ok(Some(metadata)) => self.line(path, &metadata).await,
            Ok(None) => Ok(None),
            // A policy may show names and nothing else.
            Err(failure) if failure.kind == ErrorKind::PermissionDenied => {
                Ok(Some(Listed::new(path.clone())))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn line(&self, path: &SecretPath, metadata: &ReadSecretMetadataResponse) -> Line {
        if current_state(metadata) != Some(VersionState::Live) {
            return Ok(None);
        }
        let mut listed = Listed::new(path.clone());
        listed.updated = timestamp(&metadata.updated_time);
        listed.stamp = labels::stamp(metadata.custom_metadata.as_ref(), metadata.current_version);
        if listed.stamp.is_none() && labels::is_sealed(metadata.custom_metadata.as_ref()) {
            // The copy is of another version: the writer was cut short, or may not write copies.
            listed.stamp = self.stamp_at(path, None).await?;
        }
        Ok(Some(listed))
    }

    /// One page of a folder, from its first name on. Folders of the server's own order are among the names, so it is
    /// asked for some more than are needed.
    async fn details_of(&self, folder: &str, names: &[&str]) -> Result<Details, Failure> {
        let folder = if folder.is_empty() { String::new() } else { format!("/{folder}") };
        let ask = Ask::list(format!("{}/detailed-metadata{folder}", self.mount));
        // What comes before a name and after all that comes before it: the name without its last letter, nearly.
        let before = names.first().map_or("", |first| &first[..first.len() - 1]);
        let ask = ask.with_query(format!("after={before}&limit={}", names.len() * 2));
        let reply = self.api.call(&ask).await?;
        if reply.status == 404 {
            return Err(Failure::invalid("no such path"));
        }
        if !reply.is_success() {
            return Err(Failure::of_status(&reply, Effect::None));
        }
        let found: Wrapped<Answer> = reply.json(Effect::None)?;
        let mut infos = found.data.ok_or_else(damaged)?.key_info;
        let prefix = folder.strip_prefix('/').map_or_else(String::new, |folder| format!("{folder}/"));
        let details = names.iter().filter_map(|name| {
            let metadata = serde_json::from_value(infos.remove(*name)?).ok()?;
            Some((SecretPath::native(&format!("{prefix}{name}")).ok()?, metadata))
        });
        Ok(details.collect())
    }
}
