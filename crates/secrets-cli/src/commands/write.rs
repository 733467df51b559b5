//! `set`, `rollback`, `tag`: writing one secret.

use secrets_backend::{PutMode, Timestamp};

use super::Context;
use super::read::missing;
use super::written::{Writes, version, would_be};
use crate::args::{RollbackArgs, SetArgs, TagArgs};
use crate::failure::Failure;
use crate::input::{self, Origin};
use crate::metadata::Change;
use crate::{exit, names, output};

/// Stores a value.
pub(super) async fn set(context: &Context, args: &SetArgs) -> Result<u8, Failure> {
    let path = names::path(&args.path)?;
    let change = Change::parse(&args.metadata, Timestamp::now())?;
    let mode = match (args.create, &args.if_version) {
        (true, _) => PutMode::Create,
        (false, Some(version)) => PutMode::Replace(context.version(version)?),
        (false, None) => PutMode::Upsert,
    };
    let (value, origin) = input::value(args, context.terminal)?;
    if origin == Origin::Argument && !value.is_empty() {
        output::warn(
            "the value was an argument: it may be in the shell's history, and other users could see it",
        );
    }
    if value.is_empty() {
        output::warn("the value is empty");
    }
    let environment = context.configuration.settings.environment();
    if context.global.dry_run {
        output::note(&format!("would set {path} in environment {environment} ({} bytes)", value.len()));
        would_be(std::iter::once(&path), args.output)?;
        return Ok(exit::DONE);
    }
    let safe = context.open_or_make().await?;
    let written = safe.set(&path, &value, &mode, |metadata| change.apply(metadata)).await;
    let written = written.map_err(|error| context.failure(error))?;
    output::note(&format!("set {path}{}", version(&written)));
    Writes::one(&path, written).end(context, &safe, args.output).await
}

/// Writes an old value again.
pub(super) async fn rollback(context: &Context, args: &RollbackArgs) -> Result<u8, Failure> {
    let path = names::path(&args.path)?;
    let wanted = context.version(&args.version)?;
    let safe = context.open().await?;
    if context.global.dry_run {
        let versions = safe.history(&path).await.map_err(|error| context.failure(error))?;
        if !versions.iter().any(|one| one.id == wanted) {
            let which = wanted.number().map_or_else(|| "such version".to_owned(), |n| format!("version {n}"));
            return Err(Failure::new(exit::NOT_FOUND, format!("{path} has no {which}"))
                .hint(format!("`secrets history {path}` shows the versions")));
        }
        output::note(&format!("would write version {wanted} of {path} again"));
        would_be(std::iter::once(&path), args.output)?;
        return Ok(exit::DONE);
    }
    let written = match safe.rollback(&path, &wanted).await {
        Ok(written) => written,
        Err(error) => {
            return Err(context.failure(error).hint(format!("`secrets history {path}` shows the versions")));
        }
    };
    output::note(&format!("{path}: the value of version {wanted} is current again{}", version(&written)));
    Writes::one(&path, written).end(context, &safe, args.output).await
}

/// Changes metadata.
pub(super) async fn tag(context: &Context, args: &TagArgs) -> Result<u8, Failure> {
    let path = names::path(&args.path)?;
    let change =
        Change::parse(&args.metadata, Timestamp::now())?.removing(args.untag.clone(), args.clear.clone());
    if change.is_empty() {
        return Err(Failure::usage("nothing to change").hint("`secrets tag --help` lists what can be"));
    }
    let safe = context.open().await?;
    if context.global.dry_run {
        if let Err(error) = safe.describe(&path).await {
            return Err(missing(context, &safe, &path, error).await);
        }
        output::note(&format!("would change the metadata of {path}"));
        would_be(std::iter::once(&path), args.output)?;
        return Ok(exit::DONE);
    }
    match safe.update_metadata(&path, |metadata| change.apply(metadata)).await {
        Ok(written) => {
            output::note(&format!("changed the metadata of {path}{}", version(&written)));
            Writes::one(&path, written).end(context, &safe, args.output).await
        }
        Err(error) => Err(missing(context, &safe, &path, error).await),
    }
}
