//! The production stack over any backend: audited, sealed, verified.

use std::any::Any;
use std::sync::Arc;

use secrets_backend::SecretBackend;
use secrets_manager::{InitOptions, Options, Places, Safe, Unlock};

/// A fresh safe over `backend`, as a backend; and what must live as long.
///
/// # Panics
/// When the safe cannot be made.
pub async fn sealed(backend: Arc<dyn SecretBackend>) -> (Arc<dyn SecretBackend>, impl Any + Send + Sync) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    let places = Places::new(root.join("config/key"), root.join("data"), root.join("state"));
    let options = InitOptions::with_key_file(&places);
    secrets_manager::init(&places, options).await.expect("a new safe");
    let unlock = Unlock::KeyFile(places.key_file.clone());
    let safe = Safe::open(&places, Options::new(backend), unlock).await.expect("the new safe opens");
    (safe.as_backend(), (directory, safe))
}
