//! Cases about paths: every legal one works, and no two are the same secret.

use super::{Failure, Outcome, Scratch, ensure, ensure_kind};
use crate::{ErrorKind, NewSecret, PutMode, SecretPath};

/// Every character of the grammar, at every place where it may stand, is kept in writing, reading and listing.
pub async fn every_legal_character_of_a_path_is_kept(scratch: &Scratch) -> Outcome {
    let names = [
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "abcdefghijklmnopqrstuvwxyz",
        "0123456789",
        "_._-._",
        "a.b_c-d",
        "a/b/c/d",
        "0",
        "x.",
        "x-",
        "x_",
    ];
    ensure_distinct(scratch, &names).await
}

/// Names that a careless mapping to another alphabet, or an escape, would make one.
pub async fn paths_that_look_alike_are_different_secrets(scratch: &Scratch) -> Outcome {
    let names = [
        "a/b", "a-b", "a--b", "a_b", "a__b", "a.b", "a-/b", "a/b-", "ab", "A/b", "a/B", "A/B", "AB", "Ab",
        "aB", "a-2fb", "a_2fb", "a-2Fb", "a.2fb", "a/2fb", "a-b/c", "a/b-c", "a-b-c", "_a", "a-_b", "a_-b",
        "a/b/c", "a.-b", "a-.b",
    ];
    ensure_distinct(scratch, &names).await
}

/// A path can be a secret and the folder of others, as `app` and `app/x`: no trailing slash tells them apart.
pub async fn a_secret_lives_beside_the_secrets_below_it(scratch: &Scratch) -> Outcome {
    ensure_distinct(scratch, &["app", "app/x", "app/x/y"]).await?;
    let (above, below) = (scratch.path("app")?, scratch.path("app/x")?);
    scratch.backend().delete(&above).await?;
    ensure_kind(&scratch.get(&above).await, ErrorKind::NotFound, "get after delete")?;
    scratch.ensure_value(&below, b"app/x", "after the secret above it was deleted").await.map(drop)
}

/// A path of `max_path` bytes, or of as many as the grammar allows, works.
pub async fn the_longest_path_works(scratch: &Scratch) -> Outcome {
    let longest = scratch.capabilities().max_path.min(SecretPath::MAX_LEN);
    let path = scratch.path(&filler(scratch, longest)?)?;
    ensure(path.as_str().len() == longest, "the case's own arithmetic")?;
    scratch.put(&path, b"far").await?;
    scratch.ensure_value(&path, b"far", "after a put at the longest path").await?;
    ensure(scratch.listed(Some(scratch.root())).await? == [path], "the longest path is listed whole")
}

/// A path over `max_path` is refused before anything is written; up to it, native names work too.
pub async fn a_path_over_the_limit_is_invalid_input(scratch: &Scratch) -> Outcome {
    let limit = scratch.capabilities().max_path;
    let at_limit =
        scratch.native_path(&"n".repeat(room(scratch, limit.min(SecretPath::MAX_PREFIXED_LEN))?))?;
    scratch.put(&at_limit, b"at the limit").await?;
    scratch.ensure_value(&at_limit, b"at the limit", "after a put at the longest name").await?;
    if limit < SecretPath::MAX_PREFIXED_LEN {
        let over = scratch.native_path(&"n".repeat(room(scratch, limit + 1)?))?;
        let answer = scratch.backend().put(&over, &NewSecret::new("x"), &PutMode::Upsert).await;
        ensure_kind(&answer, ErrorKind::InvalidInput, "put at a path over the limit")?;
        ensure(scratch.listed(Some(scratch.root())).await? == [at_limit], "a refused put writes nothing")?;
    }
    Ok(())
}

/// Writes each name's own text under it, then requires that each reads back and that a listing has them all.
async fn ensure_distinct(scratch: &Scratch, names: &[&str]) -> Outcome {
    let mut paths = Vec::new();
    for name in names {
        let path = scratch.path(name)?;
        scratch.put(&path, name.as_bytes()).await?;
        paths.push(path);
    }
    for (path, name) in paths.iter().zip(names) {
        scratch.ensure_value(path, name.as_bytes(), "after puts at paths that look alike").await?;
    }
    paths.sort();
    paths.dedup();
    ensure(
        scratch.listed(Some(scratch.root())).await? == paths,
        "a listing names the paths that were written",
    )
}

/// A name of up to seven segments that makes a path of exactly `len` bytes behind the prefix.
fn filler(scratch: &Scratch, len: usize) -> Result<String, Failure> {
    let mut left = room(scratch, len)?;
    let mut segments = Vec::new();
    while left > 0 {
        // A segment's slash takes a byte, and the last segment must not be empty.
        let segment =
            if left == SecretPath::MAX_SEGMENT_LEN + 1 { 10 } else { left.min(SecretPath::MAX_SEGMENT_LEN) };
        segments.push("Lg".repeat(segment).chars().take(segment).collect::<String>());
        left = left.saturating_sub(segment + 1);
    }
    Ok(segments.join("/"))
}

/// How many bytes are left of `len` behind the prefix and its slash.
fn room(scratch: &Scratch, len: usize) -> Result<usize, Failure> {
    len.checked_sub(scratch.root().as_str().len() + 1)
        .filter(|&room| room > 0)
        .ok_or_else(|| Failure::new(format!("a path of {len} bytes is too short to be of use")))
}
