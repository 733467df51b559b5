//! `$NAME` and `${NAME}` in a `.env` file.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{Quote, Raw, push_escape};

/// The values that the file has set so far.
#[derive(Default)]
pub(super) struct Values(BTreeMap<String, Zeroizing<String>>);

impl Values {
    pub(super) fn set(&mut self, name: &str, value: &Zeroizing<String>) {
        self.0.insert(name.to_owned(), value.clone());
    }
}

/// The value with its references replaced, and whether one of them named nothing.
pub(super) fn expand(raw: &Raw<'_>, values: &Values) -> (Zeroizing<String>, bool) {
    let mut value = Zeroizing::new(String::with_capacity(raw.text.len()));
    let mut undefined = false;
    let mut rest = raw.text;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        rest = match character {
            '\\' => {
                let escaped = after.chars().next();
                match escaped {
                    Some('$') => value.push('$'),
                    _ if raw.quote == Quote::Double => push_escape(&mut value, escaped),
                    _ => {
                        value.push('\\');
                        value.extend(escaped);
                    }
                }
                &after[escaped.map_or(0, char::len_utf8)..]
            }
            '$' => match reference(after) {
                Some((name, default, rest)) => {
                    match (values.0.get(name).filter(|set| !set.is_empty() || default.is_none()), default) {
                        (Some(set), _) => value.push_str(set),
                        (None, Some(default)) => value.push_str(default),
                        (None, None) => undefined = true,
                    }
                    rest
                }
                None => {
                    value.push('$');
                    after
                }
            },
            other => {
                value.push(other);
                after
            }
        };
    }
    (value, undefined)
}

/// Whether `expand` would change the value.
pub(super) fn has_reference(raw: &Raw<'_>) -> bool {
    let mut rest = raw.text;
    while let Some(position) = rest.find(['$', '\\']) {
        let after = &rest[position + 1..];
        if rest[position..].starts_with('$') {
            if reference(after).is_some() {
                return true;
            }
            rest = after;
        } else {
            rest = &after[after.chars().next().map_or(0, char::len_utf8)..];
        }
    }
    false
}

/// The name and default of a reference behind its `$`, and what comes after it.
fn reference(after: &str) -> Option<(&str, Option<&str>, &str)> {
    let name_len =
        |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    if let Some(inner) = after.strip_prefix('{') {
        let (inside, rest) = inner.split_once('}')?;
        let len = name_len(inside);
        let (name, tail) = inside.split_at(len);
        let default = match tail {
            "" => None,
            _ => Some(tail.strip_prefix(":-").or(tail.strip_prefix('-'))?),
        };
        return (!name.is_empty()).then_some((name, default, rest));
    }
    let len = name_len(after);
    // `$1` is a digit after a dollar, as in a bcrypt hash, not a variable that a file could set.
    let starts_well = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well.then(|| (&after[..len], None, &after[len..]))
}
