//! A safe in a scratch directory.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use secrets_audit::verify::{Report, verify_log};
use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_backend_local::{LocalBackend, LocalConfig};
use secrets_manager::{Error, InitOptions, Options, Place, Places, Safe, Unlock, init};
use tempfile::TempDir;

/// A safe's files, and a local store beside them.
pub struct Home {
    _directory: Option<TempDir>,
    pub places: Places,
}

impl Home {
    /// A fresh safe that opens with a key file.
    pub async fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap()).await
    }

    /// The same in memory, where this machine has such a file system: for many writes that need no disk.
    pub async fn in_memory() -> Self {
        let in_memory = tempfile::tempdir_in("/dev/shm");
        Self::within(in_memory.or_else(|_| tempfile::tempdir()).unwrap()).await
    }

    async fn within(directory: TempDir) -> Self {
        let home = Self { places: Self::at(directory.path()).places, _directory: Some(directory) };
        init(&home.places, InitOptions::with_key_file(&home.places)).await.unwrap();
        home
    }

    /// The place of a safe that was not made yet.
    pub fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { places: Self::at(directory.path()).places, _directory: Some(directory) }
    }

    /// The files below `root`, whether there is a safe yet or not; they stay when this is dropped.
    pub fn at(root: &Path) -> Self {
        let places = Places::new(root.join("config/key"), root.join("data"), root.join("state"));
        Self { _directory: None, places }
    }

    pub fn store(&self) -> Arc<LocalBackend> {
        Arc::new(LocalBackend::new(LocalConfig::new(self.places.store())).unwrap())
    }

    pub fn key_file(&self) -> Unlock {
        Unlock::KeyFile(self.places.key_file.clone())
    }

    /// The safe over its local store.
    pub async fn open(&self) -> Safe {
        self.open_over(self.store()).await.unwrap()
    }

    pub async fn open_over(&self, backend: Arc<dyn SecretBackend>) -> Result<Safe, Error> {
        let mut options = Options::new(backend);
        options.place = Place::Own;
        Safe::open(&self.places, options, self.key_file()).await
    }

    /// The safe over a backend that others use, too.
    pub async fn share(&self, backend: &Arc<dyn SecretBackend>) -> Result<Safe, Error> {
        Safe::open(&self.places, Options::new(Arc::clone(backend)), self.key_file()).await
    }

    pub fn log_lines(&self) -> Vec<String> {
        let log = fs::read_to_string(self.places.audit_log()).unwrap();
        log.lines().map(str::to_owned).collect()
    }

    /// What a verifier says of the audit log, from public bytes alone.
    pub fn verified(&self, safe: &Safe) -> Report {
        let log = fs::File::open(self.places.audit_log()).unwrap();
        verify_log(std::io::BufReader::new(log), &safe.audit_log().public_key(), &[]).unwrap()
    }
}

pub fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

pub async fn set(safe: &Safe, at: &str, value: &str) -> u64 {
    let written = safe.put(&path(at), &NewSecret::new(value), &PutMode::Upsert).await.unwrap();
    written.version.unwrap().number().unwrap()
}

pub async fn value(safe: &Safe, at: &str) -> String {
    let secret = safe.get(&path(at), None).await.unwrap();
    secret.value.expose_str().unwrap().to_owned()
}

/// The kind of a backend's failure; panics on success and on any other failure.
pub fn kind<T>(answer: Result<T, Error>) -> ErrorKind {
    match answer {
        Err(Error::Backend(error)) => error.kind(),
        Err(error) => panic!("another failure: {error}"),
        Ok(_) => panic!("a success"),
    }
}
