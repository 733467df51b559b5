//! Between what a user says about a secret and the custom metadata that KV version 2 keeps beside it.
//!
//! Custom metadata belongs to a secret, not to a version: one entry names the version that it was written for, and for
//! any other version there is none. Without that entry it is another program's: each entry is a tag then.
//!
//! | metadata | entry |
//! | --- | --- |
//! | description, classification, content type, owner | under its name |
//! | expiry, rotation | under its name, as JSON |
//! | a tag | under its name; with `tag.` before it where that is taken |
//! | sealed: the stamp | `secrets_stamp` |
//! | the version | `secrets_version` |
//!
//! The server takes 64 entries, names of 128 bytes, and values of 1 to 512 bytes of printable characters. What is not
//! printable is written as `\u{hex}`, nothing as `\-`, and `\` as `\\`.

use std::collections::HashMap;

use secrets_backend::{Metadata, Stamp};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// Entries of custom metadata.
pub(crate) type Labels = HashMap<String, String>;

const VERSION: &str = "secrets_version";
const STAMP: &str = "secrets_stamp";
const TEXTS: [&str; 4] = ["description", "classification", "content_type", "owner"];
const VALUES: [&str; 2] = ["expires", "rotation"];
const TAG: &str = "tag.";
const MAX_ENTRIES: usize = 64;
const MAX_NAME: usize = 128;
const MAX_VALUE: usize = 512;

/// The entries for a version that is yet to be written; [`labelled`] adds its number.
pub(crate) fn to_labels(metadata: &Metadata, stamp: Option<&Stamp>) -> Result<Labels, Failure> {
    let mut labels = Labels::new();
    if let Some(stamp) = stamp {
        labels.insert(STAMP.to_owned(), stamp.to_string());
    }
    let Ok(Value::Object(fields)) = serde_json::to_value(metadata) else {
        return Err(Failure::invalid("the metadata has no JSON form"));
    };
    for (name, value) in fields {
        match value {
            Value::Object(tags) if name == "tags" => {
                for (tag, value) in tags {
                    labels.insert(tag_name(&tag), escaped(value.as_str().unwrap_or_default()));
                }
            }
            Value::String(text) if TEXTS.contains(&name.as_str()) => {
                labels.insert(name, escaped(&text));
            }
            value if VALUES.contains(&name.as_str()) => {
                labels.insert(name, value.to_string());
            }
            _ => return Err(Failure::invalid("metadata of a newer version, which this backend cannot keep")),
        }
    }
    check(&labels)?;
    Ok(labels)
}

/// The entries for this version.
pub(crate) fn labelled(mut labels: Labels, version: u64) -> Labels {
    labels.insert(VERSION.to_owned(), version.to_string());
    labels
}

/// The metadata of a version, from the entries of its secret.
pub(crate) fn metadata(labels: Option<&Labels>, version: u64) -> Metadata {
    let Some(labels) = labels else { return Metadata::default() };
    if is_ours(labels) && !is_of(labels, version) {
        return Metadata::default();
    }
    let (mut fields, mut tags) = (Map::new(), Map::new());
    for (name, text) in labels.iter().filter(|(name, _)| ![VERSION, STAMP].contains(&name.as_str())) {
        let value = serde_json::from_str(text).ok().filter(|_| VALUES.contains(&name.as_str()));
        match value {
            Some(value) => fields.insert(name.clone(), value),
            None if TEXTS.contains(&name.as_str()) => fields.insert(name.clone(), unescaped(text).into()),
            None => tags.insert(name.strip_prefix(TAG).unwrap_or(name).to_owned(), unescaped(text).into()),
        };
    }
    let foreign = Value::Object(tags.clone());
    fields.insert("tags".to_owned(), Value::Object(tags));
    serde_json::from_value(Value::Object(fields)).unwrap_or_else(|_| {
        // Another program's `expires` is none of ours; the tags are kept.
        serde_json::from_value(serde_json::json!({ "tags": foreign })).unwrap_or_default()
    })
}

/// The stamp of the current version: a copy, worth something only where it was made for that version.
pub(crate) fn stamp(labels: Option<&Labels>, current: u64) -> Option<Stamp> {
    labels.filter(|labels| is_of(labels, current))?.get(STAMP)?.parse().ok()
}

/// Whether a secret of these entries holds, or held, sealed versions.
pub(crate) fn is_sealed(labels: Option<&Labels>) -> bool {
    labels.is_some_and(|labels| labels.contains_key(STAMP))
}

/// Whether we wrote these entries.
pub(crate) fn is_ours(labels: &Labels) -> bool {
    labels.contains_key(VERSION)
}

fn is_of(labels: &Labels, version: u64) -> bool {
    labels.get(VERSION).is_some_and(|text| *text == version.to_string())
}

fn tag_name(tag: &str) -> String {
    let taken = TEXTS.contains(&tag) || VALUES.contains(&tag) || tag.starts_with(TAG);
    if taken || [VERSION, STAMP].contains(&tag) { format!("{TAG}{tag}") } else { tag.to_owned() }
}

fn check(labels: &Labels) -> Result<(), Failure> {
    let fits = |(name, value): (&String, &String)| {
        (1..=MAX_NAME).contains(&name.len())
            && (1..=MAX_VALUE).contains(&value.len())
            && name.chars().all(is_printable)
    };
    // One entry more names the version.
    if labels.len() < MAX_ENTRIES && labels.iter().all(fits) {
        return Ok(());
    }
    Err(Failure::invalid(
        "metadata: the server keeps at most 64 entries, names of 128 bytes and texts of 512 bytes",
    ))
}

fn escaped(text: &str) -> String {
    if text.is_empty() {
        return r"\-".to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str(r"\\"),
            c if is_printable(c) => escaped.push(c),
            c => escaped.extend(c.escape_unicode()),
        }
    }
    escaped
}

fn unescaped(text: &str) -> String {
    if text == r"\-" {
        return String::new();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (c, after) = match after.strip_prefix("u{").and_then(|hex| hex.split_once('}')) {
            Some((hex, after)) => (u32::from_str_radix(hex, 16).ok().and_then(char::from_u32), after),
            None => (Some('\\'), after.strip_prefix('\\').unwrap_or(after)),
        };
        plain.extend(c);
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// Whether the server takes the character: letters, marks, digits, punctuation, symbols and the space.
fn is_printable(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || (!c.is_ascii() && c.escape_debug().len() == 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrets_backend::Timestamp;

    use super::*;

    proptest! {
        #[test]
        fn every_text_reads_back_and_is_printable(text in any::<String>()) {
            let escaped = escaped(&text);
            prop_assert!(!escaped.is_empty() && escaped.chars().all(is_printable), "{}", escaped);
            prop_assert_eq!(unescaped(&escaped), text);
        }

        #[test]
        fn no_text_of_another_program_makes_it_panic(text in any::<String>()) {
            let _ = unescaped(&text);
        }

        #[test]
        fn every_tag_reads_back(tags in prop::collection::btree_map(r"[a-z_.]{1,20}|tag\.owner|owner|secrets_version", "[ -~]{0,20}", 0..8)) {
            let mut given = Metadata::default();
            given.tags = tags;
            let labels = labelled(to_labels(&given, None).unwrap(), 3);
            prop_assert_eq!(metadata(Some(&labels), 3), given);
        }
    }

    #[test]
    fn every_field_reads_back_for_its_version_and_no_other() {
        let mut given = Metadata::default();
        given.description = Some("Key – für Łódź 🔑\n".to_owned());
        given.owner = Some(String::new());
        given.expires = Some(Timestamp::from_millis(1_893_456_000_000));
        given.tags.insert("owner".to_owned(), "me".to_owned());
        let labels = labelled(to_labels(&given, None).unwrap(), 3);
        assert_eq!(metadata(Some(&labels), 3), given);
        assert_eq!(metadata(Some(&labels), 2), Metadata::default());
        assert_eq!(metadata(None, 3), Metadata::default());
    }

    #[test]
    fn entries_of_another_program_are_tags() {
        let labels: Labels =
            [("team", "red"), ("expires", "soon")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let read = metadata(Some(&labels), 1);
        assert_eq!(read.tags.get("team").map(String::as_str), Some("red"));
        assert_eq!(read.tags.get("expires").map(String::as_str), Some("soon"));
    }

    #[test]
    fn what_the_server_does_not_keep_is_refused_before() {
        let mut given = Metadata::default();
        given.description = Some("d".repeat(513));
        assert!(to_labels(&given, None).is_err());
        given.description = None;
        given.tags = (0..64).map(|n| (n.to_string(), "v".to_owned())).collect();
        assert!(to_labels(&given, None).is_err());
    }
}
