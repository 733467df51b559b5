//! From the configuration to backends: the one place that names their crates.

use std::path::PathBuf;
use std::sync::Arc;

use secrets_backend::SecretBackend;

use crate::config::Configuration;
use crate::config::schema::{Backend, LOCAL, Settings, shown};
use crate::failure::Failure;

#[cfg(feature = "hcvault")]
mod hcvault;
#[cfg(feature = "local")]
mod local;

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
}

/// The backend of the environment in force; `store` is where the local one lies. Nothing is contacted.
///
/// # Errors
/// Exit 3 where its configuration cannot be used, or this build lacks it.
pub fn in_force(configuration: &Configuration, store: PathBuf) -> Result<Arc<dyn SecretBackend>, Failure> {
    named(configuration.settings.backend_name(), configuration, store).map(|one| one.backend)
}

/// The backend of a name. Nothing is contacted.
///
/// # Errors
/// Exit 3 where nothing defines it, its configuration cannot be used, or this build lacks it.
pub fn named(name: &str, configuration: &Configuration, store: PathBuf) -> Result<Configured, Failure> {
    match configuration.settings.backends.get(name) {
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
        LOCAL => match backend.fields.keys().next() {
            Some(field) => {
                Err(Failure::config(format!("`backends.{name}`: a local backend has no `{}`", shown(field))))
            }
            None => Ok(()),
        },
        #[cfg(feature = "hcvault")]
        HCVAULT => hcvault::check(name, backend),
        #[cfg(not(feature = "hcvault"))]
        HCVAULT => Err(lacking(HCVAULT)),
        kind => {
            Err(Failure::config(format!("`backends.{name}`: there is no backend of type `{}`", shown(kind)))
                .hint(format!("the types are `{LOCAL}` and `{HCVAULT}`")))
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

/// Refuses two environments of which one could read what the other wrote: one place, and one prefix that starts with
/// the other. On the local backend each has a table of its own.
///
/// # Errors
/// Exit 3, naming both.
pub fn check_overlap(settings: &Settings) -> Result<(), Failure> {
    let placed: Vec<(&str, String)> = settings
        .environments
        .iter()
        .filter_map(|(name, one)| {
            let backend = settings.backends.get(one.primary.as_deref()?)?;
            (backend.kind == HCVAULT).then(|| (name.as_str(), place(backend)))
        })
        .collect();
    for (at, (one, first)) in placed.iter().enumerate() {
        for (other, second) in &placed[at + 1..] {
            if first.starts_with(second.as_str()) || second.starts_with(first.as_str()) {
                return Err(Failure::config(format!(
                    "environments `{one}` and `{other}` share one place: each would see the other's secrets"
                ))
                .hint("give their backends prefixes of which none starts with the other"));
            }
        }
    }
    Ok(())
}

/// Address, namespace, mount, prefix, so that one place is one text; its end is the prefix.
fn place(backend: &Backend) -> String {
    let text = |name: &str, default: &'static str| {
        backend.fields.get(name).and_then(serde_json::Value::as_str).unwrap_or(default).to_owned()
    };
    let trimmed = |text: String| text.trim_matches('/').to_lowercase();
    let (address, namespace) = (trimmed(text("address", "")), trimmed(text("namespace", "")));
    format!("{address}\n{namespace}\n{}\n{}", text("mount", "secret").trim_matches('/'), text("prefix", ""))
}

#[cfg(feature = "local")]
fn local(configuration: &Configuration, store: PathBuf) -> Result<Configured, Failure> {
    let backend = local::make(configuration, store)?;
    Ok(Configured { kind: LOCAL.to_owned(), backend, least_policy: None })
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

#[cfg(not(all(feature = "local", feature = "hcvault")))]
fn lacking(kind: &str) -> Failure {
    Failure::config(format!("this build has no backend of type `{kind}`")).hint(format!(
        "`cargo install --path crates/secrets-cli` builds every backend; the feature `{kind}` this one"
    ))
}
