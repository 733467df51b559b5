//! From the files of other tools to `secrets.toml`: what becomes of each of their settings.

use secrets_backend::SecretBytes;
use serde_json::{Map, Value, json};

use super::flat::Meaning;
use super::{Settings, substitute};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::formats::Pair;

/// Settings of this program's schema, and where each came from.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Migrated {
    /// The settings.
    pub settings: Map<String, Value>,
    /// What became of each setting of the files.
    pub fates: Vec<(String, Fate)>,
    /// How many names of a `.env` file are no settings.
    pub others: usize,
}

/// What became of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It is this setting now.
    Taken(String),
    /// There is nothing like it, and why.
    NoEquivalent(&'static str),
    /// A later version brings it; what there is until then.
    Later(&'static str),
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken(name) => write!(f, "taken over as {name}"),
            Self::NoEquivalent(why) => write!(f, "has no equivalent: {why}"),
            Self::Later(until) => write!(f, "not in this version yet: {until}"),
        }
    }
}

/// Not the settings: a part of an address may be a secret.
impl std::fmt::Debug for Migrated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Migrated").field("fates", &self.fates).finish_non_exhaustive()
    }
}

impl Migrated {
    /// Takes over a flat file. A token that is written out stays behind.
    ///
    /// # Errors
    /// Exit 3 for an address that holds more than an address.
    pub fn add_flat(&mut self, meaning: Meaning) -> Result<(), Failure> {
        let Meaning { mut settings, renamed } = meaning;
        let mut left = Vec::new();
        for (name, backend) in settings["backends"].as_object_mut().into_iter().flatten() {
            for field in ["address", "endpoint_url", "vault_url"] {
                if backend.get(field).and_then(Value::as_str).is_some_and(|url| url.contains(['@', '?', '#']))
                {
                    return Err(Failure::config(format!("`backends.{name}.{field}` holds more than an address"))
                        .hint("take it out: a login has settings of its own, and what stands beside an address may be a secret"));
                }
            }
            let token = backend.get("auth").and_then(|auth| auth["token"].as_str());
            if token.is_some_and(|token| !is_variable(token)) {
                backend.as_object_mut().map(|table| table.remove("auth"));
                left.push(format!("backends.{name}.auth.token"));
            }
        }
        for (theirs, ours) in renamed {
            let fate = if left.contains(&ours) { Fate::NoEquivalent(TOKEN) } else { Fate::Taken(ours) };
            self.fates.push((theirs, fate));
        }
        if let Value::Object(tables) = settings {
            self.settings.extend(tables);
        }
        Ok(())
    }

    /// Takes over the settings of a `.env` file by the names that people know.
    pub fn add_variables(&mut self, pairs: &[Pair]) {
        for pair in pairs {
            match VARIABLES.iter().find(|(name, _)| *name == pair.name) {
                Some((_, fate)) => self.fates.push((pair.name.clone(), fate.clone())),
                None if pair.name == ITERATIONS => self.add_iterations(&pair.value),
                None => self.others += 1,
            }
        }
    }

    fn add_iterations(&mut self, value: &SecretBytes) {
        let number = value.expose_str().and_then(|text| text.trim().parse::<u32>().ok());
        let fate = match number.filter(|number| (600_000..=50_000_000).contains(number)) {
            Some(number) => {
                let passphrase = json!({ "kdf": "pbkdf2", "iterations": number });
                self.settings.insert("passphrase".to_owned(), passphrase);
                Fate::Taken(
                    "passphrase.kdf and passphrase.iterations; without both it is Argon2id".to_owned(),
                )
            }
            None => Fate::NoEquivalent(
                "PBKDF2 takes 600,000 to 50,000,000 iterations here, and without a setting it is Argon2id",
            ),
        };
        self.fates.push((ITERATIONS.to_owned(), fate));
    }

    /// What `config check` will find; nothing where a variable is not set here, without which it cannot be known.
    #[must_use]
    pub fn problem(&self, environment: &Environment) -> Option<Failure> {
        let mut value = Value::Object(self.settings.clone());
        substitute::all(&mut value, environment).ok()?;
        let Ok(settings) = serde_json::from_value::<Settings>(value) else {
            return Some(Failure::config("the settings cannot be used"));
        };
        settings.check().err()
    }

    /// The settings as `secrets.toml`.
    ///
    /// # Errors
    /// Exit 3 for what TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, Failure> {
        let cannot = |error| Failure::config("the settings cannot be written as TOML").caused_by(error);
        let table = toml::Table::try_from(&self.settings).map_err(cannot)?;
        toml::to_string(&table).map_err(cannot)
    }
}

/// Whether a text is a variable alone, without a default that could be the secret.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.contains(":-") && substitute::first(&json!(name)).is_none())
}

const TOKEN: &str =
    "a secret is not copied; VAULT_TOKEN and ~/.vault-token are looked at, or set auth.token to a `${VAR}`";
const ITERATIONS: &str = "KEY_DERIVATION_ITERATIONS";

/// What becomes of the names of a `.env` file that people know.
const VARIABLES: &[(&str, Fate)] = &[
    ("MAX_ACCESS_ATTEMPTS", Fate::Later("every access, refused ones too, is in `secrets audit show`")),
    (
        "ROTATION_INTERVAL_DAYS",
        Fate::NoEquivalent("each secret says it for itself: `secrets tag PATH --rotate-every 90d`"),
    ),
    ("AUDIT_RETENTION_DAYS", Fate::Later("the audit log keeps everything")),
    (
        "AUDIT_LOG_PATH",
        Fate::NoEquivalent("no file may move the audit log; XDG_STATE_HOME or SECRETS_HOME say where it is"),
    ),
    ("COMPLIANCE_LEVEL", Fate::Later("nothing is reported by a level of compliance")),
    ("VIOLATION_THRESHOLD", Fate::Later("nothing counts violations")),
    ("ALERT_WEBHOOK_URL", Fate::Later("nobody is called; the address may be a secret and was not copied")),
    ("LOG_LEVEL", Fate::NoEquivalent("files do not set it: use the variable SECRETS_LOG, or -v")),
    ("PROMETHEUS_PORT", Fate::NoEquivalent("no process stays that could be asked for metrics")),
];

#[cfg(test)]
mod tests;
