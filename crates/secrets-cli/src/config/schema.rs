//! The settings, as types. `docs/spec/config.md` describes each.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use secrets_backend::SecretPath;
use serde::{Deserialize, Serialize};

pub use super::topology::{Ack, EnvironmentSettings, RouteSettings, WhenPrimaryDown};
use crate::failure::Failure;

/// All settings together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The environment; `default` where nothing names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The tenant; this version knows `default` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The backend, past the environment's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// The key file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// A file that holds the passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// What keeps the bytes of the local backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// How many versions of a secret the local backend keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_versions: Option<NonZeroU32>,
    /// How many seconds to wait for other processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_wait: Option<NonZeroU32>,
    /// How new passphrase slots stretch the passphrase.
    #[serde(default)]
    pub passphrase: Passphrase,
    /// Backends by name. `local` is always there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub backends: BTreeMap<String, Backend>,
    /// Environments by name. Where any is listed, the one in force is among them or is `default`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environments: BTreeMap<String, EnvironmentSettings>,
    /// What the project needs, by variable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Requirement>,
}

/// Engines of the local backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Engine {
    /// One file of copy-on-write B-trees; the default.
    Redb,
    /// A log-structured tree.
    Sled,
}

/// How new passphrase slots stretch the passphrase; existing slots keep what they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Passphrase {
    /// The function.
    #[serde(default)]
    pub kdf: Kdf,
    /// Argon2id: memory in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// Argon2id: passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u32>,
    /// Argon2id: lanes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lanes: Option<u32>,
    /// PBKDF2: iterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
}

/// Key derivation functions for passphrases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kdf {
    /// Argon2id (RFC 9106).
    #[default]
    Argon2id,
    /// PBKDF2 with HMAC-SHA-256.
    Pbkdf2,
}

/// One backend. Which fields it takes beside `type` is its own affair. `Debug` shows none of them: some are secrets.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Backend {
    /// The kind of backend: `local`, `aws`, `azure`, `hcvault`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether values are sealed before it gets them; with `false` its other programs can read and write them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<bool>,
    /// The fields of that kind.
    #[serde(flatten)]
    pub fields: BTreeMap<String, serde_json::Value>,
}

impl Backend {
    /// Whether values are sealed before it gets them.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.seal != Some(false)
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A secret that the project needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Requirement {
    /// Where it is kept.
    pub path: String,
    /// Whether the project cannot do without.
    #[serde(default = "yes")]
    pub required: bool,
    /// How a fresh value would be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
}

/// How a fresh value would be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Generate {
    /// The form of the value, such as `hex`.
    pub kind: String,
    /// How many random bytes go into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u32>,
}

impl Settings {
    /// The environment in force.
    #[must_use]
    pub fn environment(&self) -> &str {
        self.environment.as_deref().unwrap_or(DEFAULT)
    }

    /// The backend of the environment in force.
    #[must_use]
    pub fn backend_name(&self) -> &str {
        let chosen = || self.environments.get(self.environment()).and_then(|one| one.primary.as_deref());
        self.backend.as_deref().or_else(chosen).unwrap_or(LOCAL)
    }

    /// Whether values are sealed before the backend of this name gets them.
    #[must_use]
    pub fn seals(&self, name: &str) -> bool {
        self.backends.get(name).is_none_or(Backend::is_sealed)
    }

    /// The kind of the backend of the environment in force.
    #[must_use]
    pub fn backend_kind(&self) -> &str {
        self.backends.get(self.backend_name()).map_or(LOCAL, |backend| backend.kind.as_str())
    }

    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// Exit 3 for names and paths outside their grammar, backends that nobody defines or this build lacks,
    /// tenants that this version does not have.
    pub fn check(&self) -> Result<(), Failure> {
        let named = std::iter::once(("environment", self.environment()))
            .chain(self.environments.keys().map(|name| ("environments", name.as_str())))
            .chain(self.backends.keys().map(|name| ("backends", name.as_str())));
        for (setting, name) in named {
            if name.contains('/') || SecretPath::parse(name).is_err() {
                return Err(Failure::config(format!(
                    "`{setting}`: a name has 1 to 64 letters, digits, `.`, `_` or `-`, and starts with a letter or a digit"
                )));
            }
        }
        if self.tenant.as_deref().is_some_and(|tenant| tenant != DEFAULT) {
            return Err(Failure::config("this version has no tenant but `default`"));
        }
        for (variable, requirement) in &self.secrets {
            SecretPath::parse(&requirement.path)
                .map_err(|invalid| Failure::config(format!("`secrets.{variable}.path`: {invalid}")))?;
            if variable.is_empty() || variable.contains(['=', '\0']) {
                return Err(Failure::config("`secrets`: a variable's name cannot be empty or hold `=`"));
            }
        }
        for (name, backend) in &self.backends {
            crate::backends::check(name, backend)?;
        }
        crate::backends::check_logins(self)?;
        self.check_environments()?;
        crate::backends::check_overlap(self)
    }
}

/// A name of a file for people.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() || !c.is_ascii() { '?' } else { c }).collect()
}

const fn yes() -> bool {
    true
}

/// The environment and the tenant that nothing else names.
pub const DEFAULT: &str = "default";
/// The backend that is always there.
pub const LOCAL: &str = "local";
