//! Writing a version.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

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

/// Writes a version; its id. Over a deleted secret, that is recovered first, and so is readable for a moment.
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
    let mut wait = Wait::new(&api.config);
    loop {
        let refused = match api.set(&name, &body).await {
            Err(failure) if failure.busy.is_some() => failure,
            Err(failure) if failure.kind == ErrorKind::TimedOut && !failure.is_unsent => {
                return settled(api, &name, secret.stamp.as_ref(), failure).await;
            }
            answer => return answer,
        };
        if refused.busy == Some(Busy::Deleted) {
            recover(api, &name).await?;
        }
        if !wait.pause().await {
            return Err(refused);
        }
    }
}

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

/// Begins a recovery, or finds that somebody else did something to the secret: the next write tells.
async fn recover(api: &Api, name: &Name) -> Result<(), Failure> {
    match api.recover(name).await {
        Err(failure) if failure.busy.is_none() && failure.kind != ErrorKind::NotFound => {
            // Nothing was written, whatever became of the recovery.
            let is_unknown = failure.kind == ErrorKind::TimedOut;
            Err(if is_unknown { failure.or(ErrorKind::Unavailable) } else { failure })
        }
        _ => Ok(()),
    }
}
