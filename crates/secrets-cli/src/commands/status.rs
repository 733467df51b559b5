//! `status`: what is set up here. Contacts nothing, opens nothing.

use secrets_manager::Role;
use serde_json::json;

use super::Context;
use super::key::slots_json;
use crate::args::OutputArgs;
use crate::config::schema::{Engine, LOCAL};
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, Table};

/// Prints what is set up.
pub(super) fn run(context: &Context, args: OutputArgs) -> Result<u8, Failure> {
    let places = context.places();
    let found = match secrets_manager::status(&places) {
        Ok(status) => Some(status),
        Err(secrets_manager::Error::NoSafe(_)) => None,
        Err(error) => return Err(context.failure(error)),
    };
    let settings = &context.configuration.settings;
    let kind = settings.backend_kind();
    let engine =
        (kind == LOCAL).then_some(if settings.engine == Some(Engine::Sled) { "sled" } else { "redb" });
    let sealed = settings.seals(settings.backend_name());
    let together = context.configuration.places.key_lies_with_data(&places.key_file)
        || found.as_ref().is_some_and(|status| status.key_beside_data);
    let files: Vec<_> = context
        .configuration
        .files
        .iter()
        .map(|file| json!({ "file": file.path.display().to_string(), "trusted": file.trusted }))
        .collect();
    let topology = settings.topology();
    let standbys: Vec<(&str, &str)> = topology
        .standbys
        .iter()
        .map(|one| (if one.role == Role::Backup { "backup" } else { "failover" }, one.name))
        .collect();
    let in_roles: Vec<_> =
        standbys.iter().map(|(role, name)| json!({ "role": role, "backend": name })).collect();
    let fields = json!({
        "safe": found.as_ref().map(|status| status.safe.to_string()),
        "environment": settings.environment(),
        "backend": settings.backend_name(),
        "backend_type": kind,
        "engine": engine,
        "sealed": sealed,
        "standbys": in_roles,
        "data": places.data.display().to_string(),
        "audit_log": places.audit_log().display().to_string(),
        "key_file": places.key_file.display().to_string(),
        "key_file_present": places.key_file.exists(),
        "key_lies_with_data": together,
        "slots": found.as_ref().map(|status| slots_json(&status.slots)),
        "configuration": files,
    });
    output::data(args.chosen(), fields, || {
        let mut table = Table::plain();
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        match &found {
            Some(status) => {
                row("safe", status.safe.to_string());
                row(
                    "opens with",
                    status.slots.iter().map(|slot| slot.label.clone()).collect::<Vec<_>>().join(", "),
                );
            }
            None => row("safe", "none yet; `secrets set PATH` makes one".to_owned()),
        }
        row("environment", settings.environment().to_owned());
        let sealing = if sealed { "sealed" } else { PLAIN };
        row("backend", format!("{} ({}), {sealing}", settings.backend_name(), engine.unwrap_or(kind)));
        for (role, name) in &standbys {
            row(role, (*name).to_owned());
        }
        row("data", places.data.display().to_string());
        row("audit log", places.audit_log().display().to_string());
        let absent = if places.key_file.exists() { "" } else { "  (not there)" };
        row("key file", format!("{}{absent}", places.key_file.display()));
        for file in &context.configuration.files {
            let trust =
                if file.trusted { "" } else { "  (not trusted: names an environment and secrets only)" };
            row("configuration", format!("{}{trust}", file.path.display()));
        }
        table
    })?;
    if found.is_some() && places.key_file.exists() {
        output::note("Whoever has both the data and the key file can read every secret.");
        if together {
            output::warn("key file and data lie together: whoever copies that one directory has both");
        }
    }
    Ok(exit::DONE)
}

/// What `seal = false` means, for people.
const PLAIN: &str = "not sealed: whoever may read there sees the values";
