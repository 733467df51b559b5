//! Deleting, bringing back, removing for good. The service begins each and answers before it is done.

use secrets_backend::ErrorKind;

use crate::api::{Api, Purge};
use crate::codes::Busy;
use crate::failure::Failure;
use crate::names::Name;
use crate::wait::Wait;

/// Deletes a secret, and waits until the service shows it as deleted: from then on it can be recovered.
pub(crate) async fn delete(api: &Api, name: &Name) -> Result<(), Failure> {
    let mut wait = Wait::new(&api.config);
    loop {
        match api.delete(name).await {
            Err(failure) if failure.busy == Some(Busy::Moving) && wait.pause().await => {}
            // Somebody else has done it, or is at it.
            Err(failure) if matches!(failure.busy, Some(Busy::Deleted | Busy::Going)) => {
                return Err(Failure::missing());
            }
            answer => break answer?,
        }
    }
    while !is_gone(api, name).await? {
        if !wait.pause().await {
            return Err(still("deleted"));
        }
    }
    Ok(())
}

/// Whether a deletion that was begun is done; also where the secret was brought back by somebody since.
async fn is_gone(api: &Api, name: &Name) -> Result<bool, Failure> {
    match api.deleted(name).await {
        Ok(Some(_)) => Ok(true),
        Ok(None) => Ok(api.live(name).await?.is_some()),
        // Who may delete, may not always look.
        Err(failure) if failure.kind == ErrorKind::PermissionDenied => Ok(true),
        Err(failure) => Err(unsettled(failure)),
    }
}

/// Brings a deleted secret back; one that is there stays as it is.
pub(crate) async fn undelete(api: &Api, name: &Name) -> Result<(), Failure> {
    let mut wait = Wait::new(&api.config);
    let mut was_begun = false;
    loop {
        if !was_begun {
            was_begun = match api.recover(name).await {
                Ok(()) => true,
                // On its way somewhere, or there already.
                Err(failure) if failure.busy.is_some() => false,
                Err(failure) if failure.kind == ErrorKind::NotFound => match api.live(name).await? {
                    Some(_) => return Ok(()),
                    None => return Err(Failure::missing()),
                },
                Err(failure) => return Err(failure),
            };
        }
        if api.live(name).await.map_err(unsettled)?.is_some() {
            return Ok(());
        }
        if !wait.pause().await {
            return Err(still("recovered"));
        }
    }
}

/// Removes a secret, deleted or not, for good. Where the vault protects secrets from that, nothing is changed.
pub(crate) async fn purge(api: &Api, name: &Name) -> Result<(), Failure> {
    let mut wait = Wait::new(&api.config);
    let (mut is_going, mut was_purged) = (false, false);
    loop {
        let live = api.live(name).await?;
        let deleted = if live.is_none() { api.deleted(name).await? } else { None };
        if [live, deleted].contains(&Some(Purge::Protected)) {
            return Err(protected());
        }
        match (live, deleted) {
            // Written again since: what was removed is gone.
            (Some(_), _) if was_purged => return Ok(()),
            (None, None) if was_purged => return Ok(()),
            (None, Some(_)) => was_purged |= begun(api.purge(name).await)?,
            // Between the two a secret is in neither; a deletion tells whether there is one.
            (Some(_), _) | (None, None) if !is_going || live.is_some() => match api.delete(name).await {
                Err(failure) if failure.busy.is_some() => is_going = true,
                Err(failure) if failure.kind == ErrorKind::NotFound && live.is_none() => return Err(failure),
                answer => is_going |= begun(answer)?,
            },
            _ => {}
        }
        if !wait.pause().await {
            return Err(still("removed"));
        }
    }
}

/// Whether the service began with it; not where the secret is doing something else.
fn begun(answer: Result<(), Failure>) -> Result<bool, Failure> {
    match answer {
        Ok(()) => Ok(true),
        Err(failure) if failure.busy.is_some() || failure.kind == ErrorKind::NotFound => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Looking failed: what was begun goes on all the same.
fn unsettled(failure: Failure) -> Failure {
    if failure.kind == ErrorKind::Unavailable { failure.or(ErrorKind::TimedOut) } else { failure }
}

fn still(what: &str) -> Failure {
    Failure::new(
        ErrorKind::TimedOut,
        format!("the vault has not shown it as {what} in time; it goes on with it"),
    )
}

fn protected() -> Failure {
    Failure::new(
        ErrorKind::Unsupported,
        "the vault has purge protection: it keeps a deleted secret until its retention ends; nothing was changed",
    )
}
