//! The flat `cloud_config.yaml` that other tools read: environments at its top, backends inside them.
//!
//! It says less than `secrets.toml`, and means what [`settings`] answers. A backend gets a name after its environment
//! and its role: `production-primary`, `production-failover`, `production-backup_0`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::files::Layer;
use super::schema::{LOCAL, shown};
use crate::backends::{AWS, AZURE, HCVAULT};
use crate::failure::Failure;
use crate::hints;

/// What a flat file means.
#[derive(Clone)]
#[non_exhaustive]
pub struct Meaning {
    /// The same in the schema of `secrets.toml`.
    pub settings: Value,
    /// Each name of the file, such as `production.primary.region`, with what it is called there.
    pub renamed: Vec<(String, String)>,
}

/// Not what it holds: a token may be in it.
impl std::fmt::Debug for Meaning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meaning").field("renamed", &self.renamed).finish_non_exhaustive()
    }
}

/// Whether a file of this name has the flat form.
#[must_use]
pub fn is_flat(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == STEM)
        && path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// What the file means; `value` is what it holds, maybe with its variables put in.
///
/// # Errors
/// Exit 3 for a name that the form does not have, with the nearest one; for what is no text; for an environment
/// without a primary.
pub fn settings(layer: &Layer, value: &Value) -> Result<Meaning, Failure> {
    let mut reader = Reader { layer, backends: Map::new(), renamed: Vec::new() };
    let mut environments = Map::new();
    for (name, roles) in value.as_object().into_iter().flatten() {
        environments.insert(name.clone(), reader.environment(name, roles)?);
    }
    let settings = json!({ "backends": reader.backends, "environments": environments });
    Ok(Meaning { settings, renamed: reader.renamed })
}

struct Reader<'a> {
    layer: &'a Layer,
    backends: Map<String, Value>,
    renamed: Vec<(String, String)>,
}

impl Reader<'_> {
    fn environment(&mut self, name: &str, roles: &Value) -> Result<Value, Failure> {
        let place = shown(name);
        let Some(roles) = roles.as_object() else {
            return Err(self.fault(&format!("`{place}` is not an environment"), ENVIRONMENT));
        };
        let (mut primary, mut failover, mut backup) = (None, Vec::new(), BTreeMap::new());
        for (role, value) in roles {
            let field = format!("{place}.{}", shown(role));
            match (role.as_str(), value) {
                ("primary", _) => primary = Some(self.backend(&field, format!("{name}-primary"), value)?),
                ("failover", Value::Array(list)) => {
                    for (at, one) in list.iter().enumerate() {
                        let backend = format!("{name}-failover_{at}");
                        failover.push(self.backend(&format!("{field}[{at}]"), backend, one)?);
                    }
                }
                ("failover", _) => failover.push(self.backend(&field, format!("{name}-failover"), value)?),
                ("backup", _) if roles.keys().any(|role| numbered(role).is_some()) => {
                    return Err(
                        self.fault(&format!("`{field}` stands beside a numbered one"), "number all of them")
                    );
                }
                ("backup", Value::Array(list)) => {
                    for (at, one) in (0..).zip(list) {
                        let backend = format!("{name}-backup_{at}");
                        backup.insert(at, self.backend(&format!("{field}[{at}]"), backend, one)?);
                    }
                }
                ("backup", _) => {
                    drop(backup.insert(0, self.backend(&field, format!("{name}-backup_0"), value)?))
                }
                _ => match numbered(role) {
                    Some(at) => {
                        drop(backup.insert(at, self.backend(&field, format!("{name}-{role}"), value)?))
                    }
                    None => return Err(self.unknown(role, &place, ROLES)),
                },
            }
        }
        let Some(primary) = primary else {
            return Err(self.fault(&format!("the environment `{place}` has no `primary`"), ENVIRONMENT));
        };
        let mut environment = json!({ "primary": primary });
        if !failover.is_empty() {
            environment["failover"] = json!(failover);
        }
        if !backup.is_empty() {
            environment["backup"] = backup.into_values().collect();
        }
        Ok(environment)
    }

    /// Notes a backend, and answers its name.
    fn backend(&mut self, place: &str, name: String, value: &Value) -> Result<String, Failure> {
        let Some(table) = value.as_object() else {
            return Err(
                self.fault(&format!("`{place}` is not a table that describes a backend"), ENVIRONMENT)
            );
        };
        let kind = table.get("backend").and_then(Value::as_str).unwrap_or_default();
        let Some((_, kind, fields)) = KINDS.iter().find(|(known, ..)| *known == kind) else {
            let known = KINDS.iter().map(|(known, ..)| *known);
            let failure = self.layer.fault(format!("`{place}.backend` is none of {}", list(known.clone())));
            return Err(match hints::nearest(kind, known) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure,
            });
        };
        self.renamed.push((format!("{place}.backend"), format!("backends.{name}.type")));
        let mut backend = Map::from_iter([("type".to_owned(), json!(kind))]);
        for (field, value) in table.iter().filter(|(field, _)| *field != "backend") {
            let known: Vec<&str> = fields.iter().map(|(known, _)| *known).collect();
            let Some((_, ours)) = fields.iter().find(|(known, _)| known == field) else {
                return Err(self.unknown(field, place, &known));
            };
            let Some(text) = value.as_str() else {
                return Err(self.layer.fault(format!("`{place}.{field}` is not a text")));
            };
            let (value, shown) = match *ours {
                "auth" => (json!({ "method": "token", "token": text }), "auth.token"),
                other => (json!(text), other),
            };
            if backend.insert((*ours).to_owned(), value).is_some() {
                return Err(self.layer.fault(format!("`{place}` sets its `{ours}` twice")));
            }
            self.renamed.push((format!("{place}.{field}"), format!("backends.{name}.{shown}")));
        }
        self.backends.insert(name.clone(), Value::Object(backend));
        Ok(name)
    }

    fn unknown(&self, name: &str, place: &str, known: &[&str]) -> Failure {
        let failure = self.layer.fault(format!("unknown setting `{}` in `{place}`", shown(name)));
        match hints::nearest(name, known.iter().copied()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => failure.hint("this backend has no fields"),
            None => failure.hint(format!("known here: {}", known.join(", "))),
        }
    }

    fn fault(&self, problem: &str, hint: &'static str) -> Failure {
        self.layer.fault(problem).hint(hint)
    }
}

/// The number in `backup_0`; `backup_00` has none, since it would be a second name for it.
fn numbered(role: &str) -> Option<u32> {
    let digits = role.strip_prefix("backup_")?;
    digits.parse().ok().filter(|number: &u32| number.to_string() == digits)
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The name of such a file, without its ending.
pub const STEM: &str = "cloud_config";
const ROLES: &[&str] = &["primary", "failover", "backup", "backup_0"];
const ENVIRONMENT: &str = "an environment has `primary: { backend: … }`, maybe `failover` and `backup`";

type Fields = &'static [(&'static str, &'static str)];

/// What the form calls a kind of backend and its fields, and what we do.
const KINDS: &[(&str, &str, Fields)] = &[
    ("aws", AWS, AWS_FIELDS),
    ("vault", HCVAULT, VAULT_FIELDS),
    ("hashicorp", HCVAULT, VAULT_FIELDS),
    ("hcvault", HCVAULT, VAULT_FIELDS),
    ("azure", AZURE, &[("vault_url", "vault_url"), ("secret_prefix", "prefix")]),
    ("local", LOCAL, &[]),
];
const AWS_FIELDS: Fields = &[
    ("region", "region"),
    ("secret_prefix", "prefix"),
    ("boto_profile", "profile"),
    ("role_arn", "role_arn"),
    ("endpoint_url", "endpoint_url"),
];
const VAULT_FIELDS: Fields = &[
    ("vault_url", "address"),
    ("secret_prefix", "prefix"),
    ("mount", "mount"),
    ("mount_point", "mount"),
    ("namespace", "namespace"),
    ("token", "auth"),
];

#[cfg(test)]
mod tests;
