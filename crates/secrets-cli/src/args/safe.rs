//! Arguments of the commands on the safe itself.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::OutputArgs;

/// `init`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct InitArgs {
    /// Also unlock with a passphrase, which is asked for twice
    #[arg(long)]
    pub passphrase: bool,
    /// Make no key file: the passphrase alone unlocks the safe
    #[arg(long, requires = "passphrase")]
    pub no_key_file: bool,
    /// Also unlock with a recovery phrase: 24 words, shown once, on a terminal only
    #[arg(long)]
    pub recovery_phrase: bool,
}

/// `join`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct JoinArgs {
    /// The fingerprint that the safe must have: what `secrets key fingerprint` shows on a machine that uses it
    #[arg(long, value_name = "TEXT")]
    pub fingerprint: Option<String>,
    /// Give this machine a key file of its own, with a slot; for example after unlocking with a recovery phrase
    #[arg(long)]
    pub own_key_file: bool,
}

/// `trust`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct TrustArgs {
    /// The project file, or its directory; if left out, the one found here or in a directory above
    pub file: Option<PathBuf>,
    /// Stop trusting it
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
    /// Show what a backend can do, and the least that its credentials must be allowed to do
    Describe {
        /// Its name; if left out, the backend in force
        name: Option<String>,
        /// Also ask the service what it keeps about this secret, such as copies in other regions and its policy
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
        /// Show the newest N
        #[arg(long, value_name = "N", default_value_t = 50)]
        last: usize,
        /// Only entries on this secret
        #[arg(long, value_name = "PATH")]
        path: Option<OsString>,
        /// How to print.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Check every signature, the chain and the head; exit 20 if one is broken
    Verify {
        /// Check this log instead of the safe's own
        #[arg(long, value_name = "FILE", requires = "public_key")]
        log: Option<PathBuf>,
        /// The public key to check against: 64 hexadecimal digits, or as `audit export` writes it
        #[arg(long, value_name = "KEY")]
        public_key: Option<String>,
        /// A signed checkpoint that the log must extend
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
        /// The files; if left out, those in the working directory
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
        /// A label for people, at most 32 bytes
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
        /// Where to write the new key file
        #[arg(long, value_name = "FILE", required_if_eq("kind", "key-file"))]
        out: Option<PathBuf>,
        /// A file that holds the new passphrase, instead of asking for it
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        /// The key derivation function of the new passphrase
        #[arg(long, value_enum)]
        kdf: Option<KdfChoice>,
    },
    /// Seal under a new key from now on; what is there stays readable
    Rotate(OutputArgs),
    /// Show the safe's fingerprint, to compare when another machine joins
    Fingerprint(OutputArgs),
    /// Remove a slot for good; the last one cannot be removed
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
