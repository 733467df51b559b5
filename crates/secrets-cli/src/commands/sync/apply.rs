//! `sync apply`: a plan carried out, and what is left of it.

use std::collections::BTreeSet;

use secrets_backend::SecretPath;
use secrets_manager::{Applied, ApplyConfig, Drained, Plan, Safe, Step, StepKind};
use serde_json::{Value, json};

use super::super::Context;
use super::super::replicas::{counted, in_conflict};
use super::{Shown, paths, planned, print};
use crate::args::PlanArgs;
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, Table};

/// Carries a plan out; exit 20 where something is left.
pub(super) async fn run(context: &Context, args: &PlanArgs, accept_unproven: bool) -> Result<u8, Failure> {
    let safe = context.open().await?;
    let plan = planned(context, &safe, args).await?;
    if context.global.dry_run {
        print(context, &plan, args.output)?;
        return Ok(exit::DONE);
    }
    agree(context, &plan)?;
    let outcome = carry_out(context, &safe, &plan, accept_unproven).await?;
    let shown = Shown { plan: &plan, names: context.backend_names()? };
    outcome.tell(&shown);
    output::data(args.output.chosen(), outcome.fields(&shown), Table::plain)?;
    if outcome.is_in_step(&plan) { Ok(exit::DONE) } else { Err(Failure::silent(exit::CHECK_FAILED)) }
}

/// Asks before anything is deleted.
fn agree(context: &Context, plan: &Plan) -> Result<(), Failure> {
    let deletions = plan.steps.iter().filter(|step| step.kind == StepKind::Delete).count();
    if deletions == 0 || context.global.yes {
        return Ok(());
    }
    if !context.terminal.can_ask() {
        return Err(Failure::usage("deleting needs --yes when nobody can be asked")
            .hint("`secrets sync plan` shows what would be deleted"));
    }
    let question = format!("Delete {} at the other backends?", counted(deletions, "secret"));
    if context.terminal.confirm(&question)? { Ok(()) } else { Err(Failure::other("nothing was changed")) }
}

/// What became of a plan.
struct Outcome {
    done: usize,
    /// Steps that were not done: where, why in one word, and the error if it was one.
    failed: Vec<(Step, &'static str, Option<String>)>,
    /// What was in the journal of this machine.
    drained: Drained,
    conflicts: BTreeSet<SecretPath>,
}

async fn carry_out(
    context: &Context,
    safe: &Safe,
    plan: &Plan,
    accept_unproven: bool,
) -> Result<Outcome, Failure> {
    let mut config = ApplyConfig::default();
    config.accept_unproven = accept_unproven;
    let (mut done, mut failed) = (0_usize, Vec::new());
    let all = plan.steps.len();
    let speaks = context.terminal.stderr;
    let mut told = |step: &Step, applied: &Applied| {
        let (reason, why) = match applied {
            Applied::Done => {
                done += 1;
                if speaks && done % 100 == 0 {
                    output::note(&format!("{done} of {all}"));
                }
                return;
            }
            Applied::Unproven => ("unproven", UNPROVEN.to_owned()),
            Applied::Diverged => ("conflict", "in conflict: left alone".to_owned()),
            Applied::Failed(error) => ("error", error.to_string()),
            _ => ("other", "left alone".to_owned()),
        };
        output::note(&format!("{} at {}: {why}", step.path, context.name_of(&step.to)));
        let error = matches!(applied, Applied::Failed(_)).then_some(why);
        failed.push((step.clone(), reason, error));
    };
    let drained = safe.sync_apply(plan, &config, &mut told).await.map_err(|error| context.failure(error))?;
    let conflicts = plan.diverged.union(&drained.diverged).cloned().collect();
    Ok(Outcome { done, failed, drained, conflicts })
}

impl Outcome {
    /// Whether nothing is left to do or to decide, as `sync plan` would find it.
    fn is_in_step(&self, plan: &Plan) -> bool {
        self.failed.is_empty()
            && self.drained.left == 0
            && self.conflicts.is_empty()
            && plan.damaged.is_empty()
            && plan.newer_elsewhere.is_empty()
    }

    /// Says on stderr what is left.
    fn tell(&self, shown: &Shown<'_>) {
        for path in &self.conflicts {
            output::warn(&in_conflict(path));
        }
        for (place, paths) in &shown.plan.damaged {
            for path in paths {
                output::warn(&format!(
                    "{path} at {} is damaged, and no good copy of it was found",
                    shown.name(place)
                ));
            }
        }
        for path in &shown.plan.newer_elsewhere {
            output::warn(&format!(
                "{path} is newer elsewhere: left alone, since --direction forbids to take it"
            ));
        }
        let waiting = match self.drained.left {
            0 => String::new(),
            left => format!(", {left} still waiting here"),
        };
        output::note(&format!("{} done, {} left{waiting}", counted(self.done, "step"), self.failed.len()));
    }

    fn fields(&self, shown: &Shown<'_>) -> Value {
        let failed = self.failed.iter().map(|(step, reason, error)| {
            let to = shown.name(&step.to);
            json!({ "path": step.path.as_str(), "to": to, "reason": reason, "error": error })
        });
        json!({
            "done": self.done,
            "failed": failed.collect::<Vec<_>>(),
            "conflicts": paths(&self.conflicts),
            "newer_elsewhere": paths(&shown.plan.newer_elsewhere),
            "damaged": shown.listed(&shown.plan.damaged),
            "waiting": self.drained.left,
            "behind": self.drained.behind.iter().map(|place| shown.name(place)).collect::<Vec<_>>(),
            "in_step": self.is_in_step(shown.plan),
        })
    }
}

const UNPROVEN: &str =
    "what is there cannot be shown to be older: left alone (--accept-unproven writes over it)";
