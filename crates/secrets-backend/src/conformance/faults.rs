//! Cases about faults, each on a backend that already has the one of its name.

use std::future::Future;

use super::conduct::ensure_error_hides;
use super::{Failure, Outcome, Scratch, ensure, ensure_kind, ensure_kind_of};
use crate::{Error, ErrorKind, NewSecret, PutMode, Result};

/// Credentials that the service refuses are `Unauthenticated`, by every method.
pub async fn bad_credentials_are_unauthenticated(scratch: &Scratch) -> Outcome {
    every_method_fails(scratch, &[ErrorKind::Unauthenticated]).await.map(drop)
}

/// Credentials that may not do it are `PermissionDenied`, by every method that is about a secret.
pub async fn a_refused_operation_is_permission_denied(scratch: &Scratch) -> Outcome {
    let (path, backend) = (scratch.unwritten_path("denied")?, scratch.backend());
    let kind = ErrorKind::PermissionDenied;
    ensure_kind(&in_time(scratch, backend.get(&path, None)).await?, kind, "get")?;
    let secret = NewSecret::new("x");
    let put = backend.put(&path, &secret, &PutMode::Upsert);
    ensure_kind(&in_time(scratch, put).await?, kind, "put")?;
    ensure_kind(&in_time(scratch, backend.delete(&path)).await?, kind, "delete")?;
    ensure_kind(&in_time(scratch, backend.versions(&path)).await?, kind, "versions")?;
    ensure_kind(&in_time(scratch, backend.list(Some(&path), None)).await?, kind, "list")
}

/// One secret that is refused leaves the answers for the present and the missing as they are.
pub async fn a_refused_secret_leaves_the_rest_of_a_batch(scratch: &Scratch) -> Outcome {
    let refused = scratch.refused_path().cloned();
    let refused = refused.ok_or_else(|| Failure::new("the target names a path that it refuses"))?;
    let (present, missing) = (scratch.path("present")?, scratch.unwritten_path("missing")?);
    scratch.put(&present, b"here").await?;
    let paths = [missing, refused, present];
    let answers = in_time(scratch, async { Ok(scratch.backend().get_many(&paths).await) }).await??;
    let [missing, refused, present] = answers.as_slice() else {
        return ensure(false, "a batch has one answer per path");
    };
    ensure_kind(missing, ErrorKind::NotFound, "the missing one of a batch")?;
    ensure_kind(refused, ErrorKind::PermissionDenied, "the refused one of a batch")?;
    let here = present.as_ref().is_ok_and(|secret| secret.value.expose() == b"here");
    ensure(here, "the present one of a batch is answered")
}

/// An endpoint that nobody serves is `Unavailable`, within the deadline.
pub async fn a_dead_endpoint_is_unavailable(scratch: &Scratch) -> Outcome {
    every_method_fails(scratch, &[ErrorKind::Unavailable]).await.map(drop)
}

/// An endpoint that never answers is `TimedOut`, within the deadline.
pub async fn a_hanging_endpoint_times_out(scratch: &Scratch) -> Outcome {
    every_method_fails(scratch, &[ErrorKind::TimedOut]).await.map(drop)
}

/// A service that says "slow down" is `RateLimited`, and the time it named is passed on.
pub async fn throttling_is_rate_limited_with_retry_after(scratch: &Scratch) -> Outcome {
    for error in every_method_fails(scratch, &[ErrorKind::RateLimited]).await? {
        ensure(error.retry_after().is_some(), format!("the time to wait is passed on: {error}"))?;
    }
    Ok(())
}

/// A reply without end is given up at the cap: neither a value, nor an absence, nor a bug.
pub async fn an_oversized_reply_is_a_typed_error(scratch: &Scratch) -> Outcome {
    damaged(scratch).await
}

/// A reply that makes no sense is neither a value, nor an absence, nor a bug; and no text quotes it.
pub async fn a_malformed_reply_is_a_typed_error(scratch: &Scratch) -> Outcome {
    damaged(scratch).await
}

async fn damaged(scratch: &Scratch) -> Outcome {
    let (path, backend) = (scratch.unwritten_path("damaged")?, scratch.backend());
    let kinds = [ErrorKind::Tampered, ErrorKind::Unavailable];
    let get = in_time(scratch, backend.get(&path, None)).await?;
    ensure_kind_of(&get, &kinds, "get of a damaged reply")?;
    let versions = in_time(scratch, backend.versions(&path)).await?;
    ensure_kind_of(&versions, &kinds, "versions of a damaged reply")?;
    let list = in_time(scratch, backend.list(Some(&path), None)).await?;
    ensure_kind_of(&list, &kinds, "list of a damaged reply")?;
    let many = in_time(scratch, async { Ok(backend.get_many(std::slice::from_ref(&path)).await) }).await??;
    for answer in &many {
        ensure_kind_of(answer, &kinds, "get_many of a damaged reply")?;
    }
    let errors = [get.err(), versions.err(), list.err()].into_iter().chain(many.into_iter().map(Result::err));
    errors.flatten().try_for_each(|error| ensure_error_hides(scratch, &error))
}

/// Calls every method on a backend of which none can succeed; answers the errors.
async fn every_method_fails(scratch: &Scratch, kinds: &[ErrorKind]) -> Result<Vec<Error>, Failure> {
    let (path, backend) = (scratch.unwritten_path("faulty")?, scratch.backend());
    let secret = NewSecret::new(super::PLANTED);
    let mut errors = vec![
        failed(scratch, "check", kinds, backend.check()).await?,
        failed(scratch, "get", kinds, backend.get(&path, None)).await?,
        failed(scratch, "put", kinds, backend.put(&path, &secret, &PutMode::Upsert)).await?,
        failed(scratch, "delete", kinds, backend.delete(&path)).await?,
        failed(scratch, "purge", kinds, backend.purge(&path)).await?,
        failed(scratch, "versions", kinds, backend.versions(&path)).await?,
        failed(scratch, "list", kinds, backend.list(Some(&path), None)).await?,
    ];
    let many = async { backend.get_many(std::slice::from_ref(&path)).await.pop().transpose() };
    errors.push(failed(scratch, "get_many", kinds, many).await?);
    if scratch.capabilities().recoverable_delete {
        errors.push(failed(scratch, "undelete", kinds, backend.undelete(&path)).await?);
    }
    errors.iter().try_for_each(|error| ensure_error_hides(scratch, error))?;
    Ok(errors)
}

async fn failed<T>(
    scratch: &Scratch,
    method: &str,
    kinds: &[ErrorKind],
    call: impl Future<Output = Result<T>>,
) -> Result<Error, Failure> {
    let answer = in_time(scratch, call).await?;
    ensure_kind_of(&answer, kinds, method)?;
    answer.err().ok_or_else(|| Failure::new(format!("{method} fails")))
}

/// The answer of a call that keeps the deadline.
async fn in_time<T>(scratch: &Scratch, call: impl Future<Output = Result<T>>) -> Result<Result<T>, Failure> {
    let limit = scratch.deadline();
    let answer = tokio::time::timeout(limit, call).await;
    answer.map_err(|_elapsed| Failure::new(format!("does not hold: an answer within {limit:?}")))
}
