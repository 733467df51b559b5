//! What the fields of all kinds of backends have in common.

use std::fmt::Display;
use std::sync::Arc;

use secrets_backend::{PrefixBackend, SecretBackend, SecretPath};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::schema::Backend;
use crate::failure::Failure;

/// The fields of a backend as the type of its kind.
pub(super) fn read<T: DeserializeOwned>(name: &str, backend: &Backend) -> Result<T, Failure> {
    let object = Value::Object(backend.fields.clone().into_iter().collect());
    // Its messages name fields and types; of a value they would show a part, so only the known ones are passed on.
    serde_json::from_value(object).map_err(|error| {
        let text = error.to_string();
        let known = ["unknown field", "missing field"].iter().any(|start| text.starts_with(start));
        at(name, if known { text.as_str() } else { "a field has a value of the wrong type" })
    })
}

/// A problem with the fields of a backend.
pub(super) fn at(name: &str, problem: &(impl Display + ?Sized)) -> Failure {
    Failure::config(format!("`backends.{name}`: {problem}"))
}

/// Refuses a prefix that no path can follow.
pub(super) fn check_prefix(name: &str, prefix: Option<&str>) -> Result<(), Failure> {
    // Something has to follow it for it to make a name.
    let followed = SecretPath::native(&format!("{}x", prefix.unwrap_or_default()));
    followed.map(drop).map_err(|invalid| at(name, &format!("prefix: {invalid}")))
}

/// The part of a backend behind a prefix; without one, all of it.
pub(super) fn behind(
    name: &str,
    prefix: &str,
    whole: impl SecretBackend + 'static,
) -> Result<Arc<dyn SecretBackend>, Failure> {
    if prefix.is_empty() {
        return Ok(Arc::new(whole));
    }
    let part = PrefixBackend::new(whole, prefix);
    Ok(Arc::new(part.map_err(|invalid| at(name, &format!("prefix: {invalid}")))?))
}
