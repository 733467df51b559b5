//! `backend`: which places are configured, and what they need.

use secrets_backend::SecretPath;
use serde_json::{Value, json};

use super::Context;
use crate::args::{BackendCommand, OutputArgs, OutputFormat};
use crate::backends::{self, Configured};
use crate::config::schema::LOCAL;
use crate::exit;
use crate::failure::Failure;
use crate::names;
use crate::output::{self, Table};

/// Lists or describes; contacts nothing, but for what is asked about one secret.
pub(super) async fn run(context: &Context, command: &BackendCommand) -> Result<u8, Failure> {
    match command {
        BackendCommand::List(args) => list(context, *args),
        BackendCommand::Describe { name, secret, output } => {
            let secret = secret.as_deref().map(names::path).transpose()?;
            describe(context, name.as_deref(), secret.as_ref(), *output).await
        }
    }
}

fn list(context: &Context, args: OutputArgs) -> Result<u8, Failure> {
    let settings = &context.configuration.settings;
    let mut rows = Vec::new();
    let configured = settings.backends.keys().map(String::as_str);
    for name in std::iter::once(LOCAL).chain(configured.filter(|name| *name != LOCAL)) {
        let one = backends::named(name, &context.configuration, context.places().store())?;
        let (kind, place) = (one.kind, one.backend.to_string());
        let environments: Vec<&str> = settings
            .environments
            .iter()
            .filter(|(_, environment)| environment.backends().contains(name))
            .map(|(environment, _)| environment.as_str())
            .collect();
        rows.push((name, kind, place, environments));
    }
    let fields: Vec<_> = rows
        .iter()
        .map(|(name, kind, place, environments)| {
            json!({
                "name": name,
                "type": kind,
                "place": place,
                "environments": environments,
                "in_force": *name == settings.backend_name(),
                "sealed": settings.seals(name),
            })
        })
        .collect();
    output::data(args.chosen(), json!({ "backends": fields }), || {
        let mut table = Table::new(&["NAME", "TYPE", "SEALED", "PLACE", "ENVIRONMENTS"]);
        for (name, kind, place, environments) in &rows {
            let mark = if *name == settings.backend_name() { " *" } else { "" };
            let sealed = yes(settings.seals(name));
            let cells = [format!("{name}{mark}"), kind.clone(), sealed, place.clone()];
            table.row(cells.into_iter().chain([environments.join(", ")]));
        }
        table
    })?;
    Ok(exit::DONE)
}

async fn describe(
    context: &Context,
    name: Option<&str>,
    secret: Option<&SecretPath>,
    args: OutputArgs,
) -> Result<u8, Failure> {
    let settings = &context.configuration.settings;
    let name = name.unwrap_or_else(|| settings.backend_name());
    let one = backends::named(name, &context.configuration, context.places().store())?;
    let about = match secret {
        Some(path) => Some(about(context, &one, path).await?),
        None => None,
    };
    let can = one.backend.capabilities();
    let fields = json!({
        "name": name,
        "type": one.kind,
        "place": one.backend.to_string(),
        "sealed": settings.seals(name),
        "capabilities": {
            "atomic_create": can.atomic_create,
            "atomic_replace": can.atomic_replace,
            "versions": can.versions,
            "recoverable_delete": can.recoverable_delete,
            "max_value": can.max_value,
            "max_path": can.max_path,
        },
        "least_policy": one.least_policy,
        "secret": about,
    });
    output::data(args.chosen(), fields, || {
        let mut table = Table::plain();
        for (what, value) in [
            ("name", name.to_owned()),
            ("type", one.kind.clone()),
            ("place", one.backend.to_string()),
            ("sealed", yes(settings.seals(name))),
            ("atomic create", yes(can.atomic_create)),
            ("atomic replace", yes(can.atomic_replace)),
            ("versions", yes(can.versions)),
            ("recoverable delete", yes(can.recoverable_delete)),
            ("largest value", format!("{} bytes", can.max_value)),
            ("longest path", format!("{} bytes", can.max_path)),
        ] {
            table.row([what.to_owned(), value]);
        }
        table
    })?;
    if args.chosen() == OutputFormat::Table {
        section("The least policy that its credentials need:", one.least_policy.as_deref())?;
        let about = about.map(|about| format!("{about:#}"));
        section("What the service keeps about the secret:", about.as_deref())?;
    }
    Ok(exit::DONE)
}

fn section(title: &str, text: Option<&str>) -> Result<(), Failure> {
    let Some(text) = text else { return Ok(()) };
    output::line(&format!("\n# {title}\n{}", text.trim_end()))
}

async fn about(context: &Context, one: &Configured, path: &SecretPath) -> Result<Value, Failure> {
    let service = one.about.as_ref().ok_or_else(|| {
        Failure::usage(
            "this backend keeps nothing about a secret beyond what `secrets history` and `secrets list` show",
        )
    })?;
    service.about(path).await.map_err(|error| context.failure(error.into()))
}

pub(super) fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}
