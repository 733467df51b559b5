//! Judges what a replica answers, for the failover wrapper.

use std::sync::Arc;

use secrets_backend::{ContentId, Error, ErrorKind, Operation, Secret, SecretPath, VersionId};
use secrets_multicloud::{Freshness, Seen, Verified, Verify, freshness};

use crate::state::{MarkKind, State, StateError};
use crate::tenant::{SealError, Tenant};

/// The verify function of one tenant: opens the envelope, compares it with what was asked for and with what
/// this installation has seen.
pub(crate) fn verify_function(tenant: Arc<Tenant>, state: Arc<State>, backend: String) -> Arc<Verify> {
    Arc::new(move |path, at, answer| {
        let refuse = |(kind, why): (ErrorKind, String)| {
            Error::new(kind, Operation::Get, backend.clone()).with_path(path).with_detail(why)
        };
        judged(&tenant, &state, path, at, answer).map_err(refuse)
    })
}

type Judgement<T> = std::result::Result<T, (ErrorKind, String)>;

fn judged(
    tenant: &Tenant,
    state: &State,
    path: &SecretPath,
    at: Option<&VersionId>,
    answer: Option<&Secret>,
) -> Judgement<Option<Verified>> {
    let number = at.and_then(VersionId::number);
    let opened = answer.map(|secret| tenant.open(path, number, secret.value.expose()).map_err(tampered));
    let stamp = opened.transpose()?.map(|opened| opened.stamp);
    let seen = seen(tenant, state, path)?;
    match freshness(stamp.as_ref(), seen.as_ref(), at.is_none()) {
        Freshness::Good => Ok(stamp.map(Verified::good)),
        Freshness::Rival => Ok(stamp.map(Verified::rival)),
        _ => {
            let seen = seen.map_or(0, |seen| seen.version);
            let why = match stamp {
                Some(stamp) => {
                    format!("version {} was answered, version {seen} has been seen", stamp.version)
                }
                None => format!("none was answered, version {seen} has been seen and was not deleted"),
            };
            Err((ErrorKind::Stale, why))
        }
    }
}

fn seen(tenant: &Tenant, state: &State, path: &SecretPath) -> Judgement<Option<Seen>> {
    let mark = state.mark(tenant.object(path)).map_err(unreadable)?;
    Ok(mark.map(|mark| Seen::new(mark.version, ContentId::new(mark.content_id), mark.kind == MarkKind::Live)))
}

fn tampered(error: SealError) -> (ErrorKind, String) {
    let kind = match error {
        SealError::Newer => ErrorKind::Unsupported,
        _ => ErrorKind::Tampered,
    };
    (kind, error.to_string())
}

fn unreadable(error: StateError) -> (ErrorKind, String) {
    (ErrorKind::Unavailable, format!("local state: {error}"))
}
