//! Bringing a replica forward to a version that another has, with the same bytes.

use secrets_backend::{
    Error, ErrorKind, NewSecret, Operation, PutMode, Result, SecretBackend, SecretPath, Stamp, VersionId,
};

use crate::relation::{Relation, relation};
use crate::replica::Replica;

/// What a replica has afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// The version, or one that follows it.
    Has,
    /// An older one; that it is an ancestor cannot be shown.
    Unproven,
    /// One that was written without this one. It is left as it is.
    Diverged,
}

/// How often a replica is looked at again that someone else writes to at the same moment.
const ATTEMPTS: usize = 4;

/// Writes a version where what is there is its ancestor, and nowhere else. `source` has the version, and its history.
pub(crate) async fn forward(
    replica: &Replica,
    source: Option<&Replica>,
    path: &SecretPath,
    secret: &NewSecret,
    stamp: &Stamp,
) -> Result<Forwarded> {
    for _ in 0..ATTEMPTS {
        let held = replica.held(path).await?;
        let mode = match (relation(Some(stamp), held.as_ref().map(|(_, theirs)| theirs)), held) {
            (Relation::Equal | Relation::Behind, _) => return Ok(Forwarded::Has),
            (Relation::Ahead, None) => PutMode::Create,
            (Relation::Ahead, Some((native, _))) => PutMode::Replace(native),
            (Relation::AheadUnproven, Some((native, theirs))) => {
                match descends(source, path, stamp, &theirs).await {
                    Some(true) => PutMode::Replace(native),
                    Some(false) => return Ok(Forwarded::Diverged),
                    None => return Ok(Forwarded::Unproven),
                }
            }
            (Relation::BehindUnproven, Some((_, theirs))) => {
                return follows(replica, source, path, &theirs, stamp).await;
            }
            (Relation::AheadUnproven | Relation::BehindUnproven, None) => return Ok(Forwarded::Unproven),
            (Relation::Diverged, _) => return Ok(Forwarded::Diverged),
        };
        // On top of one of several, the others would be forgotten.
        if mode != PutMode::Create && replica.is_contested(path).await? {
            return Ok(Forwarded::Diverged);
        }
        match replica.write(path, secret, stamp, &mode).await {
            Ok(_) => return Ok(Forwarded::Has),
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(ErrorKind::Unavailable, Operation::Put, replica.name().to_owned())
        .with_path(path)
        .with_detail("others write it all the time"))
}

/// Whether what a replica has follows an older version, or was written without it.
pub(crate) async fn follows(
    replica: &Replica,
    source: Option<&Replica>,
    path: &SecretPath,
    newer: &Stamp,
    older: &Stamp,
) -> Result<Forwarded> {
    // One that keeps no versions cannot show where its own comes from; maybe the other can.
    let shown = match descends(Some(replica), path, newer, older).await {
        None => descends(source, path, newer, older).await,
        shown => shown,
    };
    let has = match (shown, source) {
        (Some(true), _) => true,
        (Some(false), _) => return Ok(Forwarded::Diverged),
        // A purge leaves no history. But the other one has the version or what follows it, and this one has the same.
        (None, Some(source)) => {
            let theirs = source.held(path).await?;
            theirs.is_some_and(|(_, theirs)| theirs.agrees_with(newer))
        }
        // The primary's history does not reach back: a person has to say which of the two it is.
        (None, None) => return Ok(Forwarded::Diverged),
    };
    Ok(if has { Forwarded::Has } else { Forwarded::Unproven })
}

/// Whether a version comes from an older one, by the parents of those between them, each opened and verified. None where
/// the history does not reach so far back.
pub(crate) async fn descends(
    holder: Option<&Replica>,
    path: &SecretPath,
    newer: &Stamp,
    older: &Stamp,
) -> Option<bool> {
    let holder = holder?;
    let mut parent = newer.parent?;
    let between = older.version + 1..newer.version;
    if between.clone().count() > MOST_BETWEEN {
        return None;
    }
    for number in between.rev() {
        let secret = holder.get(path, Some(&VersionId::from_number(number))).await.ok()?;
        let stamp = secret.stamp?;
        if !stamp.content_id.matches(&parent) {
            return None;
        }
        parent = stamp.parent?;
    }
    Some(parent.matches(&older.content_id))
}

/// As many versions are opened at most to show that one comes from another.
const MOST_BETWEEN: usize = 100;
