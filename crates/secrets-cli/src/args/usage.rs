//! Arguments of the commands that hand secrets to other programs, or take them over.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::OutputArgs;

/// `run`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct RunArgs {
    /// Only these secrets, by path or variable; may be repeated or separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only secrets at and below this path
    #[arg(long, value_name = "PATH")]
    pub prefix: Option<OsString>,
    /// Give the program the secrets alone, and no other variable of this environment
    #[arg(long)]
    pub pristine: bool,
    /// Become the program instead of waiting for it: it keeps this process id, and nothing stays behind
    #[arg(long, conflicts_with = "file")]
    pub replace: bool,
    /// Put the secret at PATH into a file that is removed at exit, and the file's name into NAME; may be repeated
    #[arg(long, value_name = "NAME=PATH")]
    pub file: Vec<OsString>,
    /// What to do if a secret that was asked for is missing
    #[arg(long, value_enum, default_value_t = IfMissing::Error, value_name = "WHAT")]
    pub if_missing: IfMissing,
    /// Name variables after the whole path: app/db/url becomes APP_DB_URL
    #[arg(long)]
    pub full_path: bool,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub program: Vec<OsString>,
}

/// What to do about a missing secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum IfMissing {
    /// Stop, exit 10
    #[default]
    Error,
    /// Say so and go on
    Warn,
    /// Go on
    Ignore,
}

/// `export`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct ExportArgs {
    /// The format
    #[arg(short, long, value_enum, default_value_t = ExportFormat::Dotenv)]
    pub format: ExportFormat,
    /// Only these secrets, by path or variable; may be repeated or separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only secrets at and below this path
    #[arg(long, value_name = "PATH")]
    pub prefix: Option<OsString>,
    /// Write to a file of mode 0600 instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Name variables after the whole path: app/db/url becomes APP_DB_URL
    #[arg(long)]
    pub full_path: bool,
    /// What the format calls each secret
    #[arg(long, value_enum, default_value_t = Keys::Variable, conflicts_with = "full_path")]
    pub keys: Keys,
    /// What to do if a secret that was asked for is missing
    #[arg(long, value_enum, default_value_t = IfMissing::Error, value_name = "WHAT")]
    pub if_missing: IfMissing,
}

/// What an exported file calls each secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Keys {
    /// The environment variable: app/db-url is DB_URL
    #[default]
    Variable,
    /// The last segment as it is: app/db-url is db-url
    Name,
    /// The whole path, which `import` reads again (json, yaml, toml and csv)
    Path,
}

/// The formats of `export`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum ExportFormat {
    /// `.env` files of dotenv libraries
    #[default]
    Dotenv,
    /// `export NAME='…'` for a POSIX shell
    Shell,
    /// A JSON object
    Json,
    /// A YAML mapping
    Yaml,
    /// A TOML table
    Toml,
    /// `docker run --env-file`
    Docker,
    /// `$GITHUB_ENV` of GitHub Actions, masks first
    Gha,
    /// Terraform variables
    Tfvars,
    /// A table with a header line
    Csv,
}

/// `import`.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct ImportArgs {
    /// The file; `-` reads stdin
    pub file: PathBuf,
    /// The format; if left out, the file's name tells
    #[arg(short, long, value_enum)]
    pub format: Option<ImportFormat>,
    /// Put the secrets below this path
    #[arg(long, value_name = "PATH")]
    pub prefix: Option<OsString>,
    /// Replace `$NAME` and `${NAME}` in a .env file with values from the same file
    #[arg(long)]
    pub expand: bool,
    /// Write only if none of them exists yet
    #[arg(long)]
    pub create: bool,
    /// Print what was written, as JSON
    #[arg(long)]
    pub json: bool,
}

impl ImportArgs {
    /// How to print: `--format` is the file's here.
    #[must_use]
    pub fn output(&self) -> OutputArgs {
        OutputArgs { json: self.json, ..OutputArgs::default() }
    }
}

/// The formats of `import`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum ImportFormat {
    /// `.env` files of dotenv libraries
    Dotenv,
    /// A JSON object; objects in it become segments of the path
    Json,
    /// A YAML mapping; mappings in it become segments of the path
    Yaml,
    /// A table with the columns path and value
    Csv,
}
