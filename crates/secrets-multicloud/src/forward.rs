//! Bringing a replica forward to a version that another has, with the same bytes.

use secrets_backend::{
    ContentId, Error, ErrorKind, NewSecret, Operation, PutMode, Result, SecretBackend, SecretPath, Stamp,
    VersionId, VersionMeta,
};

use crate::relation::{Relation, relation};
use crate::replica::{Replica, is_contested};

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

/// The replicas beside one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Others<'a> {
    /// Who has the version that is to be brought; none where it comes from the journal.
    pub(crate) source: Option<&'a Replica>,
    /// Whose histories may show what comes from what: who is asked first, comes first.
    pub(crate) witnesses: &'a [&'a Replica],
}

/// Writes a version where what is there is its ancestor, and nowhere else.
pub(crate) async fn forward(
    replica: &Replica,
    others: Others<'_>,
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
                match descends(others.witnesses, path, stamp, &theirs).await {
                    Some(true) => PutMode::Replace(native),
                    Some(false) => return Ok(Forwarded::Diverged),
                    None => return Ok(Forwarded::Unproven),
                }
            }
            (Relation::BehindUnproven, Some((_, theirs))) => {
                return follows(replica, others, path, &theirs, stamp).await;
            }
            (Relation::AheadUnproven | Relation::BehindUnproven, None) => return Ok(Forwarded::Unproven),
            (Relation::Diverged, _) => return Ok(Forwarded::Diverged),
        };
        if let PutMode::Replace(shown) = &mode {
            let listed = replica.listed(path).await?;
            // On top of one of several, the others would be forgotten.
            if is_contested(&listed) {
                return Ok(Forwarded::Diverged);
            }
            if is_out_of_date(&listed, shown, stamp) {
                let error = Error::new(ErrorKind::Stale, Operation::Get, replica.name().to_owned());
                return Err(error.with_path(path));
            }
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

/// Whether a replica shows what is out of date: by its list the version that came last is there, and came later than the
/// one that it shows. Of two of the same time nobody knows which one covers the other.
fn is_out_of_date(listed: &[VersionMeta], shown: &VersionId, stamp: &Stamp) -> bool {
    let Some(last) = listed.last() else { return false };
    let is_it = last.stamp.as_ref().is_some_and(|last| last.content_id.matches(&stamp.content_id));
    let shown = listed.iter().find(|meta| meta.id == *shown);
    is_it && shown.is_some_and(|shown| shown.created < last.created)
}

/// Whether what a replica has follows an older version, or was written without it.
pub(crate) async fn follows(
    replica: &Replica,
    others: Others<'_>,
    path: &SecretPath,
    newer: &Stamp,
    older: &Stamp,
) -> Result<Forwarded> {
    // One that keeps no versions, or came late, cannot show where its own comes from; maybe another can.
    let holders: Vec<&Replica> = std::iter::once(replica).chain(others.witnesses.iter().copied()).collect();
    let has = match (descends(&holders, path, newer, older).await, others.source) {
        (Some(true), _) => true,
        (Some(false), _) => return Ok(Forwarded::Diverged),
        // A purge leaves no history. But the other one has the version or what follows it, and this one has the same.
        (None, Some(source)) => {
            let theirs = source.held(path).await?;
            theirs.is_some_and(|(_, theirs)| theirs.agrees_with(newer))
        }
        // No history reaches back: a person has to say which of the two it is.
        (None, None) => return Ok(Forwarded::Diverged),
    };
    Ok(if has { Forwarded::Has } else { Forwarded::Unproven })
}

/// Whether a version comes from an older one, by the parents of those between them, each opened and verified, whoever has
/// it. None where no history reaches so far back.
pub(crate) async fn descends(
    holders: &[&Replica],
    path: &SecretPath,
    newer: &Stamp,
    older: &Stamp,
) -> Option<bool> {
    let mut parent = newer.parent?;
    let between = older.version + 1..newer.version;
    if between.clone().count() > MOST_BETWEEN {
        return None;
    }
    for number in between.rev() {
        parent = parent_of(holders, path, number, &parent).await?;
    }
    Some(parent.matches(&older.content_id))
}

/// The parent of the version with this number and content.
async fn parent_of(
    holders: &[&Replica],
    path: &SecretPath,
    number: u64,
    content: &ContentId,
) -> Option<ContentId> {
    for holder in holders {
        let answer = holder.get(path, Some(&VersionId::from_number(number))).await;
        let stamp = answer.ok().and_then(|secret| secret.stamp);
        if let Some(stamp) = stamp.filter(|stamp| stamp.content_id.matches(content)) {
            return stamp.parent;
        }
    }
    None
}

/// As many versions are opened at most to show that one comes from another.
const MOST_BETWEEN: usize = 100;
