//! Writing: conditions are stages of the service, so that of many writers one wins.
//!
//! | mode | calls |
//! | --- | --- |
//! | `Create` | `CreateSecret`; over a deleted secret that is restored, as `Replace` of its last version |
//! | `Replace` | `PutSecretValue` under a stage of ours, then the stage `AWSCURRENT` is moved to it from the version that was read: whoever comes second is refused |
//! | `Upsert` | `PutSecretValue`; `CreateSecret` where there is none |

use std::time::Duration;

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretPath, Timestamp};

use crate::api::{Api, CURRENT, Described, PENDING, UNDELETE};
use crate::codes::Code;
use crate::failure::Failure;
use crate::labels::{self, Labels};
use crate::token;
use crate::value::{self, Native};

/// How often an `Upsert` that finds the secret in another state than a moment before looks again.
const UPSERTS: usize = 4;

/// API reference, `PutSecretValue`: not at a sustained rate of more than once every 10 minutes.
const REST: Duration = Duration::from_secs(600);

/// A version that is about to be written, as the service will have it.
struct New<'a> {
    path: &'a SecretPath,
    id: String,
    value: Native,
    labels: Labels,
    is_sealed: bool,
    is_tombstone: bool,
}

impl<'a> New<'a> {
    /// Refuses what can never be stored, before anything is sent.
    fn of(api: &Api, path: &'a SecretPath, secret: &NewSecret) -> Result<Self, Failure> {
        let stamp = secret.stamp.as_ref();
        if secret.value.len() > value::MAX_LEN {
            return Err(Failure::invalid("a value has at most 65,536 bytes here"));
        }
        if secret.metadata.encoded_len() > secrets_backend::Metadata::MAX_LEN {
            return Err(Failure::invalid("the metadata is too long"));
        }
        Ok(Self {
            path,
            id: stamp.map_or_else(|| api.fresh.id(), token::of)?,
            value: Native::of(secret),
            labels: Labels::of(&secret.metadata)?,
            is_sealed: stamp.is_some(),
            is_tombstone: stamp.is_some_and(secrets_backend::Stamp::is_tombstone),
        })
    }

    /// The tags of a secret that is made with this version.
    fn tags(&self) -> Vec<aws_sdk_secretsmanager::types::Tag> {
        match (self.is_sealed, self.labels.is_empty()) {
            (true, _) => labels::sealed(),
            (false, false) => self.labels.tags(&self.id),
            (false, true) => Vec::new(),
        }
    }
}

/// Writes a version and answers its id.
pub(crate) async fn put(
    api: &Api,
    path: &SecretPath,
    secret: &NewSecret,
    mode: &PutMode,
) -> Result<String, Failure> {
    let new = New::of(api, path, secret)?;
    match mode {
        PutMode::Create => create(api, &new).await?,
        PutMode::Replace(version) => replace(api, &new, version.as_str()).await?,
        PutMode::Upsert => upsert(api, &new).await?,
    }
    Ok(new.id)
}

async fn make(api: &Api, new: &New<'_>) -> Result<(), Failure> {
    api.create(new.path, &new.id, &new.value, new.labels.description.clone(), new.tags()).await
}

async fn create(api: &Api, new: &New<'_>) -> Result<(), Failure> {
    let refused = match make(api, new).await {
        // Over a secret that is scheduled for deletion one or the other is said.
        Err(failure) if failure.is(Code::ResourceExists) || failure.is(Code::InvalidRequest) => failure,
        answer => return answer,
    };
    let Some(found) = api.describe(new.path).await? else {
        // Gone since, and its name not free yet.
        return Err(refused.or(ErrorKind::Unavailable));
    };
    if found.is_deleted {
        return create_over_deleted(api, new, &found).await;
    }
    // Our own, of a request whose answer was lost: the service compares ids, we compare values.
    if found.version_at(CURRENT) == Some(&new.id) && is_written(api, new).await? {
        return Ok(());
    }
    Err(refused.or(ErrorKind::AlreadyExists))
}

/// The last version before the deletion is what of many creators only one can replace.
async fn create_over_deleted(api: &Api, new: &New<'_>, found: &Described) -> Result<(), Failure> {
    restore(api, new.path).await?;
    let Some(last) = found.version_at(CURRENT) else {
        return api.put(new.path, &new.id, &new.value, CURRENT).await;
    };
    replace(api, new, last).await.map_err(|failure| match failure.kind {
        ErrorKind::Conflict => failure.or(ErrorKind::AlreadyExists),
        _ => failure,
    })
}

/// Brings a deleted secret back. One that vanishes in that moment is being removed for good, and its name is not free
/// yet.
async fn restore(api: &Api, path: &SecretPath) -> Result<(), Failure> {
    api.restore(path).await.map_err(|failure| match failure.kind {
        ErrorKind::NotFound => failure.or(ErrorKind::Unavailable),
        _ => failure,
    })
}

async fn replace(api: &Api, new: &New<'_>, current: &str) -> Result<(), Failure> {
    // No version has such an id, and the service would call it a fault of the request.
    if !is_id(current) {
        return Err(Failure::new(ErrorKind::Conflict, ""));
    }
    if token::is_rewrap(current, &new.id) {
        rested(api, new, current).await?;
    }
    put_pending(api, new).await?;
    if current != new.id {
        make_current(api, new, current).await?;
    }
    if new.is_tombstone {
        keep_for_undelete(api, new.path, current).await;
    }
    relabel(api, new).await
}

/// Holds a re-wrap back while the secret is fresh: it writes an equal version anew, which can wait.
async fn rested(api: &Api, new: &New<'_>, current: &str) -> Result<(), Failure> {
    let conflict = || Failure::new(ErrorKind::Conflict, "");
    let found = api.describe(new.path).await?.ok_or_else(conflict)?;
    match found.version_at(CURRENT) {
        // Our own, of a request whose answer was lost.
        Some(id) if id == new.id => return Ok(()),
        Some(id) if id == current => {}
        _ => return Err(conflict()),
    }
    let age = |changed: Timestamp| Timestamp::now().as_millis().saturating_sub(changed.as_millis());
    let age = found.changed.map_or(REST, |changed| Duration::from_millis(age(changed)));
    match REST.checked_sub(age) {
        Some(left) if !left.is_zero() => Err(Failure::new(
            ErrorKind::RateLimited,
            "written a moment ago, and the service takes a version every 10 minutes",
        )
        .after(left)),
        _ => Ok(()),
    }
}

async fn put_pending(api: &Api, new: &New<'_>) -> Result<(), Failure> {
    let refused = match api.put(new.path, &new.id, &new.value, PENDING).await {
        Err(failure) => api.deleted_is_missing(new.path, failure).await,
        Ok(()) => return Ok(()),
    };
    match refused.kind {
        ErrorKind::NotFound => Err(refused.or(ErrorKind::Conflict)),
        // Our own id, of a request whose answer was lost, or of someone else's content.
        ErrorKind::AlreadyExists if is_written(api, new).await? => Ok(()),
        ErrorKind::AlreadyExists => Err(refused.or(ErrorKind::Conflict)),
        _ => Err(refused),
    }
}

async fn make_current(api: &Api, new: &New<'_>, current: &str) -> Result<(), Failure> {
    let refused = match api.move_stage(new.path, CURRENT, Some(current), &new.id).await {
        Err(failure) => failure,
        Ok(()) => return Ok(()),
    };
    // A plain version has an id of this very call, so that none but this call can have made it current.
    if refused.is(Code::InvalidParameter) && !new.is_sealed {
        return Err(refused.or(ErrorKind::Conflict));
    }
    let lost = [Code::InvalidParameter, Code::ResourceNotFound, Code::InvalidRequest];
    if !lost.iter().any(|&code| refused.is(code)) {
        return Err(refused);
    }
    // Refused because another version is the current one, and that may be ours: its answer was lost.
    match api.describe(new.path).await? {
        Some(found) if found.is_deleted => Err(refused.or(ErrorKind::Conflict)),
        Some(found) if found.version_at(CURRENT) == Some(&new.id) => Ok(()),
        Some(found) if found.version_at(CURRENT) == Some(current) => Err(refused),
        _ => Err(refused.or(ErrorKind::Conflict)),
    }
}

/// Keeps the version before a tombstone. The stage `AWSPREVIOUS` keeps it as well, until the next write.
async fn keep_for_undelete(api: &Api, path: &SecretPath, version: &str) {
    let mut kept = api.move_stage(path, UNDELETE, None, version).await;
    // An older one has the stage, and must be named.
    if kept.as_ref().is_err_and(|failure| failure.is(Code::InvalidParameter))
        && let Ok(Some(found)) = api.describe(path).await
        && let Some(older) = found.version_at(UNDELETE)
    {
        kept = api.move_stage(path, UNDELETE, Some(older), version).await;
    }
    if let Err(failure) = kept {
        tracing::debug!(kind = ?failure.kind, "the version before a tombstone has no stage of its own");
    }
}

async fn upsert(api: &Api, new: &New<'_>) -> Result<(), Failure> {
    for _ in 0..UPSERTS {
        match api.put(new.path, &new.id, &new.value, CURRENT).await {
            Ok(()) => return relabel(api, new).await,
            Err(failure) if failure.is(Code::ResourceNotFound) => match make(api, new).await {
                Err(failure) if failure.is(Code::ResourceExists) || failure.is(Code::InvalidRequest) => {}
                answer => return answer,
            },
            Err(failure) if failure.is(Code::InvalidRequest) => match api.describe(new.path).await? {
                Some(found) if found.is_deleted => restore(api, new.path).await?,
                Some(_) => return Err(failure),
                None => {}
            },
            Err(failure) if failure.is(Code::ResourceExists) && is_written(api, new).await? => return Ok(()),
            Err(failure) if failure.is(Code::ResourceExists) => return Err(failure.or(ErrorKind::Conflict)),
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::new(ErrorKind::Conflict, "others delete and make it all the time"))
}

/// Whether our version is there with our content.
async fn is_written(api: &Api, new: &New<'_>) -> Result<bool, Failure> {
    match api.value(new.path, Some(&new.id)).await {
        Ok(found) => Ok(Native::of_value(&found.value, new.is_sealed) == new.value),
        Err(failure) if failure.kind == ErrorKind::NotFound => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Writes description and tags of a version beside it, and removes those of the version before.
///
/// Without any there is nothing to do: what is there names the version that it belongs to.
async fn relabel(api: &Api, new: &New<'_>) -> Result<(), Failure> {
    if new.labels.is_empty() {
        return Ok(());
    }
    let written = async {
        let found = api.describe(new.path).await?.ok_or_else(Failure::missing)?;
        let obsolete = new.labels.obsolete(&found.tags);
        // First what takes room away: the service takes so many tags and no more.
        if !obsolete.is_empty() {
            api.untag(new.path, obsolete).await?;
        }
        let text = new.labels.description.as_deref().unwrap_or_default();
        if found.description.as_deref().unwrap_or_default() != text {
            api.describe_as(new.path, text).await?;
        }
        api.tag(new.path, new.tags()).await
    };
    written.await.map_err(|failure| {
        let detail = format!("the value was written, its metadata was not: {}", failure.kind);
        Failure::new(ErrorKind::TimedOut, detail)
    })
}

/// Whether the service would take it for the id of a version: API reference, `VersionId`.
pub(crate) fn is_id(text: &str) -> bool {
    (32..=64).contains(&text.len())
}
