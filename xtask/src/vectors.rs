//! `cargo xtask vectors --check`: the vectors of the formats against implementations that nobody here wrote.
//!
//! The Rust tests of each format's crate compare our code with the committed vectors.
//! This compares the committed vectors with programs that share no code with ours:
//! a `crates/*/tests/vectors/make_*.py` writes its vectors anew, and they must be equal byte for byte;
//! a `check*.py` beside it reads the committed ones and compares what they hold with what they should hold, both with
//! pyca/cryptography;
//! a program in `crates/*/tests/go/` checks the directory `vectors` beside it with Go's `sumdb/note` and `tlog`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::repository;
use crate::tally::Tally;

/// What to do with the vectors.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Compare them with the independent implementations
    #[arg(long, required = true)]
    check: bool,
}

/// The first version with the chunked encryption that the envelopes use (`cryptography.cobblestone`) is 50.
const CRYPTOGRAPHY: &str = "cryptography>=50,<51";

/// Runs the check by itself.
///
/// # Errors
/// A vector that differs, a verifier that refuses, or a skip where skips are forbidden.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    debug_assert!(arguments.check, "the argument parser requires it");
    check(&repository::shell()?)?.close(repository::skips_are_failures())
}

/// Runs every maker and every verifier.
///
/// # Errors
/// When there are none, or their tools cannot be installed.
pub(crate) fn check(shell: &Shell) -> Result<Tally> {
    let root = repository::root();
    let makers = find(&root, "tests/vectors", |name| name.starts_with("make_") && name.ends_with(".py"))?;
    let checkers = find(&root, "tests/vectors", |name| name.starts_with("check") && name.ends_with(".py"))?;
    let verifiers = find(&root, "tests/go", |name| name == "go.mod")?;
    ensure!(!makers.is_empty(), "no make_*.py in crates/*/tests/vectors/");
    ensure!(!verifiers.is_empty(), "no go.mod in crates/*/tests/go/");
    repository::isolate(shell, "vectors")?;
    shell.set_var("PYTHONDONTWRITEBYTECODE", "1");
    let scratch = scratch();
    let mut tally = Tally::default();

    if cmd!(shell, "python3 --version").quiet().ignore_stdout().run().is_ok() {
        let python = python(shell, &scratch)?;
        for maker in &makers {
            tally += count(maker, remake(shell, &python, maker, &scratch.join("made")));
        }
        for checker in &checkers {
            tally += count(checker, cmd!(shell, "{python} {checker}").quiet().read().map_err(Into::into));
        }
    } else {
        tally += skip("python3", &makers);
        tally += skip("python3", &checkers);
    }

    if cmd!(shell, "go version").quiet().ignore_stdout().run().is_ok() {
        for verifier in &verifiers {
            tally += count(verifier, verify(shell, verifier));
        }
    } else {
        tally += skip("go", &verifiers);
    }
    Ok(tally)
}

/// Installs what tests compare our code with. Where it cannot be, these tests say that they are skipped.
pub(crate) fn prepare(shell: &Shell) {
    if cmd!(shell, "python3 --version").quiet().ignore_stdout().run().is_ok()
        && let Err(error) = python(shell, &scratch())
    {
        println!("no Python with pyca/cryptography could be installed: {error:#}");
    }
}

fn scratch() -> PathBuf {
    repository::target_dir().join("vectors")
}

fn skip(tool: &str, files: &[PathBuf]) -> Tally {
    println!("SKIP: no {tool} on PATH, so {} stayed unused", list(files));
    Tally { skipped: files.len() as u64, ..Tally::default() }
}

fn count(file: &Path, outcome: Result<String>) -> Tally {
    let root = repository::root();
    let file = file.strip_prefix(&root).unwrap_or(file);
    match outcome {
        Ok(says) => {
            println!("vectors: {}: {says}", file.display());
            Tally::PASS
        }
        Err(error) => {
            println!("vectors: {}: {error:#}", file.display());
            Tally::FAIL
        }
    }
}

/// A Python with pyca/cryptography, in a virtual environment of its own.
fn python(shell: &Shell, scratch: &Path) -> Result<PathBuf> {
    let environment = scratch.join("python");
    let python = environment.join("bin/python");
    let ready = python.is_file()
        && cmd!(shell, "{python} -c 'import cryptography.cobblestone'").quiet().run().is_ok();
    if !ready {
        cmd!(shell, "python3 -m venv --clear {environment}").run()?;
        cmd!(shell, "{python} -m pip install --quiet --disable-pip-version-check {CRYPTOGRAPHY}").run()?;
    }
    Ok(python)
}

/// Lets a copy of a maker write beside itself in an empty directory, and compares each file with the committed one.
fn remake(shell: &Shell, python: &Path, maker: &Path, scratch: &Path) -> Result<String> {
    let committed = maker.parent().unwrap_or(Path::new("."));
    let is_python = |file: &Path| file.extension().is_some_and(|extension| extension == "py");
    empty(scratch)?;
    for file in shell.read_dir(committed)?.iter().filter(|file| is_python(file)) {
        shell.copy_file(file, scratch)?;
    }
    {
        let _back = shell.push_dir(scratch);
        let maker = maker.file_name().unwrap_or_default();
        cmd!(shell, "{python} {maker}").ignore_stdout().quiet().run()?;
    }
    let mut made = shell.read_dir(scratch)?;
    made.retain(|file| file.is_file() && !is_python(file));
    made.sort();
    ensure!(!made.is_empty(), "it wrote nothing");
    for file in &made {
        let there = committed.join(file.file_name().unwrap_or_default());
        if fs::read(&there).ok() != Some(fs::read(file)?) {
            bail!("{} differs from what the maker writes", there.display());
        }
    }
    Ok(format!("{} equal", list(&made)))
}

/// Runs a verifier on the vectors of its crate.
fn verify(shell: &Shell, manifest: &Path) -> Result<String> {
    let _back = shell.push_dir(manifest.parent().unwrap_or(Path::new(".")));
    Ok(cmd!(shell, "go run . ../vectors").quiet().read()?)
}

fn empty(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    Ok(fs::create_dir_all(directory)?)
}

/// The files of this name in this directory of any crate.
fn find(root: &Path, directory: &str, named: fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for package in fs::read_dir(root.join("crates"))? {
        let Ok(files) = fs::read_dir(package?.path().join(directory)) else { continue };
        for file in files {
            let file = file?;
            if file.file_name().to_str().is_some_and(named) {
                found.push(file.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn list(files: &[PathBuf]) -> String {
    let names = files.iter().filter_map(|file| file.file_name()?.to_str());
    names.collect::<Vec<_>>().join(", ")
}
