//! Other programs' formats: one file each, bytes in and bytes out.
//!
//! Each format lists the classes of bytes that it cannot carry. Those are refused by name, everything else
//! comes back as it went in; property tests hold each format to that.

use std::fmt;

use secrets_backend::SecretBytes;
use zeroize::Zeroizing;

pub mod csv;
pub mod docker;
pub mod dotenv;
pub mod gha;
pub mod json;
pub mod quoted;
pub mod shell;
pub mod tfvars;
pub mod toml;
mod tree;
pub mod yaml;

use crate::args::{ExportFormat, ImportFormat, Keys};

/// One secret of a file: what the file calls it, and its value.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pair {
    /// Its name in the file: a variable, a segment or a path.
    pub name: String,
    /// Its value.
    pub value: SecretBytes,
}

impl Pair {
    /// A name with a value.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<SecretBytes>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// A file that cannot be written: which secret, and what the format cannot carry of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CannotCarry {
    /// The secret's name in the file.
    pub name: String,
    /// The format.
    pub format: &'static str,
    /// What it cannot carry.
    pub class: Class,
}

/// What a format may be unable to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// Bytes that are not UTF-8 text.
    NotUtf8,
    /// The byte 0.
    Nul,
    /// A line feed (byte 10).
    LineFeed,
    /// A carriage return (byte 13).
    CarriageReturn,
    /// More bytes on one line than readers of the format take.
    TooLong {
        /// The limit in bytes, name and `=` included.
        max: usize,
    },
    /// A name that the format's readers do not take.
    Name,
}

/// A file that cannot be read: where and why. It shows nothing of the file but names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// Why.
    pub reason: String,
}

impl Fault {
    /// A fault in a line.
    #[must_use]
    pub fn at(line: usize, reason: impl Into<String>) -> Self {
        Self { line: Some(line), reason: reason.into() }
    }

    /// A fault of the whole file.
    #[must_use]
    pub fn whole(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }
}

/// What a reader found, beside the secrets.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Read {
    /// The secrets, in the order of the file.
    pub pairs: Vec<Pair>,
    /// Names whose value holds a `$` reference that was kept as it is.
    pub references: Vec<String>,
    /// Names whose value refers to a variable that the file does not set.
    pub undefined: Vec<String>,
}

/// Writes secrets in a format.
///
/// # Errors
/// [`CannotCarry`] for the first secret that the format has no way to write.
pub fn write(format: ExportFormat, keys: Keys, pairs: &[Pair]) -> Result<Zeroizing<Vec<u8>>, CannotCarry> {
    match format {
        ExportFormat::Dotenv => dotenv::write(pairs),
        ExportFormat::Shell => shell::write(pairs),
        ExportFormat::Json => json::write(pairs),
        ExportFormat::Yaml => yaml::write(pairs),
        ExportFormat::Toml => toml::write(pairs),
        ExportFormat::Docker => docker::write(pairs),
        ExportFormat::Gha => gha::write(pairs),
        ExportFormat::Tfvars => tfvars::write(pairs),
        ExportFormat::Csv => csv::write(pairs, keys),
    }
}

/// Reads secrets from a file of a format. `expand` concerns `.env` files alone.
///
/// # Errors
/// [`Fault`], which names the line and never shows a value.
pub fn read(format: ImportFormat, bytes: &[u8], expand: bool) -> Result<Read, Fault> {
    match format {
        ImportFormat::Dotenv => dotenv::read(bytes, expand),
        ImportFormat::Json => json::read(bytes).map(Read::of),
        ImportFormat::Yaml => yaml::read(bytes).map(Read::of),
        ImportFormat::Csv => csv::read(bytes).map(Read::of),
    }
}

impl Read {
    /// Secrets without remarks.
    #[must_use]
    pub fn of(pairs: Vec<Pair>) -> Self {
        Self { pairs, ..Self::default() }
    }
}

impl fmt::Display for CannotCarry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be written as {}: {}", self.name, self.format, self.class)
    }
}

impl std::error::Error for CannotCarry {}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("its value is not UTF-8 text"),
            Self::Nul => f.write_str("its value holds a NUL byte"),
            Self::LineFeed => f.write_str("its value holds a line feed"),
            Self::CarriageReturn => f.write_str("its value holds a carriage return"),
            Self::TooLong { max } => write!(f, "a line has at most {max} bytes"),
            Self::Name => f.write_str("its name is not one that the format takes"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Fault {}

/// The value as text, or the classes that a text format refuses.
fn text<'a>(pair: &'a Pair, format: &'static str, refused: &[Class]) -> Result<&'a str, CannotCarry> {
    let cannot = |class| CannotCarry { name: pair.name.clone(), format, class };
    let text = pair.value.expose_str().ok_or_else(|| cannot(Class::NotUtf8))?;
    for &class in refused {
        let byte = match class {
            Class::Nul => '\0',
            Class::LineFeed => '\n',
            Class::CarriageReturn => '\r',
            Class::NotUtf8 | Class::TooLong { .. } | Class::Name => continue,
        };
        if text.contains(byte) {
            return Err(cannot(class));
        }
    }
    Ok(text)
}

/// Whether a shell takes it as a variable's name.
fn is_identifier(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
