//! `cargo xtask bench`: the benchmarks in `benches/`, each beside its floor.
//!
//! Figures go into `docs/benchmarks.md` by hand, with the machine they were taken on.

use anyhow::Result;
use xshell::cmd;

use crate::repository;

/// Which benchmarks to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only benchmarks whose name contains this
    filter: Option<String>,
}

/// Runs the benchmarks in the release profile.
///
/// # Errors
/// A benchmark that does not build or that panics.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = repository::shell()?;
    repository::isolate(&shell, "bench")?;
    let filter = arguments.filter.as_deref();
    cmd!(shell, "cargo bench --package secrets-benches --benches -- {filter...}").run()?;
    Ok(())
}
