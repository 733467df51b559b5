//! The file `format`: which version of the store's layout is in the directory, and which engine wrote it.
//!
//! It is read before anything else is opened, so that a store of a newer program, or of the other engine, is
//! refused with nothing changed. It is written before the engine's files are made.

use std::io::Read as _;

use secrets_backend::ErrorKind;

use crate::config::Engine;
use crate::fault::Fault;
use crate::files::{Access, Home};

/// The version of the layout that this crate writes, and the newest that it reads.
const VERSION: u32 = 1;
const FILE: &str = "format";
const NEW_FILE: &str = "format.new";
const MAGIC: &str = "secrets-local-store";
/// More than any version of the file will need.
const MAX_LEN: u64 = 256;

/// Whether the directory holds a store.
pub(crate) fn is_there(home: &Home) -> Result<bool, Fault> {
    home.contains(FILE)
}

/// Marks the directory as a store of `engine`. Only under the exclusive lock.
pub(crate) fn write(home: &Home, engine: Engine) -> Result<(), Fault> {
    home.write_file(FILE, NEW_FILE, format!("{MAGIC} {VERSION} {engine}\n").as_bytes())
}

/// Refuses a store that this program, or this engine, must not touch.
pub(crate) fn check(home: &Home, engine: Engine) -> Result<(), Fault> {
    let file = home
        .open_file(FILE, Access::Read)?
        .ok_or_else(|| Fault::damaged("the format file of the store is missing"))?;
    let mut text = Vec::new();
    file.take(MAX_LEN)
        .read_to_end(&mut text)
        .map_err(|error| Fault::io("reading the format of the store", error))?;
    let text = String::from_utf8(text).map_err(|_| unreadable())?;
    let mut words = text.split_ascii_whitespace();
    let version: u32 = match (words.next(), words.next()) {
        (Some(MAGIC), Some(version)) => version.parse().map_err(|_| unreadable())?,
        _ => return Err(unreadable()),
    };
    if version != VERSION {
        return Err(Fault::new(
            ErrorKind::Unsupported,
            format!(
                "the store has format {version} and this program reads format {VERSION}: \
                 use the version of this program that wrote it, or a newer one"
            ),
        ));
    }
    match words.next() {
        Some(name) if name == engine.to_string() => Ok(()),
        Some(name @ ("redb" | "sled")) => Err(Fault::new(
            ErrorKind::InvalidInput,
            format!("the store was made by the {name} engine, and {engine} is configured"),
        )),
        _ => Err(unreadable()),
    }
}

fn unreadable() -> Fault {
    Fault::damaged("the format file of the store is damaged")
}
