//! `sync`: what backends lack of each other, and bringing it to them.

use std::collections::{BTreeMap, BTreeSet};

use secrets_backend::SecretPath;
use secrets_manager::{Direction, Plan, Safe, Scope, StepKind};
use serde_json::{Value, json};

use super::Context;
use super::replicas::counted;
use crate::args::{OutputArgs, OutputFormat, PlanArgs, SyncCommand, SyncDirection};
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::{exit, names};

mod apply;
mod plain;
mod resolve;

/// Runs one.
pub(super) async fn run(context: &Context, command: &SyncCommand) -> Result<u8, Failure> {
    match command {
        SyncCommand::Plan(args) => show(context, args).await,
        SyncCommand::Apply { plan, accept_unproven } => apply::run(context, plan, *accept_unproven).await,
        SyncCommand::Resolve { path, take, output } => {
            resolve::run(context, &names::path(path)?, take.as_deref(), *output).await
        }
        SyncCommand::Import { from, only, overwrite } => {
            plain::import(context, from, only.as_deref(), *overwrite).await
        }
        SyncCommand::Export { to, only } => plain::export(context, to, only.as_deref()).await,
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
        let alone = format!("environment {environment} has only one backend: there is nothing to compare");
        return Err(Failure::usage(alone)
            .hint("add others as `failover` or `backup` in [environments.NAME] of the configuration"));
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

/// Prints a plan for people or for programs.
fn print(context: &Context, plan: &Plan, args: OutputArgs) -> Result<(), Failure> {
    let names = context.backend_names()?;
    let shown = Shown { plan, names };
    output::data(args.chosen(), shown.fields(), || shown.table())?;
    if args.chosen() == OutputFormat::Table {
        shown.sum_up();
    }
    Ok(())
}

/// A plan with the configuration's names of its backends.
struct Shown<'a> {
    plan: &'a Plan,
    names: &'a BTreeMap<String, String>,
}

impl Shown<'_> {
    fn name(&self, place: &String) -> String {
        self.names.get(place).unwrap_or(place).clone()
    }

    /// Paths by the backend that has them.
    fn listed(&self, by: &BTreeMap<String, BTreeSet<SecretPath>>) -> Value {
        by.iter().map(|(place, of_place)| (self.name(place), paths(of_place))).collect()
    }

    fn fields(&self) -> Value {
        let plan = self.plan;
        let steps = plan.steps.iter().map(|step| {
            let (from, to) = (self.name(&step.from), self.name(&step.to));
            json!({ "path": step.path.as_str(), "from": from, "to": to, "action": action(step.kind) })
        });
        json!({
            "equal": plan.equal,
            "steps": steps.collect::<Vec<_>>(),
            "conflicts": paths(&plan.diverged),
            "newer_elsewhere": paths(&plan.newer_elsewhere),
            "damaged": self.listed(&plan.damaged),
            "foreign": self.listed(&plan.foreign),
            "waiting": plan.waiting,
            "in_step": plan.is_empty(),
        })
    }

    fn table(&self) -> Table {
        let plan = self.plan;
        let mut table = Table::new(&["PATH", "ACTION", "FROM", "TO"]);
        for step in &plan.steps {
            let (from, to) = (self.name(&step.from), self.name(&step.to));
            table.row([step.path.to_string(), action(step.kind).to_owned(), from, to]);
        }
        for path in &plan.diverged {
            table.row([path.to_string(), "conflict".to_owned()]);
        }
        for path in &plan.newer_elsewhere {
            table.row([path.to_string(), "newer elsewhere".to_owned()]);
        }
        for (place, paths) in &plan.damaged {
            for path in paths {
                table.row([path.to_string(), "damaged".to_owned(), self.name(place)]);
            }
        }
        table
    }

    /// What the table does not hold, on stderr.
    fn sum_up(&self) {
        let plan = self.plan;
        let waiting =
            if plan.waiting > 0 { format!(", {} waiting here", plan.waiting) } else { String::new() };
        let steps = counted(plan.steps.len(), "step");
        output::note(&format!("{} in step, {steps} to take{waiting}", counted(plan.equal, "secret")));
        for (place, paths) in &plan.foreign {
            let what = counted(paths.len(), "object");
            output::note(&format!("{}: {what} not sealed by this safe, left alone", self.name(place)));
        }
    }
}

fn paths(paths: &BTreeSet<SecretPath>) -> Value {
    paths.iter().map(|path| Value::from(path.as_str())).collect()
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
