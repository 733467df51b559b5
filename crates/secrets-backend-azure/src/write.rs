//! Writing a version.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretPath, Stamp, Timestamp};

use crate::api::Api;
use crate::codes::Busy;
use crate::failure::Failure;
use crate::names::Name;
use crate::wait::Wait;
use crate::{read, value};

/// What tells our versions of one second apart, for a history: times of the service have no more than seconds.
#[derive(Debug, Default)]
pub(crate) struct Order(AtomicU16);

impl Order {
    /// By our clock, in milliseconds, and by the order of our writes.
    fn next(&self) -> String {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        format!("{:012x}-{count:04x}", Timestamp::now().as_millis())
    }
}

/// Writes a version; its id. Over a deleted secret, that is recovered first, and so is readable for a moment; where the
/// write fails after that, it stays.
pub(crate) async fn put(
    api: &Api,
    order: &Order,
    path: &SecretPath,
    secret: &NewSecret,
    mode: &PutMode,
) -> Result<String, Failure> {
    let name = Name::of(path)?;
    if *mode != PutMode::Upsert {
        return Err(Failure::new(ErrorKind::Unsupported, "Key Vault has no conditional writes"));
    }
    let body = value::body(secret, order.next())?;
    let mut is_recovered = false;
    let written = write(api, &name, &body, secret.stamp.as_ref(), &mut is_recovered).await;
    written.map_err(|failure| if is_recovered { failure.after(BACK) } else { failure })
}

/// Writes until the secret lets itself be written, and notes whether it was recovered for that.
async fn write(
    api: &Api,
    name: &Name,
    body: &Bytes,
    stamp: Option<&Stamp>,
    is_recovered: &mut bool,
) -> Result<String, Failure> {
    let mut wait = Wait::new(&api.config);
    loop {
        let refused = match api.set(name, body).await {
            Err(failure) if failure.busy.is_some() => failure,
            Err(failure) if failure.kind == ErrorKind::TimedOut && !failure.is_unsent => {
                return settled(api, name, stamp, failure).await;
            }
            // Something was begun: nobody may be told that nothing was done.
            Err(failure) if *is_recovered && wait.passes(&failure) => failure,
            answer => return answer,
        };
        let is_deleted = match refused.busy {
            Some(Busy::Deleted) => true,
            Some(Busy::Untold) => matches!(api.deleted(name).await, Ok(Some(_))),
            _ => false,
        };
        if is_deleted {
            *is_recovered |= recover(api, name).await?;
        }
        if !wait.pause().await {
            return Err(refused);
        }
    }
}

/// What is left of a write that failed after a recovery.
const BACK: &str = "but it was recovered: what was deleted can be read again";
const MAYBE_BACK: &str = "it may be recovered, so that what was deleted can be read again";

/// The version that a write of unknown outcome made, where the service shows it by its stamp. It is never
/// sent again: the service would make a second version of it.
async fn settled(api: &Api, name: &Name, stamp: Option<&Stamp>, unknown: Failure) -> Result<String, Failure> {
    let Some(stamp) = stamp else { return Err(unknown) };
    let looks = async {
        for pause in LOOKS {
            tokio::time::sleep(pause).await;
            if let Ok(Some(id)) = read::version_with(api, name, stamp).await {
                return Some(id);
            }
        }
        None
    };
    // A vault that does not answer is not waited for again and again.
    tokio::time::timeout(api.config.timeout, looks).await.ok().flatten().ok_or(unknown)
}

/// Before each look: a write that took effect without an answer mostly did so long before its time ran out.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(200), Duration::from_millis(800)];

/// Begins a recovery, or finds that somebody else did something to the secret: the next write tells. Whether it was
/// begun.
async fn recover(api: &Api, name: &Name) -> Result<bool, Failure> {
    match api.recover(name).await {
        Ok(()) => Ok(true),
        Err(failure) if failure.busy.is_some() || failure.kind == ErrorKind::NotFound => Ok(false),
        // Nothing was written, whatever became of the recovery.
        Err(failure) if failure.kind == ErrorKind::TimedOut => {
            let is_unsent = failure.is_unsent;
            let failure = failure.or(ErrorKind::Unavailable);
            Err(if is_unsent { failure } else { failure.after(MAYBE_BACK) })
        }
        Err(failure) => Err(failure),
    }
}
