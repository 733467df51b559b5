//! Arguments of the commands on single secrets.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;

/// `set`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct SetArgs {
    /// Where to store it, such as app/db/password
    pub path: OsString,
    /// The value; `-` reads stdin, `@FILE` reads a file. Better left out: it is then asked for, or read from a pipe
    #[arg(allow_hyphen_values = true)]
    pub value: Option<OsString>,
    /// Read the value from a file, byte for byte
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    pub from_file: Option<PathBuf>,
    /// Keep a newline at the end of stdin
    #[arg(long)]
    pub raw: bool,
    /// Write only if this is the current version
    #[arg(long, value_name = "VERSION", conflicts_with = "create")]
    pub if_version: Option<String>,
    /// Write only if there is no such secret yet
    #[arg(long)]
    pub create: bool,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What to say about it.
    #[command(flatten)]
    pub metadata: MetadataArgs,
}

/// Metadata flags of `set` and `tag`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Metadata")]
#[non_exhaustive]
pub struct MetadataArgs {
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    pub tags: Vec<String>,
    /// What the secret is for
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// When the value expires: a date (2027-01-31), a time (2027-01-31T12:00:00Z), or days from now (90d)
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// How sensitive it is, in your own scale
    #[arg(long, value_name = "LEVEL")]
    pub classification: Option<String>,
    /// Media type of the value, such as application/json
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// How often to replace the value, in days, such as 90d
    #[arg(long, value_name = "DAYS")]
    pub rotate_every: Option<String>,
    /// Who is responsible for it
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
}

/// `get`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct GetArgs {
    /// The secret
    pub path: OsString,
    /// This version instead of the current one
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// Print one field of a value that is a JSON object, such as a secret with several fields on HashiCorp Vault
    #[arg(long, value_name = "NAME")]
    pub field: Option<String>,
    /// How to print; `table` is the bare value.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `list`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct ListArgs {
    /// Only secrets at and below this path
    pub prefix: Option<OsString>,
    /// Also deleted secrets
    #[arg(long)]
    pub deleted: bool,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `undelete`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct PathsArgs {
    /// The secrets
    #[arg(required = true)]
    pub paths: Vec<OsString>,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `delete` and `purge`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct DeleteArgs {
    /// The secrets
    #[arg(required_unless_present = "prefix")]
    pub paths: Vec<OsString>,
    /// All secrets at and below this path
    #[arg(long, value_name = "PATH", conflicts_with = "paths")]
    pub prefix: Option<OsString>,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `history`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct HistoryArgs {
    /// The secret
    pub path: OsString,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `rollback`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct RollbackArgs {
    /// The secret
    pub path: OsString,
    /// The version whose value to write again
    pub version: String,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `describe`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct DescribeArgs {
    /// The secret
    pub path: OsString,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `tag`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct TagArgs {
    /// The secret
    pub path: OsString,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What to set.
    #[command(flatten)]
    pub metadata: MetadataArgs,
    /// Remove a tag; may be repeated
    #[arg(long, value_name = "NAME")]
    pub untag: Vec<String>,
    /// Remove a field: description, expires, classification, content-type, rotate-every, owner; may be repeated
    #[arg(long, value_name = "FIELD", value_enum)]
    pub clear: Vec<Field>,
}

/// The fields that `tag --clear` removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum Field {
    /// Free text.
    Description,
    /// End of validity.
    Expires,
    /// Sensitivity.
    Classification,
    /// Media type.
    ContentType,
    /// Rotation policy.
    RotateEvery,
    /// Who is responsible for it.
    Owner,
}
