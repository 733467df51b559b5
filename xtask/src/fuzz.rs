//! `cargo xtask fuzz`: coverage-guided fuzzing of every parser, with the stable toolchain.
//!
//! libFuzzer finds its way by the coverage counters that the compiler's `sancov` pass puts into the code.
//! That pass is selected by flags, which `cargo fuzz` would also pass, but which need no nightly compiler.
//! What the fuzzer learns is kept under the target directory; seeds are in `fuzz/corpus/`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::repository;
use crate::tally::Tally;

/// What to fuzz, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The target; without it, each in turn
    target: Option<String>,
    /// How long to fuzz each target
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u32,
    /// Each target for some seconds: does it build, see coverage and survive its seeds?
    #[arg(long)]
    smoke: bool,
}

const SMOKE_SECONDS: u32 = 5;

/// Instrumentation: an 8-bit counter per edge, and comparisons with their operands.
const RUSTFLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// Fuzzes what was asked for.
///
/// # Errors
/// A crash, a target that does not exist, or a build without coverage.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = repository::shell()?;
    let seconds = if arguments.smoke { SMOKE_SECONDS } else { arguments.seconds };
    let mut targets = targets(&shell)?;
    if let Some(target) = &arguments.target {
        ensure!(targets.contains(target), "no target {target}; there are: {}", targets.join(" "));
        targets.retain(|name| name == target);
    }
    fuzz(&shell, &targets, seconds)?.close(false)
}

/// Fuzzes every target for some seconds.
///
/// # Errors
/// When the targets cannot be built.
pub(crate) fn smoke(shell: &Shell) -> Result<Tally> {
    fuzz(shell, &targets(shell)?, SMOKE_SECONDS)
}

fn fuzz(shell: &Shell, targets: &[String], seconds: u32) -> Result<Tally> {
    let programs = build(shell)?;
    let mut tally = Tally::default();
    for target in targets {
        let findings = format!("{}/", shell.current_dir().join("fuzz/artifacts").join(target).display());
        let learned = repository::target_dir().join("fuzz/corpus").join(target);
        let seeds = shell.current_dir().join("fuzz/corpus").join(target);
        fs::create_dir_all(&findings)?;
        fs::create_dir_all(&learned)?;
        let program = programs.join(target);
        // A fixed seed makes a smoke run the same every time; a long run should differ from the one before.
        let seed = u32::from(seconds <= SMOKE_SECONDS);
        let limits = [format!("-max_total_time={seconds}"), format!("-seed={seed}")];
        let flags = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1"];
        let output =
            cmd!(shell, "{program} {limits...} {flags...} -artifact_prefix={findings} {learned} {seeds}")
                .quiet()
                .ignore_status()
                .output()?;
        let report = String::from_utf8_lossy(&output.stderr);
        match verdict(output.status.success(), &report) {
            Ok(summary) => {
                println!("{target}: {summary}");
                tally += Tally::PASS;
            }
            Err(reason) => {
                println!("{report}\n{target}: {reason}; the input is in fuzz/artifacts/{target}/");
                tally += Tally::FAIL;
            }
        }
    }
    Ok(tally)
}

/// Builds all targets, in a target directory of their own because of their flags, and returns where they are.
fn build(shell: &Shell) -> Result<PathBuf> {
    let host = host(shell)?;
    let directory = repository::target_dir().join("fuzz");
    // With an explicit `--target` the flags reach neither build scripts nor procedural macros.
    cmd!(shell, "cargo build --quiet --release --manifest-path fuzz/Cargo.toml --bins --target {host}")
        .env("CARGO_TARGET_DIR", &directory)
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\u{1f}"))
        .run()?;
    Ok(directory.join(host).join("release"))
}

fn host(shell: &Shell) -> Result<String> {
    let version = cmd!(shell, "rustc -vV").quiet().read()?;
    let line = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc -vV names no host")?.to_owned())
}

/// The targets are the files in `fuzz/fuzz_targets/`.
fn targets(shell: &Shell) -> Result<Vec<String>> {
    let mut names: Vec<String> = shell
        .read_dir("fuzz/fuzz_targets")?
        .iter()
        .filter_map(|path| path.file_name()?.to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    ensure!(!names.is_empty(), "fuzz/fuzz_targets has no target");
    Ok(names)
}

/// Judges libFuzzer's report: it must have ended well, with instrumented code, after a number of runs.
fn verdict(success: bool, report: &str) -> Result<String, String> {
    if !success {
        return Err("it crashed".to_owned());
    }
    let counters = report
        .lines()
        .filter(|line| line.contains("inline 8-bit counters"))
        .find_map(|line| {
            line.split_once("modules")?.1.split(['(', ' ']).find_map(|word| word.parse::<u64>().ok())
        })
        .unwrap_or(0);
    if counters < 100 {
        return Err(format!("only {counters} coverage counters: the build is not instrumented"));
    }
    let runs =
        report.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")).unwrap_or("0");
    let coverage = report
        .lines()
        .rev()
        .find_map(|line| line.split_once(" cov: ")?.1.split(' ').next()?.parse::<u64>().ok())
        .unwrap_or(0);
    Ok(format!("{} runs, {coverage} of {counters} edges", runs.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "INFO: Loaded 1 modules   (1234 inline 8-bit counters): 1234 [0x1, 0x2),\n\
        #2\tINITED cov: 17 ft: 18 corp: 1/1b exec/s: 0 rss: 30Mb\n\
        #9\tDONE   cov: 42 ft: 50 corp: 3/9b lim: 4 exec/s: 9 rss: 31Mb\n\
        stat::number_of_executed_units: 4711\n";

    #[test]
    fn a_good_report_is_summed_up() {
        assert_eq!(verdict(true, REPORT).unwrap(), "4711 runs, 42 of 1234 edges");
    }

    #[test]
    fn a_crash_and_a_build_without_coverage_are_failures() {
        assert!(verdict(false, REPORT).is_err());
        assert!(verdict(true, &REPORT.replace("(1234", "(0")).is_err());
        assert!(verdict(true, "stat::number_of_executed_units: 4711\n").is_err());
    }
}
