//! `config`: the settings in force, whether the files are sound, and settings from other tools' files.

use std::path::Path;

use serde_json::json;

use crate::args::{ConfigCommand, Global, OutputArgs};
use crate::config::{self, Configuration};
use crate::environment::Environment;
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, Table};

mod migrate;

/// Shows, checks or migrates.
pub(super) fn run(
    command: &ConfigCommand,
    global: &Global,
    environment: &Environment,
    directory: &Path,
) -> Result<u8, Failure> {
    let load = || config::load(global, environment, directory);
    match command {
        ConfigCommand::Show(args) => show(&load()?, *args),
        ConfigCommand::Check(args) => check(load(), *args),
        ConfigCommand::Migrate { files, write } => {
            migrate::run(files, write.as_deref(), global, environment, directory)
        }
    }
}

fn show(configuration: &Configuration, args: OutputArgs) -> Result<u8, Failure> {
    let mut settings = serde_json::to_value(&configuration.settings)
        .map_err(|source| Failure::other("the settings cannot be shown").caused_by(source))?;
    hide_secrets(&mut settings);
    let origins: serde_json::Map<_, _> =
        configuration.origins.iter().map(|(name, origin)| (name.clone(), origin.as_str().into())).collect();
    let fields = json!({ "settings": settings, "origins": origins, "environment": configuration.settings.environment() });
    output::data(args.chosen(), fields, || {
        let mut table = Table::new(&["SETTING", "VALUE", "FROM"]);
        for (name, default) in [("environment", config::schema::DEFAULT), ("backend", config::schema::LOCAL)]
        {
            if !configuration.origins.iter().any(|(known, _)| known == name) {
                table.row([name.to_owned(), default.to_owned(), "default".to_owned()]);
            }
        }
        for (name, origin) in &configuration.origins {
            table.row([name.clone(), shown(&settings, name), origin.clone()]);
        }
        table
    })?;
    Ok(exit::DONE)
}

/// Hides what logs in to a backend: `${VAR}` has put it in.
fn hide_secrets(settings: &mut serde_json::Value) {
    const SECRETS: [&str; 8] = [
        "token",
        "secret_id",
        "wrapping_token",
        "jwt",
        "password",
        "secret_access_key",
        "session_token",
        "client_secret",
    ];
    let backends = settings.get_mut("backends").and_then(serde_json::Value::as_object_mut);
    for backend in backends.into_iter().flat_map(|all| all.values_mut()) {
        let auth = backend.get_mut("auth").and_then(serde_json::Value::as_object_mut);
        let secrets = auth.into_iter().flatten().filter(|(name, _)| SECRETS.contains(&name.as_str()));
        // A table says where the secret is, and is none.
        for (_, value) in secrets.filter(|(_, value)| !value.is_object()) {
            *value = "(hidden)".into();
        }
    }
}

fn check(loaded: Result<Configuration, Failure>, args: OutputArgs) -> Result<u8, Failure> {
    let (files, problem) = match &loaded {
        Ok(configuration) => {
            (configuration.files.iter().map(|file| file.path.display().to_string()).collect::<Vec<_>>(), None)
        }
        Err(failure) => (Vec::new(), Some(failure)),
    };
    let fields = json!({
        "ok": problem.is_none(),
        "files": files,
        "problem": problem.map(ToString::to_string),
        "try": problem.and_then(Failure::next),
    });
    output::data(args.chosen(), fields, || {
        let mut table = Table::plain();
        for file in &files {
            table.row(["ok".to_owned(), file.clone()]);
        }
        if let Some(failure) = problem {
            table.row(["failed".to_owned(), failure.to_string()]);
            if let Some(next) = failure.next() {
                table.row(["try".to_owned(), next.to_owned()]);
            }
        } else if files.is_empty() {
            table.row(["ok".to_owned(), "no configuration file; the defaults hold".to_owned()]);
        }
        table
    })?;
    Ok(if problem.is_some() { exit::CHECK_FAILED } else { exit::DONE })
}

/// A setting's value for people.
fn shown(settings: &serde_json::Value, name: &str) -> String {
    let mut value = settings;
    let mut rest = name;
    // Names may hold dots themselves: take the longest that fits at each step.
    while !rest.is_empty() {
        let Some(table) = value.as_object() else { break };
        let fits = table
            .keys()
            .filter(|key| {
                rest == key.as_str()
                    || rest.strip_prefix(key.as_str()).is_some_and(|tail| tail.starts_with('.'))
            })
            .max_by_key(|key| key.len());
        let Some(key) = fits else { break };
        value = &table[key];
        rest = rest.get(key.len() + 1..).unwrap_or_default();
    }
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
