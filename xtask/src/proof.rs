//! `cargo xtask proof [NAME]`: the full figures that `docs/assurance.md` quotes, taken on the release binary.
//!
//! A proof is a function of the share to run: all of it by hand, a tenth in `cargo xtask ci`, on what its tests are built
//! of.
//! Its figure is a line to copy into `docs/assurance.md`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

use crate::repository;
use crate::tally::Tally;

mod a_million;
mod cold_get;
mod concurrent_writers;
mod kills;
mod planted;
mod programs;
mod random;
mod scaled;
mod secrets;

use programs::Programs;
use scaled::Scaled;

/// Which proof to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The proof; without it, each in turn
    name: Option<String>,
    /// Say what there is
    #[arg(long)]
    list: bool,
}

/// How much of a proof to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// What the documentation claims
    Whole,
    /// A tenth of the rounds
    Tenth,
}

impl Share {
    /// This share of a number of rounds, at least one.
    pub(crate) fn of(self, whole: u32) -> u32 {
        match self {
            Self::Whole => whole,
            Self::Tenth => whole.div_ceil(10),
        }
    }

    /// Where cargo puts what this share is taken on.
    const fn profile(self) -> &'static str {
        match self {
            Self::Whole => "release",
            Self::Tenth => "debug",
        }
    }
}

/// What a proof runs on.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    /// The build of `secrets`
    pub(crate) binary: &'a Path,
    pub(crate) programs: &'a Programs,
    /// An empty directory of its own
    pub(crate) directory: PathBuf,
    pub(crate) share: Share,
}

#[derive(Debug)]
struct Proof {
    name: &'static str,
    about: &'static str,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// The real binary, driven from here
    Binary(fn(&Bench<'_>) -> Result<String>),
    /// The same beside examples of these packages
    Examples(&'static [&'static str], fn(&Bench<'_>) -> Result<String>),
    /// Tests of the crates, with more rounds than every day
    Tests(&'static [Scaled]),
    /// Something that builds what it needs
    Own(fn(Share) -> Result<String>),
}

impl Proof {
    /// Whose tests and examples it needs.
    fn packages(&self) -> Vec<&'static str> {
        match self.work {
            Work::Binary(_) | Work::Own(_) => Vec::new(),
            Work::Examples(packages, _) => packages.to_vec(),
            Work::Tests(tests) => tests.iter().map(|test| test.package).collect(),
        }
    }
}

const PROOFS: &[Proof] = &[
    Proof {
        name: "concurrent-writers",
        about: "8 processes × 125 writes at once on one safe: all there, history right, chain whole",
        work: Work::Binary(concurrent_writers::run),
    },
    Proof {
        name: "kills",
        about: "1,000 commands per engine killed at random moments: every acknowledged byte and version is there",
        work: Work::Binary(kills::run),
    },
    Proof {
        name: "a-million",
        about: "1,000,000 secrets, commands killed: the next one opens at once, in under 50 MiB",
        work: Work::Binary(a_million::run),
    },
    Proof {
        name: "power-cuts",
        about: "10,000 power cuts each of store, state, header and log: writes lost, torn, failed; failed syncs",
        work: Work::Tests(&[
            Scaled { package: "secrets-backend-local", filter: "engine::redb::", rounds: 10_000 },
            Scaled { package: "secrets-manager", filter: "::power::", rounds: 10_000 },
            Scaled { package: "secrets-audit", filter: "power::", rounds: 10_000 },
        ]),
    },
    Proof {
        name: "hostile-bytes",
        about: "every bit of each format flipped, every truncation; 10,000 inputs compared with pyca/cryptography",
        work: Work::Tests(&[
            Scaled { package: "secrets-crypto", filter: "differential::", rounds: 10_000 },
            Scaled { package: "secrets-crypto", filter: "damage::", rounds: 0 },
            Scaled { package: "secrets-audit", filter: "tampering::", rounds: 0 },
        ]),
    },
    Proof {
        name: "leaks",
        about: "planted values searched in files, messages, memory, stacks, core images and the process list",
        work: Work::Tests(&[
            Scaled { package: "secrets-crypto", filter: "stack::", rounds: 0 },
            Scaled { package: "secrets-audit", filter: "no_key_stays_on_the_stack", rounds: 0 },
            Scaled { package: "secrets-manager", filter: "memory::", rounds: 0 },
            Scaled { package: "secrets-cli", filter: "leaks::", rounds: 0 },
            Scaled { package: "secrets-cli", filter: "process_list::", rounds: 0 },
            Scaled { package: "secrets-cli", filter: "memory::", rounds: 0 },
            Scaled { package: "secrets-cli", filter: "cores::", rounds: 0 },
            Scaled { package: "secrets-cli", filter: "hostile::", rounds: 0 },
            Scaled { package: "secrets-cli", filter: "foreign::", rounds: 0 },
        ]),
    },
    Proof {
        name: "growth",
        about: "1,000,000 overwrites of 100 secrets: the files stay within 10 times the live data, compacted within 2",
        work: Work::Tests(&[Scaled { package: "secrets-manager", filter: "growth::", rounds: 1_000_000 }]),
    },
    Proof {
        name: "vault",
        about: "on OpenBao: 60 s with tokens of 5 s, 1,000 races of two writers, 1,000 secrets beside bare requests, 100 rounds of two rotations at once",
        work: Work::Tests(&[
            Scaled { package: "secrets-backend-hcvault", filter: "tokens::short_lived", rounds: 60 },
            Scaled { package: "secrets-backend-hcvault", filter: "kv::of_two_writers", rounds: 1_000 },
            Scaled { package: "secrets-backend-hcvault", filter: "cost::", rounds: 1_000 },
            Scaled { package: "secrets-backend-hcvault", filter: "sharing::", rounds: 100 },
        ]),
    },
    Proof {
        name: "aws",
        about: "on moto: 1,000 races of two writers, 1,000 secrets behind 50 ms beside a bare SDK and boto3",
        work: Work::Tests(&[
            Scaled { package: "secrets-backend-aws", filter: "writes::of_two_writers", rounds: 1_000 },
            Scaled { package: "secrets-backend-aws", filter: "cost::", rounds: 1_000 },
        ]),
    },
    Proof {
        name: "azure",
        about: "on the Key Vault server: 500 secrets behind 50 ms beside the latency alone, 100 deletions with a write at once, 100 rounds of two writers and of two rotations at once",
        work: Work::Tests(&[
            Scaled { package: "secrets-backend-azure", filter: "cost::", rounds: 500 },
            Scaled { package: "secrets-backend-azure", filter: "slow::deleting_and_setting", rounds: 100 },
            Scaled { package: "secrets-backend-azure", filter: "sharing::", rounds: 100 },
        ]),
    },
    Proof {
        name: "outages",
        about: "1,000 operations over OpenBao, moto, Key Vault and this machine, each killed, hanging, throttling in turn: nothing lost or wrong, all equal afterwards",
        work: Work::Tests(&[Scaled { package: "secrets-cli", filter: "outages::", rounds: 1_000 }]),
    },
    Proof {
        name: "failover-cost",
        about: "several backends beside one, a local read beside the least it does, catching up beside a bare loop, comparing 10,000",
        work: Work::Tests(&[Scaled { package: "secrets-manager", filter: "stack::cost::", rounds: 1_000 }]),
    },
    Proof {
        name: "cold-get",
        about: "`secrets get` from AWS behind 50 ms as a whole process: at most 1.3 times a bare SDK program",
        work: Work::Examples(cold_get::PACKAGES, cold_get::run),
    },
    Proof {
        name: "old-states",
        about: "an older header, store or log put back, and logs edited or written anew, are noticed",
        work: Work::Tests(&[
            Scaled { package: "secrets-manager", filter: "old_states::", rounds: 0 },
            Scaled { package: "secrets-audit", filter: "tampering::", rounds: 0 },
        ]),
    },
    Proof {
        name: "simulation",
        about: "100,000 schedules of two installations on three replicas, each of 32 faults at each of 10 phases",
        work: Work::Tests(&[Scaled { package: "secrets-testkit", filter: "simulation::", rounds: 100_000 }]),
    },
    Proof {
        name: "planted",
        about: "8 bugs planted in a copy of the sources: the simulation finds each",
        work: Work::Own(planted::run),
    },
    Proof {
        name: "hostile",
        about: "10,000 lies of a backend in equal shares of each kind: none believed, each told, the right answer given",
        work: Work::Tests(&[Scaled { package: "secrets-testkit", filter: "evil::", rounds: 10_000 }]),
    },
];

/// The names of all proofs.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PROOFS.iter().map(|proof| proof.name)
}

/// Runs what was asked for.
///
/// # Errors
/// A proof that failed or does not exist.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for proof in PROOFS {
            println!("{:<20} {}", proof.name, proof.about);
        }
        return Ok(());
    }
    let shell = repository::shell()?;
    match &arguments.name {
        None => all(&shell, Share::Whole)?.close(false),
        Some(name) => match PROOFS.iter().find(|proof| proof.name == name) {
            Some(proof) => some(&shell, std::slice::from_ref(proof), Share::Whole)?.close(false),
            None => bail!("no proof {name}; `cargo xtask proof --list` says what there is"),
        },
    }
}

/// Runs this share of every proof.
///
/// # Errors
/// When the binary cannot be built.
pub(crate) fn all(shell: &Shell, share: Share) -> Result<Tally> {
    some(shell, PROOFS, share)
}

fn some(shell: &Shell, proofs: &[Proof], share: Share) -> Result<Tally> {
    let packages: BTreeSet<&str> = proofs.iter().flat_map(Proof::packages).collect();
    let programs = Programs::build(shell, &packages, share)?;
    // Its tests come with the binary, whose dependencies have the features of the tests as well: building it without
    // them would build most of them once more.
    let drives_it = |proof: &Proof| matches!(proof.work, Work::Binary(_) | Work::Examples(..));
    if share == Share::Whole && !packages.contains(CLI) && proofs.iter().any(drives_it) {
        cmd!(shell, "cargo build --quiet --release --package {CLI} --all-features").run()?;
    }
    let binary = repository::target_dir().join(share.profile()).join("secrets");
    let mut tally = Tally::default();
    for proof in proofs {
        tally += one(&binary, &programs, proof, share);
    }
    Ok(tally)
}

fn one(binary: &Path, programs: &Programs, proof: &Proof, share: Share) -> Tally {
    let directory = repository::target_dir().join("proof").join(proof.name);
    let bench = Bench { binary, programs, directory, share };
    let started = Instant::now();
    let outcome = empty(&bench.directory).and_then(|()| match &proof.work {
        Work::Binary(run) => run(&bench),
        Work::Examples(_, run) => run(&bench),
        Work::Tests(tests) => scaled::run(tests, programs, share),
        Work::Own(run) => run(share),
    });
    match outcome {
        Ok(figure) => {
            println!("{}: {figure} ({} s)", proof.name, started.elapsed().as_secs());
            Tally::PASS
        }
        Err(error) => {
            println!("{}: {error:#}; its files are in {}", proof.name, bench.directory.display());
            Tally::FAIL
        }
    }
}

fn empty(directory: &std::path::Path) -> Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    Ok(std::fs::create_dir_all(directory)?)
}

/// The package of the binary.
const CLI: &str = "secrets-cli";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_never_nothing() {
        assert_eq!(Share::Tenth.of(125), 13);
        assert_eq!(Share::Tenth.of(1), 1);
        assert_eq!(Share::Whole.of(125), 125);
    }
}
