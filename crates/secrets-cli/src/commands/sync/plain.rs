//! `sync import`, `sync export`: between this environment and a backend of plain values.

use std::ffi::OsStr;

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretPath};
use secrets_manager::{ListScope, Purpose, Safe, Sealing};

use super::super::Context;
use super::super::replicas::counted;
use super::super::written::Writes;
use crate::args::OutputArgs;
use crate::failure::Failure;
use crate::{exit, names, output};

/// The safe over a backend of plain values.
async fn plain(context: &Context, name: &str) -> Result<Safe, Failure> {
    let settings = &context.configuration.settings;
    if settings.seals(name) {
        return Err(Failure::usage("the other backend must hold plain values: `seal = false`")
            .hint("`secrets backend list` shows which are sealed; `sync apply` copies sealed ones"));
    }
    context.open_as(context.options_of(name)?).await
}

/// Seals what another backend has in the clear.
pub(super) async fn import(
    context: &Context,
    from: &str,
    only: Option<&OsStr>,
    overwrite: bool,
) -> Result<u8, Failure> {
    let prefix = only.map(names::path).transpose()?;
    if context.options()?.sealing == Sealing::Plain {
        return Err(Failure::usage(
            "this environment's values are not sealed, so there is nothing to seal into",
        ));
    }
    let there = plain(context, from).await?;
    let found = there.get_under(Purpose::Export, prefix.as_ref()).await;
    let found = found.map_err(|error| context.failure(error))?;
    let here = context.open_or_make().await?;
    let paths: Vec<SecretPath> = found.iter().map(|(path, _)| path.clone()).collect();
    let present = here.get_many(&paths).await.map_err(|error| context.failure(error))?;
    let (mut new, mut equal, mut differ) = (Vec::new(), 0_usize, Vec::new());
    for ((path, theirs), ours) in found.into_iter().zip(present) {
        match ours {
            Ok(ours) if ours.value == theirs.value && ours.metadata == theirs.metadata => equal += 1,
            Ok(_) if !overwrite => differ.push(path),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(context.failure(error.into())),
            _ => new.push((path, NewSecret::new(theirs.value).with_metadata(theirs.metadata))),
        }
    }
    for path in &differ {
        output::warn(&format!("{path} is here with another value: left alone (--overwrite replaces it)"));
    }
    if context.global.dry_run {
        new.iter().for_each(|(path, _)| output::note(&format!("would seal {path}")));
        return Ok(exit::DONE);
    }
    let mut code = exit::DONE;
    if !new.is_empty() {
        let written = here.put_many(&new, &PutMode::Upsert).await.map_err(|error| context.failure(error))?;
        let writes = Writes::of(new.iter().map(|(path, _)| path), written);
        code = writes.end(context, &here, OutputArgs::default()).await?;
    }
    let what = counted(new.len(), "secret");
    output::note(&format!(
        "sealed {what} from {from}, {equal} were here already; the originals stay there in the clear"
    ));
    if differ.is_empty() { Ok(code) } else { Err(Failure::silent(exit::CONFLICT)) }
}

/// Writes this environment's secrets into another backend in the clear.
pub(super) async fn export(context: &Context, to: &str, only: Option<&OsStr>) -> Result<u8, Failure> {
    let prefix = only.map(names::path).transpose()?;
    let here = context.open().await?;
    if context.global.dry_run {
        let listed =
            here.list(prefix.as_ref(), ListScope::Live).await.map_err(|error| context.failure(error))?;
        listed.iter().for_each(|one| output::note(&format!("would write {} to {to} in the clear", one.path)));
        return Ok(exit::DONE);
    }
    let there = plain(context, to).await?;
    if !context.global.yes {
        if !context.terminal.can_ask() {
            return Err(Failure::usage("writing secrets in the clear needs --yes when nobody can be asked"));
        }
        if !context.terminal.confirm(&format!("Write secrets to {to} in the clear?"))? {
            return Err(Failure::other("nothing was changed"));
        }
    }
    let found = here.get_under(Purpose::Export, prefix.as_ref()).await;
    let found = found.map_err(|error| context.failure(error))?;
    let paths: Vec<SecretPath> = found.iter().map(|(path, _)| path.clone()).collect();
    let present = there.get_many(&paths).await.map_err(|error| context.failure(error))?;
    let differs =
        |(ours, theirs): (&secrets_backend::Secret, secrets_backend::Result<secrets_backend::Secret>)| {
            !theirs.is_ok_and(|theirs| theirs.value == ours.value && theirs.metadata == ours.metadata)
        };
    let mut new = Vec::new();
    for ((path, ours), theirs) in found.into_iter().zip(present) {
        if differs((&ours, theirs)) {
            new.push((path, NewSecret::new(ours.value).with_metadata(ours.metadata)));
        }
    }
    if !new.is_empty() {
        there.put_many(&new, &PutMode::Upsert).await.map_err(|error| context.failure(error))?;
    }
    let what = counted(new.len(), "secret");
    output::note(&format!(
        "wrote {what} to {to} in the clear; {} were there already",
        paths.len() - new.len()
    ));
    Ok(exit::DONE)
}
