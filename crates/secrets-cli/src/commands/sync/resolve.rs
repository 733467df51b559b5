//! `sync resolve`: the versions of a secret that were written without each other, and an end of it.

use std::collections::BTreeMap;

use secrets_backend::SecretPath;
use secrets_manager::Contender;
use serde_json::{Value, json};

use super::super::Context;
use super::super::written::{Writes, version, would_be};
use crate::args::OutputArgs;
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, Table};

/// Shows the versions of a conflict, or ends it.
pub(super) async fn run(
    context: &Context,
    path: &SecretPath,
    take: Option<&str>,
    args: OutputArgs,
) -> Result<u8, Failure> {
    let safe = context.open().await?;
    let all = safe.contenders(path).await.map_err(|error| context.failure(error))?;
    if all.is_empty() {
        return Err(Failure::new(exit::NOT_FOUND, format!("no backend has {path}")));
    }
    let names = context.backend_names()?;
    let Some(take) = take else {
        show(path, &all, names, args)?;
        return Ok(exit::DONE);
    };
    let holder = all.iter().flat_map(|one| &one.holders).find(|holder| name(names, holder) == take);
    let Some(holder) = holder else {
        return Err(Failure::usage(format!("no holder of this name has {path}"))
            .hint(format!("`secrets sync resolve {path}` shows who has which version")));
    };
    if context.global.dry_run {
        output::note(&format!("would make the version of {take} the new one of {path} everywhere"));
        would_be(std::iter::once(path), args)?;
        return Ok(exit::DONE);
    }
    let written = safe.resolve(path, holder).await.map_err(|error| context.failure(error))?;
    output::note(&format!("resolved {path}{}", version(&written)));
    Writes::one(path, written).end(context, &safe, args).await
}

/// Prints who has which version.
fn show(
    path: &SecretPath,
    all: &[Contender],
    names: &BTreeMap<String, String>,
    args: OutputArgs,
) -> Result<(), Failure> {
    let holders =
        |one: &Contender| -> Vec<String> { one.holders.iter().map(|holder| name(names, holder)).collect() };
    let fields: Vec<Value> = all
        .iter()
        .map(|one| {
            let version = output::version(&one.version);
            json!({ "version": version, "holders": holders(one), "deleted": one.stamp.is_tombstone() })
        })
        .collect();
    output::data(args.chosen(), json!({ "path": path.as_str(), "versions": fields }), || {
        let mut table = Table::new(&["VERSION", "HELD BY", ""]);
        for one in all {
            let state = if one.stamp.is_tombstone() { "deletion" } else { "" };
            table.row([one.version.to_string(), holders(one).join(", "), state.to_owned()]);
        }
        table
    })?;
    output::note(&if all.len() == 1 {
        format!("{path} is not in conflict")
    } else {
        "--take NAME makes one of them the new version everywhere; the others stay in the histories"
            .to_owned()
    });
    Ok(())
}

/// The configuration's name of who holds a version. What a service has beside its current version is `PLACE#ID`.
fn name(names: &BTreeMap<String, String>, holder: &String) -> String {
    match holder.rsplit_once('#') {
        Some((place, id)) if names.contains_key(place) => format!("{}#{id}", names[place]),
        _ => names.get(holder).unwrap_or(holder).clone(),
    }
}
