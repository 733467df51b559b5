//! `cargo xtask new-backend NAME`: the crate of a new backend, made from `xtask/templates/backend/`.
//!
//! The crate compiles, and its conformance tests fail until the backend is written.
//! Nothing else is changed; what remains to be done is printed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use xshell::{Shell, cmd};

use crate::repository;
use crate::tally::{Reader, Tally};

/// What the backend is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Lower-case letters and digits, such as `etcd`
    name: String,
}

/// Makes the crate and says what comes next.
///
/// # Errors
/// A name that is no crate's, or a crate that is already there.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let name = &arguments.name;
    for file in make(&repository::root(), name)? {
        println!("made {}", file.display());
    }
    println!(
        "
Next:
1. cargo test -p secrets-backend-{name}   compiles, and its conformance tests fail
2. write src/ until they pass; docs/adding-a-backend.md goes through it step by step
3. add the crate to [workspace.dependencies] of Cargo.toml and to the features of crates/secrets-cli/Cargo.toml
4. add its arm where crates/secrets-cli/src/ makes backends, and its row in docs/
5. cargo xtask tidy                       says what is still missing"
    );
    Ok(())
}

/// Makes a crate from the template in a scratch workspace, where it must compile and its conformance tests must fail.
///
/// # Errors
/// When the crate cannot be made or does not compile.
pub(crate) fn check(shell: &Shell) -> Result<Tally> {
    let root = repository::root();
    let scratch = repository::target_dir().join("xtask/template");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    for directory in ["crates/secrets-backend", "xtask/templates/backend"] {
        copy_tree(&root.join(directory), &scratch.join(directory))?;
    }
    fs::copy(root.join("Cargo.lock"), scratch.join("Cargo.lock"))?;
    let mut manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    if let Some(workspace) = manifest.get_mut("workspace").and_then(toml::Value::as_table_mut) {
        workspace.insert("members".to_owned(), vec!["crates/*"].into());
    }
    fs::write(scratch.join("Cargo.toml"), manifest.to_string())?;
    make(&scratch, "example")?;

    let target = repository::target_dir();
    let _back = shell.push_dir(&scratch);
    let test = ["test", "--quiet", "--package", "secrets-backend-example", "--target-dir"];
    cmd!(shell, "cargo {test...} {target} --no-run").run()?;
    let output =
        cmd!(shell, "cargo {test...} {target} --test conformance").ignore_status().ignore_stderr().read()?;
    let mut reader = Reader::default();
    for line in output.lines() {
        reader.line(line);
    }
    let (cases, _) = reader.finish();
    println!("template: its conformance cases, unwritten: {cases}");
    Ok(if cases.failed > cases.passed { Tally::PASS } else { Tally::FAIL })
}

/// Copies the template below `root` to `crates/secrets-backend-NAME`, and returns the files made.
fn make(root: &Path, name: &str) -> Result<Vec<PathBuf>> {
    ensure!(
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.len() <= 32
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
        "a backend's name is lower-case letters and digits, starting with a letter; got {name:?}"
    );
    let target = Path::new("crates").join(format!("secrets-backend-{name}"));
    ensure!(!root.join(&target).exists(), "{} is already there", target.display());
    let mut made = Vec::new();
    copy(root, Path::new("xtask/templates/backend"), &target, name, &mut made)?;
    ensure!(!made.is_empty(), "the template is empty");
    Ok(made)
}

fn copy(root: &Path, from: &Path, to: &Path, name: &str, made: &mut Vec<PathBuf>) -> Result<()> {
    fs::create_dir_all(root.join(to)).with_context(|| format!("cannot make {}", to.display()))?;
    let entries = fs::read_dir(root.join(from)).with_context(|| format!("cannot read {}", from.display()))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let file = entry.file_name();
        let source = from.join(&file);
        // A manifest that is called so would be taken for a crate of its own.
        let file = fill(&file.to_string_lossy(), name);
        let target = to.join(file.strip_suffix(".in").unwrap_or(&file));
        if entry.file_type()?.is_dir() {
            copy(root, &source, &target, name, made)?;
        } else {
            let text = fs::read_to_string(root.join(&source))
                .with_context(|| format!("cannot read {}", source.display()))?;
            fs::write(root.join(&target), fill(&text, name))?;
            made.push(target);
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        } else {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Puts the name where the template has its placeholders: `__NAME__` as it is, `__Name__` for types.
fn fill(text: &str, name: &str) -> String {
    let mut letters = name.chars();
    let capital: String =
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
    text.replace("__NAME__", name).replace("__Name__", &capital)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let root = repository::target_dir().join("xtask/tests").join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("xtask/templates")).unwrap();
        root
    }

    /// The repository's template in a scratch copy: what is made has no placeholder left and reads as a crate.
    #[test]
    fn the_template_becomes_a_crate_of_the_given_name() {
        let root = scratch("new-backend");
        let template = root.join("xtask/templates/backend");
        copy_tree(&repository::root().join("xtask/templates/backend"), &template).unwrap();
        let made = make(&root, "etcd").unwrap();
        let home = root.join("crates/secrets-backend-etcd");
        let manifest = fs::read_to_string(home.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("secrets-backend-etcd"));
        assert!(home.join("src/lib.rs").is_file() && home.join("README.md").is_file());
        for file in &made {
            let text = fs::read_to_string(root.join(file)).unwrap();
            assert!(!text.contains("__NAME__") && !text.contains("__Name__"), "{}", file.display());
        }
        let all: String = made.iter().map(|file| fs::read_to_string(root.join(file)).unwrap()).collect();
        assert!(all.contains("EtcdBackend") && all.contains("conformance_tests!"));
        let error = make(&root, "etcd").unwrap_err().to_string();
        assert!(error.contains("already there"), "{error}");
    }

    #[test]
    fn a_name_that_is_no_crates_is_refused() {
        for name in ["", "../x", "Etcd", "9p", "a-b", "a b"] {
            assert!(make(&repository::root(), name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn placeholders_are_filled_in_both_forms() {
        assert_eq!(fill("__NAME__ is __Name__Backend", "etcd"), "etcd is EtcdBackend");
    }
}
