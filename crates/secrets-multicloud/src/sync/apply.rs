//! Carrying out a plan.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use secrets_backend::{Error, ErrorKind, PutMode, Result, SecretBackend};

use super::{Plan, Step, StepKind};
use crate::failover::{Drained, FailoverBackend};
use crate::forward::{Forwarded, Others, forward};
use crate::replica::Replica;

/// How a plan is carried out.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ApplyConfig {
    /// How many steps go side by side. Default: 16.
    pub at_once: usize,
    /// Whether a version is written over one that cannot be shown to be its ancestor. Default: no.
    pub accept_unproven: bool,
}

impl Default for ApplyConfig {
    fn default() -> Self {
        Self { at_once: 16, accept_unproven: false }
    }
}

/// What became of a step.
#[derive(Debug)]
#[non_exhaustive]
pub enum Applied {
    /// It was done, or something newer was there already.
    Done,
    /// What is there is not known to be an ancestor: it was left alone.
    Unproven,
    /// What is there was written without it: both were left alone.
    Diverged,
    /// The source has none any more, or one of the replicas failed.
    Failed(Error),
}

/// Brings what waits in the journal to its replicas, then carries out steps side by side, and tells of each as it ends.
/// It can be stopped at any time and begun again from a new plan.
///
/// # Errors
/// Where the journal cannot be read. What a single step failed with is told for it.
pub async fn apply(
    backend: &FailoverBackend,
    plan: &Plan,
    config: &ApplyConfig,
    progress: &mut (dyn FnMut(&Step, &Applied) + Send),
) -> Result<Drained> {
    let drained = backend.drain().await?;
    let work =
        plan.steps.iter().map(|step| async move { (step, applied_in_time(backend, step, config).await) });
    let work: Vec<_> = work.collect();
    let mut done = stream::iter(work).buffer_unordered(config.at_once.max(1));
    let mut left: BTreeSet<&str> = drained.behind.iter().map(String::as_str).collect();
    while let Some((step, applied)) = done.next().await {
        match applied {
            Applied::Done => {}
            Applied::Diverged => {
                backend.flag(&step.path).await;
                left.insert(&step.to);
            }
            _ => {
                left.insert(&step.to);
            }
        }
        progress(step, &applied);
    }
    let is_settled = plan.is_whole
        && plan.diverged.is_empty()
        && plan.newer_elsewhere.is_empty()
        && plan.damaged.is_empty()
        && drained.left == 0;
    backend.note_in_step(plan, |name| is_settled && !left.contains(name)).await;
    Ok(drained)
}

/// A step again, where a replica asks for a pause.
async fn applied_in_time(backend: &FailoverBackend, step: &Step, config: &ApplyConfig) -> Applied {
    let mut attempts = ATTEMPTS;
    loop {
        attempts -= 1;
        match applied(backend, step, config).await {
            Applied::Failed(error) if error.kind() == ErrorKind::RateLimited && attempts > 0 => {
                tokio::time::sleep(error.retry_after().unwrap_or(PAUSE).min(LONGEST_PAUSE)).await;
            }
            applied => return applied,
        }
    }
}

async fn applied(backend: &FailoverBackend, step: &Step, config: &ApplyConfig) -> Applied {
    let named = |name: &str| backend.replicas().iter().find(|replica| replica.name() == name);
    let (Some(from), Some(to)) = (named(&step.from), named(&step.to)) else { return Applied::Unproven };
    match carried_out(from, to, step, config).await {
        Ok(Forwarded::Has) => Applied::Done,
        Ok(Forwarded::Unproven) => Applied::Unproven,
        Ok(Forwarded::Diverged) => Applied::Diverged,
        Err(error) => Applied::Failed(error),
    }
}

async fn carried_out(from: &Replica, to: &Replica, step: &Step, config: &ApplyConfig) -> Result<Forwarded> {
    let path = &step.path;
    if step.kind == StepKind::Delete {
        // Only what the primary lacks at this moment, too, and what this installation does not know to be live.
        return match from.get(path, None).await {
            Ok(_) => Ok(Forwarded::Diverged),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                to.discard(path).await.map(|()| Forwarded::Has)
            }
            Err(error) => Err(error),
        };
    }
    let (secret, stamp) = from.envelope(path).await?;
    match step.kind {
        StepKind::Create => match to.write(path, &secret, &stamp, &PutMode::Create).await {
            Ok(_) => return Ok(Forwarded::Has),
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Conflict) => {}
            Err(error) => return Err(error),
        },
        StepKind::Repair => {
            if let Some(native) = to.damaged(path).await? {
                to.write(path, &secret, &stamp, &PutMode::Replace(native)).await?;
                return Ok(Forwarded::Has);
            }
        }
        _ => {}
    }
    let others = Others { source: Some(from), witnesses: &[from] };
    let forwarded = forward(to, others, path, &secret, &stamp).await?;
    if forwarded == Forwarded::Unproven && config.accept_unproven {
        let held = to.held(path).await?.filter(|(_, held)| held.version < stamp.version);
        if let Some((native, _)) = held {
            // Who accepts one has not seen the others.
            if to.is_contested(path).await? {
                return Ok(Forwarded::Diverged);
            }
            to.write(path, &secret, &stamp, &PutMode::Replace(native)).await?;
            return Ok(Forwarded::Has);
        }
    }
    Ok(forwarded)
}

/// How often a step is tried that a replica asked to wait with.
const ATTEMPTS: usize = 6;
/// The pause where it does not say how long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest one, whatever it says.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
