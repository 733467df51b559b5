//! `trust`: which project files may name backends, addresses and commands.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::args::{Global, TrustArgs};
use crate::config::files::{self, Kind, Layer};
use crate::environment::Environment;
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::places::Places;
use crate::trust::Trust;

/// Trusts, lists, or trusts no longer.
pub(super) fn run(
    args: &TrustArgs,
    global: &Global,
    environment: &Environment,
    directory: &Path,
) -> Result<u8, Failure> {
    let places = Places::find(environment)?;
    let mut trust = Trust::read(&places.trust_file())?;
    if args.list {
        let files: Vec<_> = trust
            .files
            .iter()
            .map(|one| json!({ "file": one.path.display().to_string(), "sha256": one.sha256 }))
            .collect();
        output::data(args.output.chosen(), json!({ "trusted": files }), || {
            let mut table = Table::new(&["FILE", "SHA-256"]);
            for one in &trust.files {
                table.row([one.path.display().to_string(), one.sha256.clone()]);
            }
            table
        })?;
        return Ok(exit::DONE);
    }
    if args.remove {
        let known = named(args, directory)?;
        let mut removed = false;
        for path in known {
            removed |= trust.remove(&path);
        }
        if !removed {
            return Err(
                Failure::config("this file was not trusted").hint("`secrets trust --list` shows what is")
            );
        }
        if !global.dry_run {
            trust.write(&places.trust_file())?;
        }
        output::note(if global.dry_run { "would no longer be trusted" } else { "no longer trusted" });
        return Ok(exit::DONE);
    }
    let layers = found(args, directory)?;
    for layer in &layers {
        crate::config::keys::check(layer)?;
        trust.add(layer);
        let would = if global.dry_run { "would trust" } else { "trusted" };
        output::note(&format!("{would} {} as it is now", layer.path.display()));
    }
    if !global.dry_run {
        trust.write(&places.trust_file())?;
    }
    Ok(exit::DONE)
}

/// The files to trust: the one that is named, those of a named directory, or those found by walking up.
fn found(args: &TrustArgs, directory: &Path) -> Result<Vec<Layer>, Failure> {
    let start = match &args.file {
        Some(file) if !file.is_dir() => {
            let missing = || Failure::config(format!("{}: there is no such file", file.display()));
            return Ok(vec![files::read(&directory.join(file), Kind::Project)?.ok_or_else(missing)?]);
        }
        Some(named) => directory.join(named),
        None => directory.to_owned(),
    };
    let layers = files::project(&start)?;
    if layers.is_empty() {
        return Err(Failure::config(format!(
            "there is no secrets.toml or cloud_config.yaml at or above {}",
            start.display()
        )));
    }
    Ok(layers)
}

/// The paths to forget; a file that is gone can be named too.
fn named(args: &TrustArgs, directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    match &args.file {
        Some(file) if !directory.join(file).is_dir() => {
            let absolute = std::path::absolute(directory.join(file));
            Ok(vec![absolute.map_err(|source| Failure::usage("this is not a file name").caused_by(source))?])
        }
        _ => Ok(found(args, directory)?.into_iter().map(|layer| layer.path).collect()),
    }
}
