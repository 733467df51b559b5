//! `dotenv`: `.env` files, as the dotenv libraries of Go, Python, JavaScript and Ruby read them.
//!
//! Cannot carry: bytes that are not UTF-8, NUL.
//!
//! Read, line by line:
//!
//! - `NAME=value`, with or without `export` before and spaces around `=`; `NAME: value` too. Empty lines and
//!   lines that start with `#` say nothing.
//! - Without quotes, a value ends at the line's end or at a `#` after a space; spaces around it are dropped,
//!   backslashes stay.
//! - In `'…'` or `` `…` `` everything stands as it is, line feeds included. A quote after a backslash does not
//!   end the value, and the backslash stays.
//! - In `"…"`, `\n`, `\r` and `\t` are control characters, `\"`, `\'`, `\\` and `\$` lose their backslash, any
//!   other backslash stays.
//! - `$NAME` and `${NAME}` stay as they are, as in Node's dotenv, unless `expand` is set; then, outside
//!   `'…'`, they are replaced by the file's own values, as in godotenv and python-dotenv: `${NAME:-default}`
//!   where the name is not set, nothing where there is no default. The process's environment is never asked.
//! - A file may be UTF-16 with a byte order mark, as PowerShell writes it. CR LF counts as a line feed.
//!
//! Refused, with the line: a name twice, an unterminated quote, text after a closing quote, a line without
//! `=`, a name outside `[A-Za-z0-9_.-]`, NUL, text that is neither UTF-8 nor UTF-16 with its mark.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{CannotCarry, Class, Fault, Pair, Read, text};

mod expand;

/// Writes one line per secret, in the quotes that the most libraries read alike.
///
/// # Errors
/// [`CannotCarry`] for a value that is not UTF-8 or holds NUL.
pub fn write(pairs: &[Pair]) -> Result<Zeroizing<Vec<u8>>, CannotCarry> {
    let mut out = Zeroizing::new(String::new());
    for pair in pairs {
        let value = text(pair, "dotenv", &[Class::Nul])?;
        out.push_str(&pair.name);
        out.push('=');
        push_value(&mut out, value);
        out.push('\n');
    }
    Ok(Zeroizing::new(std::mem::take(&mut *out).into_bytes()))
}

/// Reads a `.env` file.
///
/// # Errors
/// [`Fault`] with the line, for what is refused above.
pub fn read(bytes: &[u8], expand: bool) -> Result<Read, Fault> {
    let text = decode(bytes)?;
    let mut lines = Lines { rest: &text, line: 1 };
    let mut read = Read::default();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut values = expand::Values::default();
    while let Some(Assignment { line, name, raw }) = lines.assignment()? {
        if let Some(first) = seen.insert(name.to_owned(), line) {
            return Err(Fault::at(line, format!("`{name}` is set on line {first} already")));
        }
        let value = if expand && raw.quote != Quote::Single {
            let (value, undefined) = expand::expand(&raw, &values);
            if undefined {
                read.undefined.push(name.to_owned());
            }
            value
        } else {
            if raw.quote != Quote::Single && expand::has_reference(&raw) {
                read.references.push(name.to_owned());
            }
            raw.literal()
        };
        values.set(name, &value);
        read.pairs.push(Pair::new(name, Zeroizing::new(value.as_bytes().to_vec())));
    }
    Ok(read)
}

/// Line feeds go by letter where no quoting rule is in doubt; then `'…'`, where nothing has a meaning; the
/// rest in `"…"`.
fn push_value(out: &mut String, value: &str) {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-.,:/@+=%".contains(c);
    if !value.is_empty() && value.chars().all(bare) {
        out.push_str(value);
        return;
    }
    let controls = value.contains(['\n', '\r']);
    let plain_in_double = !value.contains(['"', '\\', '$', '`']);
    let plain_in_single = !value.contains(['\'', '\r']) && !value.ends_with('\\');
    if plain_in_single && !(controls && plain_in_double) {
        out.push('\'');
        out.push_str(value);
        out.push('\'');
        return;
    }
    out.push('"');
    for character in value.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '"' | '\\' | '$' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// The text of the file, with line feeds alone as line ends.
fn decode(bytes: &[u8]) -> Result<Zeroizing<String>, Fault> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Zeroizing<Vec<u16>> =
            Zeroizing::new(bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect());
        String::from_utf16(&units)
            .map_err(|_| Fault::whole("the file is not the UTF-16 text that its mark says"))
    };
    let text = Zeroizing::new(match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest)?,
        _ => utf8(bytes)?,
    });
    if let Some(position) = text.find('\0') {
        let line = text[..position].matches('\n').count() + 1;
        return Err(Fault::at(line, "a NUL byte; no environment variable can hold one"));
    }
    Ok(Zeroizing::new(text.replace("\r\n", "\n").replace('\r', "\n")))
}

fn utf8(bytes: &[u8]) -> Result<String, Fault> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        Fault::at(line, "not UTF-8 text")
    })
}

struct Assignment<'a> {
    line: usize,
    name: &'a str,
    raw: Raw<'a>,
}

/// A value as it stands in the file, without its quotes.
struct Raw<'a> {
    quote: Quote,
    text: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    /// `'…'` or backticks.
    Single,
    Double,
}

impl Raw<'_> {
    /// The value, its references kept.
    fn literal(&self) -> Zeroizing<String> {
        if self.quote != Quote::Double {
            return Zeroizing::new(self.text.to_owned());
        }
        let mut value = Zeroizing::new(String::with_capacity(self.text.len()));
        let mut characters = self.text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => push_escape(&mut value, characters.next()),
                other => value.push(other),
            }
        }
        value
    }
}

/// What a backslash and the character after it mean between double quotes.
fn push_escape(value: &mut String, escaped: Option<char>) {
    match escaped {
        Some('n') => value.push('\n'),
        Some('r') => value.push('\r'),
        Some('t') => value.push('\t'),
        Some(itself @ ('"' | '\'' | '\\' | '$')) => value.push(itself),
        Some(other) => {
            value.push('\\');
            value.push(other);
        }
        None => value.push('\\'),
    }
}

struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next assignment, past empty lines and comments.
    fn assignment(&mut self) -> Result<Option<Assignment<'a>>, Fault> {
        loop {
            let trimmed = self.rest.trim_start_matches([' ', '\t', '\u{b}', '\u{c}']);
            if trimmed.is_empty() {
                return Ok(None);
            }
            if let Some(rest) = trimmed.strip_prefix('\n') {
                self.rest = rest;
                self.line += 1;
            } else if trimmed.starts_with('#') {
                self.rest = &trimmed[trimmed.find('\n').unwrap_or(trimmed.len())..];
            } else {
                self.rest = trimmed;
                return self.name_and_value().map(Some);
            }
        }
    }

    fn name_and_value(&mut self) -> Result<Assignment<'a>, Fault> {
        let line = self.line;
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let this = &self.rest[..end];
        let this = this
            .strip_prefix("export")
            .filter(|rest| rest.starts_with([' ', '\t']))
            .map_or(this, str::trim_start);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let name = &this[..this.find(|c| !is_name(c)).unwrap_or(this.len())];
        let after = this[name.len()..].trim_start_matches([' ', '\t']);
        if name.is_empty() {
            return Err(Fault::at(line, "a name starts with a letter, a digit or `_`"));
        }
        let value = after
            .strip_prefix('=')
            .or_else(|| {
                after.strip_prefix(':').filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
            })
            .ok_or_else(|| Fault::at(line, "no `NAME=value`"))?;
        let value = value.trim_start_matches([' ', '\t']);
        // Where the value starts in the whole rest: quotes may go on over line ends.
        self.rest = &self.rest[end - value.len()..];
        let raw = match value.chars().next() {
            Some('\'') => self.quoted('\'', Quote::Single)?,
            Some('`') => self.quoted('`', Quote::Single)?,
            Some('"') => self.quoted('"', Quote::Double)?,
            _ => self.bare(value),
        };
        Ok(Assignment { line, name, raw })
    }

    fn bare(&mut self, value: &'a str) -> Raw<'a> {
        self.rest = &self.rest[value.len()..];
        let before = |position: &usize| *position == 0 || value[..*position].ends_with([' ', '\t']);
        let comment = value.match_indices('#').map(|(position, _)| position).find(before);
        // A `#` right after `=` belongs to the value; after spaces, which are gone already, nobody can tell
        // the two apart but by what follows.
        let text = match comment {
            Some(0) if !value.starts_with("# ") => value,
            Some(position) => &value[..position],
            None => value,
        };
        Raw { quote: Quote::None, text: text.trim_end() }
    }

    fn quoted(&mut self, mark: char, quote: Quote) -> Result<Raw<'a>, Fault> {
        let line = self.line;
        let inner = &self.rest[1..];
        let mut escaped = false;
        let close = inner.find(|c: char| {
            let ends = c == mark && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let close = close.ok_or_else(|| Fault::at(line, "an unterminated quote"))?;
        let (text, after) = (&inner[..close], &inner[close + 1..]);
        self.line += text.matches('\n').count();
        let end = after.find('\n').unwrap_or(after.len());
        let trailing = after[..end].trim();
        if !(trailing.is_empty() || trailing.starts_with('#')) {
            return Err(Fault::at(self.line, "text after the closing quote"));
        }
        self.rest = &after[end..];
        Ok(Raw { quote, text })
    }
}

#[cfg(test)]
mod tests;
