//! Bringing a replica forward to a version that another has, with the same bytes.

use secrets_backend::{Error, ErrorKind, NewSecret, Operation, PutMode, Result, SecretPath, Stamp};

use crate::relation::{Record, Relation, relation};
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

/// Writes a version where what is there is its ancestor, and nowhere else.
pub(crate) async fn forward(
    replica: &Replica,
    path: &SecretPath,
    secret: &NewSecret,
    stamp: &Stamp,
    record: &Record<'_>,
) -> Result<Forwarded> {
    for _ in 0..ATTEMPTS {
        let held = replica.held(path).await?;
        let mode = match (relation(Some(stamp), held.as_ref().map(|(_, theirs)| theirs), record), held) {
            (Relation::Equal | Relation::Behind, _) => return Ok(Forwarded::Has),
            (Relation::Ahead, None) => PutMode::Create,
            (Relation::Ahead, Some((native, _))) => PutMode::Replace(native),
            (Relation::AheadUnproven | Relation::BehindUnproven, _) => return Ok(Forwarded::Unproven),
            (Relation::Diverged, _) => return Ok(Forwarded::Diverged),
        };
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
