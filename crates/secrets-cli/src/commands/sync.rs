//! `sync`: what backends lack of each other, and bringing it to them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;

use secrets_backend::{ErrorKind, Level, NewSecret, PutMode, SecretPath};
use secrets_manager::{
    Applied, ApplyConfig, Direction, ListScope, Plan, Purpose, Safe, Scope, Sealing, StepKind,
};
use serde_json::{Value, json};

use super::Context;
use super::replicas::{counted, in_conflict};
use crate::args::{OutputArgs, OutputFormat, PlanArgs, SyncCommand, SyncDirection};
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::{exit, names};

/// Runs one.
pub(super) async fn run(context: &Context, command: &SyncCommand) -> Result<u8, Failure> {
    match command {
        SyncCommand::Plan(args) => show(context, args).await,
        SyncCommand::Apply { plan, accept_unproven } => apply(context, plan, *accept_unproven).await,
        SyncCommand::Resolve { path, take, output } => {
            resolve(context, &names::path(path)?, take.as_deref(), *output).await
        }
        SyncCommand::Import { from, only, overwrite } => {
            import(context, from, only.as_deref(), *overwrite).await
        }
        SyncCommand::Export { to, only } => export(context, to, only.as_deref()).await,
    }
}

fn scope(args: &PlanArgs) -> Result<Scope, Failure> {
    let mut scope = Scope::default();
    scope.prefix = args.only.as_deref().map(names::path).transpose()?;
    scope.direction = match args.direction {
        SyncDirection::Both => Direction::Both,
        SyncDirection::Push => Direction::Push,
        SyncDirection::Pull => Direction::Pull,
    };
    scope.verify = args.verify;
    scope.delete_extra = args.delete_extra;
    Ok(scope)
}

async fn planned(context: &Context, safe: &Safe, args: &PlanArgs) -> Result<Plan, Failure> {
    if !safe.has_several() {
        let environment = context.configuration.settings.environment();
        let alone = format!("environment {environment} has one backend: there is nothing to compare");
        return Err(Failure::usage(alone).hint("`failover` and `backup` in [environments] name others"));
    }
    let speaks = context.terminal.stderr && args.output.chosen() == OutputFormat::Table;
    let told = |place: &str, count: usize| {
        if speaks {
            output::note(&format!("{}: {}", context.name_of(place), counted(count, "secret")));
        }
    };
    safe.sync_plan(&scope(args)?, &told).await.map_err(|error| context.failure(error))
}

/// Prints a plan; exit 20 where there is something to do.
async fn show(context: &Context, args: &PlanArgs) -> Result<u8, Failure> {
    let safe = context.open().await?;
    let plan = planned(context, &safe, args).await?;
    print(context, &plan, args.output)?;
    context.after(&safe).await;
    if plan.is_empty() { Ok(exit::DONE) } else { Err(Failure::silent(exit::CHECK_FAILED)) }
}

fn print(context: &Context, plan: &Plan, args: OutputArgs) -> Result<(), Failure> {
    let names = context.backend_names()?;
    let name = |place: &String| names.get(place).unwrap_or(place).clone();
    let paths = |paths: &BTreeSet<SecretPath>| -> Value {
        paths.iter().map(|path| Value::from(path.as_str())).collect()
    };
    let listed = |by: &BTreeMap<String, BTreeSet<SecretPath>>| -> Value {
        by.iter().map(|(place, of_place)| (name(place), paths(of_place))).collect()
    };
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            let (from, to) = (name(&step.from), name(&step.to));
            json!({ "path": step.path.as_str(), "from": from, "to": to, "action": action(step.kind) })
        })
        .collect();
    let fields = json!({
        "equal": plan.equal,
        "steps": steps,
        "conflicts": paths(&plan.diverged),
        "newer_elsewhere": paths(&plan.newer_elsewhere),
        "damaged": listed(&plan.damaged),
        "foreign": listed(&plan.foreign),
        "waiting": plan.waiting,
        "in_step": plan.is_empty(),
    });
    output::data(args.chosen(), fields, || {
        let mut table = Table::new(&["PATH", "ACTION", "FROM", "TO"]);
        for step in &plan.steps {
            table.row([
                step.path.to_string(),
                action(step.kind).to_owned(),
                name(&step.from),
                name(&step.to),
            ]);
        }
        for path in &plan.diverged {
            table.row([path.to_string(), "conflict".to_owned()]);
        }
        for path in &plan.newer_elsewhere {
            table.row([path.to_string(), "newer elsewhere".to_owned()]);
        }
        for (place, paths) in &plan.damaged {
            for path in paths {
                table.row([path.to_string(), "damaged".to_owned(), name(place)]);
            }
        }
        table
    })?;
    if args.chosen() == OutputFormat::Table {
        let waiting =
            if plan.waiting > 0 { format!(", {} waiting here", plan.waiting) } else { String::new() };
        let steps = counted(plan.steps.len(), "step");
        output::note(&format!("{} in step, {steps} to take{waiting}", counted(plan.equal, "secret")));
        for (place, paths) in &plan.foreign {
            let what = counted(paths.len(), "object");
            output::note(&format!("{}: {what} not sealed by this safe, left alone", name(place)));
        }
    }
    Ok(())
}

const fn action(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Create => "create",
        StepKind::Forward => "update",
        StepKind::Prove => "update, to be proven",
        StepKind::Repair => "repair",
        StepKind::Delete => "delete",
        _ => "other",
    }
}

/// Carries a plan out; exit 20 where something is left.
async fn apply(context: &Context, args: &PlanArgs, accept_unproven: bool) -> Result<u8, Failure> {
    let safe = context.open().await?;
    let plan = planned(context, &safe, args).await?;
    if context.global.dry_run {
        print(context, &plan, args.output)?;
        return Ok(exit::DONE);
    }
    let deletions = plan.steps.iter().filter(|step| step.kind == StepKind::Delete).count();
    if deletions > 0 && !context.global.yes {
        if !context.terminal.can_ask() {
            return Err(Failure::usage("deleting needs --yes where nobody can be asked")
                .hint("`secrets sync plan` shows what would be deleted"));
        }
        if !context
            .terminal
            .confirm(&format!("Delete {} at the other backends?", counted(deletions, "secret")))?
        {
            return Err(Failure::other("nothing was changed"));
        }
    }
    let mut config = ApplyConfig::default();
    config.accept_unproven = accept_unproven;
    let (mut done, mut left) = (0_usize, 0_usize);
    let all = plan.steps.len();
    let speaks = context.terminal.stderr;
    let mut told = |step: &secrets_manager::Step, applied: &Applied| {
        let why = match applied {
            Applied::Done => {
                done += 1;
                if speaks && done % 100 == 0 {
                    output::note(&format!("{done} of {all}"));
                }
                return;
            }
            Applied::Unproven => {
                "what is there cannot be shown to be older: left alone (--accept-unproven writes over it)"
                    .to_owned()
            }
            Applied::Diverged => "in conflict: left alone".to_owned(),
            Applied::Failed(error) => error.to_string(),
            _ => "left alone".to_owned(),
        };
        left += 1;
        output::note(&format!("{} at {}: {why}", step.path, context.name_of(&step.to)));
    };
    let drained = safe.sync_apply(&plan, &config, &mut told).await.map_err(|error| context.failure(error))?;
    for path in plan.diverged.union(&drained.diverged) {
        output::warn(&in_conflict(path));
    }
    let waiting =
        if drained.left > 0 { format!(", {} still waiting here", drained.left) } else { String::new() };
    output::note(&format!("{} done, {left} left{waiting}", counted(done, "step")));
    let is_open = left > 0 || drained.left > 0 || !plan.diverged.is_empty() || !plan.damaged.is_empty();
    if is_open { Err(Failure::silent(exit::CHECK_FAILED)) } else { Ok(exit::DONE) }
}

/// Shows the versions of a conflict, or ends it.
async fn resolve(
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
    // What a service has beside its current version is `PLACE#ID`.
    let name = |holder: &String| match holder.rsplit_once('#') {
        Some((place, id)) if names.contains_key(place) => format!("{}#{id}", names[place]),
        _ => names.get(holder).unwrap_or(holder).clone(),
    };
    let Some(take) = take else {
        let fields: Vec<Value> = all
            .iter()
            .map(|one| {
                let holders: Vec<String> = one.holders.iter().map(name).collect();
                json!({ "version": output::version(&one.version), "holders": holders, "deleted": one.stamp.is_tombstone() })
            })
            .collect();
        output::data(args.chosen(), json!({ "path": path.as_str(), "versions": fields }), || {
            let mut table = Table::new(&["VERSION", "HELD BY", ""]);
            for one in &all {
                let holders: Vec<String> = one.holders.iter().map(name).collect();
                let state = if one.stamp.is_tombstone() { "deletion" } else { "" };
                table.row([one.version.to_string(), holders.join(", "), state.to_owned()]);
            }
            table
        })?;
        if all.len() == 1 {
            output::note(&format!("{path} is not in conflict"));
        } else {
            output::note(
                "--take NAME makes one of them the new version everywhere; the others stay in the histories",
            );
        }
        return Ok(exit::DONE);
    };
    let holder = all.iter().flat_map(|one| &one.holders).find(|holder| name(holder) == take);
    let Some(holder) = holder else {
        return Err(Failure::usage(format!("nobody of this name has {path}"))
            .hint(format!("`secrets sync resolve {path}` shows who has which version")));
    };
    if context.global.dry_run {
        output::note(&format!("would make the version of {take} the new one of {path} everywhere"));
        return Ok(exit::DONE);
    }
    let written = safe.resolve(path, holder).await.map_err(|error| context.failure(error))?;
    output::note(&format!("resolved {path}{}", super::write::version(&written)));
    Ok(exit::DONE)
}

/// The safe over a backend of plain values.
async fn plain(context: &Context, name: &str) -> Result<Safe, Failure> {
    let settings = &context.configuration.settings;
    if settings.seals(name) {
        return Err(Failure::usage("the other backend has to hold plain values: `seal = false`")
            .hint("`secrets backend list` shows which are sealed; `sync apply` copies sealed ones"));
    }
    context.open_as(context.options_of(name)?).await
}

/// Seals what another backend has in clear.
async fn import(context: &Context, from: &str, only: Option<&OsStr>, overwrite: bool) -> Result<u8, Failure> {
    let prefix = only.map(names::path).transpose()?;
    if context.options()?.sealing == Sealing::Plain {
        return Err(Failure::usage(
            "this environment's values are not sealed, so there is nothing to seal into",
        ));
    }
    let there = plain(context, from).await?;
    let found = there.get_under(Purpose::Export, prefix.as_ref()).await;
    let found = found.map_err(|error| context.failure(error))?;
    let here = context.open_or_make().await?;
    let paths: Vec<SecretPath> = found.iter().map(|(path, _)| path.clone()).collect();
    let present = here.get_many(&paths).await.map_err(|error| context.failure(error))?;
    let (mut new, mut equal, mut differ) = (Vec::new(), 0_usize, Vec::new());
    for ((path, theirs), ours) in found.into_iter().zip(present) {
        match ours {
            Ok(ours) if ours.value == theirs.value && ours.metadata == theirs.metadata => equal += 1,
            Ok(_) if !overwrite => differ.push(path),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(context.failure(error.into())),
            _ => new.push((path, NewSecret::new(theirs.value).with_metadata(theirs.metadata))),
        }
    }
    for path in &differ {
        output::warn(&format!("{path} is here with another value: left alone (--overwrite replaces it)"));
    }
    if context.global.dry_run {
        new.iter().for_each(|(path, _)| output::note(&format!("would seal {path}")));
        return Ok(exit::DONE);
    }
    let mut code = exit::DONE;
    if !new.is_empty() {
        let written = here.put_many(&new, &PutMode::Upsert).await.map_err(|error| context.failure(error))?;
        code = finished(context, &here, written).await?;
    }
    let what = counted(new.len(), "secret");
    output::note(&format!("sealed {what} of {from}, {equal} were here already; they stay there in clear"));
    if differ.is_empty() { Ok(code) } else { Err(Failure::silent(exit::CONFLICT)) }
}

/// Writes this environment's secrets into another backend in clear.
async fn export(context: &Context, to: &str, only: Option<&OsStr>) -> Result<u8, Failure> {
    let prefix = only.map(names::path).transpose()?;
    let here = context.open().await?;
    if context.global.dry_run {
        let listed =
            here.list(prefix.as_ref(), ListScope::Live).await.map_err(|error| context.failure(error))?;
        listed.iter().for_each(|one| output::note(&format!("would write {} to {to} in clear", one.path)));
        return Ok(exit::DONE);
    }
    let there = plain(context, to).await?;
    if !context.global.yes {
        if !context.terminal.can_ask() {
            return Err(Failure::usage("writing secrets in clear needs --yes where nobody can be asked"));
        }
        if !context.terminal.confirm(&format!("Write secrets in clear to {to}?"))? {
            return Err(Failure::other("nothing was changed"));
        }
    }
    let found = here.get_under(Purpose::Export, prefix.as_ref()).await;
    let found = found.map_err(|error| context.failure(error))?;
    let paths: Vec<SecretPath> = found.iter().map(|(path, _)| path.clone()).collect();
    let present = there.get_many(&paths).await.map_err(|error| context.failure(error))?;
    let differs =
        |(ours, theirs): (&secrets_backend::Secret, secrets_backend::Result<secrets_backend::Secret>)| {
            !theirs.is_ok_and(|theirs| theirs.value == ours.value && theirs.metadata == ours.metadata)
        };
    let mut new = Vec::new();
    for ((path, ours), theirs) in found.into_iter().zip(present) {
        if differs((&ours, theirs)) {
            new.push((path, NewSecret::new(ours.value).with_metadata(ours.metadata)));
        }
    }
    if !new.is_empty() {
        there.put_many(&new, &PutMode::Upsert).await.map_err(|error| context.failure(error))?;
    }
    let what = counted(new.len(), "secret");
    output::note(&format!("wrote {what} to {to}, in clear; {} were there already", paths.len() - new.len()));
    Ok(exit::DONE)
}

/// Tells of the writes of a bulk that were refused; then as after each write.
pub(super) async fn finished(
    context: &Context,
    safe: &Safe,
    written: Vec<secrets_backend::Result<secrets_backend::Written>>,
) -> Result<u8, Failure> {
    let levels: Vec<Level> = written.iter().flatten().map(|written| written.level).collect();
    let mut refused: Vec<secrets_backend::Error> = written.into_iter().filter_map(Result::err).collect();
    let code = context.written(safe, levels.into_iter()).await;
    let Some(last) = refused.pop() else { return Ok(code) };
    for error in refused {
        output::note(&format!("secrets: {error}"));
    }
    Err(context.failure(last.into()))
}
