//! Secrets of logins that are kept on another backend: `secret_id = { backend = "NAME", path = "…" }`.

use std::collections::BTreeSet;

use secrets_backend::SecretPath;
use serde_json::{Map, Value};

use super::{HCVAULT, at};
use crate::config::schema::{LOCAL, Settings, shown};
use crate::failure::Failure;

/// Backend and path of such a secret, or what is wrong with them.
pub(super) fn place(fields: &Map<String, Value>) -> Result<(&str, SecretPath), String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    match (text("backend"), text("path")) {
        (Some(backend), Some(path)) if fields.len() == 2 => {
            SecretPath::native(path).map(|path| (backend, path)).map_err(|invalid| format!("path: {invalid}"))
        }
        _ => Err("must have two texts, `backend` and `path`".to_owned()),
    }
}

/// Refuses a reference to a backend that is not there, that is the safe's own, or that needs the referring one first.
pub(crate) fn check(settings: &Settings) -> Result<(), Failure> {
    for name in settings.backends.keys() {
        for (field, other) in references(settings, name) {
            let fault = |problem: &str| at(name, &format!("auth.{field}: {problem}"));
            match settings.backends.get(other).map_or(LOCAL, |backend| backend.kind.as_str()) {
                HCVAULT if needs(settings, other, name) => {
                    return Err(fault(&format!("`{}` itself needs `{name}` to log in", shown(other))));
                }
                HCVAULT => {}
                _ if other == LOCAL || settings.backends.contains_key(other) => {
                    return Err(fault(
                        "the local store holds what the safe has sealed, and the safe is opened over this backend",
                    )
                    .hint("name a backend of type `hcvault`, or a file"));
                }
                _ => {
                    return Err(fault(&format!("there is no backend `{}`", shown(other)))
                        .hint("`secrets backend list` shows those that are configured"));
                }
            }
        }
    }
    Ok(())
}

/// The fields of a backend's login whose secret is on another backend, and on which.
fn references<'a>(settings: &'a Settings, name: &str) -> Vec<(&'a str, &'a str)> {
    let auth = settings.backends.get(name).filter(|backend| backend.kind == HCVAULT);
    let auth = auth.and_then(|backend| backend.fields.get("auth")).and_then(Value::as_object);
    let other = |value: &'a Value| value.get("backend").and_then(Value::as_str);
    auth.into_iter().flatten().filter_map(|(field, value)| Some((field.as_str(), other(value)?))).collect()
}

/// Whether a login on `from` needs, at however many removes, one on `goal`.
fn needs(settings: &Settings, from: &str, goal: &str) -> bool {
    let (mut open, mut seen) = (vec![from], BTreeSet::new());
    while let Some(name) = open.pop() {
        if name == goal {
            return true;
        }
        if seen.insert(name) {
            open.extend(references(settings, name).into_iter().map(|(_, other)| other));
        }
    }
    false
}
