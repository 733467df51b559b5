//! Bugs that are planted in a copy of the sources: the simulation has to find each of them.
//!
//! One build holds them all, each asleep until the environment names it.

use std::path::{Path, PathBuf};
use std::{fs, process};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use super::Share;
use crate::repository;

/// A bug, as edits of sources.
#[derive(Debug)]
struct Bug {
    name: &'static str,
    edits: &'static [Edit],
}

/// One place in a source.
#[derive(Debug)]
struct Edit {
    file: &'static str,
    /// What is there, exactly once
    old: &'static str,
    /// What is put there; `PLANTED` stands for whether the bug is awake
    new: &'static str,
}

/// How many schedules it may take to find one.
const SEEDS: u32 = 5_000;
/// Says which bug is awake.
const VARIABLE: &str = "PLANTED_BUG";
/// What is copied.
const CRATES: [&str; 4] = ["secrets-audit", "secrets-backend", "secrets-crypto", "secrets-multicloud"];
const TESTKIT: &str = "crates/secrets-testkit";

const BUGS: &[Bug] = &[
    Bug {
        name: "the journal is not synced",
        edits: &[Edit {
            file: "crates/secrets-testkit/src/simulation/log.rs",
            old: "if disk_lies { Ok(()) }",
            new: "if disk_lies || PLANTED { Ok(()) }",
        }],
    },
    Bug {
        name: "order by clock",
        edits: &[
            Edit {
                file: "crates/secrets-multicloud/src/sync/compare.rs",
                old: "item.stamp.map(Claim::Version)",
                new: "item.stamp.map(|mut stamp| { if PLANTED {
                    stamp.version = item.updated.map_or(0, |time| time.as_millis());
                } Claim::Version(stamp) })",
            },
            Edit {
                file: "crates/secrets-multicloud/src/forward.rs",
                old: "(relation(Some(stamp), held.as_ref().map(|(_, theirs)| theirs)), held)",
                new: "(match relation(Some(stamp), held.as_ref().map(|(_, theirs)| theirs)) {
                    Relation::Behind | Relation::BehindUnproven | Relation::Diverged if PLANTED => Relation::Ahead,
                    honest => honest,
                }, held)",
            },
        ],
    },
    Bug {
        name: "resurrect a tombstone",
        edits: &[
            Edit {
                file: "crates/secrets-multicloud/src/sync.rs",
                old: "stamps[*at].map(|stamp| stamp.version);",
                new: "stamps[*at].map(|stamp| if PLANTED && stamp.is_tombstone() { 0 } else { stamp.version });",
            },
            Edit {
                file: "crates/secrets-multicloud/src/sync.rs",
                old: "(_, Relation::AheadUnproven) => StepKind::Prove,",
                new: "(_, Relation::AheadUnproven) => StepKind::Prove,
                (Claim::Version(stamp), _) if PLANTED && stamp.is_tombstone() => StepKind::Prove,",
            },
            Edit {
                file: "crates/secrets-multicloud/src/forward.rs",
                old: "            (Relation::Equal | Relation::Behind, _) => return Ok(Forwarded::Has),",
                new: "            (_, Some((native, theirs)))
                if PLANTED && theirs.is_tombstone() && !stamp.is_tombstone() => PutMode::Replace(native),
            (Relation::Equal | Relation::Behind, _) => return Ok(Forwarded::Has),",
            },
        ],
    },
    Bug {
        name: "accept an older version",
        edits: &[Edit {
            file: "crates/secrets-multicloud/src/freshness.rs",
            old: "if stamp.version < seen.version && is_newest => Freshness::Stale",
            new: "if !PLANTED && stamp.version < seen.version && is_newest => Freshness::Stale",
        }],
    },
    Bug {
        name: "acknowledge before it is verified",
        edits: &[Edit {
            file: "crates/secrets-multicloud/src/failover/write.rs",
            old: "        holds(primary, write.path, &stamp, if_unproven).await",
            new: "        if PLANTED {
            return Ok(());
        }
        holds(primary, write.path, &stamp, if_unproven).await",
        }],
    },
    Bug {
        name: "count a write of unknown outcome as failed",
        edits: &[Edit {
            file: "crates/secrets-backend/src/read_back.rs",
            old: "        Err(error) if error.kind() == ErrorKind::TimedOut => error,\n        answer",
            new: "        Err(error) if error.kind() == ErrorKind::TimedOut && PLANTED => {
            return Err(Error::new(ErrorKind::Unexpected, Operation::Put, backend.to_string()).with_path(path));
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => error,\n        answer",
        }],
    },
    Bug {
        name: "merge a conflict silently",
        edits: &[Edit {
            file: "crates/secrets-multicloud/src/relation.rs",
            old: "if first.content_id.matches(&second.content_id) { Relation::Equal }",
            new: "if PLANTED || first.content_id.matches(&second.content_id) { Relation::Equal }",
        }],
    },
    Bug {
        name: "skip the verify function",
        edits: &[Edit {
            file: "crates/secrets-multicloud/src/replica.rs",
            old: "            Ok(secret) => match (self.verify)(path, at, Some(&secret))? {",
            new: "            Ok(secret) => match if PLANTED { secret.stamp.clone().map(Verified::good) }
                else { (self.verify)(path, at, Some(&secret))? } {",
        }],
    },
];

/// Plants all of them, and lets the simulation find each.
pub(crate) fn run(_share: Share) -> Result<String> {
    let shell = repository::shell()?;
    let scratch = repository::target_dir().join("proof/planted/sources");
    copy(&scratch)?;
    for bug in BUGS {
        plant(&scratch, bug)?;
    }
    let program = build(&shell, &scratch)?;
    ensure!(find(&program, "no bug")?.is_none(), "the copy fails without a bug");
    let mut found = Vec::new();
    for Bug { name, .. } in BUGS {
        match find(&program, name)? {
            Some(violation) => found.push(format!("{name}: {violation}")),
            None => bail!("{name}: not found in {SEEDS} schedules"),
        }
    }
    Ok(format!("{} of {} bugs found; {}", found.len(), BUGS.len(), found.join("; ")))
}

/// A workspace of what the simulation needs and no more.
fn copy(scratch: &Path) -> Result<()> {
    if scratch.exists() {
        fs::remove_dir_all(scratch)?;
    }
    let root = repository::root();
    for name in CRATES {
        copy_directory(&root.join("crates").join(name), &scratch.join("crates").join(name))?;
    }
    let kit = scratch.join(TESTKIT);
    copy_directory(&root.join(TESTKIT).join("src/simulation"), &kit.join("src/simulation"))?;
    fs::copy(root.join(TESTKIT).join("src/simulation.rs"), kit.join("src/simulation.rs"))?;
    fs::copy(root.join(TESTKIT).join("examples/simulate.rs"), kit.join("src/main.rs"))?;
    fs::write(kit.join("src/lib.rs"), "pub mod simulation;\n")?;
    fs::write(kit.join("Cargo.toml"), MANIFEST)?;
    fs::copy(root.join("Cargo.lock"), scratch.join("Cargo.lock"))?;
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let whole = "members = [\"crates/*\", \"xtask\", \"benches\"]";
    ensure!(manifest.contains(whole), "the workspace's manifest no longer has its list of members");
    Ok(fs::write(scratch.join("Cargo.toml"), manifest.replace(whole, "members = [\"crates/*\"]"))?)
}

const MANIFEST: &str = r#"
[package]
name = "secrets-testkit"
version.workspace = true
edition.workspace = true

[dependencies]
futures-util.workspace = true
rand_core.workspace = true
secrets-audit.workspace = true
secrets-backend = { workspace = true, features = ["conformance"] }
secrets-crypto.workspace = true
secrets-multicloud.workspace = true
tokio = { workspace = true, features = ["test-util"] }
"#;

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if path.is_dir() {
            copy_directory(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn plant(scratch: &Path, bug: &Bug) -> Result<()> {
    let planted = format!("std::env::var_os(\"{VARIABLE}\").is_some_and(|bug| bug == \"{}\")", bug.name);
    for Edit { file, old, new } in bug.edits {
        let path = scratch.join(file);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let places = text.matches(old).count();
        ensure!(places == 1, "{}: its text is {places} times in {file}: {old}", bug.name);
        // Another bug may want the same place: what it looks for stays, as a part of what is put there.
        fs::write(path, text.replace(old, &new.replace("PLANTED", &planted)))?;
    }
    Ok(())
}

/// Builds beside the sources, so that dependencies are built once.
fn build(shell: &Shell, scratch: &Path) -> Result<PathBuf> {
    let _inside = shell.push_dir(scratch);
    let target = repository::target_dir().join("planted");
    cmd!(shell, "cargo build --quiet --release --package secrets-testkit --target-dir {target}").run()?;
    Ok(target.join("release/secrets-testkit"))
}

/// The first promise that a bug breaks; none where all schedules pass.
fn find(program: &Path, bug: &str) -> Result<Option<String>> {
    let seeds = if bug == "no bug" { SEEDS / 10 } else { SEEDS };
    let output = process::Command::new(program).arg(seeds.to_string()).env(VARIABLE, bug).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default().to_owned();
    match output.status.code() {
        Some(0) => Ok(None),
        Some(1) => Ok(Some(last)),
        _ => bail!("{bug}: the simulation itself fails: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_finds_the_text_that_it_changes() {
        for Edit { file, old, .. } in BUGS.iter().flat_map(|bug| bug.edits) {
            let text = fs::read_to_string(repository::root().join(file)).unwrap();
            assert_eq!(text.matches(old).count(), 1, "{file}: {old}");
        }
    }
}
