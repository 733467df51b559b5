//! Cases about listings: whole, without repeats, cut at the right place.

use super::{Failure, Outcome, Scratch, ensure};
use crate::{NewSecret, PutMode, SecretBackendExt, SecretPath};

/// A listing that needs three pages has each secret once, and its pages hold no more than they should.
pub async fn a_listing_of_three_pages_shows_each_secret_once(scratch: &Scratch) -> Outcome {
    let size = scratch.page_size();
    let paths = fill(scratch, "page", 2 * size + 1).await?;
    let pages = scratch.pages(Some(scratch.root())).await?;
    ensure(pages.len() >= 3, format!("{} secrets fill three pages of {size}", paths.len()))?;
    ensure(pages.iter().all(|page| page.items.len() <= size), format!("a page has at most {size} secrets"))?;
    ensure(scratch.listed(Some(scratch.root())).await? == paths, "a listing has each secret once")?;
    let listed = scratch.backend().list_all(Some(scratch.root())).await?;
    ensure(listed.len() == paths.len(), "list_all has each secret once")
}

/// `app` is the prefix of `app` and `app/x`, not of `apple`, `app-x` or `App/x`.
pub async fn a_prefix_ends_at_a_segment(scratch: &Scratch) -> Outcome {
    for name in
        ["ap", "app", "app-x", "app.x", "app/x", "app/x/y", "app_x", "apple", "apple/x", "App/x", "b/app/x"]
    {
        scratch.put(&scratch.path(name)?, b"x").await?;
    }
    scratch.put(&scratch.sibling("-b")?, b"x").await?;
    let expected = sorted(scratch, &["app", "app/x", "app/x/y"])?;
    ensure(scratch.listed(Some(&scratch.path("app")?)).await? == expected, "a prefix ends at a segment")?;
    let expected = sorted(scratch, &["app/x", "app/x/y"])?;
    ensure(
        scratch.listed(Some(&scratch.path("app/x")?)).await? == expected,
        "a prefix may be a secret itself",
    )?;
    let all = scratch.listed(Some(scratch.root())).await?;
    ensure(all.len() == 11, "a prefix of one segment ends at that segment")
}

/// A prefix under which there is nothing is no error, and no further page.
pub async fn a_prefix_that_holds_nothing_is_an_empty_page(scratch: &Scratch) -> Outcome {
    scratch.put(&scratch.path("full/x")?, b"x").await?;
    let pages = scratch.pages(Some(&scratch.unwritten_path("nothing/here")?)).await?;
    ensure(pages.iter().all(|page| page.items.is_empty()), "a prefix that holds nothing lists nothing")?;
    let listed = scratch.listed(Some(scratch.root())).await?;
    ensure(listed.len() == 1, "the prefix beside it holds its secret")
}

/// Without a prefix, a listing has what was written under any.
pub async fn a_listing_without_prefix_shows_every_secret(scratch: &Scratch) -> Outcome {
    let mut paths = fill(scratch, "one", 3).await?;
    paths.push(scratch.sibling("-two")?);
    scratch.put(&scratch.sibling("-two")?, b"x").await?;
    let listed = scratch.listed(None).await?;
    for path in paths {
        let times = listed.iter().filter(|listed| **listed == path).count();
        ensure(times == 1, format!("a listing without prefix shows {path} once, not {times} times"))?;
    }
    Ok(())
}

/// What is deleted or purged is not listed; the rest is, on whatever page.
pub async fn a_listing_leaves_deleted_secrets_out(scratch: &Scratch) -> Outcome {
    let mut paths = fill(scratch, "half", 6).await?;
    scratch.backend().delete(&paths[0]).await?;
    scratch.backend().delete(&paths[3]).await?;
    scratch.backend().purge(&paths[4]).await?;
    let gone = [0, 3, 4].map(|number| numbered("half", number));
    paths.retain(|path| !gone.iter().any(|name| name == path.name()));
    ensure(scratch.listed(Some(scratch.root())).await? == paths, "a listing leaves deleted secrets out")
}

/// Writes `count` secrets, a few at once; answers their paths, sorted.
async fn fill(scratch: &Scratch, name: &str, count: usize) -> Result<Vec<SecretPath>, Failure> {
    let secrets = (0..count).map(|number| Ok((scratch.path(&numbered(name, number))?, NewSecret::new("x"))));
    let secrets = secrets.collect::<Result<Vec<_>, Failure>>()?;
    for answer in scratch.backend().put_many(&secrets, &PutMode::Upsert, 8).await {
        answer?;
    }
    Ok(secrets.into_iter().map(|(path, _)| path).collect())
}

fn numbered(name: &str, number: usize) -> String {
    format!("{name}-{number:05}")
}

fn sorted(scratch: &Scratch, names: &[&str]) -> Result<Vec<SecretPath>, Failure> {
    let mut paths = names.iter().map(|name| scratch.path(name)).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}
