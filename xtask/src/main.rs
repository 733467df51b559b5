//! Tasks of the repository: tests, checks, proofs, benchmarks, fuzzing, test servers, new backends.
//!
//! One file per command; this one only says what the commands are.
//! `cargo xtask COMMAND --help` describes each, `docs/testing.md` describes the tiers.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a task runner prints and reads its environment"
)]

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod ci;
mod deny;
mod fuzz;
mod new_backend;
mod proof;
mod repository;
mod servers;
mod tally;
mod test;
mod tidy;
mod vectors;

/// Tasks of the repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everyday tests: unit, property, vectors, conformance, command line, small samples of crashes and faults
    Test(test::Arguments),
    /// All that must hold before a change lands
    Ci(ci::Arguments),
    /// The full figures that the documentation claims
    Proof(proof::Arguments),
    /// Benchmarks, each beside its floor
    Bench(bench::Arguments),
    /// Checks of the repository itself: dependencies, sizes, documents
    Tidy(tidy::Arguments),
    /// Fuzz one target, or all in turn
    Fuzz(fuzz::Arguments),
    /// Compare the format vectors with independent implementations
    Vectors(vectors::Arguments),
    /// Start and stop the servers that tests need
    Servers(servers::Arguments),
    /// Make the crate of a new backend from the template
    NewBackend(new_backend::Arguments),
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    let outcome = repository::leave_cargo().and_then(|()| run(&task));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    match task {
        Task::Test(arguments) => test::run(arguments),
        Task::Ci(arguments) => ci::run(arguments),
        Task::Proof(arguments) => proof::run(arguments),
        Task::Bench(arguments) => bench::run(arguments),
        Task::Tidy(arguments) => tidy::run(arguments),
        Task::Fuzz(arguments) => fuzz::run(arguments),
        Task::Vectors(arguments) => vectors::run(arguments),
        Task::Servers(arguments) => servers::run(arguments),
        Task::NewBackend(arguments) => new_backend::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
