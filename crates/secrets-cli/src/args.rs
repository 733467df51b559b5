//! What was typed: the command line as `clap` reads it, before anything is looked up.
//!
//! Paths arrive as they were typed and are checked by the commands, so that no error repeats what may be a
//! value in the wrong place.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

mod replicas;
mod safe;
mod secret;
mod usage;
pub use replicas::{FailoverCommand, HealthArgs, PlanArgs, SyncCommand, SyncDirection};
pub use safe::{
    AuditCommand, BackendCommand, ConfigCommand, InitArgs, JoinArgs, KdfChoice, KeyCommand, SlotKind,
    TrustArgs,
};
pub use secret::{
    DeleteArgs, DescribeArgs, Field, GetArgs, HistoryArgs, ListArgs, MetadataArgs, PathsArgs, RollbackArgs,
    SetArgs, TagArgs,
};
pub use usage::{ExportArgs, ExportFormat, IfMissing, ImportArgs, ImportFormat, Keys, RunArgs};

/// An encrypted, audited safe for secrets.
#[derive(Debug, Parser)]
#[command(name = "secrets", version, about, max_term_width = 100, subcommand_required = false)]
#[command(
    after_help = "Exit codes: `secrets --exit-codes`. First steps: `secrets set app/api-key`, then `secrets get app/api-key`."
)]
#[non_exhaustive]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// Print the table of exit codes.
    #[arg(long, exclusive = true)]
    pub exit_codes: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
#[non_exhaustive]
pub struct Global {
    /// The environment to use, such as production [env: SECRETS_ENVIRONMENT]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub environment: Option<String>,
    /// The tenant to use [env: SECRETS_TENANT]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub tenant: Option<String>,
    /// The backend to use [env: SECRETS_BACKEND]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub backend: Option<String>,
    /// Backend vault: the address of the server [env: VAULT_ADDR]; backend azure: that of the vault
    /// [env: AZURE_KEYVAULT_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub vault_url: Option<String>,
    /// Backend vault: the token; other users of this machine can see it, unlike the variable's [env: VAULT_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Backend azure: the tenant that the vault belongs to [env: AZURE_TENANT_ID]
    #[arg(long, global = true, value_name = "ID")]
    pub tenant_id: Option<String>,
    /// Backend azure: the application or identity to log in as [env: AZURE_CLIENT_ID]
    #[arg(long, global = true, value_name = "ID")]
    pub client_id: Option<String>,
    /// Backend aws: the region, such as eu-central-1 [env: AWS_REGION]
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// Backend aws: a profile in AWS's own configuration files [env: AWS_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Backend aws: a role to assume
    #[arg(long, global = true, value_name = "ARN")]
    pub role_arn: Option<String>,
    /// Backend aws: the address of the service, if it is not AWS's own [env: AWS_ENDPOINT_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Backends aws and azure, before the command: what every name there starts with
    // Not global: after a command, `--prefix` is the command's own, and names paths.
    #[arg(long = "prefix", value_name = "TEXT")]
    pub name_prefix: Option<String>,
    /// Backends vault, aws and azure: read and write plain values, as other programs do, instead of sealed ones
    #[arg(long, global = true)]
    pub no_seal: bool,
    /// The configuration file to use instead of the project's and your own [env: SECRETS_CONFIG]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The key file that unlocks the safe [env: SECRETS_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// A file that holds the passphrase [env: SECRETS_PASSPHRASE_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Fail rather than read from another backend than the primary
    #[arg(long, global = true)]
    pub require_primary: bool,
    /// Accept another backend's answer only if `sync plan` or `apply` found it complete within this time, such as
    /// 15m
    #[arg(long, global = true, value_name = "TIME")]
    pub max_staleness: Option<String>,
    /// Say what would be written, but write nothing
    #[arg(short = 'n', long, global = true)]
    pub dry_run: bool,
    /// Answer yes to every question
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Never ask; fail instead
    #[arg(long, global = true)]
    pub non_interactive: bool,
    /// The reason for this access, kept in the audit log
    #[arg(long, global = true, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Say more on stderr; repeat it for still more. SECRETS_LOG takes a filter such as secrets_manager=debug; what
    /// either of them asks for is shown
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, Args)]
#[non_exhaustive]
pub struct OutputArgs {
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub format: OutputFormat,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl OutputArgs {
    /// The format that both flags together mean.
    #[must_use]
    pub fn chosen(self) -> OutputFormat {
        if self.json { OutputFormat::Json } else { self.format }
    }
}

/// Forms of output: for people, or with `schema_version` for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum OutputFormat {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Make a safe, and choose what unlocks it
    Init(InitArgs),
    /// Use the safe that the backend already holds from this machine, too
    Join(JoinArgs),
    /// Store a value under a path
    Set(SetArgs),
    /// Print a value
    Get(GetArgs),
    /// List paths, never values
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Delete secrets; `undelete` brings them back
    #[command(visible_alias = "rm")]
    Delete(DeleteArgs),
    /// Bring deleted secrets back
    Undelete(PathsArgs),
    /// Remove secrets and all their versions for good
    Purge(DeleteArgs),
    /// List the versions of a secret
    History(HistoryArgs),
    /// Make an old value current again, as a new version
    Rollback(RollbackArgs),
    /// Show a secret's metadata, never its value
    Describe(DescribeArgs),
    /// Change a secret's metadata
    Tag(TagArgs),
    /// Run a program with secrets in its environment
    #[command(visible_alias = "exec")]
    Run(RunArgs),
    /// Print secrets in another program's format
    Export(ExportArgs),
    /// Store all secrets of a file, or none
    Import(ImportArgs),
    /// Show what is set up here; contacts nothing
    Status(OutputArgs),
    /// Show the configured backends and what they need; only `describe --secret` contacts one
    #[command(subcommand)]
    Backend(BackendCommand),
    /// Ask each backend of the environment whether it answers; exit 20 if one does not
    Health(HealthArgs),
    /// Compare the backends of the environment, and bring each what it lacks
    #[command(subcommand)]
    Sync(SyncCommand),
    /// Try what would happen without a backend, or make another one the primary
    #[command(subcommand)]
    Failover(FailoverCommand),
    /// Trust this project's configuration file as it is now
    Trust(TrustArgs),
    /// Read and check the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Show or check the configuration, or make one from other tools' files
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Manage what unlocks the safe
    #[command(subcommand)]
    Key(KeyCommand),
}

/// Reads a command line.
///
/// # Errors
/// What `clap` has to say, which includes `--help` and `--version`; see [`crate::commands::report_usage`].
pub fn parse<I>(arguments: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = OsString>,
{
    Cli::try_parse_from(arguments)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_are_taken_before_and_after_the_command() {
        for line in [["secrets", "-e", "prod", "get", "a"], ["secrets", "get", "a", "-e", "prod"]] {
            let cli = parse(line.map(OsString::from)).unwrap();
            assert_eq!(cli.global.environment.as_deref(), Some("prod"));
        }
    }

    #[test]
    fn run_takes_everything_after_the_dashes_as_the_program() {
        let cli = parse(["secrets", "run", "--only", "a", "--", "env", "-n", "--json"].map(OsString::from))
            .unwrap();
        let Some(Command::Run(run)) = cli.command else { panic!("not run") };
        assert_eq!(run.program, ["env", "-n", "--json"]);
        assert!(!cli.global.dry_run);
    }
}
