//! Reading: values with what is kept beside them, histories, listings.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{SecretListEntry, SecretVersionsListEntry};
use secrets_backend::{
    ErrorKind, Listed, Page, PageToken, Secret, SecretPath, VersionId, VersionMeta, VersionState,
};

use crate::api::{Api, CURRENT, Described, Found, PENDING, holder, timestamp};
use crate::beside::Beside;
use crate::failure::{Effect, Failure};
use crate::{labels, token};

/// A history ends: the service keeps about a hundred versions, and answers some at a time.
const MAX_PARTS: usize = 100;

/// A version with what is kept beside it. What is sealed has nothing there, and needs no second call.
pub(crate) async fn secret(
    api: &Api,
    path: &SecretPath,
    found: Found,
    is_current: bool,
    beside: Option<Beside>,
) -> Result<Secret, Failure> {
    let mut secret = Secret::new(VersionId::new(&*found.id), found.value);
    secret.stamp = token::stamp(&found.id);
    secret.created = found.created;
    if secret.stamp.is_some() {
        return Ok(secret);
    }
    let described = match beside {
        Some(beside) => Ok(Some(beside)),
        None => api.describe(path).await.map(|found| found.map(Described::beside)),
    };
    match described {
        Ok(Some(Beside { description, tags })) => {
            secret.metadata = labels::metadata(description.as_deref(), &tags, &found.id, is_current);
        }
        Ok(None) => return Err(Failure::missing()),
        // Many may read values and nothing else.
        Err(failure) if failure.kind == ErrorKind::PermissionDenied => {
            tracing::debug!("read without its metadata, which may not be read");
        }
        Err(failure) => return Err(failure),
    }
    Ok(secret)
}

/// The versions that the service still has, oldest first.
pub(crate) async fn versions(api: &Api, path: &SecretPath) -> Result<Vec<VersionMeta>, Failure> {
    let entries = history(api, path).await?;
    let mut metas: Vec<VersionMeta> = entries.iter().filter_map(version_meta).collect();
    if metas.is_empty() {
        return Err(Failure::missing());
    }
    // Versions of one second are in the order of their numbers, plain ones in that of their ids.
    metas.sort_by_cached_key(|meta| {
        let number = meta.stamp.as_ref().map(|stamp| stamp.version);
        (meta.created, number, meta.stamp.is_none().then(|| meta.id.to_string()))
    });
    // What is sealed is never deleted by the service, so that there is nothing to ask.
    let is_plain = metas.iter().any(|meta| meta.stamp.is_none());
    if is_plain && api.describe(path).await?.ok_or_else(Failure::missing)?.is_deleted {
        metas.iter_mut().for_each(|meta| meta.state = VersionState::Deleted);
    }
    Ok(metas)
}

async fn history(api: &Api, path: &SecretPath) -> Result<Vec<SecretVersionsListEntry>, Failure> {
    let (mut entries, mut next) = (Vec::new(), None);
    for _ in 0..MAX_PARTS {
        let part = |client: &Client| {
            let call = client.list_secret_version_ids().secret_id(path.as_str());
            call.include_deprecated(true).set_next_token(next.clone()).send()
        };
        let reply = api.call(Effect::None, part).await?;
        entries.extend(reply.versions.unwrap_or_default());
        match reply.next_token.filter(|token| !token.is_empty()) {
            Some(token) if Some(&token) != next.as_ref() => next = Some(token),
            Some(_) => return Err(Failure::damaged(Effect::None)),
            None => return Ok(entries),
        }
    }
    Err(Failure::damaged(Effect::None))
}

/// A version that was written; none for one that was put and never became the current one.
fn version_meta(entry: &SecretVersionsListEntry) -> Option<VersionMeta> {
    let id = entry.version_id()?;
    if entry.version_stages() == [PENDING] {
        return None;
    }
    let mut meta = VersionMeta::new(VersionId::new(id));
    meta.created = entry.created_date().and_then(timestamp);
    meta.stamp = token::stamp(id);
    Some(meta)
}

/// One page of a listing.
pub(crate) async fn list(
    api: &Api,
    prefix: Option<&SecretPath>,
    page: Option<&PageToken>,
) -> Result<Page, Failure> {
    // A prefix of characters, so it finds more than what is below a path.
    let start = prefix.map(SecretPath::as_str).unwrap_or_default();
    let reply = api.list(start, page.map(PageToken::as_str)).await?;
    let next = reply.next_token.filter(|token| !token.is_empty()).map(PageToken::new);
    if next.is_some() && next.as_ref() == page {
        return Err(Failure::damaged(Effect::None));
    }
    let lines = reply.secret_list.unwrap_or_default();
    let items = lines.into_iter().filter_map(listed);
    let under = |line: &Listed| prefix.is_none_or(|prefix| line.path.is_under(prefix));
    Ok(Page::new(items.filter(under).collect(), next))
}

/// The line of a secret; none for one whose name is no path, that is deleted, or has no value yet.
fn listed(entry: SecretListEntry) -> Option<Listed> {
    let mut line = Listed::new(SecretPath::native(entry.name()?).ok()?);
    if entry.deleted_date().is_some() {
        return None;
    }
    line.updated = entry.last_changed_date().and_then(timestamp);
    let stages = entry.secret_versions_to_stages?;
    line.stamp = token::stamp(holder(&stages, CURRENT)?);
    Some(line)
}
