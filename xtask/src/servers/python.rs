//! Servers from the Python registry: a virtual environment with exactly what a file of requirements names.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// What an environment was made of, in a file of its own.
const MADE_OF: &str = "made-of.txt";

/// The environment with what `xtask/servers/NAME/requirements.txt` names, made when that changed.
pub(super) fn environment(shell: &Shell, name: &str) -> Result<PathBuf> {
    let requirements = super::source(name).join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let environment = place(name);
    // Written last, so that an environment that was left half made is made again.
    let made_of = environment.join(MADE_OF);
    if fs::read_to_string(&made_of).ok().as_ref() != Some(&wanted) {
        let python = environment.join("bin/python");
        cmd!(shell, "python3 -m venv --clear {environment}").quiet().run()?;
        // `--no-deps`: what is not named is not installed, so that one list pins everything.
        let flags = ["--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
        cmd!(shell, "{python} -m pip install {flags...} {requirements}").quiet().run()?;
        fs::write(&made_of, wanted)?;
    }
    Ok(environment)
}

/// The environment, where it was made.
pub(super) fn made(name: &str) -> Option<PathBuf> {
    Some(place(name)).filter(|environment| environment.join(MADE_OF).is_file())
}

fn place(name: &str) -> PathBuf {
    super::home().join("python").join(name)
}
