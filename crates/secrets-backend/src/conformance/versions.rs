//! Cases about versions: their names, their order, their values.

use super::scratch::version_of;
use super::{Outcome, Scratch, ensure, ensure_kind_of};
use crate::{ErrorKind, VersionId, VersionState};

/// The version that a write names is the one that a read answers, and no other write has it.
pub async fn a_write_names_the_version_that_get_answers(scratch: &Scratch) -> Outcome {
    let path = scratch.path("named")?;
    let mut given = Vec::new();
    for round in 0..4_u8 {
        let version = version_of(&scratch.put(&path, &[round]).await?)?;
        let read = scratch.ensure_value(&path, &[round], "after a put").await?;
        ensure(read.version == version, "get answers the version that put named")?;
        ensure(!given.contains(&version), "no two writes have one version")?;
        given.push(version);
    }
    Ok(())
}

/// `versions` has every write, oldest first, with times that do not run backwards; without versions, the last.
pub async fn versions_are_in_the_order_of_their_writes(scratch: &Scratch) -> Outcome {
    let path = scratch.path("history")?;
    let mut written = Vec::new();
    for round in 0..11_u8 {
        written.push(version_of(&scratch.put(&path, &[round]).await?)?);
    }
    let metas = scratch.backend().versions(&path).await?;
    let ids: Vec<&VersionId> = metas.iter().map(|meta| &meta.id).collect();
    if !scratch.capabilities().versions {
        return ensure(ids == written.last().into_iter().collect::<Vec<_>>(), "versions has the current one");
    }
    ensure(ids == written.iter().collect::<Vec<_>>(), "versions has every write, oldest first")?;
    ensure(metas.iter().all(|meta| meta.state == VersionState::Live), "every version is live")?;
    ensure(metas.iter().all(|meta| meta.created.is_some()), "every version has a time")?;
    ensure(metas.is_sorted_by_key(|meta| meta.created), "times do not run backwards")
}

/// Every version that is kept reads back as it was written.
pub async fn an_old_version_reads_back_by_id(scratch: &Scratch) -> Outcome {
    let path = scratch.path("old")?;
    let values = ["one", "two", "three"];
    let mut ids = Vec::new();
    for value in values {
        ids.push(version_of(&scratch.put(&path, value.as_bytes()).await?)?);
    }
    let kept = if scratch.capabilities().versions { 0 } else { ids.len() - 1 };
    for (at, (id, value)) in ids.iter().zip(values).enumerate() {
        let answer = scratch.backend().get(&path, Some(id)).await;
        if at < kept {
            let gone = [ErrorKind::NotFound, ErrorKind::Unsupported];
            ensure_kind_of(&answer, &gone, "get of an old version without versions")?;
            continue;
        }
        let secret = answer?;
        ensure(secret.value.expose() == value.as_bytes(), "an old version gives its own bytes")?;
        ensure(secret.version == *id, "get of a version answers that version")?;
    }
    scratch.ensure_value(&path, b"three", "after reading old versions").await.map(drop)
}

/// A version that was never given, or of another secret, is not found, although the secret is there.
pub async fn a_missing_version_is_not_found(scratch: &Scratch) -> Outcome {
    let (path, other) = (scratch.path("here")?, scratch.path("elsewhere")?);
    scratch.put(&path, b"one").await?;
    for value in [b"a", b"b", b"c"] {
        scratch.put(&other, value).await?;
    }
    let foreign = scratch.get(&other).await?.version;
    let gone = if scratch.capabilities().versions {
        &[ErrorKind::NotFound][..]
    } else {
        &[ErrorKind::NotFound, ErrorKind::Unsupported][..]
    };
    for id in [VersionId::from_number(4_000_000_000), foreign] {
        ensure_kind_of(&scratch.backend().get(&path, Some(&id)).await, gone, "get of a missing version")?;
    }
    Ok(())
}
