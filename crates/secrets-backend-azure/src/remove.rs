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
            Err(failure)
                if matches!(failure.busy, Some(Busy::Moving | Busy::Untold)) && wait.pause().await => {}
            // Somebody else has done it, or is at it.
            Err(failure) if matches!(failure.busy, Some(Busy::Deleted | Busy::Going)) => {
                return Err(Failure::missing());
            }
            answer => break answer?,
        }
    }
    let mut seen_live = 0;
    while seen_live < BACK {
        let look = match place(api, name).await {
            // Who may delete, may not always look.
            Err(failure) if failure.kind == ErrorKind::PermissionDenied => return Ok(()),
            look => wait.shown(look)?,
        };
        match look {
            Some(Place::Deleted(_)) => return Ok(()),
            Some(Place::Live(_)) => seen_live += 1,
            Some(Place::Nowhere) | None => seen_live = 0,
        }
        if !wait.pause().await {
            return Err(still("deleted"));
        }
    }
    Ok(())
}

/// A secret that is shown so often after its deletion was begun was brought back by somebody; before that, the
/// service may be slow to tell.
const BACK: usize = 4;

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
                    None => return Err(failure),
                },
                Err(failure) => return Err(failure),
            };
        }
        if let Some(Some(_)) = wait.shown(api.live(name).await)? {
            return Ok(());
        }
        if !wait.pause().await {
            return Err(still("recovered"));
        }
    }
}

/// Where a secret is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Live(Purge),
    Deleted(Purge),
    /// In neither: it never was, is between the two, or is removed.
    Nowhere,
}

/// How far a removal is, whoever does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Untouched,
    /// The service began to delete it.
    Going,
    Deleted,
    /// The service began to remove it.
    Purged,
}

/// Removes a secret, deleted or not, for good. Where the vault protects secrets from that, nothing is changed.
pub(crate) async fn purge(api: &Api, name: &Name) -> Result<(), Failure> {
    let (mut wait, mut stage, mut has_deleted) = (Wait::new(&api.config), Stage::Untouched, false);
    loop {
        match place(api, name).await {
            Err(failure) if stage != Stage::Untouched => {
                wait.shown::<Place>(Err(failure))?;
            }
            Err(failure) => return Err(failure),
            // Written again since: what was removed is gone all the same.
            Ok(Place::Nowhere | Place::Live(_)) if stage == Stage::Purged => return Ok(()),
            Ok(Place::Live(Purge::Protected) | Place::Deleted(Purge::Protected)) => return Err(protected()),
            Ok(Place::Deleted(Purge::Allowed)) => {
                let is_begun = match begun(api.purge(name).await) {
                    // Half of it is done: nobody may be told that nothing was.
                    Err(failure) if has_deleted && wait.passes(&failure) => false,
                    Err(failure) if has_deleted => return Err(failure.after(RECOVERABLE)),
                    answer => answer?,
                };
                let is_purged = is_begun || stage == Stage::Purged;
                stage = if is_purged { Stage::Purged } else { Stage::Deleted };
            }
            Ok(Place::Nowhere) if stage == Stage::Going => {}
            Ok(place) => match api.delete(name).await {
                // Only this tells a secret on its way from none.
                Err(failure) if failure.kind == ErrorKind::NotFound && place == Place::Nowhere => {
                    // Somebody else has removed it.
                    return if stage == Stage::Deleted { Ok(()) } else { Err(failure) };
                }
                Err(failure) if failure.busy.is_some() => stage = Stage::Going,
                answer => {
                    if begun(answer)? {
                        (stage, has_deleted) = (Stage::Going, true);
                    }
                }
            },
        }
        if !wait.pause().await {
            return Err(if stage == Stage::Deleted { deleted_alone() } else { still("removed") });
        }
    }
}

async fn place(api: &Api, name: &Name) -> Result<Place, Failure> {
    if let Some(purge) = api.deleted(name).await? {
        return Ok(Place::Deleted(purge));
    }
    Ok(api.live(name).await?.map_or(Place::Nowhere, Place::Live))
}

/// Whether the service began with it; not where the secret is doing something else.
fn begun(answer: Result<(), Failure>) -> Result<bool, Failure> {
    match answer {
        Ok(()) => Ok(true),
        Err(failure) if failure.busy.is_some() || failure.kind == ErrorKind::NotFound => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn still(what: &str) -> Failure {
    Failure::new(
        ErrorKind::TimedOut,
        format!("the vault has not shown it as {what} in time; it goes on with it"),
    )
}

fn deleted_alone() -> Failure {
    let what = "the vault has not begun to remove it in time";
    Failure::new(ErrorKind::TimedOut, what).after(RECOVERABLE)
}

/// What is left of a removal that failed after its first half.
const RECOVERABLE: &str = "but it is deleted, and can be recovered";

fn protected() -> Failure {
    Failure::new(
        ErrorKind::Unsupported,
        "the vault has purge protection: it keeps a deleted secret until its time is over; nothing was changed",
    )
}
