//! `cargo xtask ci`: all that must hold before a change lands, each step timed.
//!
//! The steps share as few builds as possible: clippy also checks the benchmarks, and one feature set serves clippy,
//! docs, tests and proofs. Vault is built beside the steps that need no server, with low priority; the tests wait
//! for it.

use std::time::{Duration, Instant};

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::proof::Share;
use crate::servers::vault;
use crate::tally::Tally;
use crate::{deny, fuzz, new_backend, proof, repository, test, tidy, vectors};

/// Which steps to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these, such as `clippy` or `deny`; without any, all
    #[arg(value_parser = STEPS.map(|(name, _)| name))]
    steps: Vec<String>,
}

/// The crates that others pick one by one, with any backend crate beside them.
const STANDALONE: [&str; 5] =
    ["secrets-crypto", "secrets-backend", "secrets-audit", "secrets-multicloud", "secrets-manager"];

type Step = (&'static str, fn(&Shell) -> Result<Tally>);

const STEPS: [Step; 11] = [
    ("fmt", |shell| {
        let fuzz = cmd!(shell, "cargo fmt --manifest-path fuzz/Cargo.toml --check");
        passes(cmd!(shell, "cargo fmt --all --check").run().and_then(|()| fuzz.run()))
    }),
    ("tidy", |_| tidy::check()),
    ("deny", |shell| deny::check(shell)),
    ("clippy", |shell| {
        let flags = ["--", "-D", "warnings"];
        passes(cmd!(shell, "cargo clippy --workspace --all-targets --all-features {flags...}").run())
    }),
    ("doc", |shell| {
        let command = cmd!(shell, "cargo doc --workspace --all-features --no-deps");
        passes(command.env("RUSTDOCFLAGS", "-D warnings").run())
    }),
    ("standalone", standalone),
    ("template", |shell| new_backend::check(shell)),
    ("vectors", |shell| vectors::check(shell)),
    ("test", |_| test::tests(None, None)),
    ("proof", |shell| proof::all(shell, Share::Tenth)),
    ("fuzz", |shell| fuzz::smoke(shell)),
];

/// Runs every step, prints what each took, and closes with the sum.
///
/// # Errors
/// A step that failed, or a skip where skips are forbidden.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = repository::shell()?;
    let mut total = Tally::default();
    let mut times: Vec<(&str, Duration, Tally)> = Vec::new();
    let chosen = |name: &str| arguments.steps.is_empty() || arguments.steps.iter().any(|step| step == name);
    let mut building = if chosen("test") { Some(vault::Build::begin_unless_built()) } else { None };
    for (name, step) in STEPS.into_iter().filter(|(name, _)| chosen(name)) {
        if name == "test"
            && let Some(build) = building.take()
        {
            println!("\n==> vault");
            let started = Instant::now();
            let tally = built(build);
            times.push(("vault", started.elapsed(), tally));
            total += tally;
        }
        println!("\n==> {name}");
        let started = Instant::now();
        // A later step runs even if an earlier one failed: one run shows all that is wrong.
        let tally = step(&shell).unwrap_or_else(|error| {
            eprintln!("error: {name}: {error:#}");
            Tally::FAIL
        });
        times.push((name, started.elapsed(), tally));
        total += tally;
    }
    println!();
    for (name, time, tally) in &times {
        println!("{name:<12} {:>6} s   {tally}", time.as_secs());
    }
    println!("{:<12} {:>6} s", "in all", times.iter().map(|(_, time, _)| time.as_secs()).sum::<u64>());
    total.close(repository::skips_are_failures())
}

/// Waits for the build of Vault. Where skips are no failures, a machine that cannot build it goes without.
fn built(build: Result<Option<vault::Build>>) -> Tally {
    match build.and_then(|build| build.map_or(Ok(()), vault::Build::wait)) {
        Ok(()) => Tally::PASS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if repository::skips_are_failures() { Tally::FAIL } else { Tally::default() }
        }
    }
}

/// Checks each crate that others pick alone by itself, with its default features: in the workspace, another crate may
/// switch on what it forgot.
fn standalone(shell: &Shell) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut names: Vec<String> = shell
        .read_dir("crates")?
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .filter(|name| STANDALONE.contains(&name.as_str()) || name.starts_with("secrets-backend-"))
        .collect();
    names.sort();
    for name in names {
        tally += passes(cmd!(shell, "cargo check --quiet --package {name}").run())?;
    }
    Ok(tally)
}

fn passes(outcome: xshell::Result<()>) -> Result<Tally> {
    Ok(match outcome {
        Ok(()) => Tally::PASS,
        Err(error) => {
            eprintln!("error: {error}");
            Tally::FAIL
        }
    })
}
