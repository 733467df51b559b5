//! From the configuration to backends: the one place that names their crates.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{SecretBackend, SecretPath, async_trait};

pub use self::overlap::check as check_overlap;
use crate::config::Configuration;
use crate::config::schema::{Backend, LOCAL, Settings, shown};
use crate::failure::Failure;

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
#[cfg(any(feature = "aws", feature = "azure", feature = "hcvault"))]
mod fields;
#[cfg(feature = "hcvault")]
mod hcvault;
#[cfg(feature = "local")]
mod local;
mod overlap;

/// The kind of AWS Secrets Manager.
pub const AWS: &str = "aws";
/// The kind of HashiCorp Vault and OpenBao.
pub const HCVAULT: &str = "hcvault";
/// The kind of Azure Key Vault.
pub const AZURE: &str = "azure";

/// A backend of the configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Configured {
    /// Its type, such as `hcvault`.
    pub kind: String,
    /// The backend itself.
    pub backend: Arc<dyn SecretBackend>,
    /// The least that its credentials must be allowed, in its service's own form.
    pub least_policy: Option<String>,
    /// What its service keeps about a secret, where there is more than a backend has.
    pub about: Option<Arc<dyn About>>,
    /// How long a writing call may take, where its service needs more time for those than for others.
    pub writes: Option<Duration>,
}

/// What a service keeps about a secret beside its versions and metadata.
#[async_trait]
pub trait About: fmt::Debug + Send + Sync {
    /// A table of JSON, by names of the service's own. It contacts the service.
    async fn about(&self, path: &SecretPath) -> secrets_backend::Result<serde_json::Value>;
}

/// Backends by name, each made once: two users of one share its connections.
#[derive(Debug)]
#[non_exhaustive]
pub struct Made<'a> {
    configuration: &'a Configuration,
    /// Where the local one lies.
    store: PathBuf,
    backends: BTreeMap<String, Configured>,
}

impl<'a> Made<'a> {
    /// None yet; `store` is where the local one lies.
    #[must_use]
    pub fn new(configuration: &'a Configuration, store: PathBuf) -> Self {
        Self { configuration, store, backends: BTreeMap::new() }
    }

    /// The backend of a name. Nothing is contacted.
    ///
    /// # Errors
    /// As [`named`].
    pub fn named(&mut self, name: &str) -> Result<Configured, Failure> {
        if let Some(made) = self.backends.get(name) {
            return Ok(made.clone());
        }
        let made = named(name, self.configuration, self.store.clone())?;
        self.backends.insert(name.to_owned(), made.clone());
        Ok(made)
    }
}

/// The backend of a name. Nothing is contacted.
///
/// # Errors
/// Exit 3 where nothing defines it, its configuration cannot be used, or this build lacks it.
pub fn named(name: &str, configuration: &Configuration, store: PathBuf) -> Result<Configured, Failure> {
    match configuration.settings.backends.get(name) {
        Some(backend) if backend.kind == AWS => secrets_manager(name, backend),
        Some(backend) if backend.kind == HCVAULT => vault(name, backend, configuration),
        Some(backend) if backend.kind == AZURE => key_vault(name, backend, configuration),
        None if name != LOCAL => Err(Failure::config(format!("there is no backend `{}`", shown(name)))
            .hint("`secrets backend list` shows those that are configured")),
        _ => local(configuration, store),
    }
}

/// Checks the fields of a backend of the configuration, as far as they can be checked without making it.
///
/// # Errors
/// Exit 3, naming the field.
pub fn check(name: &str, backend: &Backend) -> Result<(), Failure> {
    match backend.kind.as_str() {
        LOCAL if !backend.is_sealed() => {
            Err(Failure::config(format!("`backends.{name}`: a local store never holds plain values"))
                .hint("leave out `seal = false`; it is for backends that other programs read as well"))
        }
        LOCAL => match backend.fields.keys().next() {
            Some(field) => {
                Err(Failure::config(format!("`backends.{name}`: a local backend has no `{}`", shown(field))))
            }
            None => Ok(()),
        },
        #[cfg(feature = "aws")]
        AWS => aws::check(name, backend),
        #[cfg(not(feature = "aws"))]
        AWS => Err(lacking(AWS)),
        #[cfg(feature = "hcvault")]
        HCVAULT => hcvault::check(name, backend),
        #[cfg(not(feature = "hcvault"))]
        HCVAULT => Err(lacking(HCVAULT)),
        #[cfg(feature = "azure")]
        AZURE => azure::check(name, backend),
        #[cfg(not(feature = "azure"))]
        AZURE => Err(lacking(AZURE)),
        kind => {
            Err(Failure::config(format!("`backends.{name}`: there is no backend of type `{}`", shown(kind)))
                .hint(format!("the types are `{LOCAL}`, `{AWS}`, `{AZURE}` and `{HCVAULT}`")))
        }
    }
}

/// Refuses a login whose secret is to come from a backend that cannot give it.
///
/// # Errors
/// Exit 3, naming the field.
#[cfg(feature = "hcvault")]
pub fn check_logins(settings: &Settings) -> Result<(), Failure> {
    hcvault::check_references(settings)
}

/// In a build without a backend that logs in there is nothing to refuse.
///
/// # Errors
/// None.
#[cfg(not(feature = "hcvault"))]
pub fn check_logins(_: &Settings) -> Result<(), Failure> {
    Ok(())
}

#[cfg(feature = "local")]
fn local(configuration: &Configuration, store: PathBuf) -> Result<Configured, Failure> {
    let backend = local::make(configuration, store)?;
    Ok(Configured { kind: LOCAL.to_owned(), backend, least_policy: None, about: None, writes: None })
}

#[cfg(not(feature = "local"))]
fn local(_: &Configuration, _: PathBuf) -> Result<Configured, Failure> {
    Err(lacking(LOCAL))
}

#[cfg(feature = "hcvault")]
fn vault(name: &str, backend: &Backend, configuration: &Configuration) -> Result<Configured, Failure> {
    hcvault::make(name, backend, configuration)
}

#[cfg(not(feature = "hcvault"))]
fn vault(_: &str, _: &Backend, _: &Configuration) -> Result<Configured, Failure> {
    Err(lacking(HCVAULT))
}

#[cfg(feature = "aws")]
fn secrets_manager(name: &str, backend: &Backend) -> Result<Configured, Failure> {
    aws::make(name, backend)
}

#[cfg(not(feature = "aws"))]
fn secrets_manager(_: &str, _: &Backend) -> Result<Configured, Failure> {
    Err(lacking(AWS))
}

#[cfg(feature = "azure")]
fn key_vault(name: &str, backend: &Backend, configuration: &Configuration) -> Result<Configured, Failure> {
    azure::make(name, backend, configuration)
}

#[cfg(not(feature = "azure"))]
fn key_vault(_: &str, _: &Backend, _: &Configuration) -> Result<Configured, Failure> {
    Err(lacking(AZURE))
}

#[cfg(not(all(feature = "aws", feature = "azure", feature = "local", feature = "hcvault")))]
fn lacking(kind: &str) -> Failure {
    Failure::config(format!("this build has no backend of type `{kind}`")).hint(format!(
        "`cargo install --path crates/secrets-cli` builds every backend; the feature `{kind}` this one"
    ))
}
