//! `cargo xtask tidy`: what must hold of the repository itself, also run as a test of this crate.
//!
//! Each check is a function from the files to findings, with a test on a bad example, so that it is known to be able
//! to fail.

use anyhow::Result;

use crate::repository;
use crate::tally::Tally;

mod assurance;
mod backends;
mod commands;
mod dependencies;
mod documents;
mod environment;
mod files;
mod lean;
mod modules;
mod sources;
mod text;

use files::Files;

/// What to do beside checking.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write the hashes of the format sources into the specification, after it was brought up to date
    #[arg(long)]
    bless: bool,
}

/// Runs every check and prints what it finds.
///
/// # Errors
/// Any finding.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.bless {
        for page in sources::bless(&repository::root())? {
            println!("wrote the hashes of {page}");
        }
    }
    check()?.close(false)
}

/// Runs every check, prints the findings, and counts the checks.
///
/// # Errors
/// When the repository cannot be read.
pub(crate) fn check() -> Result<Tally> {
    let mut tally = Tally::default();
    for (name, findings) in findings()? {
        tally += if findings.is_empty() { Tally::PASS } else { Tally::FAIL };
        for finding in findings {
            println!("tidy: {name}: {finding}");
        }
    }
    Ok(tally)
}

/// Every check by its name, with what it finds in this repository.
fn findings() -> Result<Vec<(&'static str, Vec<String>)>> {
    let files = Files::read(&repository::root())?;
    let secrets = commands::of_secrets(&files);
    let xtask = commands::of_xtask();
    Ok(vec![
        ("dependency direction", dependencies::check(&dependencies::read()?)),
        ("a build with one backend", lean::check(&lean::read()?)),
        ("environment", environment::check(&files)),
        ("state", environment::check_state(&files)),
        ("file sizes", modules::check_sizes(&files)),
        ("module headers", modules::check_headers(&files)),
        ("module files", modules::check_names(&files)),
        ("backend crates", backends::check(&files)),
        ("paths in documents", documents::check_paths(&files)),
        ("commands in documents", commands::check(&files, &xtask, &secrets)),
        ("sources of the specification", sources::check(&files)),
        ("paths of one machine", text::check_machine_paths(&files, &text::own_paths())),
        ("left open", text::check_left_open(&files)),
        ("assurance", assurance::check(&files)),
    ])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let findings: Vec<_> = super::findings()
            .unwrap()
            .into_iter()
            .flat_map(|(name, findings)| {
                findings.into_iter().map(move |finding| format!("{name}: {finding}"))
            })
            .collect();
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }
}
