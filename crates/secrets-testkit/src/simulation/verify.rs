//! Judges what a replica answers, as the manager does: by the envelope, and by what was seen.

use std::sync::Arc;

use secrets_backend::{Error, ErrorKind, Operation, Secret, SecretPath, VersionId};
use secrets_multicloud::{Freshness, Seen, Verified, Verify, freshness};

use super::keys::Keys;
use super::state::{MarkKind, State};

pub(super) fn verify_function(keys: Arc<Keys>, state: Arc<State>, replica: String) -> Arc<Verify> {
    Arc::new(move |path, at, answer| {
        let refused = |kind| Error::new(kind, Operation::Get, replica.clone()).with_path(path);
        judged(&keys, &state, path, at, answer).map_err(refused)
    })
}

fn judged(
    keys: &Keys,
    state: &State,
    path: &SecretPath,
    at: Option<&VersionId>,
    answer: Option<&Secret>,
) -> Result<Option<Verified>, ErrorKind> {
    let number = at.and_then(VersionId::number);
    let opened =
        answer.map(|secret| keys.open(path, number, secret.value.expose()).ok_or(ErrorKind::Tampered));
    let stamp = opened.transpose()?.map(|(stamp, _)| stamp);
    let mark = state.mark(path).map_err(|error| error.kind())?;
    let seen = mark.map(|mark| Seen::new(mark.version, mark.content, mark.kind == MarkKind::Live));
    match freshness(stamp.as_ref(), seen.as_ref(), at.is_none()) {
        Freshness::Good => Ok(stamp.map(Verified::good)),
        Freshness::Rival => Ok(stamp.map(Verified::rival)),
        _ => Err(ErrorKind::Stale),
    }
}
