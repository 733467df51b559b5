//! The configuration files that apply here, found and parsed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::flat;
use crate::failure::Failure;
use crate::places::Places;

/// One configuration file, parsed and otherwise untouched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Layer {
    /// The file.
    pub path: PathBuf,
    /// Whose it is.
    pub kind: Kind,
    /// Its bytes, for the trust record.
    pub bytes: Vec<u8>,
    /// What it says.
    pub value: Value,
}

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The user's own, or one that the command line names.
    User,
    /// The project's: it came with a repository and needs trust.
    Project,
    /// `secrets.local.*` beside the project's: it could have come with the repository all the same.
    Local,
}

impl Layer {
    /// A failure about this file.
    #[must_use]
    pub fn fault(&self, reason: impl std::fmt::Display) -> Failure {
        Failure::config(format!("{}: {reason}", self.path.display()))
    }

    /// The project directory that the file belongs to.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new("/"))
    }
}

/// The files in force, weakest first: the user's, then the nearest project's with its local one. With
/// `named`, that file alone.
///
/// # Errors
/// Exit 3 for a file that cannot be read or parsed, or two forms of one file side by side.
pub fn find(places: &Places, named: Option<&Path>, directory: &Path) -> Result<Vec<Layer>, Failure> {
    if let Some(path) = named {
        let layer = read(path, Kind::User)?;
        let missing = || Failure::config(format!("{}: there is no such file", path.display()));
        return Ok(vec![layer.ok_or_else(missing)?]);
    }
    let mut layers = Vec::new();
    layers.extend(read(&places.user_config(), Kind::User)?);
    layers.extend(project(directory)?);
    Ok(layers)
}

/// The nearest project's file, `secrets.toml` or else `cloud_config.yaml`, and its local one, found by walking up from `directory`.
///
/// # Errors
/// As [`find`].
pub fn project(directory: &Path) -> Result<Vec<Layer>, Failure> {
    let mut layers = Vec::new();
    for above in directory.ancestors() {
        let project = match one_of(above, "secrets", ENDINGS, Kind::Project)? {
            None => one_of(above, flat::STEM, &ENDINGS[1..], Kind::Project)?,
            found => found,
        };
        let local = one_of(above, "secrets.local", ENDINGS, Kind::Local)?;
        if project.is_some() || local.is_some() {
            layers.extend(project);
            layers.extend(local);
            break;
        }
    }
    Ok(layers)
}

/// The file of this name in a directory, with one of these endings.
fn one_of(directory: &Path, stem: &str, endings: &[&str], kind: Kind) -> Result<Option<Layer>, Failure> {
    let mut found: Option<Layer> = None;
    for ending in endings {
        if let Some(layer) = read(&directory.join(format!("{stem}.{ending}")), kind)? {
            if let Some(other) = found {
                let (one, two) = (other.path.display(), layer.path.display());
                return Err(Failure::config(format!("{one} and {two} are both there; keep one of them")));
            }
            found = Some(layer);
        }
    }
    Ok(found)
}

/// Reads and parses a file; `None` where there is none.
///
/// # Errors
/// Exit 3 for a file that cannot be read, is over 1 MiB, or is not the TOML or YAML that its name says.
pub fn read(path: &Path, kind: Kind) -> Result<Option<Layer>, Failure> {
    let fault = |reason: &str| Failure::config(format!("{}: {reason}", path.display()));
    match fs::metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Ok(found) if found.is_dir() && kind != Kind::User => return Ok(None),
        Ok(found) if found.len() > MAX_LEN => return Err(fault("is larger than 1 MiB")),
        _ => {}
    }
    let path = std::path::absolute(path).map_err(|source| fault("has no absolute path").caused_by(source))?;
    let bytes = fs::read(&path).map_err(|source| fault("cannot be read").caused_by(source))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| fault("is not UTF-8 text"))?;
    let value = parse(text, &path).map_err(|reason| fault(&reason))?;
    Ok(Some(Layer { path, kind, bytes, value }))
}

/// Parses TOML, or YAML where the file's name ends in `.yaml` or `.yml`, into one tree of tables.
///
/// # Errors
/// Where and why in words; text of the file is shown only as far as the parser's own message does.
pub fn parse(text: &str, path: &Path) -> Result<Value, String> {
    let yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let value = if yaml {
        let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_saphyr::from_str_with_options::<Value>(text, options).map_err(|error| {
            match error.location() {
                Some(place) => format!("line {}: this is not well-formed YAML", place.line()),
                None => "this is not well-formed YAML".to_owned(),
            }
        })?
    } else {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            // The message says what was expected; the snippet of the file, which may hold a token, is left out.
            match line {
                Some(line) => format!("line {line}: {}", error.message()),
                None => error.message().to_owned(),
            }
        })?;
        serde_json::to_value(table).map_err(|error| error.to_string())?
    };
    if value.is_object() { Ok(value) } else { Err("this is not a table of settings".to_owned()) }
}

const ENDINGS: &[&str] = &["toml", "yaml", "yml"];
const MAX_LEN: u64 = 1 << 20;
