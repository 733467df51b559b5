//! Judges what a replica answers, for the failover wrapper.

use std::sync::Arc;

use secrets_backend::{ContentId, Error, ErrorKind, Operation, Secret, SecretPath, Stamp, VersionId};
use secrets_multicloud::Verify;

use crate::state::{Mark, MarkKind, State, StateError};
use crate::tenant::{SealError, Tenant};

/// The verify function of one tenant: opens the envelope, compares it with what was asked for and with what
/// this installation has seen.
pub(crate) fn verify_function(tenant: Arc<Tenant>, state: Arc<State>, backend: String) -> Arc<Verify> {
    Arc::new(move |path, at, answer| {
        let refuse = |kind, why: String| {
            Error::new(kind, Operation::Get, backend.clone()).with_path(path).with_detail(why)
        };
        match answer {
            Some(secret) => present(&tenant, &state, path, at, secret).map(Some),
            None => absent(&tenant, &state, path).map(|()| None),
        }
        .map_err(|(kind, why)| refuse(kind, why))
    })
}

type Judgement<T> = std::result::Result<T, (ErrorKind, String)>;

fn present(
    tenant: &Tenant,
    state: &State,
    path: &SecretPath,
    at: Option<&VersionId>,
    secret: &Secret,
) -> Judgement<Stamp> {
    let number = at.and_then(VersionId::number);
    let stamp = tenant.open(path, number, secret.value.expose()).map_err(tampered)?.stamp;
    if let Some(mark) = seen(tenant, state, path)? {
        judge(&stamp, &mark, at.is_none())?;
    }
    Ok(stamp)
}

/// Compares an authentic stamp with the newest one seen. History may be old; the newest must not be.
fn judge(stamp: &Stamp, mark: &Mark, is_newest: bool) -> Judgement<()> {
    if is_newest && stamp.version < mark.version {
        return Err((
            ErrorKind::Stale,
            format!("version {} was answered, version {} has been seen", stamp.version, mark.version),
        ));
    }
    let known = ContentId::new(mark.content_id);
    if stamp.version == mark.version && !stamp.content_id.matches(&known) {
        return Err((
            ErrorKind::Conflict,
            format!("version {} has another content than the one seen before", stamp.version),
        ));
    }
    Ok(())
}

fn absent(tenant: &Tenant, state: &State, path: &SecretPath) -> Judgement<()> {
    match seen(tenant, state, path)? {
        Some(Mark { kind: MarkKind::Live, version, .. }) => Err((
            ErrorKind::Stale,
            format!("none was answered, version {version} has been seen and was not deleted"),
        )),
        _ => Ok(()),
    }
}

fn seen(tenant: &Tenant, state: &State, path: &SecretPath) -> Judgement<Option<Mark>> {
    state.mark(tenant.object(path)).map_err(unreadable)
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
