//! Cases about conduct: errors that name what failed, nothing that shows a value, futures that are dropped.

use std::error::Error as StdError;
use std::fmt::{Debug, Display};
use std::time::Duration;

use super::scratch::version_of;
use super::{Failure, Outcome, PLANTED, Scratch, ensure};
use crate::{Error, ErrorKind, NewSecret, Operation, PageToken, PutMode, SecretPath, VersionId};

/// A working backend says that it works.
pub async fn check_succeeds(scratch: &Scratch) -> Outcome {
    Ok(scratch.backend().check().await?)
}

/// Futures dropped at any moment leave whole secrets behind, and a backend that goes on working.
pub async fn a_dropped_future_leaves_the_backend_usable(scratch: &Scratch) -> Outcome {
    let (old, new) = (vec![b'o'; 3000], vec![b'n'; 5000]);
    for step in 0..10 {
        let path = scratch.path(&format!("dropped-{step}"))?;
        scratch.put(&path, &old).await?;
        let moment = Duration::from_micros(if step == 0 { 0 } else { 20 << step });
        let secret = NewSecret::new(&*new);
        // What each of these would have answered does not matter: they are given up.
        let _ = tokio::time::timeout(moment, scratch.backend().put(&path, &secret, &PutMode::Upsert)).await;
        let _ = tokio::time::timeout(moment, scratch.backend().get(&path, None)).await;
        let _ = tokio::time::timeout(moment, scratch.backend().list(Some(scratch.root()), None)).await;
        let goes_on = tokio::time::timeout(scratch.deadline(), async {
            let read = scratch.get(&path).await?;
            let whole = read.value.expose() == old || read.value.expose() == new;
            ensure(whole, "a dropped write took effect as a whole or not at all")?;
            let other = scratch.path(&format!("after-{step}"))?;
            scratch.put(&other, b"still works").await?;
            scratch.ensure_value(&other, b"still works", "after futures were dropped").await
        });
        goes_on.await.map_err(|_elapsed| Failure::new("the backend hangs after a future was dropped"))??;
    }
    Ok(scratch.backend().check().await?)
}

/// Every error says what was asked, about which secret, and of whom.
pub async fn every_error_names_operation_and_path(scratch: &Scratch) -> Outcome {
    let (missing, errors) = provoked(scratch).await?;
    ensure(errors.len() >= 6, "absence, collision and size can be provoked")?;
    for (operation, path, error) in &errors {
        ensure(error.operation() == *operation, format!("an error of {operation} names it: {error}"))?;
        ensure(error.path() == Some(path), format!("an error about {path} names it: {error}"))?;
        ensure(!error.backend().is_empty(), format!("an error names the backend: {error}"))?;
        let line = error.to_string();
        ensure(line.contains(path.as_str()), format!("the text of an error names the path: {line}"))?;
        ensure(!line.contains('\n'), "the text of an error is one line")?;
    }
    ensure(errors.iter().any(|(_, path, _)| *path == missing), "the case's own arithmetic")
}

/// No `Debug`, no `Display`, no cause of an error shows a value that was written or a credential.
pub async fn nothing_shows_a_planted_value(scratch: &Scratch) -> Outcome {
    let path = scratch.path("planted")?;
    let secret = NewSecret::new(PLANTED);
    let written = scratch.backend().put(&path, &secret, &PutMode::Upsert).await?;
    let read = scratch.get(&path).await?;
    ensure(read.value.expose() == PLANTED.as_bytes(), "the planted value reads back")?;
    let many = scratch.backend().get_many(std::slice::from_ref(&path)).await;
    let versions = scratch.backend().versions(&path).await?;
    let page = scratch.backend().list(Some(&path), None).await?;
    ensure_hidden(scratch, "the backend", scratch.backend())?;
    ensure(!shows(scratch, &scratch.backend().to_string()), "Display of the backend shows nothing planted")?;
    ensure_hidden(scratch, "a secret to be written", &secret)?;
    ensure_hidden(scratch, "a secret that was read", &read)?;
    ensure_hidden(scratch, "a batch", &many)?;
    ensure_hidden(scratch, "a write", &written)?;
    ensure_hidden(scratch, "a history", &versions)?;
    ensure_hidden(scratch, "a listing", &page)?;
    for (_, _, error) in provoked(scratch).await?.1 {
        ensure_error_hides(scratch, &error)?;
    }
    Ok(())
}

/// Requires that neither the error nor its causes show a value or a credential.
pub(super) fn ensure_error_hides(scratch: &Scratch, error: &Error) -> Outcome {
    ensure_hidden(scratch, "an error", error)?;
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        ensure(
            !shows(scratch, &error.to_string()),
            "Display of an error and its causes shows nothing planted",
        )?;
        cause = error.source();
    }
    Ok(())
}

fn ensure_hidden(scratch: &Scratch, what: impl Display, shown: impl Debug) -> Outcome {
    let (plain, pretty) = (format!("{shown:?}"), format!("{shown:#?}"));
    let hidden = !shows(scratch, &plain) && !shows(scratch, &pretty);
    ensure(hidden, format!("Debug of {what} shows nothing planted"))
}

/// Whether a text has a planted one in it, as it is, as a list of its bytes, or in hexadecimal.
fn shows(scratch: &Scratch, text: &str) -> bool {
    let shown = |planted: &String| {
        let bytes = planted.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        let hex: String = planted.bytes().map(|byte| format!("{byte:02x}")).collect();
        let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.contains(planted) || squeezed.contains(&bytes) || text.to_lowercase().contains(&hex)
    };
    scratch.planted().iter().any(shown)
}

/// Errors of as many kinds as can be had from a working backend, each with a planted value in the request; and
/// the path that all those about absence are about.
async fn provoked(scratch: &Scratch) -> Result<(SecretPath, Vec<(Operation, SecretPath, Error)>), Failure> {
    let (missing, taken) = (scratch.path("missing")?, scratch.path("taken")?);
    let backend = scratch.backend();
    let planted = || NewSecret::new(PLANTED);
    let version = version_of(&backend.put(&taken, &planted(), &PutMode::Upsert).await?)?;
    backend.put(&taken, &planted(), &PutMode::Upsert).await?;
    let mut large = PLANTED.as_bytes().to_vec();
    large.resize(scratch.capabilities().max_value.max(large.len()) + 1, b'.');
    let stale = PutMode::Replace(version);
    let never = VersionId::from_number(4_000_000_000);
    let mut errors = vec![
        (Operation::Get, &missing, backend.get(&missing, None).await.err()),
        (Operation::Get, &taken, backend.get(&taken, Some(&never)).await.err()),
        (Operation::Delete, &missing, backend.delete(&missing).await.err()),
        (Operation::Undelete, &missing, backend.undelete(&missing).await.err()),
        (Operation::Purge, &missing, backend.purge(&missing).await.err()),
        (Operation::Versions, &missing, backend.versions(&missing).await.err()),
        (Operation::Put, &taken, backend.put(&taken, &planted(), &PutMode::Create).await.err()),
        (Operation::Put, &taken, backend.put(&taken, &planted(), &stale).await.err()),
        (Operation::Put, &taken, backend.put(&taken, &NewSecret::new(large), &PutMode::Upsert).await.err()),
        // Some services take any token, some refuse a foreign one.
        (Operation::List, &taken, backend.list(Some(&taken), Some(&PageToken::new("no-token"))).await.err()),
    ];
    for answer in backend.get_many(std::slice::from_ref(&missing)).await {
        errors.push((Operation::Get, &missing, answer.err()));
    }
    let named =
        errors.into_iter().filter_map(|(operation, path, error)| Some((operation, path.clone(), error?)));
    let named: Vec<_> = named.collect();
    ensure(
        named.iter().all(|(_, _, error)| error.kind() != ErrorKind::Unexpected),
        "a request that cannot succeed is no bug",
    )?;
    Ok((missing, named))
}
