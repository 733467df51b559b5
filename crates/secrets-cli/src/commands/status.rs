//! `status`: what is set up here. Contacts nothing, opens nothing.

use secrets_manager::{Places, Role, Status};
use serde_json::{Value, json};

use super::Context;
use super::key::slots_json;
use crate::args::OutputArgs;
use crate::config::schema::{Engine, LOCAL, Settings};
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, Table};

/// Prints what is set up.
pub(super) fn run(context: &Context, args: OutputArgs) -> Result<u8, Failure> {
    let found = Found::look(context)?;
    output::data(args.chosen(), found.fields(), || found.table())?;
    if found.safe.is_some() && found.has_key_file {
        output::note("Whoever has both the data and the key file can read every secret.");
        if found.together {
            output::warn("key file and data lie together: whoever copies that one directory has both");
        }
    }
    Ok(exit::DONE)
}

/// What is set up here.
struct Found<'a> {
    context: &'a Context,
    settings: &'a Settings,
    places: Places,
    /// None where there is none yet.
    safe: Option<Status>,
    has_key_file: bool,
    /// Whether key file and data are in one directory.
    together: bool,
    /// The kind of the backend in force.
    kind: &'a str,
    /// What keeps its bytes, where it is the local one.
    engine: Option<&'static str>,
    sealed: bool,
    /// Role and name of each.
    standbys: Vec<(&'static str, &'a str)>,
}

impl<'a> Found<'a> {
    fn look(context: &'a Context) -> Result<Self, Failure> {
        let places = context.places();
        let safe = match secrets_manager::status(&places) {
            Ok(status) => Some(status),
            Err(secrets_manager::Error::NoSafe(_)) => None,
            Err(error) => return Err(context.failure(error)),
        };
        let settings = &context.configuration.settings;
        let kind = settings.backend_kind();
        let engine = if settings.engine == Some(Engine::Sled) { "sled" } else { "redb" };
        let role = |role| if role == Role::Backup { "backup" } else { "failover" };
        let standbys = settings.topology().standbys.iter().map(|one| (role(one.role), one.name)).collect();
        let together = context.configuration.places.key_lies_with_data(&places.key_file)
            || safe.as_ref().is_some_and(|status| status.key_beside_data);
        Ok(Self {
            context,
            settings,
            has_key_file: places.key_file.exists(),
            places,
            safe,
            together,
            kind,
            engine: (kind == LOCAL).then_some(engine),
            sealed: settings.seals(settings.backend_name()),
            standbys,
        })
    }

    fn fields(&self) -> Value {
        let files = &self.context.configuration.files;
        let files = files
            .iter()
            .map(|file| json!({ "file": file.path.display().to_string(), "trusted": file.trusted }));
        let standbys = self.standbys.iter().map(|(role, name)| json!({ "role": role, "backend": name }));
        json!({
            "safe": self.safe.as_ref().map(|status| status.safe.to_string()),
            "environment": self.settings.environment(),
            "backend": self.settings.backend_name(),
            "backend_type": self.kind,
            "engine": self.engine,
            "sealed": self.sealed,
            "standbys": standbys.collect::<Vec<_>>(),
            "data": self.places.data.display().to_string(),
            "audit_log": self.places.audit_log().display().to_string(),
            "key_file": self.places.key_file.display().to_string(),
            "key_file_present": self.has_key_file,
            "key_lies_with_data": self.together,
            "slots": self.safe.as_ref().map(|status| slots_json(&status.slots)),
            "configuration": files.collect::<Vec<_>>(),
        })
    }

    fn table(&self) -> Table {
        let mut table = Table::plain();
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        match &self.safe {
            Some(status) => {
                let labels: Vec<_> = status.slots.iter().map(|slot| slot.label.clone()).collect();
                row("safe", status.safe.to_string());
                row("opens with", labels.join(", "));
            }
            None => row("safe", "none yet; `secrets set PATH` makes one".to_owned()),
        }
        row("environment", self.settings.environment().to_owned());
        let sealing = if self.sealed { "sealed" } else { PLAIN };
        let kind = self.engine.unwrap_or(self.kind);
        row("backend", format!("{} ({kind}), {sealing}", self.settings.backend_name()));
        for (role, name) in &self.standbys {
            row(role, (*name).to_owned());
        }
        row("data", self.places.data.display().to_string());
        row("audit log", self.places.audit_log().display().to_string());
        let absent = if self.has_key_file { "" } else { "  (not there)" };
        row("key file", format!("{}{absent}", self.places.key_file.display()));
        for file in &self.context.configuration.files {
            let trust =
                if file.trusted { "" } else { "  (not trusted: names an environment and secrets only)" };
            row("configuration", format!("{}{trust}", file.path.display()));
        }
        table
    }
}

/// What `seal = false` means, for people.
const PLAIN: &str = "not sealed: whoever may read there sees the values";
