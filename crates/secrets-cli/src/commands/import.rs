//! `import`: all secrets of a file, or none.

use std::path::Path;

use secrets_backend::{NewSecret, PutMode, SecretPath};

use super::Context;
use super::written::{Writes, nothing, would_be};
use crate::args::{ImportArgs, ImportFormat};
use crate::failure::Failure;
use crate::{exit, formats, input, names, output};

/// Stores the secrets of a file.
pub(super) async fn run(context: &Context, args: &ImportArgs) -> Result<u8, Failure> {
    let prefix = args.prefix.as_deref().map(names::path).transpose()?;
    let format = match args.format {
        Some(format) => format,
        None => guess(&args.file).ok_or_else(|| {
            Failure::usage(format!("{} does not tell its format by its name", args.file.display()))
                .hint("add --format dotenv, json, yaml or csv")
        })?,
    };
    let content = if args.file.as_os_str() == "-" { input::stdin(true)? } else { input::file(&args.file)? };
    let read = formats::read(format, content.expose(), args.expand)
        .map_err(|fault| Failure::usage(format!("{}: {fault}; nothing was imported", args.file.display())))?;
    for name in &read.references {
        output::warn(&format!("{name} holds a `$` reference, which is kept as it is; --expand replaces it"));
    }
    for name in &read.undefined {
        output::warn(&format!(
            "{name} refers to a variable that the file does not set: nothing is put in its place"
        ));
    }
    let mut secrets = Vec::with_capacity(read.pairs.len());
    for pair in read.pairs {
        secrets.push((place(prefix.as_ref(), &pair.name)?, NewSecret::new(pair.value)));
    }
    if secrets.is_empty() {
        output::warn("the file holds no secrets");
        return nothing(args.output());
    }
    if context.global.dry_run {
        for (path, _) in &secrets {
            output::note(&format!("would set {path}"));
        }
        would_be(secrets.iter().map(|(path, _)| path), args.output())?;
        return Ok(exit::DONE);
    }
    let mode = if args.create { PutMode::Create } else { PutMode::Upsert };
    let safe = context.open_or_make().await?;
    let written = safe.put_many(&secrets, &mode).await.map_err(|error| context.failure(error))?;
    let writes = Writes::of(secrets.iter().map(|(path, _)| path), written);
    output::note(&format!("imported {} secrets", writes.count()));
    writes.end(context, &safe, args.output()).await
}

/// The path of a name in a file. The file's names are shown only as far as they are names.
fn place(prefix: Option<&SecretPath>, name: &str) -> Result<SecretPath, Failure> {
    let whole = match prefix {
        Some(prefix) => format!("{prefix}/{name}"),
        None => name.to_owned(),
    };
    SecretPath::parse(&whole).map_err(|invalid| {
        let shown: String =
            whole.chars().take(80).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
        Failure::usage(format!("`{shown}` is not a path: {invalid}"))
            .hint("rename it in the file, or choose another --prefix")
    })
}

/// `.env`, `.env.local`, `prod.env`, `x.json`, `x.yaml`, `x.yml`, `x.csv`.
fn guess(file: &Path) -> Option<ImportFormat> {
    let name = file.file_name()?.to_str()?;
    if name == ".env" || name.starts_with(".env.") {
        return Some(ImportFormat::Dotenv);
    }
    Some(match file.extension()?.to_str()? {
        "env" => ImportFormat::Dotenv,
        "json" => ImportFormat::Json,
        "yaml" | "yml" => ImportFormat::Yaml,
        "csv" => ImportFormat::Csv,
        _ => return None,
    })
}
