//! `config migrate`: `secrets.toml` from the files of other tools.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::args::Global;
use crate::config::files::{self, Kind};
use crate::config::flat;
use crate::config::migrate::Migrated;
use crate::environment::Environment;
use crate::exit;
use crate::failure::Failure;
use crate::formats::dotenv;
use crate::output;

/// Prints the settings, or writes them to a new file, and says what became of each one. It substitutes and contacts
/// nothing, so that the files need no trust.
pub(super) fn run(
    named: &[PathBuf],
    out: Option<&Path>,
    global: &Global,
    environment: &Environment,
    directory: &Path,
) -> Result<u8, Failure> {
    let files = if named.is_empty() { found(directory) } else { named.to_vec() };
    if files.is_empty() {
        let text = format!("there is no cloud_config.yaml and no .env in {}", directory.display());
        return Err(Failure::config(text).hint("name the file: `secrets config migrate FILE`"));
    }
    let mut migrated = Migrated::default();
    for file in &files {
        add(&mut migrated, &directory.join(file))?;
    }
    let text = format!("{HEAD}\n{}", migrated.to_toml()?);
    for (name, fate) in &migrated.fates {
        output::note(&format!("{name}: {fate}"));
    }
    if migrated.others > 0 {
        output::note(&format!(
            "{} other names are not settings; `secrets import FILE` stores secrets",
            migrated.others
        ));
    }
    if let Some(problem) = migrated.problem(environment) {
        output::warn(&format!("`secrets config check` will say: {problem}"));
    }
    match out {
        None => output::bytes(text.as_bytes())?,
        Some(out) if global.dry_run => {
            let out = directory.join(out);
            refuse_existing(&out)?;
            output::note(&format!("would write {}", out.display()));
        }
        Some(out) => write(&directory.join(out), &text)?,
    }
    Ok(exit::DONE)
}

/// The files of other tools in a directory.
fn found(directory: &Path) -> Vec<PathBuf> {
    let known = ["cloud_config.yaml", "cloud_config.yml", ".env"].map(PathBuf::from);
    known.into_iter().filter(|name| directory.join(name).is_file()).collect()
}

/// A YAML file is a flat one, whatever it is called; anything else holds variables.
fn add(migrated: &mut Migrated, path: &Path) -> Result<(), Failure> {
    let fault = |reason: String| Failure::config(format!("{}: {reason}", path.display()));
    if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
        let layer =
            files::read(path, Kind::User)?.ok_or_else(|| fault("there is no such file".to_owned()))?;
        let meaning = flat::settings(&layer, &layer.value)?;
        return migrated.add_flat(meaning);
    }
    let bytes = zeroize::Zeroizing::new(
        fs::read(path).map_err(|source| fault("cannot be read".to_owned()).caused_by(source))?,
    );
    let read = dotenv::read(&bytes, false).map_err(|problem| fault(problem.to_string()))?;
    migrated.add_variables(&read.pairs);
    Ok(())
}

fn write(out: &Path, text: &str) -> Result<(), Failure> {
    let fault = |source: io::Error| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            return exists(out);
        }
        Failure::config(format!("{} cannot be written", out.display())).caused_by(source)
    };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(out).map_err(fault)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fault)?;
    output::note(&format!("wrote {}; `secrets config check -c {0}` checks it", out.display()));
    Ok(())
}

fn refuse_existing(out: &Path) -> Result<(), Failure> {
    if out.symlink_metadata().is_ok() { Err(exists(out)) } else { Ok(()) }
}

fn exists(out: &Path) -> Failure {
    Failure::new(exit::CONFLICT, format!("{} is there already", out.display()))
        .hint("name another file with --write, or print to the terminal without it")
}

const HEAD: &str = "# Made by `secrets config migrate`. Every setting is described in docs/spec/config.md.";
