//! Licences, bans and sources of all dependencies, by `cargo-deny` and `deny.toml`.
//!
//! Advisories are not part of it: their database is a git repository, and the checks need nothing but the registries.
//! `cargo deny check advisories` looks them up.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::repository;
use crate::tally::Tally;

/// The version that is built; the tool is kept in the target directory, one build per version.
const VERSION: &str = "0.20.2";

/// Runs the check, after building the tool if it is not there.
///
/// # Errors
/// When the tool cannot be built or started.
pub(crate) fn check(shell: &Shell) -> Result<Tally> {
    let root = repository::target_dir().join(format!("tools/cargo-deny-{VERSION}"));
    let tool = root.join("bin/cargo-deny");
    if !tool.is_file() {
        // Unoptimised, without git support or debug information: the build is what it costs, not the check.
        let build = repository::target_dir().join("tools/build");
        cmd!(shell, "cargo install cargo-deny --version {VERSION} --locked --debug --no-default-features --root {root}")
            .env("CARGO_TARGET_DIR", &build)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .run()?;
        shell.remove_path(&build)?;
    }
    let outcome =
        cmd!(shell, "{tool} --all-features check --hide-inclusion-graph licenses bans sources").run();
    println!("deny: advisories are not checked here; `cargo deny check advisories` looks them up");
    Ok(if outcome.is_ok() { Tally::PASS } else { Tally::FAIL })
}
