//! Arguments of the commands on several backends.

use std::ffi::OsString;

use clap::{Args, Subcommand, ValueEnum};

use super::OutputArgs;

/// `health`.
#[derive(Clone, Copy, Debug, Args)]
#[non_exhaustive]
pub struct HealthArgs {
    /// Ask again until interrupted, every 5 seconds or as many as are given
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub watch: Option<u32>,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What is compared.
#[derive(Clone, Debug, Args)]
#[non_exhaustive]
pub struct PlanArgs {
    /// Only secrets at and below this path
    #[arg(long, value_name = "PREFIX")]
    pub only: Option<OsString>,
    /// Which way secrets go
    #[arg(long, value_enum, value_name = "DIRECTION", default_value_t = SyncDirection::Both)]
    pub direction: SyncDirection,
    /// Read and open each copy instead of trusting what the backends list
    #[arg(long)]
    pub verify: bool,
    /// With --direction push: delete from the others what the primary never had
    #[arg(long)]
    pub delete_extra: bool,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Who gets what from whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum SyncDirection {
    /// Each backend gets the newest version, whoever has it
    #[default]
    Both,
    /// The others get what the primary has
    Push,
    /// The primary gets what is newer elsewhere
    Pull,
}

/// `sync`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum SyncCommand {
    /// Show what the backends lack of each other; exit 20 if they differ
    Plan(PlanArgs),
    /// Bring each backend what it lacks; can be stopped and run again; exit 20 if something is left
    Apply {
        /// What is compared.
        #[command(flatten)]
        plan: PlanArgs,
        /// Also overwrite versions that cannot be shown to be older ones of the same history
        #[arg(long)]
        accept_unproven: bool,
    },
    /// Decide between versions of a secret that were written independently of each other
    Resolve {
        /// The path of the secret
        path: OsString,
        /// Whose version to keep: a backend, or `journal` for this machine's own; without it, lists who holds which
        /// version
        #[arg(long, value_name = "NAME")]
        take: Option<String>,
        /// How to print.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Copy the plain secrets of another backend into this environment, sealed; they stay there as they are
    Import {
        /// The backend of plain values, by its name in the configuration
        from: String,
        /// Only secrets at and below this path
        #[arg(long, value_name = "PREFIX")]
        only: Option<OsString>,
        /// Also overwrite secrets that are here and differ
        #[arg(long)]
        overwrite: bool,
    },
    /// Copy this environment's secrets to another backend in the clear, for programs that read them there
    Export {
        /// The backend of plain values, by its name in the configuration
        to: String,
        /// Only secrets at and below this path
        #[arg(long, value_name = "PREFIX")]
        only: Option<OsString>,
    },
}

/// `failover`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum FailoverCommand {
    /// Read every secret as if the backend named by --backend were down; exit 20 if one cannot be read
    Drill {
        /// Only secrets at and below this path
        #[arg(long, value_name = "PREFIX")]
        only: Option<OsString>,
        /// How to print.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Make a backend the primary for every installation; the old primary stands by when it returns
    Promote {
        /// The backend, by its name in the configuration
        name: String,
        /// Promote even if it could not be brought up to date; `sync resolve` decides later
        #[arg(long)]
        accept_behind: bool,
    },
}
