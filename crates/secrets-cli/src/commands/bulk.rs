//! `delete`, `undelete`, `purge`: many secrets at once, where several are named.

use secrets_backend::{ErrorKind, SecretPath};
use secrets_manager::{ListScope, Safe, Sealing};

use super::Context;
use super::read::missing;
use super::written::{Writes, version, would_be};
use crate::args::{DeleteArgs, OutputArgs, PathsArgs};
use crate::failure::Failure;
use crate::{exit, names, output};

/// Deletes, recoverably where the backend can; several sealed ones in one step, all or none.
pub(super) async fn delete(context: &Context, args: &DeleteArgs) -> Result<u8, Failure> {
    let named = names::paths(&args.paths)?;
    let safe = context.open().await?;
    let paths = chosen(context, &safe, args, named, ListScope::Live).await?;
    if context.global.dry_run {
        return dry_run(context, &safe, "delete", &paths, ListScope::Live, args.output).await;
    }
    if paths.len() > 1 {
        agree(context, &format!("Delete {} secrets? `secrets undelete` brings them back.", paths.len()))?;
    }
    let deleted = match paths.as_slice() {
        [path] => match safe.delete(path).await {
            Ok(written) => vec![Ok(written)],
            Err(error) => return Err(missing(context, &safe, path, error).await),
        },
        paths => safe.delete_many(paths).await.map_err(|error| context.failure(error))?,
    };
    for (path, _) in paths.iter().zip(&deleted).filter(|(_, deleted)| deleted.is_ok()) {
        output::note(&format!("deleted {path}"));
    }
    Writes::of(paths.iter(), deleted).end(context, &safe, args.output).await
}

/// Brings deleted secrets back.
pub(super) async fn undelete(context: &Context, args: &PathsArgs) -> Result<u8, Failure> {
    let paths = names::paths(&args.paths)?;
    let safe = context.open().await?;
    if context.global.dry_run {
        return dry_run(context, &safe, "undelete", &paths, ListScope::WithDeleted, args.output).await;
    }
    let mut writes = Writes::default();
    for path in &paths {
        match safe.undelete(path).await {
            Ok(written) => {
                output::note(&format!("brought {path} back{}", version(&written)));
                writes.push(path, written);
            }
            Err(error) => {
                let mut failure = context.failure(error);
                if safe.sealing() != Sealing::Plain {
                    failure = failure.hint(
                        "`secrets list --deleted` shows what can be brought back; a purged value cannot",
                    );
                }
                return Err(writes.cut_short(context, &safe, args.output, (path, failure)).await);
            }
        }
    }
    writes.end(context, &safe, args.output).await
}

/// Removes for good.
pub(super) async fn purge(context: &Context, args: &DeleteArgs) -> Result<u8, Failure> {
    let named = names::paths(&args.paths)?;
    let safe = context.open().await?;
    let paths = chosen(context, &safe, args, named, ListScope::WithDeleted).await?;
    if context.global.dry_run {
        return dry_run(context, &safe, "purge", &paths, ListScope::WithDeleted, args.output).await;
    }
    if paths.len() > 1 || context.terminal.can_ask() {
        agree(context, &format!("Remove {} and all versions for good?", counted(&paths)))?;
    }
    let mut writes = Writes::default();
    for path in &paths {
        match safe.purge(path).await {
            Ok(written) => writes.push(path, written),
            Err(error) => {
                let failure = missing(context, &safe, path, error).await;
                return Err(writes.cut_short(context, &safe, args.output, (path, failure)).await);
            }
        }
        output::note(&format!("purged {path}"));
    }
    writes.end(context, &safe, args.output).await
}

async fn chosen(
    context: &Context,
    safe: &Safe,
    args: &DeleteArgs,
    named: Vec<SecretPath>,
    scope: ListScope,
) -> Result<Vec<SecretPath>, Failure> {
    let Some(prefix) = &args.prefix else { return Ok(named) };
    let prefix = names::path(prefix)?;
    let found = safe.list(Some(&prefix), scope).await.map_err(|error| context.failure(error))?;
    if found.is_empty() {
        return Err(Failure::new(exit::NOT_FOUND, format!("there is no secret at or below {prefix}")));
    }
    Ok(found.into_iter().map(|one| one.path).collect())
}

/// Asks, where somebody can be asked; elsewhere `--yes` has to be there.
fn agree(context: &Context, question: &str) -> Result<(), Failure> {
    if context.global.yes {
        return Ok(());
    }
    if !context.terminal.can_ask() {
        return Err(Failure::usage("this needs --yes when nobody can be asked")
            .hint("--dry-run shows what it would do"));
    }
    if context.terminal.confirm(question)? { Ok(()) } else { Err(Failure::other("nothing was changed")) }
}

async fn dry_run(
    context: &Context,
    safe: &Safe,
    what: &str,
    paths: &[SecretPath],
    scope: ListScope,
    output: OutputArgs,
) -> Result<u8, Failure> {
    if safe.sealing() == Sealing::Plain && scope == ListScope::WithDeleted {
        dry_run_plain(context, safe, what, paths).await?;
        would_be(paths.iter(), output)?;
        return Ok(exit::DONE);
    }
    let there = safe.list(None, scope).await.map_err(|error| context.failure(error))?;
    for path in paths {
        if !there.iter().any(|one| one.path == *path) {
            return Err(Failure::new(exit::NOT_FOUND, format!("there is no secret {path}")));
        }
        output::note(&format!("would {what} {path}"));
    }
    would_be(paths.iter(), output)?;
    Ok(exit::DONE)
}

/// No backend lists what is deleted there, so each path is looked at by itself.
async fn dry_run_plain(
    context: &Context,
    safe: &Safe,
    what: &str,
    paths: &[SecretPath],
) -> Result<(), Failure> {
    for path in paths {
        let known = match safe.history(path).await {
            Err(secrets_manager::Error::Backend(error)) if error.kind() == ErrorKind::Unsupported => {
                safe.describe(path).await.map(drop)
            }
            answer => answer.map(drop),
        };
        known.map_err(|error| context.failure(error))?;
        output::note(&format!("would {what} {path}"));
    }
    Ok(())
}

fn counted(paths: &[SecretPath]) -> String {
    match paths {
        [path] => path.to_string(),
        paths => format!("{} secrets", paths.len()),
    }
}
