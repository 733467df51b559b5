//! Arguments of the commands on several backends.

use std::ffi::OsString;

use clap::{Args, Subcommand, ValueEnum};

use super::OutputArgs;

/// `health`.
#[derive(Clone, Copy, Debug, Args)]
#[non_exhaustive]
pub struct HealthArgs {
    /// Ask again every so many seconds, until interrupted
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
    /// Who gets what from whom
    #[arg(long, value_enum, value_name = "DIRECTION", default_value_t = SyncDirection::Both)]
    pub direction: SyncDirection,
    /// Read and open each copy, instead of comparing what listings claim
    #[arg(long)]
    pub verify: bool,
    /// Delete at the others what the primary never had; with --direction push
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
    /// Each gets the newest, whoever has it.
    #[default]
    Both,
    /// The others get what the primary has.
    Push,
    /// The primary gets what another has that is newer.
    Pull,
}

/// `sync`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum SyncCommand {
    /// Show what the backends lack of each other; exit 20 where that is something
    Plan(PlanArgs),
    /// Bring the backends what they lack; it can be stopped and run again
    Apply {
        /// What is compared.
        #[command(flatten)]
        plan: PlanArgs,
        /// Also write over versions that cannot be shown to be older ones of the same history
        #[arg(long)]
        accept_unproven: bool,
    },
    /// Decide between versions of a secret that were written without each other
    Resolve {
        /// The path of the secret
        path: OsString,
        /// Whose version becomes the new one everywhere: a backend, or `journal` for this machine's own; shows who has
        /// which, without it
        #[arg(long, value_name = "NAME")]
        take: Option<String>,
        /// How to print.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Seal the plain secrets of another backend into this environment; they stay there as they are
    Import {
        /// The backend of plain values, by its name in the configuration
        from: String,
        /// Only secrets at and below this path
        #[arg(long, value_name = "PREFIX")]
        only: Option<OsString>,
        /// Also write over secrets that are here and differ
        #[arg(long)]
        overwrite: bool,
    },
    /// Write this environment's secrets in clear into another backend, for programs that read them there
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
    /// Read every secret as if the backend named by --backend could not be reached; exit 20 where one cannot be read
    Drill {
        /// Only secrets at and below this path
        #[arg(long, value_name = "PREFIX")]
        only: Option<OsString>,
        /// How to print.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Make a backend the primary, for every installation; the old one stands by when it returns
    Promote {
        /// The backend, by its name in the configuration
        name: String,
        /// Also where another backend has what this one cannot be brought to; `sync resolve` decides later
        #[arg(long)]
        accept_behind: bool,
    },
}
