//! Cases about absence: never written, deleted, brought back, purged.

use super::{Outcome, Scratch, ensure, ensure_kind, ensure_kind_of};
use crate::{
    ErrorKind, Metadata, NewSecret, PutMode, SecretBackendExt, SecretPath, VersionId, VersionMeta,
    VersionState,
};

/// What was never written is `NotFound`, whatever one asks, and a listing of it is empty.
pub async fn a_missing_secret_is_not_found_by_every_method(scratch: &Scratch) -> Outcome {
    let path = scratch.path("never/written")?;
    let backend = scratch.backend();
    ensure_kind(&backend.get(&path, None).await, ErrorKind::NotFound, "get")?;
    for answer in backend.get_many(std::slice::from_ref(&path)).await {
        ensure_kind(&answer, ErrorKind::NotFound, "get_many")?;
    }
    ensure_kind(&backend.delete(&path).await, ErrorKind::NotFound, "delete")?;
    let refused =
        if scratch.capabilities().recoverable_delete { ErrorKind::NotFound } else { ErrorKind::Unsupported };
    ensure_kind(&backend.undelete(&path).await, refused, "undelete")?;
    ensure_kind(&backend.purge(&path).await, ErrorKind::NotFound, "purge")?;
    ensure_kind(&backend.versions(&path).await, ErrorKind::NotFound, "versions")?;
    ensure(!backend.exists(&path).await?, "a missing secret does not exist")?;
    ensure(scratch.listed(Some(&path)).await?.is_empty(), "a missing secret is not listed")
}

/// After `delete` every way of reading says that there is none, and so does a second `delete`.
pub async fn a_deleted_secret_is_gone_at_once(scratch: &Scratch) -> Outcome {
    let path = scratch.path("short-lived")?;
    scratch.put(&path, b"here").await?;
    scratch.backend().delete(&path).await?;
    ensure_kind(&scratch.get(&path).await, ErrorKind::NotFound, "get after delete")?;
    for answer in scratch.backend().get_many(std::slice::from_ref(&path)).await {
        ensure_kind(&answer, ErrorKind::NotFound, "get_many after delete")?;
    }
    ensure_kind(&scratch.backend().delete(&path).await, ErrorKind::NotFound, "a second delete")
}

/// No waiting for a recovery window: deleted, then written, then read.
pub async fn a_deleted_path_can_be_written_again_at_once(scratch: &Scratch) -> Outcome {
    let path = scratch.path("phoenix")?;
    for round in 0..3 {
        let value = format!("life {round}");
        scratch.put(&path, value.as_bytes()).await?;
        scratch.ensure_value(&path, value.as_bytes(), "written again after delete").await?;
        scratch.backend().delete(&path).await?;
    }
    ensure_kind(&scratch.get(&path).await, ErrorKind::NotFound, "get after the last delete")
}

/// Deleting one leaves its neighbours, above, below and beside it.
pub async fn delete_touches_no_other_secret(scratch: &Scratch) -> Outcome {
    let names = ["app", "app/x", "app/x/y", "app/xy", "apple"];
    for name in names {
        scratch.put(&scratch.path(name)?, name.as_bytes()).await?;
    }
    scratch.backend().delete(&scratch.path("app/x")?).await?;
    scratch.backend().purge(&scratch.path("app/xy")?).await?;
    for name in ["app", "app/x/y", "apple"] {
        scratch
            .ensure_value(&scratch.path(name)?, name.as_bytes(), "after its neighbour was deleted")
            .await?;
    }
    Ok(())
}

/// What `undelete` brings back is the last value with its metadata, and it can be written on.
pub async fn undelete_brings_the_same_bytes_back(scratch: &Scratch) -> Outcome {
    let path = scratch.path("recovered")?;
    let mut metadata = Metadata::default();
    metadata.description = Some("kept through a deletion".to_owned());
    scratch.put(&path, b"older").await?;
    let secret = NewSecret::new(&b"last\0value"[..]).with_metadata(metadata.clone());
    scratch.backend().put(&path, &secret, &PutMode::Upsert).await?;
    scratch.backend().delete(&path).await?;
    if !scratch.capabilities().recoverable_delete {
        let answer = scratch.backend().undelete(&path).await;
        return ensure_kind(&answer, ErrorKind::Unsupported, "undelete without recoverable_delete");
    }
    let written = scratch.backend().undelete(&path).await?;
    let back = scratch.ensure_value(&path, b"last\0value", "after undelete").await?;
    ensure(back.metadata == metadata, "undelete brings the metadata back")?;
    ensure(
        written.version.is_none_or(|version| version == back.version),
        "a version that undelete names is the one that get answers",
    )?;
    ensure(scratch.listed(Some(&path)).await? == [path.clone()], "a secret that is back is listed")?;
    scratch.put(&path, b"next").await?;
    scratch.ensure_value(&path, b"next", "written after undelete").await.map(drop)
}

/// There is nothing to bring back of a secret that is there.
pub async fn undelete_of_a_live_secret_changes_nothing(scratch: &Scratch) -> Outcome {
    let path = scratch.path("alive")?;
    scratch.put(&path, b"first").await?;
    scratch.put(&path, b"second").await?;
    let answer = scratch.backend().undelete(&path).await;
    if answer.is_err() {
        ensure_kind_of(&answer, &[ErrorKind::NotFound, ErrorKind::Unsupported], "undelete of a live secret")?;
    }
    scratch.ensure_value(&path, b"second", "after undelete of a live secret").await.map(drop)
}

/// After `purge` there is no way back to any version.
pub async fn a_purged_secret_cannot_be_brought_back(scratch: &Scratch) -> Outcome {
    let path = scratch.path("purged")?;
    scratch.put(&path, b"first").await?;
    scratch.put(&path, b"second").await?;
    let before = scratch.backend().versions(&path).await?;
    scratch.backend().purge(&path).await?;
    ensure_purged(scratch, &path, &before).await
}

/// A deleted secret, which may still be recoverable, can be removed for good.
pub async fn a_deleted_secret_can_be_purged(scratch: &Scratch) -> Outcome {
    let path = scratch.path("deleted-and-purged")?;
    scratch.put(&path, b"first").await?;
    let before = scratch.backend().versions(&path).await?;
    scratch.backend().delete(&path).await?;
    let answer = scratch.backend().purge(&path).await;
    if answer.is_err() {
        // Where deletes are final, nothing is left to purge.
        ensure(!scratch.capabilities().recoverable_delete, "a deleted secret can be purged")?;
        ensure_kind(&answer, ErrorKind::NotFound, "purge after a final delete")?;
    }
    ensure_purged(scratch, &path, &before).await
}

/// A purged path is free: `Create` works, and nothing of the old secret shows.
pub async fn a_purged_path_can_be_written_again(scratch: &Scratch) -> Outcome {
    let path = scratch.path("reused")?;
    scratch.put(&path, b"old").await?;
    let before = scratch.backend().versions(&path).await?;
    scratch.backend().purge(&path).await?;
    let mode = if scratch.capabilities().atomic_create { PutMode::Create } else { PutMode::Upsert };
    scratch.backend().put(&path, &NewSecret::new("new"), &mode).await?;
    scratch.ensure_value(&path, b"new", "written after purge").await?;
    for meta in before {
        if let Ok(secret) = scratch.backend().get(&path, Some(&meta.id)).await {
            ensure(
                secret.value.expose() != b"old",
                "a purged version stays purged when the path is used again",
            )?;
        }
    }
    Ok(())
}

async fn ensure_purged(scratch: &Scratch, path: &SecretPath, before: &[VersionMeta]) -> Outcome {
    let backend = scratch.backend();
    ensure_kind(&scratch.get(path).await, ErrorKind::NotFound, "get after purge")?;
    let gone = [ErrorKind::NotFound, ErrorKind::Unsupported];
    ensure_kind_of(&backend.undelete(path).await, &gone, "undelete after purge")?;
    ensure_kind(&scratch.get(path).await, ErrorKind::NotFound, "get after purge and undelete")?;
    let after = match backend.versions(path).await {
        Ok(versions) => versions,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    ensure(after.iter().all(|meta| meta.state != VersionState::Live), "no version is live after purge")?;
    let ids: Vec<&VersionId> = before.iter().chain(&after).map(|meta| &meta.id).collect();
    for id in ids {
        ensure_kind_of(&backend.get(path, Some(id)).await, &gone, "get of a purged version")?;
    }
    ensure(scratch.listed(Some(path)).await?.is_empty(), "a purged secret is not listed")
}
