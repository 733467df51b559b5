//! `csv`: a header line, then one line per secret (RFC 4180).
//!
//! Cannot carry: bytes that are not UTF-8, NUL.
//!
//! Read: the columns `path` (or `name`, `variable`) and `value`, found by the header line, in any order;
//! further columns are refused, since they would be dropped.

use zeroize::Zeroizing;

use super::{CannotCarry, Class, Fault, Pair, text};
use crate::args::Keys;

/// Writes a header line and one line per secret, every field in quotes.
///
/// # Errors
/// [`CannotCarry`] for the classes above.
pub fn write(pairs: &[Pair], keys: Keys) -> Result<Zeroizing<Vec<u8>>, CannotCarry> {
    let header = match keys {
        Keys::Variable => "variable",
        Keys::Name => "name",
        Keys::Path => "path",
    };
    let mut out = Zeroizing::new(format!("{header},value\r\n"));
    for pair in pairs {
        let value = text(pair, "csv", &[Class::Nul])?;
        for (field, end) in [(pair.name.as_str(), ","), (value, "\r\n")] {
            out.push('"');
            for character in field.chars() {
                if character == '"' {
                    out.push('"');
                }
                out.push(character);
            }
            out.push('"');
            out.push_str(end);
        }
    }
    Ok(Zeroizing::new(std::mem::take(&mut *out).into_bytes()))
}

/// Reads the two columns.
///
/// # Errors
/// [`Fault`] with the line, for a header without these columns, lines with another number of fields, an
/// unterminated quote, NUL bytes, text that is not UTF-8, and a name twice.
pub fn read(bytes: &[u8]) -> Result<Vec<Pair>, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::whole("the file is not UTF-8 text"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = Records { rest: text, line: 1 };
    let (line, header) =
        records.next().transpose()?.ok_or_else(|| Fault::whole("there is no header line"))?;
    let column = |names: &[&str]| header.iter().position(|field| names.contains(&field.trim()));
    let (Some(name), Some(value), 2) =
        (column(&["path", "name", "variable"]), column(&["value"]), header.len())
    else {
        return Err(Fault::at(line, "the header line is not `path,value`"));
    };
    let mut pairs: Vec<Pair> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for record in records {
        let (line, mut fields) = record?;
        if fields.len() == 1 && fields[0].is_empty() {
            continue;
        }
        if fields.len() != 2 {
            return Err(Fault::at(line, format!("{} fields where the header has 2", fields.len())));
        }
        if fields.iter().any(|field| field.contains('\0')) {
            return Err(Fault::at(line, "a NUL byte"));
        }
        if !seen.insert(fields[name].to_string()) {
            return Err(Fault::at(line, format!("`{}` is there twice", super::tree::shown(&fields[name]))));
        }
        let value = std::mem::take(&mut *fields[value]);
        pairs.push(Pair::new(std::mem::take(&mut *fields[name]), value));
    }
    Ok(pairs)
}

/// The records of a CSV text; each field in memory that is wiped.
struct Records<'a> {
    rest: &'a str,
    line: usize,
}

type Record = (usize, Vec<Zeroizing<String>>);

impl Iterator for Records<'_> {
    type Item = Result<Record, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.line;
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok(field) => fields.push(field),
                Err(reason) => {
                    self.rest = "";
                    return Some(Err(Fault::at(start, reason)));
                }
            }
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            self.rest = self.rest.strip_prefix("\r\n").or(self.rest.strip_prefix('\n')).unwrap_or(self.rest);
            self.line += 1;
            return Some(Ok((start, fields)));
        }
    }
}

impl Records<'_> {
    fn field(&mut self) -> Result<Zeroizing<String>, &'static str> {
        let Some(mut rest) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let (field, rest) = self.rest.split_at(end);
            if field.contains('"') {
                return Err("a quote inside a field without quotes");
            }
            // A line may end in CR LF; then the CR belongs to the line end.
            let plain = if rest.starts_with(',') { field } else { field.strip_suffix('\r').unwrap_or(field) };
            self.rest = rest;
            return Ok(Zeroizing::new(plain.to_owned()));
        };
        let mut value = Zeroizing::new(String::with_capacity(rest.find('"').unwrap_or(0)));
        loop {
            let end = rest.find('"').ok_or("an unterminated quote")?;
            value.push_str(&rest[..end]);
            self.line += rest[..end].matches('\n').count();
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(after) => {
                    value.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        if !(rest.is_empty() || rest.starts_with([',', '\n']) || rest.starts_with("\r\n")) {
            return Err("text after the closing quote");
        }
        self.rest = rest;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_found_by_the_header() {
        let pairs = read(b"value,path\r\n\"x,\"\"y\"\"\nz\",a/b\r\n\nplain,c").unwrap();
        assert_eq!(pairs, [Pair::new("a/b", "x,\"y\"\nz"), Pair::new("c", "plain")]);
    }

    #[test]
    fn faults_name_their_line_and_never_the_value() {
        for (text, line) in [
            (&b"path,value\na,hunter2\na,hunter2\n"[..], 3),
            (b"path,value\na,\"hunter2\n\n", 2),
            (b"path,value\na,\"hunter2\"x\n", 2),
            (b"path,value\na,hunt\"er2\n", 2),
            (b"path,value\na\n", 2),
            (b"path,value\na,\"b\nc\"\nd,hunter2,e", 4),
            (b"path,value\na,hunter2\0\n", 2),
            (b"path,secret\n", 1),
            (b"path,value,note\n", 1),
        ] {
            let fault = read(text).unwrap_err();
            assert_eq!(fault.line, Some(line), "{fault}");
            assert!(!fault.to_string().contains("hunter2"), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec("[^\\x00]*|[\\n\\r\", a]*", 0..5)) {
            let pairs: Vec<Pair> =
                values.iter().enumerate().map(|(index, value)| Pair::new(format!("a/{index}"), value.as_str())).collect();
            prop_assert_eq!(read(&write(&pairs, Keys::Path).unwrap()).unwrap(), pairs);
        }
    }
}
