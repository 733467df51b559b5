//! Writes that some replicas do not have yet.

use std::fmt;

use secrets_backend::{NewSecret, Result, SecretPath, async_trait};

/// A sealed version on its way to replicas.
#[derive(Debug)]
#[non_exhaustive]
pub struct Row {
    /// Which row; a later one has a greater number.
    pub id: u64,
    /// The secret
    pub path: SecretPath,
    /// The envelope with its stamp
    pub secret: NewSecret,
    /// The replicas that are not known to have it, by name
    pub targets: Vec<String>,
}

impl Row {
    /// A row as a journal keeps it.
    #[must_use]
    pub const fn new(id: u64, path: SecretPath, secret: NewSecret, targets: Vec<String>) -> Self {
        Self { id, path, secret, targets }
    }
}

/// Where rows are kept. What it has answered survives a crash.
#[async_trait]
pub trait Journal: fmt::Debug + Send + Sync {
    /// Keeps a version for these replicas; answers the number of its row.
    ///
    /// # Errors
    /// When it is not kept; then nothing was begun.
    async fn add(&self, path: &SecretPath, secret: &NewSecret, targets: &[&str]) -> Result<u64>;

    /// A replica has the version of this row, or one that follows it. A row without targets is gone.
    ///
    /// # Errors
    /// When that could not be noted: it will be found out again.
    async fn done(&self, row: u64, replica: &str) -> Result<()>;

    /// Takes a row back: its version was refused, and no replica has it.
    ///
    /// # Errors
    /// When it is still there.
    async fn forget(&self, row: u64) -> Result<()>;

    /// The rows that are there, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn rows(&self) -> Result<Vec<Row>>;
}
