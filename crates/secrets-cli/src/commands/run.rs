//! `run`: a program with secrets in its environment.

use std::ffi::OsString;

use secrets_backend::SecretPath;
use secrets_manager::Purpose;

use super::Context;
use super::selection::{self, Selection};
use crate::args::{Keys, RunArgs};
use crate::failure::Failure;
use crate::process::{Program, SecretFiles, Signals};
use crate::{exit, names, output};

/// Runs a program.
pub(super) async fn run(context: &Context, args: &RunArgs) -> Result<u8, Failure> {
    let files = args.file.iter().map(file_of).collect::<Result<Vec<_>, _>>()?;
    let mut program = Program::find(&args.program, &context.environment)?;
    let selection = Selection {
        only: &args.only,
        prefix: args.prefix.as_ref(),
        full_path: args.full_path,
        keys: Keys::Variable,
        if_missing: args.if_missing,
        extra: &files,
    };
    let safe = context.open().await?;
    let (variables, files) = selection::read(context, &safe, Purpose::Run, &selection).await?;
    if context.global.dry_run {
        for one in variables.iter().chain(&files) {
            output::note(&format!("would set {} from {}", one.name, one.path));
        }
        return Ok(exit::DONE);
    }
    if args.pristine {
        program.forget_environment();
    }
    for one in &variables {
        program.variable(&one.name, &one.value)?;
    }
    // Nothing of the safe stays open while the program runs.
    drop((variables, safe));
    if args.replace {
        return Err(program.replace());
    }
    let signals = Signals::catch()?;
    let directory = if files.is_empty() { None } else { Some(SecretFiles::new(&context.environment)?) };
    if let Some(directory) = &directory {
        for one in &files {
            program.file_name(&one.name, &directory.add(&one.name, &one.value)?);
        }
    }
    drop(files);
    let code = program.run(signals).await;
    drop(directory);
    code
}

/// `NAME=PATH` of `--file`.
fn file_of(typed: &OsString) -> Result<(String, SecretPath), Failure> {
    let wrong = || Failure::usage("--file takes NAME=PATH: a variable, and the path of a secret");
    let (name, path) = typed.to_str().and_then(|text| text.split_once('=')).ok_or_else(wrong)?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return Err(wrong());
    }
    Ok((name.to_owned(), names::path(path.as_ref())?))
}
