//! `${VAR}` and `${VAR:-default}` in the strings of a trusted configuration file.

use std::fmt;

use serde_json::Value;

use crate::environment::Environment;

/// A variable without value and default, or a `${` that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unset {
    /// The variable; empty for a `${` without `}`.
    pub name: String,
    /// The setting that names it.
    pub setting: String,
}

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, setting } = self;
        if name.is_empty() {
            write!(f, "`{setting}` holds a `${{` that is no `${{VAR}}` or `${{VAR:-default}}`")
        } else {
            write!(f, "`{setting}` needs the variable {name}, which is not set")
        }
    }
}

impl std::error::Error for Unset {}

/// Whether a string anywhere in the tree holds `${`; its setting.
#[must_use]
pub fn first(value: &Value) -> Option<String> {
    fn search(value: &Value, setting: &str) -> Option<String> {
        match value {
            Value::String(text) => text.contains("${").then(|| setting.to_owned()),
            Value::Array(list) => list.iter().find_map(|value| search(value, setting)),
            Value::Object(table) => table.iter().find_map(|(key, value)| {
                let below = below(setting, key);
                if key.contains("${") { Some(below) } else { search(value, &below) }
            }),
            _ => None,
        }
    }
    search(value, "")
}

/// Replaces references in all strings. What was put in is not searched again.
///
/// # Errors
/// [`Unset`] for the first variable that has neither a value nor a default.
pub fn all(value: &mut Value, environment: &Environment) -> Result<(), Unset> {
    fn visit(value: &mut Value, setting: &str, environment: &Environment) -> Result<(), Unset> {
        match value {
            Value::String(text) => {
                *text = replaced(text, environment)
                    .map_err(|name| Unset { name: name.to_owned(), setting: setting.to_owned() })?;
            }
            Value::Array(list) => {
                for value in list {
                    visit(value, setting, environment)?;
                }
            }
            Value::Object(table) => {
                for (key, value) in table.iter_mut() {
                    visit(value, &below(setting, key), environment)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
    visit(value, "", environment)
}

fn replaced<'a>(text: &'a str, environment: &Environment) -> Result<String, &'a str> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, reference)) = rest.split_once("${") {
        out.push_str(before);
        let (inside, after) = reference.split_once('}').ok_or("")?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        // In `${A:-${B}}` the first `}` would end the outer reference, and `${B` be the default.
        if default.is_some_and(|default| default.contains("${")) {
            return Err("");
        }
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err("");
        }
        match (environment.text(name), default) {
            (Some(value), _) => out.push_str(value),
            (None, Some(default)) => out.push_str(default),
            // Set to nothing is set: only `:-` treats it as missing, as in a shell.
            (None, None) => out.push_str(environment.set_text(name).ok_or(name)?),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn below(setting: &str, key: &str) -> String {
    if setting.is_empty() { key.to_owned() } else { format!("{setting}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_defaults_are_put_in_once() {
        let environment: Environment = [("A", "1"), ("B", "${A}"), ("E", "")].into_iter().collect();
        for (text, expected) in [
            ("x${A}y", Ok("x1y")),
            ("${B}", Ok("${A}")),
            ("${C:-d}${A:-d}", Ok("d1")),
            ("${E:-d}[${E}]", Ok("d[]")),
            ("${C:-}", Ok("")),
            ("$A $ {A}", Ok("$A $ {A}")),
            ("${C}", Err("C")),
            ("${A", Err("")),
            ("${A B}", Err("")),
            ("${}", Err("")),
            ("${C:-${A}}", Err("")),
            ("${A:-${C}}", Err("")),
        ] {
            assert_eq!(replaced(text, &environment), expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn the_error_names_setting_and_variable() {
        let mut value = serde_json::json!({ "backends": { "east": { "auth": ["${TOKEN}"] } } });
        let unset = all(&mut value, &Environment::default()).unwrap_err();
        assert_eq!(unset.to_string(), "`backends.east.auth` needs the variable TOKEN, which is not set");
        assert_eq!(first(&value).as_deref(), Some("backends.east.auth"));
    }
}
