//! Printing: data on stdout, everything else on stderr.

use std::io::{self, Write};

use secrets_backend::{Timestamp, VersionId};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::OutputFormat;
use crate::exit;
use crate::failure::Failure;

/// The version of every machine-readable document. It grows when a field changes its meaning or goes away;
/// new fields may appear under the same number.
pub const SCHEMA_VERSION: u32 = 1;

/// Writes bytes to stdout as they are.
///
/// # Errors
/// A closed pipe ends the program quietly with exit 0: who closed it has what was wanted. Exit 1 for others.
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(closed)
}

/// Writes a line to stdout.
///
/// # Errors
/// As [`bytes`].
pub fn line(text: &str) -> Result<(), Failure> {
    let mut whole = Zeroizing::new(String::with_capacity(text.len() + 1));
    whole.push_str(text);
    whole.push('\n');
    bytes(whole.as_bytes())
}

/// Writes a remark to stderr, each control character replaced. A closed stderr is nobody's failure.
pub fn note(text: &str) {
    let clean: String = text.chars().map(|c| if is_hostile(c) { '?' } else { c }).collect();
    let _ = writeln!(io::stderr(), "{clean}");
}

/// Writes a warning to stderr.
pub fn warn(text: &str) {
    note(&format!("secrets: warning: {text}"));
}

/// Prints a document for programs, or the table for people.
///
/// `fields` is a JSON object; `schema_version` is put before it.
///
/// # Errors
/// As [`bytes`].
pub fn data(format: OutputFormat, fields: Value, table: impl FnOnce() -> Table) -> Result<(), Failure> {
    match format {
        OutputFormat::Table => bytes(table().to_string().as_bytes()),
        OutputFormat::Json => {
            let text = serde_json::to_string_pretty(&document(fields)).map(Zeroizing::new);
            line(&text.map_err(|source| Failure::other("this cannot be written as JSON").caused_by(source))?)
        }
        OutputFormat::Yaml => {
            let text = serde_saphyr::to_string(&document(fields)).map(Zeroizing::new);
            let text =
                text.map_err(|source| Failure::other("this cannot be written as YAML").caused_by(source))?;
            bytes(text.as_bytes())
        }
    }
}

/// The name of a version: a number where it is one, else the backend's own text.
#[must_use]
pub fn version(id: &VersionId) -> Value {
    id.number().map_or_else(|| id.as_str().into(), Value::from)
}

/// Rows for people, in aligned columns; no header where there are no rows.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// A table without a header.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// Adds a row. Control characters in it are replaced.
    pub fn row<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        let clean =
            |cell: String| cell.chars().map(|c| if is_hostile(c) || c == '\n' { '?' } else { c }).collect();
        self.rows.push(cells.into_iter().map(clean).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let header: Vec<String> = self.header.iter().map(|&cell| cell.to_owned()).collect();
        let rows: Vec<&Vec<String>> =
            std::iter::once(&header).filter(|header| !header.is_empty()).chain(&self.rows).collect();
        let columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in rows {
            let mut text = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(cell);
                let pad = width - cell.chars().count() + 2;
                text.extend(std::iter::repeat_n(' ', pad));
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

/// A time for people and programs: RFC 3339 in UTC, to the second.
#[must_use]
pub fn time(at: Timestamp) -> String {
    let seconds = i64::try_from(at.as_millis() / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "-".to_owned(), |time| time.to_string())
}

/// What could move the cursor, hide text or turn it around.
fn is_hostile(character: char) -> bool {
    (character.is_control() && character != '\n')
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn document(fields: Value) -> Value {
    let mut document = json!({ "schema_version": SCHEMA_VERSION });
    if let (Some(document), Value::Object(fields)) = (document.as_object_mut(), fields) {
        document.extend(fields);
    }
    document
}

fn closed(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::silent(exit::DONE),
        _ => Failure::other("standard output cannot be written").caused_by(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let mut table = Table::new(&["PATH", "VERSION"]);
        table.row(["a/long/path".into(), "1".into()]);
        table.row(["b".into(), "22".into()]);
        assert_eq!(table.to_string(), "PATH         VERSION\na/long/path  1\nb            22\n");
        assert_eq!(Table::new(&["PATH"]).to_string(), "");
    }

    #[test]
    fn control_and_direction_characters_cannot_forge_a_line() {
        let mut table = Table::plain();
        table.row(["a\nb\u{1b}[2J\u{202e}".into()]);
        assert_eq!(table.to_string(), "a?b?[2J?\n");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(Timestamp::from_millis(1_700_000_000_999)), "2023-11-14T22:13:20Z");
        assert_eq!(time(Timestamp::from_millis(u64::MAX)), "-");
    }
}
