//! Arguments of the commands on the safe itself.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::OutputArgs;

/// `init`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct InitArgs {
    /// Also unlock by a passphrase, which is asked for twice
    #[arg(long)]
    pub passphrase: bool,
    /// Make no key file; the passphrase alone unlocks
    #[arg(long, requires = "passphrase")]
    pub no_key_file: bool,
    /// Also unlock by 24 words, shown once, on a terminal only
    #[arg(long)]
    pub recovery_phrase: bool,
}

/// `join`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct JoinArgs {
    /// The fingerprint that the safe must have, as `secrets key fingerprint` shows it elsewhere
    #[arg(long, value_name = "TEXT")]
    pub fingerprint: Option<String>,
    /// Give this machine a key file and a slot of its own, as after a recovery phrase
    #[arg(long)]
    pub own_key_file: bool,
}

/// `trust`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct TrustArgs {
    /// The project file, or its directory; the one found by walking up where it is left out
    pub file: Option<PathBuf>,
    /// Trust it no longer
    #[arg(long)]
    pub remove: bool,
    /// Show what is trusted
    #[arg(long, conflicts_with_all = ["file", "remove"])]
    pub list: bool,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `backend`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum BackendCommand {
    /// List the backends of the configuration; `*` marks the one in force
    List(OutputArgs),
    /// Show what a backend can do and the least that its credentials must be allowed
    Describe {
        /// Its name; the one in force where it is left out
        name: Option<String>,
        /// Also ask the service what it keeps about this secret: copies in other regions, its own policy
        #[arg(long, value_name = "PATH")]
        secret: Option<OsString>,
        /// How to print.
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// `audit`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum AuditCommand {
    /// Show entries, newest last
    Show {
        /// At most this many, the newest
        #[arg(long, value_name = "N", default_value_t = 50)]
        last: usize,
        /// Only entries on this secret
        #[arg(long, value_name = "PATH")]
        path: Option<OsString>,
        /// How to print.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Check every signature, the chain and the head; exit 20 where one is broken
    Verify {
        /// Check this log instead of the safe's own
        #[arg(long, value_name = "FILE", requires = "public_key")]
        log: Option<PathBuf>,
        /// The public key to check against: 64 hexadecimal digits, or as `audit export` writes it
        #[arg(long, value_name = "KEY")]
        public_key: Option<String>,
        /// A signed checkpoint that the log has to continue
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// How to print.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Write the log and its signed checkpoint to a directory, for `verify` elsewhere
    Export {
        /// The directory to make
        directory: PathBuf,
    },
}

/// `config`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum ConfigCommand {
    /// Show the settings in force and where each comes from
    Show(OutputArgs),
    /// Check the configuration files; contacts nothing
    Check(OutputArgs),
    /// Print `secrets.toml` for other tools' `cloud_config.yaml` and `.env`, and what became of each setting
    Migrate {
        /// The files; without any, those of the working directory
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Write to a new file instead of stdout
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
    },
}

/// `key`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum KeyCommand {
    /// List what unlocks the safe
    List(OutputArgs),
    /// Add a key file, a passphrase or a recovery phrase
    Add {
        /// What to add
        #[arg(value_enum)]
        kind: SlotKind,
        /// A name for people, at most 32 bytes
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
        /// Where to write the new key file
        #[arg(long, value_name = "FILE", required_if_eq("kind", "key-file"))]
        out: Option<PathBuf>,
        /// A file that holds the new passphrase, where nobody can be asked
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        /// How the passphrase is stretched, for this slot
        #[arg(long, value_enum)]
        kdf: Option<KdfChoice>,
    },
    /// Seal from now on under a new key; what is there stays readable
    Rotate(OutputArgs),
    /// Show the safe's fingerprint, to be compared when another installation joins
    Fingerprint(OutputArgs),
    /// Remove a slot; the last one stays
    Remove {
        /// Its number in `key list`
        slot: u8,
    },
}

/// Kinds of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum SlotKind {
    /// A file of mode 0600
    KeyFile,
    /// Something you remember
    Passphrase,
    /// 24 words on paper, shown once
    RecoveryPhrase,
}

/// Key derivation functions for passphrases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum KdfChoice {
    /// Argon2id (RFC 9106)
    Argon2id,
    /// PBKDF2 with HMAC-SHA-256, for users bound to FIPS
    Pbkdf2,
}
