//! The test programs and examples that proofs run, built at once.
//!
//! Built package by package, each would choose other features of what they share, and that would be built each time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xshell::{Shell, cmd};

use super::Share;
use crate::repository;

/// Programs of some packages.
#[derive(Debug, Default)]
pub(crate) struct Programs(Vec<Program>);

#[derive(Debug)]
pub(super) struct Program {
    package: String,
    name: String,
    is_test: bool,
    /// Where cargo would start it
    pub(super) directory: PathBuf,
    pub(super) path: PathBuf,
}

impl Programs {
    /// Builds the tests and the examples of these packages: optimised for a whole proof. For a tenth it takes those of the
    /// everyday tests, which are there already, since a second build of everything would take longer than the proofs.
    pub(crate) fn build(shell: &Shell, packages: &BTreeSet<&str>, share: Share) -> Result<Self> {
        if packages.is_empty() {
            return Ok(Self::default());
        }
        let chosen: Vec<&str> = match share {
            Share::Whole => {
                let named = packages.iter().flat_map(|package| ["--package", package]);
                std::iter::once("--release").chain(named).collect()
            }
            Share::Tenth => vec!["--workspace"],
        };
        // Named, the examples would be built as tests; unnamed, they come as programs.
        let flags = ["--quiet", "--all-features", "--no-run"];
        let json = "--message-format=json-render-diagnostics";
        let messages = cmd!(shell, "cargo test {flags...} {json} {chosen...}").quiet().read()?;
        let programs: Vec<Program> = messages.lines().filter_map(program).collect();
        ensure!(!programs.is_empty(), "cargo built no test of {packages:?}");
        Ok(Self(programs))
    }

    /// The tests of a package.
    pub(super) fn tests<'a>(&'a self, package: &'a str) -> impl Iterator<Item = &'a Program> + 'a {
        self.0.iter().filter(move |one| one.is_test && one.package == package)
    }

    /// An example of a package.
    pub(super) fn example(&self, package: &str, name: &str) -> Result<PathBuf> {
        let mut found = self.0.iter().filter(|one| !one.is_test && one.package == package);
        let example = found.find(|one| one.name == name).map(|one| one.path.clone());
        example.with_context(|| format!("{package} has no example {name}"))
    }
}

/// The program that a message of cargo's announces; none where it is about something else.
fn program(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    let directory = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    // Members are directories of their package's name.
    let package = directory.file_name()?.to_str()?.to_owned();
    let is_example = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "example");
    let is_test = message["profile"]["test"].as_bool()?;
    if !is_test && !is_example {
        return None;
    }
    let name = message["target"]["name"].as_str()?.to_owned();
    let path = repository::root().join(message["executable"].as_str()?);
    Some(Program { package, name, is_test, directory, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_a_program_or_nothing() {
        let text = r#"{"reason":"compiler-artifact","manifest_path":"/w/crates/secrets-audit/Cargo.toml",
            "target":{"kind":["test"],"name":"suite"},"profile":{"test":true},"executable":"/w/target/release/deps/suite-1"}"#;
        let found = program(text).unwrap();
        assert_eq!(
            (found.package.as_str(), found.name.as_str(), found.is_test),
            ("secrets-audit", "suite", true)
        );
        assert_eq!(found.path, Path::new("/w/target/release/deps/suite-1"));
        let library = text.replace("\"test\":true", "\"test\":false").replace("[\"test\"]", "[\"lib\"]");
        assert!(program(&library).is_none());
        let example = library.replace("[\"lib\"]", "[\"example\"]");
        assert!(!program(&example).unwrap().is_test);
        assert!(program(r#"{"reason":"build-finished","success":true}"#).is_none());
        assert!(program("warning: text").is_none());
    }
}
