//! Names of settings: unknown ones are errors with a suggestion.

use serde_json::Value;

use super::files::Layer;
use super::flat;
use super::schema::shown;
use crate::failure::Failure;
use crate::hints;

/// Settings of the whole file.
pub const TOP: &[&str] = &[
    "environment",
    "tenant",
    "backend",
    "key_file",
    "passphrase_file",
    "engine",
    "keep_versions",
    "lock_wait",
    "passphrase",
    "backends",
    "environments",
    "secrets",
];
const PASSPHRASE: &[&str] = &["kdf", "memory", "time", "lanes", "iterations"];
/// Settings of an environment.
pub const ENVIRONMENT: &[&str] =
    &["primary", "failover", "backup", "ack", "when_primary_down", "next_on", "reads", "routes"];
const ROUTE: &[&str] = &["primary", "failover", "backup"];
const REQUIREMENT: &[&str] = &["path", "required", "generate"];
const GENERATE: &[&str] = &["kind", "bytes"];

/// Settings of the same schema that this version does not have yet. They are no spelling mistakes, and in a
/// project file each of them needs trust.
const LATER: &[&str] = &[
    "agent", "audit", "backup", "command", "commands", "hooks", "names", "policy", "rotation", "seal",
    "webhook", "webhooks",
];

/// Refuses names that are in no version's schema.
///
/// # Errors
/// Exit 3 with the nearest known name.
pub fn check(layer: &Layer) -> Result<(), Failure> {
    if flat::is_flat(&layer.path) {
        return flat::settings(layer, &layer.value).map(drop);
    }
    each(&layer.value, &mut |name, table, known| {
        if known.contains(&name) || LATER.contains(&name) {
            return Ok(());
        }
        let place = if table.is_empty() { String::new() } else { format!(" in `{}`", shown(table)) };
        let failure = layer.fault(format!("unknown setting `{}`{place}", shown(name)));
        Err(match hints::nearest(name, known.iter().copied()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!("known here: {}", known.join(", "))),
        })
    })
}

/// Refuses names that a later version will know.
///
/// # Errors
/// Exit 3 for the first of them.
pub fn check_present(layer: &Layer) -> Result<(), Failure> {
    if flat::is_flat(&layer.path) {
        return Ok(());
    }
    each(&layer.value, &mut |name, table, known| {
        if known.contains(&name) || !LATER.contains(&name) {
            return Ok(());
        }
        let place = if table.is_empty() { String::new() } else { format!("{}.", shown(table)) };
        Err(layer.fault(format!("this version does not have the setting `{place}{name}` yet")))
    })
}

type Visit<'a> = &'a mut dyn FnMut(&str, &str, &[&str]) -> Result<(), Failure>;

/// Calls `visit` with each name, its table and the names known there. A backend's own fields are left out.
fn each(root: &Value, visit: Visit<'_>) -> Result<(), Failure> {
    table(root, "", TOP, visit)?;
    if let Some(value) = root.get("passphrase") {
        table(value, "passphrase", PASSPHRASE, visit)?;
    }
    for (name, value) in entries(root.get("environments")) {
        table(value, &format!("environments.{name}"), ENVIRONMENT, visit)?;
        for (prefix, route) in entries(value.get("routes")) {
            table(route, &format!("environments.{name}.routes.{prefix}"), ROUTE, visit)?;
        }
    }
    for (name, value) in entries(root.get("secrets")) {
        table(value, &format!("secrets.{name}"), REQUIREMENT, visit)?;
        if let Some(value) = value.get("generate") {
            table(value, &format!("secrets.{name}.generate"), GENERATE, visit)?;
        }
    }
    Ok(())
}

fn table(value: &Value, name: &str, known: &[&str], visit: Visit<'_>) -> Result<(), Failure> {
    entries(Some(value)).try_for_each(|(key, _)| visit(key, name, known))
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}
