//! `health`: how each backend of the environment is now.

use std::time::Duration;

use secrets_backend::Timestamp;
use secrets_manager::{Health, Permit, Role, Safe, Sealing};
use serde_json::{Map, Value, json};

use super::Context;
use super::backend::yes;
use crate::args::HealthArgs;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::{backends, exit};

/// One backend, under the name of its role.
struct Line {
    role: String,
    backend: String,
    is_well: bool,
    fields: Value,
    cells: [String; 5],
}

/// Asks each; exit 20 where one does not answer.
pub(super) async fn run(context: &Context, args: HealthArgs) -> Result<u8, Failure> {
    let Some(seconds) = args.watch else { return once(context, args).await };
    loop {
        if let Err(failure) = once(context, args).await
            && !failure.is_silent()
        {
            return Err(failure);
        }
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
}

async fn once(context: &Context, args: HealthArgs) -> Result<u8, Failure> {
    let sealing = context.options()?.sealing;
    // Before there is a safe, its one backend can be asked all the same.
    let lines = if sealing == Sealing::Sealed && context.places().header().exists() {
        of_safe(context, &context.open().await?).await?
    } else {
        vec![of_backend(context, sealing).await?]
    };
    let environment = context.configuration.settings.environment();
    // What is not there is not well.
    let is_healthy = !lines.is_empty() && lines.iter().all(|line| line.is_well);
    let map: Map<String, Value> = lines.iter().map(|line| (line.role.clone(), line.fields.clone())).collect();
    let fields = json!({ "environment": environment, "healthy": is_healthy, "replicas": map });
    output::data(args.output.chosen(), fields, || {
        let mut table =
            Table::new(&["ROLE", "BACKEND", "SEALED", "STATE", "LATENCY", "WAITING", "LAST ANSWER"]);
        for line in &lines {
            table.row([line.role.clone(), line.backend.clone()].into_iter().chain(line.cells.clone()));
        }
        table
    })?;
    if is_healthy { Ok(exit::DONE) } else { Err(Failure::silent(exit::CHECK_FAILED)) }
}

async fn of_safe(context: &Context, safe: &Safe) -> Result<Vec<Line>, Failure> {
    let all = safe.health().await.map_err(|error| context.failure(error))?;
    let mut counts = [0_usize; 2];
    let mut lines: Vec<Line> = Vec::with_capacity(all.len());
    for health in &all {
        let role = match health.role {
            Role::Primary => "primary".to_owned(),
            Role::Failover => {
                counts[0] += 1;
                if counts[0] == 1 { "failover".to_owned() } else { format!("failover_{}", counts[0] - 1) }
            }
            _ => {
                counts[1] += 1;
                format!("backup_{}", counts[1] - 1)
            }
        };
        lines.push(line(context, role, health));
    }
    // The primary of a route is one, too.
    let mut seen = std::collections::BTreeMap::new();
    for line in &mut lines {
        let count = seen.entry(line.role.clone()).and_modify(|count| *count += 1).or_insert(0);
        if *count > 0 {
            line.role = format!("{}_{count}", line.role);
        }
    }
    Ok(lines)
}

fn line(context: &Context, role: String, health: &Health) -> Line {
    let state = health.failure.map_or_else(|| "ok".to_owned(), |kind| kind.to_string());
    let breaker = match health.breaker {
        Permit::Closed => "closed",
        Permit::Probe => "probing",
        _ => "open",
    };
    let latency = u64::try_from(health.latency.as_millis()).unwrap_or(u64::MAX);
    let time = |at: Option<Timestamp>| at.map(output::time);
    let backend = context.name_of(&health.name);
    let fields = json!({
        "backend": backend,
        "place": health.name,
        "sealed": true,
        "state": state,
        "latency_ms": latency,
        "breaker": breaker,
        "waiting": health.waiting,
        "last_answer": time(health.answered),
        "in_step": time(health.in_step),
    });
    let answered = time(health.answered).unwrap_or_else(|| "-".to_owned());
    let cells = [yes(true), state, format!("{latency} ms"), health.waiting.to_string(), answered];
    Line { role, backend, is_well: health.failure.is_none(), fields, cells }
}

/// The primary alone, past every safe.
async fn of_backend(context: &Context, sealing: Sealing) -> Result<Line, Failure> {
    let settings = &context.configuration.settings;
    let name = settings.backend_name();
    let one = backends::named(name, &context.configuration, context.places().store())?;
    let started = std::time::Instant::now();
    let answer = one.backend.check().await;
    let latency = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let is_sealed = sealing == Sealing::Sealed;
    let state = match &answer {
        Ok(()) => "ok".to_owned(),
        Err(error) => {
            output::note(&format!("secrets: {error}"));
            error.kind().to_string()
        }
    };
    let fields = json!({
        "backend": name,
        "place": one.backend.to_string(),
        "sealed": is_sealed,
        "state": state,
        "latency_ms": latency,
        "problem": answer.as_ref().err().map(ToString::to_string),
    });
    let cells = [yes(is_sealed), state, format!("{latency} ms"), "0".to_owned(), "-".to_owned()];
    Ok(Line { role: "primary".to_owned(), backend: name.to_owned(), is_well: answer.is_ok(), fields, cells })
}
