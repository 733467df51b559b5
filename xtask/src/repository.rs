//! Where the repository lies, and the environment in which its tasks run programs.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};
use xshell::Shell;

/// Where cargo found this crate, for the process without cargo's own variables.
const MANIFEST_DIR: &str = "XTASK_MANIFEST_DIR";

/// Starts this program anew without what `cargo run` told it about its package: build scripts that look at those
/// variables would otherwise run for a task, and once more for a cargo that a person starts.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn leave_cargo() -> Result<()> {
    let Some(directory) = env::var_os("CARGO_MANIFEST_DIR") else { return Ok(()) };
    let mut own = Command::new(env::current_exe()?);
    own.args(env::args_os().skip(1)).env(MANIFEST_DIR, directory);
    let is_of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_of_package)) {
        own.env_remove(name);
    }
    Err(own.exec()).context("cannot start again")
}

/// The root of the repository: the parent of this crate's directory.
pub(crate) fn root() -> PathBuf {
    let own = env::var_os(MANIFEST_DIR)
        .or_else(|| env::var_os("CARGO_MANIFEST_DIR"))
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map(Path::to_path_buf).unwrap_or(own)
}

/// The directory of build products: `CARGO_TARGET_DIR`, or `target` in the repository.
pub(crate) fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A shell in the root of the repository.
pub(crate) fn shell() -> Result<Shell> {
    let shell = Shell::new()?;
    shell.change_dir(root());
    Ok(shell)
}

/// Is this the run that decides, where a skipped test is a failure?
pub(crate) fn skips_are_failures() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
        || env::var_os("SECRETS_TEST_REQUIRE").is_some_and(|value| value == "1")
}

/// Gives `shell` the environment of every test process: a scratch home, no settings of the person who runs it,
/// and no question to a cloud's metadata address.
///
/// Caches of cargo, Go and pip stay, in places named explicitly, so that a scratch home costs no download.
/// Each `task` has a home of its own, emptied when it begins: of several side by side, none empties another's.
pub(crate) fn isolate(shell: &Shell, task: &str) -> Result<()> {
    let scratch = target_dir().join("xtask");
    let home = scratch.join("home").join(task);
    if home.exists() {
        fs::remove_dir_all(&home).with_context(|| format!("cannot empty {}", home.display()))?;
    }
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;

    let real_home = env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    for (variable, default) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if env::var_os(variable).is_none() && real_home.join(default).is_dir() {
            shell.set_var(variable, real_home.join(default));
        }
    }
    for (variable, directory) in
        [("GOCACHE", "go-build"), ("GOMODCACHE", "go-modules"), ("PIP_CACHE_DIR", "pip")]
    {
        shell.set_var(variable, scratch.join(directory));
    }
    // Go marks downloaded modules read-only; without this `cargo clean` could not remove them.
    shell.set_var("GOFLAGS", "-modcacherw");
    shell.set_var("HOME", &home);
    // No chain of credentials asks a metadata address, of whichever cloud.
    shell.set_var("AWS_EC2_METADATA_DISABLED", "true");
    shell.set_var("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential");
    if skips_are_failures() {
        shell.set_var("SECRETS_TEST_REQUIRE", "1");
    }
    Ok(())
}

/// Is this variable a personal setting that must not reach a test?
pub(crate) fn is_personal(variable: &str) -> bool {
    const KEPT: [&str; 4] = [
        "SECRETS_TEST_REQUIRE",
        "SECRETS_TEST_ROUNDS",
        "AWS_EC2_METADATA_DISABLED",
        "AZURE_TOKEN_CREDENTIALS",
    ];
    const PREFIXES: [&str; 7] = ["SECRETS_", "XDG_", "AWS_", "AZURE_", "VAULT_", "BAO_", "GIT_"];
    // Another Key Vault than the test kit's is named by variables.
    let is_kept = KEPT.contains(&variable) || variable.starts_with("SECRETS_TEST_AZURE_");
    !is_kept && PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
}

/// The personal settings in this process's environment.
pub(crate) fn personal_variables() -> Vec<std::ffi::OsString> {
    env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(is_personal)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace_manifest() {
        assert!(root().join("Cargo.toml").is_file());
    }

    #[test]
    fn personal_settings_are_told_from_those_of_the_tests() {
        assert!(is_personal("SECRETS_HOME") && is_personal("XDG_DATA_HOME") && is_personal("AWS_PROFILE"));
        assert!(!is_personal("SECRETS_TEST_REQUIRE") && !is_personal("PATH"));
    }
}
