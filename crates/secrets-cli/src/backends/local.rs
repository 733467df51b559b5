//! The embedded store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrets_backend::SecretBackend;
use secrets_backend_local::{Engine, LocalBackend, LocalConfig};

use crate::config::{Configuration, schema};
use crate::failure::Failure;

pub(super) fn make(configuration: &Configuration, store: PathBuf) -> Result<Arc<dyn SecretBackend>, Failure> {
    let settings = &configuration.settings;
    let mut config = LocalConfig::new(store);
    config.environment = settings.environment().to_owned();
    if settings.engine == Some(schema::Engine::Sled) {
        config.engine = Engine::Sled;
    }
    if let Some(keep) = settings.keep_versions {
        config.keep_versions = keep;
    }
    if let Some(seconds) = settings.lock_wait {
        config.lock_wait = Duration::from_secs(u32::from(seconds).into());
    }
    let backend = LocalBackend::new(config)
        .map_err(|source| Failure::config("the local backend cannot be used").caused_by(source))?;
    Ok(Arc::new(backend))
}
