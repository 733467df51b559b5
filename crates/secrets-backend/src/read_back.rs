//! The one place that settles a write of unknown outcome.

use std::time::Duration;

use crate::{
    Error, ErrorKind, NewSecret, Operation, PutMode, Result, Secret, SecretBackend, SecretPath, VersionId,
    Written,
};

/// `put`, and where its outcome is unknown (`TimedOut`), reading back until it is known.
///
/// What is read back decides. Content is compared by stamp, where both have one, else by value and metadata.
///
/// | found | then |
/// | --- | --- |
/// | our content, as current version or in the history | done |
/// | what `mode` allows us to write over: nothing, the version to be replaced, an older stamp | the same bytes are sent again, under the same mode |
/// | anything else | `Conflict` |
/// | no answer | ask again, after a pause |
///
/// It asks at most five times, within some three seconds of pauses. The version of the answer is missing where
/// our content was found to be written over already, by a successor on a backend without versions.
///
/// # Errors
/// Those of `put`; `Conflict` where someone else wrote; `TimedOut` where the outcome is still unknown in the
/// end, whatever the last failure was, which is its source.
pub async fn read_back<B: SecretBackend + ?Sized>(
    backend: &B,
    path: &SecretPath,
    secret: &NewSecret,
    mode: &PutMode,
) -> Result<Written> {
    let mut last = match backend.put(path, secret, mode).await {
        Err(error) if error.kind() == ErrorKind::TimedOut => error,
        answer => return answer,
    };
    for pause in PAUSES {
        tokio::time::sleep(pause).await;
        match find(backend, path, secret, mode).await {
            Ok(Found::Ours(version)) => {
                return Ok(Written { version, ..Written::default() }.with_stamp(secret.stamp.clone()));
            }
            Ok(Found::Other) => {
                return Err(Error::new(ErrorKind::Conflict, Operation::Put, backend.to_string())
                    .with_path(path)
                    .with_detail("read back after a write of unknown outcome"));
            }
            Ok(Found::Replaceable) => match backend.put(path, secret, mode).await {
                Ok(written) => return Ok(written),
                // A collision may be with our own first write, come late: the next look tells.
                Err(error) => last = error,
            },
            Err(error) if is_passing(error.kind()) => last = error,
            Err(error) => {
                last = error;
                break;
            }
        }
    }
    Err(Error::new(ErrorKind::TimedOut, Operation::Put, backend.to_string())
        .with_path(path)
        .with_detail("the outcome of the write is unknown, and could not be read back")
        .with_source(last))
}

/// Before each look: a write that took effect without an answer mostly did so long before its time ran out.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(900),
    Duration::from_millis(1800),
];

/// What there is where we wanted to write.
enum Found {
    /// Our content, under this version if it is known.
    Ours(Option<VersionId>),
    /// What we may write over.
    Replaceable,
    /// Someone else's.
    Other,
}

async fn find<B: SecretBackend + ?Sized>(
    backend: &B,
    path: &SecretPath,
    secret: &NewSecret,
    mode: &PutMode,
) -> Result<Found> {
    let current = match backend.get(path, None).await {
        Ok(current) => current,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let deleted_meanwhile = matches!(mode, PutMode::Replace(_));
            return Ok(if deleted_meanwhile { Found::Other } else { Found::Replaceable });
        }
        Err(error) => return Err(error),
    };
    if is_same(secret, &current) {
        return Ok(Found::Ours(Some(current.version)));
    }
    if may_replace(secret, mode, &current) {
        return Ok(Found::Replaceable);
    }
    match find_in_history(backend, path, secret).await? {
        Some(version) => Ok(Found::Ours(Some(version))),
        None if is_successor(secret, &current) => Ok(Found::Ours(None)),
        None => Ok(Found::Other),
    }
}

/// Our version where someone wrote after us.
async fn find_in_history<B: SecretBackend + ?Sized>(
    backend: &B,
    path: &SecretPath,
    secret: &NewSecret,
) -> Result<Option<VersionId>> {
    let Some(stamp) = secret.stamp.as_ref().filter(|_| backend.capabilities().versions) else {
        return Ok(None);
    };
    let metas = match backend.versions(path).await {
        Ok(metas) => metas,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let ours = metas.into_iter().rev().find(|meta| meta.stamp.as_ref().is_some_and(|s| s.agrees_with(stamp)));
    Ok(ours.map(|meta| meta.id))
}

fn is_same(secret: &NewSecret, found: &Secret) -> bool {
    match (&secret.stamp, &found.stamp) {
        (Some(ours), Some(theirs)) => ours.agrees_with(theirs),
        _ => secret.value == found.value && secret.metadata == found.metadata,
    }
}

/// Whether what was found is from before our write, so that the mode lets us send it again.
fn may_replace(secret: &NewSecret, mode: &PutMode, found: &Secret) -> bool {
    match mode {
        PutMode::Create => false,
        PutMode::Replace(version) => found.version == *version,
        PutMode::Upsert => match (&secret.stamp, &found.stamp) {
            (Some(ours), Some(theirs)) => theirs.version < ours.version,
            _ => true,
        },
    }
}

/// Whether what was found was written by someone who had seen ours.
fn is_successor(secret: &NewSecret, found: &Secret) -> bool {
    let parent = found.stamp.as_ref().and_then(|stamp| stamp.parent);
    secret.stamp.as_ref().zip(parent).is_some_and(|(ours, parent)| ours.content_id.matches(&parent))
}

const fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TimedOut | ErrorKind::Unavailable | ErrorKind::RateLimited | ErrorKind::Stale)
}
