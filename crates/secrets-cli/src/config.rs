//! Configuration: which files there are, what they say together, and where each setting comes from.
//!
//! Precedence, highest first: flag, environment variable, `secrets.local.toml`, project file, the user's
//! `config.toml`, default. Files are found and trusted ([`crate::trust`]) before anything in them is
//! substituted, and merged by the `config` crate.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::args::Global;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::places::Places;
use crate::trust::Trust;

pub mod azure;
pub mod files;
pub mod flat;
pub mod keys;
pub mod migrate;
pub mod schema;
mod source;
pub mod substitute;
pub mod topology;
pub mod typed;
pub mod vault;

use files::{Kind, Layer};
pub use schema::Settings;

/// What is in force.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Configuration {
    /// Where the installation lies.
    pub places: Places,
    /// The settings of all files, variables and flags together.
    pub settings: Settings,
    /// The files that were read, weakest first.
    pub files: Vec<Source>,
    /// For each setting that something other than the default decided: its name and who did.
    pub origins: Vec<(String, String)>,
    /// Where a token for HashiCorp Vault is, for a backend that says nothing of it.
    pub vault: vault::UsualToken,
    /// The keys of an AWS identity, for a login that says nothing of them.
    pub aws: Option<vault::UsualKeys>,
    /// What Microsoft's own tools find in variables, for a backend of Azure that says nothing of it.
    pub azure: azure::AzureVariables,
}

/// A configuration file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Whose it is.
    pub kind: Kind,
    /// Whether it may name backends, addresses and commands.
    pub trusted: bool,
}

/// Finds, trusts, substitutes, checks and merges the configuration.
///
/// # Errors
/// Exit 3: a file that cannot be read, a key that is unknown or of the wrong type, `${VAR}` without a value,
/// a project file that needs trust and has none. Nothing is contacted.
pub fn load(global: &Global, environment: &Environment, directory: &Path) -> Result<Configuration, Failure> {
    let places = Places::find(environment)?;
    let named = global.config.clone().or_else(|| environment.path("SECRETS_CONFIG"));
    let layers = files::find(&places, named.as_deref(), directory)?;
    merge(places, layers, global, environment)
}

fn merge(
    places: Places,
    layers: Vec<Layer>,
    global: &Global,
    environment: &Environment,
) -> Result<Configuration, Failure> {
    let trust = Trust::read(&places.trust_file())?;
    let mut builder = ::config::Config::builder();
    let mut origins = Vec::new();
    let mut sources = Vec::new();
    for layer in layers {
        keys::check(&layer)?;
        let trusted = layer.kind == Kind::User || trust.covers(&layer);
        if !trusted {
            crate::trust::check_harmless(&layer)?;
        }
        keys::check_present(&layer)?;
        let mut value = layer.value.clone();
        if trusted {
            substitute::all(&mut value, environment).map_err(|unset| {
                Failure::config(format!("{}: {unset}", layer.path.display()))
                    .hint(format!("set {}, or write ${{{}:-default}}", unset.name, unset.name))
            })?;
        }
        if flat::is_flat(&layer.path) {
            value = flat::settings(&layer, &value)?.settings;
        }
        absolute(&mut value, layer.directory());
        remember(&mut origins, &value, &layer.path.display().to_string());
        sources.push(Source { path: layer.path.clone(), kind: layer.kind, trusted });
        builder = builder.add_source(source::Tables::of(&layer, value)?);
    }
    for (name, value, origin) in overrides(global, environment) {
        origins.retain(|(known, _): &(String, String)| known != name);
        origins.push((name.to_owned(), origin));
        builder = builder.set_override(name, value).map_err(|error| Failure::config(error.to_string()))?;
    }
    let merged = builder.build().map_err(|error| Failure::config(error.to_string()))?;
    let mut settings: Settings = merged
        .try_deserialize()
        .map_err(|error| Failure::config(format!("the configuration cannot be used: {error}")))?;
    typed::add(&mut settings, global, environment)?;
    typed::name_regions(&mut settings, environment);
    settings.check()?;
    origins.sort();
    let (vault, aws) = (vault::UsualToken::find(environment), vault::UsualKeys::find(environment));
    let azure = azure::AzureVariables::find(environment);
    Ok(Configuration { places, settings, files: sources, origins, vault, aws, azure })
}

/// File names in a configuration file are relative to it, not to where a command happens to run.
fn absolute(value: &mut Value, directory: &Path) {
    fn each(table: &mut Value, is_file: fn(&str) -> bool, directory: &Path) {
        for (name, value) in table.as_object_mut().into_iter().flatten() {
            if let Value::String(file) = value
                && is_file(name)
            {
                *file = directory.join(&*file).to_string_lossy().into_owned();
            }
        }
    }
    each(value, |name| matches!(name, "key_file" | "passphrase_file"), directory);
    for backend in
        value.get_mut("backends").and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut())
    {
        each(backend, |name| matches!(name, "ca_file" | "client_certificate" | "client_key"), directory);
        if let Some(auth) = backend.get_mut("auth") {
            each(auth, |name| name.ends_with("_file"), directory);
        }
    }
}

/// What flags and variables say, each with its origin.
fn overrides(global: &Global, environment: &Environment) -> Vec<(&'static str, String, String)> {
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for (name, flag, typed, variable) in [
        ("environment", "--environment", global.environment.clone(), "SECRETS_ENVIRONMENT"),
        ("tenant", "--tenant", global.tenant.clone(), "SECRETS_TENANT"),
        ("backend", "--backend", global.backend.clone(), "SECRETS_BACKEND"),
        ("key_file", "--key-file", global.key_file.clone().map(path), "SECRETS_KEY_FILE"),
        (
            "passphrase_file",
            "--passphrase-file",
            global.passphrase_file.clone().map(path),
            "SECRETS_PASSPHRASE_FILE",
        ),
    ] {
        if let Some(value) = typed {
            found.push((name, value, flag.to_owned()));
        } else if let Some(value) = environment.text(variable) {
            found.push((name, value.to_owned(), variable.to_owned()));
        }
    }
    found
}

/// Notes that `origin` decides each setting in `value`.
fn remember(origins: &mut Vec<(String, String)>, value: &Value, origin: &str) {
    fn leaves(value: &Value, name: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(table) => {
                for (key, value) in table {
                    let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                    leaves(value, &name, found);
                }
            }
            _ => found.push(name.to_owned()),
        }
    }
    let mut names = Vec::new();
    leaves(value, "", &mut names);
    for name in names {
        origins.retain(|(known, _)| *known != name);
        origins.push((name, origin.to_owned()));
    }
}

#[cfg(test)]
mod tests;
