//! `cargo xtask test`: the everyday tier, one `cargo test` over the workspace with one feature set.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use xshell::cmd;

use crate::servers::Session;
use crate::tally::{Reader, Tally};
use crate::{repository, vectors};

/// Which tests to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this crate
    #[arg(short, long, value_name = "CRATE")]
    package: Option<String>,
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// Runs the tier and prints its closing line.
///
/// # Errors
/// A failed test, or a skipped one where skips are forbidden.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    let tally = tests(arguments.package.as_deref(), arguments.filter.as_deref())?;
    println!("tests took {} s", started.elapsed().as_secs());
    tally.close(repository::skips_are_failures())
}

/// Runs the tests of the workspace, or of one crate, and counts them.
///
/// # Errors
/// When cargo cannot be started. A failure to compile is counted as one failed test.
pub(crate) fn tests(package: Option<&str>, filter: Option<&str>) -> Result<Tally> {
    let shell = repository::shell()?;
    repository::isolate(&shell, "test")?;
    vectors::prepare(&shell);
    let servers = Session::start(&shell, package)?;
    let scope = match package {
        Some(package) => vec!["--package", package],
        None => vec!["--workspace"],
    };
    // One run with all features: they only add, and a second feature set would build everything twice.
    let command =
        cmd!(shell, "cargo test {scope...} --all-features --no-fail-fast -- --show-output {filter...}");
    let (mut tally, reasons) = count(command, servers.settings())?;
    for reason in &reasons {
        println!("SKIP: {reason}");
    }
    tally += servers.end(tally);
    Ok(tally)
}

/// Runs a command that prints the output of test harnesses, showing what matters of it.
/// The tests find the servers by `settings`.
fn count(command: xshell::Cmd<'_>, settings: Vec<(String, String)>) -> Result<(Tally, Vec<String>)> {
    println!("$ {command}");
    let mut command = Command::from(command);
    for variable in repository::personal_variables() {
        command.env_remove(variable);
    }
    command.envs(settings);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    // Cargo speaks on standard error, and so does a test that writes past the harness's capture.
    let errors = child.stderr.take().map(|output| thread::spawn(move || read(output)));
    let mut reader = child.stdout.take().map(read).transpose()?.unwrap_or_default();
    if let Some(errors) = errors.and_then(|thread| thread.join().ok()) {
        reader.add(errors?);
    }
    let status = child.wait().context("cannot wait for cargo")?;
    let (mut tally, reasons) = reader.finish();
    if !status.success() && tally.failed == 0 {
        // It did not compile, or a test process died before it could say what failed.
        tally += Tally::FAIL;
    }
    Ok((tally, reasons))
}

fn read(output: impl Read) -> Result<Reader> {
    let mut reader = Reader::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read the output of the tests")?;
        let line = String::from_utf8_lossy(&line);
        if reader.line(&line) {
            println!("{line}");
        }
    }
    Ok(reader)
}
