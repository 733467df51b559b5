//! `export`: secrets in another program's format.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrets_manager::Purpose;

use super::Context;
use super::selection::{self, Selection};
use crate::args::ExportArgs;
use crate::failure::Failure;
use crate::formats::{self, Pair};
use crate::{exit, output};

/// Prints or writes a file of secrets.
pub(super) async fn run(context: &Context, args: &ExportArgs) -> Result<u8, Failure> {
    let selection = Selection {
        only: &args.only,
        prefix: args.prefix.as_ref(),
        full_path: args.full_path,
        keys: args.keys,
        if_missing: args.if_missing,
        extra: &[],
    };
    if let (Some(path), true) = (&args.output, context.global.dry_run) {
        output::note(&format!("would write {}", path.display()));
        return Ok(exit::DONE);
    }
    let safe = context.open().await?;
    let (mut chosen, _) = selection::read(context, &safe, Purpose::Export, &selection).await?;
    chosen.sort_by(|a, b| a.name.cmp(&b.name));
    let pairs: Vec<Pair> = chosen.into_iter().map(|one| Pair::new(one.name, one.value)).collect();
    let file = formats::write(args.format, args.keys, &pairs).map_err(|cannot| {
        Failure::usage(cannot.to_string())
            .hint("choose another format, or leave it out with --only or --prefix")
    })?;
    match &args.output {
        None => output::bytes(&file)?,
        Some(path) => {
            save(path, &file).map_err(|source| {
                Failure::other(format!("{} cannot be written", path.display())).caused_by(source)
            })?;
            output::note(&format!("wrote {} secrets to {}, in the clear", pairs.len(), path.display()));
        }
    }
    context.after(&safe).await;
    Ok(exit::DONE)
}

/// Writes beside the file, then puts it in its place: readable by nobody else, never half there.
fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut fresh_name = std::ffi::OsString::from(".");
    fresh_name.push(name);
    fresh_name.push(format!(".{}", std::process::id()));
    let fresh = path.with_file_name(fresh_name);
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().inspect_err(|_| {
        // Best effort: the first error is the one to tell.
        let _ = fs::remove_file(&fresh);
    })
}
