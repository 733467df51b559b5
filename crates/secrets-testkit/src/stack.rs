//! The production stack over any backend: audited, and sealed and verified or plain.

use std::any::Any;
use std::sync::Arc;

use secrets_backend::SecretBackend;
use secrets_manager::{InitOptions, Options, Places, Safe, Sealing, Unlock};

/// A fresh safe over `backend`, as a backend; and what must live as long.
///
/// # Panics
/// When the safe cannot be made.
pub async fn sealed(backend: Arc<dyn SecretBackend>) -> (Arc<dyn SecretBackend>, impl Any + Send + Sync) {
    stack(backend, Sealing::Sealed).await
}

/// The same over plain values: to a conformance target it is one that refuses stamps.
///
/// # Panics
/// When the safe cannot be made.
pub async fn plain(backend: Arc<dyn SecretBackend>) -> (Arc<dyn SecretBackend>, impl Any + Send + Sync) {
    stack(backend, Sealing::Plain).await
}

async fn stack(
    backend: Arc<dyn SecretBackend>,
    sealing: Sealing,
) -> (Arc<dyn SecretBackend>, impl Any + Send + Sync) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    let places = Places::new(root.join("config/key"), root.join("data"), root.join("state"));
    let options = InitOptions::with_key_file(&places);
    secrets_manager::init(&places, options).await.expect("a new safe");
    let unlock = Unlock::KeyFile(places.key_file.clone());
    let mut options = Options::new(backend);
    options.sealing = sealing;
    let safe = Safe::open(&places, options, unlock).await.expect("the new safe opens");
    (safe.as_backend(), (directory, safe))
}
