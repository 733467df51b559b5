//! The commands: each reads its arguments, calls the library, and prints.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::{Cli, Command, FailoverCommand};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;
use crate::{args, exit};

mod audit;
mod backend;
mod bulk;
mod config;
mod context;
mod export;
mod failover;
mod health;
mod import;
mod init;
mod join;
mod key;
mod read;
mod replicas;
mod run;
mod selection;
mod status;
mod sync;
mod trust;
mod write;
mod written;

pub use context::Context;

/// Runs a command line and answers the exit code.
pub async fn main(arguments: Vec<OsString>, environment: Environment) -> u8 {
    let cli = match args::parse(arguments) {
        Ok(cli) => cli,
        Err(error) => return report_usage(&error),
    };
    if !matches!(cli.command, Some(Command::Run(_))) {
        crate::harden::forbid_core_files();
    }
    crate::logging::start(&environment, cli.global.verbose);
    match dispatch(cli, environment).await {
        Ok(code) => code,
        Err(failure) => {
            report(&failure);
            failure.code()
        }
    }
}

async fn dispatch(cli: Cli, environment: Environment) -> Result<u8, Failure> {
    if cli.exit_codes {
        return exit_codes();
    }
    let Some(command) = cli.command else {
        return Err(Failure::usage("no command").hint("`secrets --help` lists them"));
    };
    let directory = std::env::current_dir().unwrap_or_else(|_| Path::new("/").to_owned());
    let global = cli.global;
    let context = || Context::new(global.clone(), environment.clone(), &directory);
    match command {
        // They are there to look at files that would be refused elsewhere.
        Command::Trust(args) => trust::run(&args, &global, &environment, &directory),
        Command::Config(args) => config::run(&args, &global, &environment, &directory),
        Command::Init(args) => init::run(&context()?, &args).await,
        Command::Join(args) => join::run(&context()?, &args).await,
        Command::Set(args) => write::set(&context()?, &args).await,
        Command::Get(args) => read::get(&context()?, &args).await,
        Command::List(args) => read::list(&context()?, &args).await,
        Command::Delete(args) => bulk::delete(&context()?, &args).await,
        Command::Undelete(args) => bulk::undelete(&context()?, &args).await,
        Command::Purge(args) => bulk::purge(&context()?, &args).await,
        Command::History(args) => read::history(&context()?, &args).await,
        Command::Rollback(args) => write::rollback(&context()?, &args).await,
        Command::Describe(args) => read::describe(&context()?, &args).await,
        Command::Tag(args) => write::tag(&context()?, &args).await,
        Command::Run(args) => run::run(&context()?, &args).await,
        Command::Export(args) => export::run(&context()?, &args).await,
        Command::Import(args) => import::run(&context()?, &args).await,
        Command::Status(args) => status::run(&context()?, args),
        Command::Backend(args) => backend::run(&context()?, &args).await,
        Command::Health(args) => health::run(&context()?, args).await,
        Command::Sync(command) => sync::run(&context()?, &command).await,
        Command::Failover(command) => {
            let mut global = global.clone();
            // What a drill does without is not the backend to use.
            let drilled = match &command {
                FailoverCommand::Drill { .. } => global.backend.take(),
                FailoverCommand::Promote { .. } => None,
            };
            let context = Context::new(global, environment, &directory)?;
            failover::run(&context, &command, drilled.as_deref()).await
        }
        Command::Audit(args) => audit::run(&context()?, &args).await,
        Command::Key(args) => key::run(&context()?, &args).await,
    }
}

fn exit_codes() -> Result<u8, Failure> {
    for (code, meaning) in exit::TABLE {
        output::line(&format!("{code:>3}  {meaning}"))?;
    }
    output::line(
        "`run` returns its program's code, 128+n if signal n ended it, 127 if it is not found and 126 if it cannot be started.",
    )?;
    Ok(exit::DONE)
}

/// Prints what went wrong and what to try next.
pub fn report(failure: &Failure) {
    if failure.is_silent() {
        return;
    }
    output::note(&format!("secrets: {failure}"));
    if let Some(next) = failure.next() {
        output::note(&format!("  try: {next}"));
    }
}

/// Prints what `clap` has to say, without repeating what may be a value, and answers the exit code.
pub fn report_usage(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render().to_string();
            return output::bytes(text.as_bytes()).map_or_else(|failure| failure.code(), |()| exit::DONE);
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = write!(io::stderr(), "{}", error.render());
            return exit::USAGE;
        }
        _ => {}
    }
    let typed = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(typed)) => Some(typed.as_str()),
        _ => None,
    };
    // Whatever is no flag could be a value that the shell split or that went to the wrong place.
    let is_flag =
        typed.is_none_or(|typed| typed.starts_with("--") || typed.starts_with('<') || typed.starts_with('['));
    if error.kind() == ErrorKind::UnknownArgument && !is_flag {
        report(
            &Failure::usage(
                "there is one argument too many; it is not shown, since it may be part of a value",
            )
            .hint("put a value with spaces in quotes, or leave it out to be asked for it"),
        );
    } else if matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::InvalidUtf8
    ) {
        let name = typed.unwrap_or("an argument");
        let allowed = match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(allowed)) if !allowed.is_empty() => {
                format!(" one of {}", allowed.join(", "))
            }
            _ => " another value".to_owned(),
        };
        report(&Failure::usage(format!("{name} takes{allowed}")));
    } else {
        output::note(error.render().to_string().trim_end());
    }
    exit::USAGE
}
