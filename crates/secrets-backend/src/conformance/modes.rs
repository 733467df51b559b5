//! Cases about when a `put` may write, alone and with others at the same time.

use futures_util::future::join_all;

use super::scratch::version_of;
use super::{Outcome, Scratch, ensure, ensure_kind};
use crate::{ErrorKind, NewSecret, PutMode, Result, VersionId, Written};

/// How many write at the same time.
const WRITERS: usize = 32;

/// A second `Create` writes nothing; a backend that cannot create atomically never writes at all.
pub async fn create_twice_already_exists(scratch: &Scratch) -> Outcome {
    let path = scratch.path("created")?;
    let create = |value: &'static str| {
        let backend = scratch.backend();
        let path = &path;
        async move { backend.put(path, &NewSecret::new(value), &PutMode::Create).await }
    };
    if !scratch.capabilities().atomic_create {
        ensure_kind(&create("first").await, ErrorKind::Unsupported, "Create without atomic_create")?;
        return ensure_kind(&scratch.get(&path).await, ErrorKind::NotFound, "get after a refused Create");
    }
    create("first").await?;
    ensure_kind(&create("second").await, ErrorKind::AlreadyExists, "a second Create")?;
    scratch.ensure_value(&path, b"first", "after a refused Create").await.map(drop)
}

/// A deleted secret does not stand in the way of `Create`.
pub async fn create_after_delete_succeeds(scratch: &Scratch) -> Outcome {
    let path = scratch.path("again")?;
    let mode = if scratch.capabilities().atomic_create { PutMode::Create } else { PutMode::Upsert };
    scratch.backend().put(&path, &NewSecret::new("first"), &mode).await?;
    scratch.backend().delete(&path).await?;
    scratch.backend().put(&path, &NewSecret::new("second"), &mode).await?;
    scratch.ensure_value(&path, b"second", "after delete and Create").await.map(drop)
}

/// `Replace` of the version that was read writes the next one.
pub async fn replace_of_the_current_version_succeeds(scratch: &Scratch) -> Outcome {
    let path = scratch.path("replaced")?;
    let first = version_of(&scratch.put(&path, b"first").await?)?;
    let answer = replace(scratch, &path, &first, "second").await;
    if !scratch.capabilities().atomic_replace {
        ensure_kind(&answer, ErrorKind::Unsupported, "Replace without atomic_replace")?;
        return scratch.ensure_value(&path, b"first", "after a refused Replace").await.map(drop);
    }
    let second = version_of(&answer?)?;
    ensure(second != first, "a write makes a version of its own")?;
    let third = version_of(&replace(scratch, &path, &second, "third").await?)?;
    let read = scratch.ensure_value(&path, b"third", "after two Replaces").await?;
    ensure(read.version == third, "get answers the version that Replace named")
}

/// `Replace` of a version that is no longer current writes nothing.
pub async fn replace_of_a_stale_version_conflicts(scratch: &Scratch) -> Outcome {
    let path = scratch.path("contended")?;
    let first = version_of(&scratch.put(&path, b"first").await?)?;
    let second = version_of(&scratch.put(&path, b"second").await?)?;
    let refused = refusal(scratch, ErrorKind::Conflict);
    ensure_kind(&replace(scratch, &path, &first, "third").await, refused, "Replace of a stale version")?;
    let never = VersionId::new("4000000000");
    ensure_kind(
        &replace(scratch, &path, &never, "third").await,
        refused,
        "Replace of a version never given",
    )?;
    let read = scratch.ensure_value(&path, b"second", "after a refused Replace").await?;
    ensure(read.version == second, "a refused Replace makes no version")
}

/// `Replace` writes nothing where there is nothing, never was or no longer is.
pub async fn replace_of_a_missing_secret_conflicts(scratch: &Scratch) -> Outcome {
    let (never, gone) = (scratch.path("never")?, scratch.path("gone")?);
    let version = version_of(&scratch.put(&gone, b"first").await?)?;
    scratch.backend().delete(&gone).await?;
    for path in [&never, &gone] {
        let answer = replace(scratch, path, &version, "second").await;
        ensure_kind(&answer, refusal(scratch, ErrorKind::Conflict), "Replace of a missing secret")?;
        ensure_kind(&scratch.get(path).await, ErrorKind::NotFound, "get after a refused Replace")?;
    }
    Ok(())
}

/// Of many `Create`s at the same time one succeeds, and its value is there.
pub async fn of_concurrent_creates_one_wins(scratch: &Scratch) -> Outcome {
    let path = scratch.path("race")?;
    let expected = refusal_of_create(scratch);
    let answers = race(scratch, &path, &PutMode::Create, "racer").await;
    let winners = ensure_one_winner(&answers, scratch.capabilities().atomic_create, expected)?;
    match winners {
        None => ensure_kind(&scratch.get(&path).await, ErrorKind::NotFound, "get after refused Creates"),
        Some(winner) => {
            let value = format!("racer {winner}");
            scratch.ensure_value(&path, value.as_bytes(), "after a race of Creates").await.map(drop)
        }
    }
}

/// Of many `Replace`s of one version at the same time one succeeds, round after round.
pub async fn of_concurrent_replaces_one_wins_each_round(scratch: &Scratch) -> Outcome {
    let path = scratch.path("race")?;
    let mut current = version_of(&scratch.put(&path, b"start").await?)?;
    for round in 0..3 {
        let name = format!("round {round} racer");
        let answers = race(scratch, &path, &PutMode::Replace(current.clone()), &name).await;
        let expected = refusal(scratch, ErrorKind::Conflict);
        let Some(winner) = ensure_one_winner(&answers, scratch.capabilities().atomic_replace, expected)?
        else {
            return scratch.ensure_value(&path, b"start", "after refused Replaces").await.map(drop);
        };
        let value = format!("{name} {winner}");
        current = scratch.ensure_value(&path, value.as_bytes(), "after a race of Replaces").await?.version;
    }
    Ok(())
}

async fn replace(
    scratch: &Scratch,
    path: &crate::SecretPath,
    version: &VersionId,
    value: &str,
) -> Result<Written> {
    scratch.backend().put(path, &NewSecret::new(value), &PutMode::Replace(version.clone())).await
}

/// All writers start before any ends; each writes its own value.
async fn race(
    scratch: &Scratch,
    path: &crate::SecretPath,
    mode: &PutMode,
    name: &str,
) -> Vec<Result<Written>> {
    let secrets: Vec<NewSecret> =
        (0..WRITERS).map(|writer| NewSecret::new(format!("{name} {writer}"))).collect();
    join_all(secrets.iter().map(|secret| scratch.backend().put(path, secret, mode))).await
}

/// One success and refusals otherwise, or refusals only where the backend cannot; answers who won.
fn ensure_one_winner(
    answers: &[Result<Written>],
    can: bool,
    refused: ErrorKind,
) -> std::result::Result<Option<usize>, super::Failure> {
    let winners: Vec<usize> = (0..answers.len()).filter(|&at| answers[at].is_ok()).collect();
    ensure(
        winners.len() == usize::from(can),
        format!("one of {WRITERS} writers wins, not {}", winners.len()),
    )?;
    for answer in answers.iter().filter(|answer| answer.is_err()) {
        ensure_kind(answer, refused, "a write that lost the race")?;
    }
    Ok(winners.first().copied())
}

/// What a `Replace` that must not write answers.
fn refusal(scratch: &Scratch, kind: ErrorKind) -> ErrorKind {
    if scratch.capabilities().atomic_replace { kind } else { ErrorKind::Unsupported }
}

/// What a `Create` that must not write answers.
fn refusal_of_create(scratch: &Scratch) -> ErrorKind {
    if scratch.capabilities().atomic_create { ErrorKind::AlreadyExists } else { ErrorKind::Unsupported }
}
