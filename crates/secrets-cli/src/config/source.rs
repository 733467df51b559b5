//! A parsed file as a source of the `config` crate, table by table.
//!
//! The crate's own way from a value joins the names on the way to each leaf with dots and takes them apart again: a
//! name with a dot in it would become two tables, a path no name at all, and a table without settings nothing.

use std::fmt;

use config::{ConfigError, Map, Source, Value};

use super::files::Layer;
use super::schema::shown;
use crate::failure::Failure;

/// The tables of a file. `Debug` shows none of them: some are secrets.
#[derive(Clone)]
pub(super) struct Tables(Map<String, Value>);

impl Tables {
    /// # Errors
    /// Exit 3 for a number that no setting has.
    pub(super) fn of(layer: &Layer, value: serde_json::Value) -> Result<Self, Failure> {
        if let Some(setting) = fraction(&value) {
            return Err(layer.fault(format!("`{}` is a number with a fraction", shown(&setting))));
        }
        let tables = serde_json::from_value(value);
        tables.map(Self).map_err(|_| layer.fault("a number is too large for a setting"))
    }
}

/// The first setting with a fraction, which the crate would round to a whole number.
fn fraction(value: &serde_json::Value) -> Option<String> {
    let below = |key: &str, value| {
        fraction(value).map(|rest| format!("{key}.{rest}").trim_end_matches('.').to_owned())
    };
    match value {
        serde_json::Value::Number(number) => number.is_f64().then(String::new),
        serde_json::Value::Array(list) => list.iter().find_map(fraction),
        serde_json::Value::Object(table) => table.iter().find_map(|(key, value)| below(key, value)),
        _ => None,
    }
}

impl Source for Tables {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}
