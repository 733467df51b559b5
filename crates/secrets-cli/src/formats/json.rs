//! `json`: one object (RFC 8259).
//!
//! Cannot carry: bytes that are not UTF-8.
//!
//! Read: strings as they are; whole numbers and booleans as JSON writes them; an object in the object is a
//! segment of the path, so `{"db": {"url": "…"}}` is `db/url`. Refused: arrays, `null`, other numbers (their
//! digits would not survive: quote them), a name twice.

use zeroize::Zeroizing;

use super::{CannotCarry, Fault, Pair, text, tree::Tree};

/// Writes one object with a string per secret.
///
/// # Errors
/// [`CannotCarry`] for a value that is not UTF-8.
pub fn write(pairs: &[Pair]) -> Result<Zeroizing<Vec<u8>>, CannotCarry> {
    let mut out = Zeroizing::new(String::from("{"));
    for (index, pair) in pairs.iter().enumerate() {
        let value = text(pair, "json", &[])?;
        out.push_str(if index == 0 { "\n  " } else { ",\n  " });
        push_string(&mut out, &pair.name);
        out.push_str(": ");
        push_string(&mut out, value);
    }
    out.push_str(if pairs.is_empty() { "}\n" } else { "\n}\n" });
    Ok(Zeroizing::new(std::mem::take(&mut *out).into_bytes()))
}

/// Reads an object of strings and objects.
///
/// # Errors
/// [`Fault`] with the line, for broken JSON and for what is refused above.
pub fn read(bytes: &[u8]) -> Result<Vec<Pair>, Fault> {
    let tree: Tree = serde_json::from_slice(bytes).map_err(|error| {
        // Its words on syntax are fixed sentences; those on types could quote the file, so they are ours.
        let reason = match error.classify() {
            serde_json::error::Category::Data => Tree::reason(&error.to_string()),
            _ => "this is not well-formed JSON".to_owned(),
        };
        if error.line() == 0 { Fault::whole(reason) } else { Fault::at(error.line(), reason) }
    })?;
    tree.into_pairs()
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn objects_become_segments_and_scalars_text() {
        let pairs = read(br#"{"db": {"url": "x", "port": 5432, "tls": true}, "a": ""}"#).unwrap();
        let names: Vec<_> =
            pairs.iter().map(|pair| (pair.name.as_str(), pair.value.expose_str().unwrap())).collect();
        assert_eq!(names, [("db/url", "x"), ("db/port", "5432"), ("db/tls", "true"), ("a", "")]);
    }

    #[test]
    fn what_would_not_survive_is_refused_with_its_place_and_without_its_value() {
        for (text, place) in [
            (&br#"{"a": 1.10}"#[..], "a"),
            (br#"{"a": 123456789012345678901}"#, "a"),
            (br#"{"a": {"b": null}}"#, "a/b"),
            (br#"{"a": ["hunter2"]}"#, "a"),
        ] {
            let fault = read(text).unwrap_err().to_string();
            assert!(fault.contains(&format!("`{place}`")), "{fault}");
            assert!(
                !fault.contains("hunter2") && !fault.contains("1.1") && !fault.contains("1234"),
                "{fault}"
            );
        }
    }

    #[test]
    fn broken_files_are_refused_by_line() {
        for (text, line) in
            [(&b"{\n\"a\": \"x\",\n}"[..], 3), (b"[1]", 1), (b"{\"a\": \"hunter2", 1), (b"", 1)]
        {
            let fault = read(text).unwrap_err();
            assert!(fault.line.is_none_or(|found| found == line), "{fault}");
            assert!(!fault.to_string().contains("hunter2"));
        }
        let deep = [vec![b'{'; 1], br#""a":{"#.repeat(10_000)].concat();
        assert!(read(&deep).is_err());
    }

    #[test]
    fn a_name_twice_is_refused_also_through_segments() {
        assert!(read(br#"{"a": "x", "a": "y"}"#).unwrap_err().to_string().contains("twice"));
        assert!(read(br#"{"a/b": "x", "a": {"b": "y"}}"#).unwrap_err().to_string().contains("twice"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec(".*|\\PC*|[\\x00-\\x20\"\\\\]*", 0..5)) {
            let pairs: Vec<Pair> =
                values.iter().enumerate().map(|(index, value)| Pair::new(format!("a/{index}"), value.as_str())).collect();
            prop_assert_eq!(read(&write(&pairs).unwrap()).unwrap(), pairs);
        }
    }
}
