//! `failover`: what happens without a backend, and making another the primary.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Instant;

use secrets_backend::{ErrorKind, Secret, SecretPath};
use secrets_manager::{ListScope, PromoteConfig, Purpose, Safe, WhenDown};
use serde_json::{Value, json};

use super::Context;
use super::replicas::counted;
use crate::args::{FailoverCommand, OutputArgs};
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::{exit, names};

/// Runs one; `drilled` is the backend that `--backend` named.
pub(super) async fn run(
    context: &Context,
    command: &FailoverCommand,
    drilled: Option<&str>,
) -> Result<u8, Failure> {
    match command {
        FailoverCommand::Drill { only, output } => {
            let name = drilled.ok_or_else(|| {
                Failure::usage("a drill needs --backend NAME: the one to do without")
                    .hint("`secrets backend list` shows those that are configured")
            })?;
            drill(context, name, only.as_deref(), *output).await
        }
        FailoverCommand::Promote { name, accept_behind } => promote(context, name, *accept_behind).await,
    }
}

/// What a backend of this name in the configuration calls itself.
fn place_of(context: &Context, name: &str) -> Result<String, Failure> {
    let found = context.backend_names()?.iter().find(|(_, configured)| *configured == name);
    found.map(|(place, _)| place.clone()).ok_or_else(|| {
        let environment = context.configuration.settings.environment();
        Failure::usage(format!("environment {environment} has no backend of this name"))
            .hint("`secrets backend list` shows those that are configured, `secrets health` those in use")
    })
}

async fn drill(context: &Context, name: &str, only: Option<&OsStr>, args: OutputArgs) -> Result<u8, Failure> {
    let place = place_of(context, name)?;
    let prefix = only.map(names::path).transpose()?;
    let safe = context.open().await?;
    let listed = safe.list(prefix.as_ref(), ListScope::Live).await.map_err(|error| context.failure(error))?;
    let paths: Vec<SecretPath> = listed.into_iter().map(|one| one.path).collect();
    drop(safe);
    let drilled = without(context, name, place, &paths).await?;
    output::data(args.chosen(), drilled.fields(), || drilled.table())?;
    if drilled.lost.is_empty() { Ok(exit::DONE) } else { Err(Failure::silent(exit::CHECK_FAILED)) }
}

/// What reads were answered without a backend, and what would become of writes.
struct Drilled<'a> {
    blocked: &'a str,
    secrets: usize,
    /// How many each of the others answered.
    by: BTreeMap<String, usize>,
    lost: Vec<(&'a SecretPath, ErrorKind)>,
    millis: u64,
    writes: &'static str,
}

/// Reads these secrets as if the backend that calls itself `place` were down.
async fn without<'a>(
    context: &Context,
    name: &'a str,
    place: String,
    paths: &'a [SecretPath],
) -> Result<Drilled<'a>, Failure> {
    let mut options = context.options()?;
    options.blocked.insert(place);
    let when_down = options.failover.when_down;
    let safe = context.open_as(options).await?;
    let began = Instant::now();
    let answers = safe.get_many_for(Purpose::Read, paths).await.map_err(|error| context.failure(error))?;
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (mut by, mut lost) = (BTreeMap::new(), Vec::new());
    for (path, answer) in paths.iter().zip(&answers) {
        match answer {
            Ok(secret) => *by.entry(server(context, secret)).or_default() += 1,
            Err(error) => lost.push((path, error.kind())),
        }
    }
    let writes = writes(&safe, context, name, when_down);
    Ok(Drilled { blocked: name, secrets: paths.len(), by, lost, millis, writes })
}

impl Drilled<'_> {
    fn read(&self) -> usize {
        self.secrets - self.lost.len()
    }

    fn fields(&self) -> Value {
        let failed: Vec<_> = self
            .lost
            .iter()
            .map(|(path, kind)| json!({ "path": path.as_str(), "error": kind.to_string() }))
            .collect();
        json!({
            "blocked": self.blocked,
            "secrets": self.secrets,
            "read": self.read(),
            "by": self.by,
            "failed": failed,
            "elapsed_ms": self.millis,
            "writes": self.writes,
        })
    }

    fn table(&self) -> Table {
        let mut table = Table::plain();
        let read = format!("{} of {} in {} ms", self.read(), self.secrets, self.millis);
        table.row(["blocked".to_owned(), self.blocked.to_owned()]);
        table.row(["read".to_owned(), read]);
        for (name, count) in &self.by {
            table.row([format!("by {name}"), count.to_string()]);
        }
        for (path, kind) in &self.lost {
            table.row(["not read".to_owned(), format!("{path}: {kind}")]);
        }
        table.row(["writes".to_owned(), self.writes.to_owned()]);
        table
    }
}

fn server(context: &Context, secret: &Secret) -> String {
    secret.served.as_ref().map_or_else(|| "-".to_owned(), |served| context.name_of(&served.by))
}

/// What would become of a write meanwhile.
fn writes(safe: &Safe, context: &Context, name: &str, when_down: WhenDown) -> &'static str {
    let is_primary = safe.primary().is_some_and(|place| context.name_of(&place) == name);
    match (is_primary, safe.has_several(), when_down) {
        (true, true, WhenDown::Journal) => "would wait on this machine",
        (true, _, _) => "would be refused",
        (false, _, _) => "would succeed; the blocked backend would get them later",
    }
}

async fn promote(context: &Context, name: &str, accept_behind: bool) -> Result<u8, Failure> {
    let place = place_of(context, name)?;
    if context.global.dry_run {
        output::note(&format!(
            "would make {name} the primary of environment {}",
            context.configuration.settings.environment()
        ));
        return Ok(exit::DONE);
    }
    if !context.global.yes {
        if !context.terminal.can_ask() {
            return Err(Failure::usage("this needs --yes when nobody can be asked"));
        }
        let question = format!("Make {name} the primary for every installation?");
        if !context.terminal.confirm(&question)? {
            return Err(Failure::other("nothing was changed"));
        }
    }
    let safe = context.open().await?;
    let mut config = PromoteConfig::default();
    config.accept_behind = accept_behind;
    let promoted = safe.promote(&place, &config).await.map_err(|error| {
        let failure = context.failure(error);
        if failure.code() == exit::CONFLICT && !accept_behind {
            failure.hint("`secrets sync plan` shows what differs; --accept-behind promotes it anyway")
        } else {
            failure
        }
    })?;
    output::note(&format!("{name} is the primary now (term {})", promoted.term));
    for place in &promoted.untold {
        output::warn(&format!(
            "{} could not be reached: the next `secrets sync apply` that reaches it tells it",
            context.name_of(place)
        ));
    }
    if !promoted.behind.is_empty() {
        output::warn(&format!(
            "{} left behind: `secrets sync plan` shows what differs, `secrets sync resolve PATH` decides",
            counted(promoted.behind.len(), "secret")
        ));
    }
    output::note(&format!(
        "if the old primary is not coming back, set `primary = \"{name}\"` in the configuration"
    ));
    context.after(&safe).await;
    Ok(exit::DONE)
}
