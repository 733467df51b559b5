//! Tests whose number of rounds is set from outside: a few each day, all that is claimed in a proof.

use anyhow::{Context, Result, ensure};
use xshell::cmd;

use super::Share;
use crate::repository;

/// One test, by its full name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaled {
    pub(crate) package: &'static str,
    pub(crate) test: &'static str,
    /// What a whole proof sets
    pub(crate) rounds: u32,
}

/// Runs each with its share of rounds, optimised, and joins what they say: lines that begin with `FIGURE: `.
pub(crate) fn run(tests: &[Scaled], share: Share) -> Result<String> {
    let shell = repository::shell()?;
    repository::isolate(&shell)?;
    let mut figures = Vec::new();
    for Scaled { package, test, rounds } in tests {
        let rounds = share.of(*rounds).to_string();
        let mut command = cmd!(
            shell,
            "cargo test --quiet --release --package {package} --all-features --tests -- --exact {test} --nocapture"
        );
        for variable in repository::personal_variables() {
            command = command.env_remove(variable);
        }
        let output = command.env("SECRETS_TEST_ROUNDS", rounds).quiet().ignore_status().output()?;
        let (said, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{test} failed:\n{said}\n{errors}");
        figures
            .push(figure(&said).with_context(|| format!("{test} ran nowhere, or said no figure:\n{said}"))?);
    }
    Ok(figures.join("; "))
}

/// The last figure that a test said. The harness may have written its own words before it on the line.
fn figure(said: &str) -> Option<String> {
    let line = said.lines().rev().find(|line| line.contains("FIGURE: "))?;
    line.split_once("FIGURE: ").map(|(_, figure)| figure.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_behind_the_words_of_the_harness() {
        let said = "running 1 test\ntest a::b ... FIGURE: 3 of 3\nok\ntest result: ok. 1 passed";
        assert_eq!(figure(said).as_deref(), Some("3 of 3"));
        assert_eq!(figure("test result: ok. 0 passed"), None);
    }
}
