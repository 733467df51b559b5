//! Tests whose number of rounds is set from outside: a few each day, all that is claimed in a proof.

use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

use super::Share;
use super::programs::{Program, Programs};
use crate::servers::Session;
use crate::tally::{Reader, Tally};
use crate::{repository, vectors};

/// Tests of one crate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaled {
    pub(crate) package: &'static str,
    /// A part of their names, such as a module
    pub(crate) filter: &'static str,
    /// What a whole proof sets; 0 for tests that have no rounds
    pub(crate) rounds: u32,
}

/// Runs each with its share of rounds, and joins what they say: lines that begin with `FIGURE: `. Those that begin with
/// `ROW: ` are printed as they are.
pub(crate) fn run(tests: &[Scaled], programs: &Programs, share: Share) -> Result<String> {
    let shell = repository::shell()?;
    repository::isolate(&shell, "proof")?;
    vectors::prepare(&shell);
    // The tests of one proof need servers or they do not.
    let servers = Session::start(&shell, tests.first().map(|test| test.package))?;
    let outcome = run_with(&shell, tests, programs, share, &servers.settings());
    let ran = if outcome.is_ok() { Tally::PASS } else { Tally::FAIL };
    ensure!(servers.end(ran).failed == 0 || outcome.is_err(), "a server did not start");
    outcome
}

fn run_with(
    shell: &Shell,
    tests: &[Scaled],
    programs: &Programs,
    share: Share,
    settings: &[(String, String)],
) -> Result<String> {
    let (mut passed, mut figures) = (0, Vec::new());
    for Scaled { package, filter, rounds } in tests {
        let rounds = share.of(*rounds).to_string();
        let mut said = String::new();
        for Program { path, directory, .. } in programs.tests(package) {
            let _inside = shell.push_dir(directory);
            let mut command = cmd!(shell, "{path} {filter} --nocapture").env("CARGO_MANIFEST_DIR", directory);
            for variable in repository::personal_variables() {
                command = command.env_remove(variable);
            }
            command = command.envs(settings.iter().cloned());
            let output = command.env("SECRETS_TEST_ROUNDS", &rounds).quiet().ignore_status().output()?;
            said += &String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{package} {filter} failed:\n{said}\n{errors}");
        }
        let ran = count(&said);
        ensure!(ran > 0, "{package} has no test {filter}");
        passed += ran;
        said.lines().filter_map(|line| after("ROW: ", line)).for_each(|row| println!("{row}"));
        figures.extend(said.lines().filter_map(|line| after("FIGURE: ", line)));
    }
    figures.insert(0, format!("{passed} tests"));
    Ok(figures.join("; "))
}

/// How many tests passed, by the closing lines of the harnesses.
fn count(said: &str) -> u64 {
    let mut reader = Reader::default();
    for line in said.lines() {
        reader.line(line);
    }
    reader.finish().0.passed
}

/// What a test says of itself. The harness may have written its own words before it on the line.
fn after(mark: &str, line: &str) -> Option<String> {
    line.split_once(mark).map(|(_, said)| said.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_behind_the_words_of_the_harness() {
        let figure = |line| after("FIGURE: ", line);
        assert_eq!(figure("test a::b ... FIGURE: 3 of 3").as_deref(), Some("3 of 3"));
        assert_eq!(figure("test result: ok. 0 passed"), None);
    }

    #[test]
    fn only_tests_that_ran_and_passed_are_counted() {
        let result = |passed: u32| {
            format!("test result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; 9 filtered out")
        };
        assert_eq!(count(&[result(2), "SKIP: no Python".to_owned(), result(0)].join("\n")), 1);
        assert_eq!(count(&result(0)), 0);
    }
}
