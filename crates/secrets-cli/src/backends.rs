//! From the configuration to backends: the one place that names their crates.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrets_backend::{SecretBackend, SecretPath, async_trait};

use crate::config::Configuration;
use crate::config::schema::{Backend, LOCAL, Settings, shown};
use crate::failure::Failure;

#[cfg(feature = "aws")]
mod aws;
#[cfg(any(feature = "aws", feature = "hcvault"))]
mod fields;
#[cfg(feature = "hcvault")]
mod hcvault;
#[cfg(feature = "local")]
mod local;

/// The kind of AWS Secrets Manager.
pub const AWS: &str = "aws";
/// The kind of HashiCorp Vault and OpenBao.
pub const HCVAULT: &str = "hcvault";

/// A backend of the configuration.
#[derive(Debug)]
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
}

/// What a service keeps about a secret beside its versions and metadata.
#[async_trait]
pub trait About: fmt::Debug + Send + Sync {
    /// A table of JSON, by names of the service's own. It contacts the service.
    async fn about(&self, path: &SecretPath) -> secrets_backend::Result<serde_json::Value>;
}

/// The backend of the environment in force; `store` is where the local one lies. Nothing is contacted.
///
/// # Errors
/// Exit 3 where its configuration cannot be used, or this build lacks it.
pub fn in_force(configuration: &Configuration, store: PathBuf) -> Result<Arc<dyn SecretBackend>, Failure> {
    named(configuration.settings.backend_name(), configuration, store).map(|one| one.backend)
}

/// The backends that stand by for the one in force. Nothing is contacted.
///
/// # Errors
/// As [`in_force`].
pub fn standing_by(
    configuration: &Configuration,
    store: &Path,
) -> Result<Vec<(String, Arc<dyn SecretBackend>)>, Failure> {
    let made = |name: &str| {
        let one = named(name, configuration, store.to_owned())?;
        Ok((one.kind, one.backend))
    };
    configuration.settings.failover_names().map(made).collect()
}

/// The backend of a name. Nothing is contacted.
///
/// # Errors
/// Exit 3 where nothing defines it, its configuration cannot be used, or this build lacks it.
pub fn named(name: &str, configuration: &Configuration, store: PathBuf) -> Result<Configured, Failure> {
    match configuration.settings.backends.get(name) {
        Some(backend) if backend.kind == AWS => secrets_manager(name, backend),
        Some(backend) if backend.kind == HCVAULT => vault(name, backend, configuration),
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
        kind => {
            Err(Failure::config(format!("`backends.{name}`: there is no backend of type `{}`", shown(kind)))
                .hint(format!("the types are `{LOCAL}`, `{AWS}` and `{HCVAULT}`")))
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

/// Refuses two environments of which one could read what the other wrote, and a backend of plain values that shares its
/// place with one of sealed values, whether environments name them or not: one place, and one prefix that starts with
/// the other. On the local backend each environment has a table of its own.
///
/// # Errors
/// Exit 3, naming both.
pub fn check_overlap(settings: &Settings) -> Result<(), Failure> {
    let environments: Vec<Placed<'_>> = settings
        .environments
        .iter()
        .flat_map(|(name, one)| one.backends().map(move |backend| (name, backend)))
        .filter_map(|(name, backend)| Placed::of(name, settings.backends.get(backend)?))
        .collect();
    if let Some((one, other)) = overlapping(&environments, |_, _| true) {
        return Err(Failure::config(format!(
            "environments `{one}` and `{other}` share one place: each would see the other's secrets"
        ))
        .hint("give their backends prefixes of which none starts with the other"));
    }
    let backends: Vec<Placed<'_>> =
        settings.backends.iter().filter_map(|(name, one)| Placed::of(name, one)).collect();
    if let Some((one, other)) = overlapping(&backends, |one, other| one.is_sealed != other.is_sealed) {
        return Err(Failure::config(format!(
            "backends `{one}` and `{other}` share one place, and one of them has `seal = false`"
        ))
        .hint("keep plain values and sealed ones apart: another mount, or prefixes of which none starts with the other"));
    }
    Ok(())
}

/// A backend's place under the name of whoever uses it.
struct Placed<'a> {
    name: &'a str,
    place: String,
    is_sealed: bool,
}

impl<'a> Placed<'a> {
    /// None for the local backend, where each environment has a table of its own.
    fn of(name: &'a str, backend: &Backend) -> Option<Self> {
        let is_remote = [AWS, HCVAULT].contains(&backend.kind.as_str());
        is_remote.then(|| Self { name, place: place(backend), is_sealed: backend.is_sealed() })
    }
}

/// The first two that may not share a place and do.
fn overlapping<'a>(
    placed: &[Placed<'a>],
    may_not: impl Fn(&Placed<'_>, &Placed<'_>) -> bool,
) -> Option<(&'a str, &'a str)> {
    let pairs =
        placed.iter().enumerate().flat_map(|(at, one)| placed[at + 1..].iter().map(move |two| (one, two)));
    let shares = |one: &Placed<'_>, two: &Placed<'_>| {
        one.place.starts_with(&two.place) || two.place.starts_with(&one.place)
    };
    pairs
        .filter(|(one, two)| may_not(one, two))
        .find(|(one, two)| shares(one, two))
        .map(|(one, two)| (one.name, two.name))
}

/// What makes a place, and the prefix in it, so that one place is one text; its end is the prefix.
///
/// With AWS the account is known to the credentials alone: two profiles may be of one.
fn place(backend: &Backend) -> String {
    let text = |name: &str, default: &'static str| {
        backend.fields.get(name).and_then(serde_json::Value::as_str).unwrap_or(default).to_owned()
    };
    let trimmed = |name: &str| text(name, "").trim_matches('/').to_lowercase();
    let prefix = text("prefix", "");
    if backend.kind == AWS {
        let (endpoint, region) = (trimmed("endpoint_url"), text("region", ""));
        return format!("{endpoint}\n{region}\n{}\n{}\n{prefix}", text("profile", ""), text("role_arn", ""));
    }
    let (address, namespace) = (trimmed("address"), trimmed("namespace"));
    format!("{address}\n{namespace}\n{}\n{prefix}", text("mount", "secret").trim_matches('/'))
}

#[cfg(feature = "local")]
fn local(configuration: &Configuration, store: PathBuf) -> Result<Configured, Failure> {
    let backend = local::make(configuration, store)?;
    Ok(Configured { kind: LOCAL.to_owned(), backend, least_policy: None, about: None })
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

#[cfg(not(all(feature = "aws", feature = "local", feature = "hcvault")))]
fn lacking(kind: &str) -> Failure {
    Failure::config(format!("this build has no backend of type `{kind}`")).hint(format!(
        "`cargo install --path crates/secrets-cli` builds every backend; the feature `{kind}` this one"
    ))
}
