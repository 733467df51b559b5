//! What has to outlive a process: writes that some replicas do not have yet, and which replicas were down.

#[cfg(test)]
pub(crate) mod volatile;

use std::fmt;

use secrets_backend::{NewSecret, Result, SecretPath, Timestamp, async_trait};

use crate::breaker::Breaker;

/// A sealed version on its way to replicas.
#[derive(Debug)]
#[non_exhaustive]
pub struct Row {
    /// Which row; a later one has a greater number, and none has that of one that is gone.
    pub id: u64,
    /// The secret
    pub path: SecretPath,
    /// The envelope with its stamp
    pub secret: NewSecret,
    /// Whether all that a replica has of the secret goes before the version comes
    pub purges: bool,
    /// The replicas that are not known to have it, by name
    pub targets: Vec<String>,
    /// Whether somebody was told that it is written, or could have read it at a replica
    pub acknowledged: bool,
}

impl Row {
    /// A version that nobody was told of yet.
    #[must_use]
    pub const fn new(id: u64, path: SecretPath, secret: NewSecret, targets: Vec<String>) -> Self {
        Self { id, path, secret, purges: false, targets, acknowledged: false }
    }
}

/// A version that a journal is to keep.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NewRow<'a> {
    /// The secret
    pub path: &'a SecretPath,
    /// The envelope with its stamp
    pub secret: &'a NewSecret,
    /// Whether all that a replica has of the secret goes before the version comes
    pub purges: bool,
    /// The replicas that are to have it, by name
    pub targets: &'a [&'a str],
}

impl<'a> NewRow<'a> {
    /// A version for these replicas.
    #[must_use]
    pub const fn new(path: &'a SecretPath, secret: &'a NewSecret, targets: &'a [&'a str]) -> Self {
        Self { path, secret, purges: false, targets }
    }
}

/// What is remembered of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// How its last calls went.
    pub breaker: Breaker,
    /// When it last answered, as far as that was noted: not each answer is.
    pub answered: Option<Timestamp>,
    /// When it was last seen to have all that the primary has.
    pub in_step: Option<Timestamp>,
}

/// Where that is kept. What has been answered survives a crash.
#[async_trait]
pub trait Journal: fmt::Debug + Send + Sync {
    /// Keeps versions, all or none; answers the numbers of their rows.
    ///
    /// # Errors
    /// When they are not kept; then nothing was begun.
    async fn add(&self, rows: &[NewRow<'_>]) -> Result<Vec<u64>>;

    /// Notes that somebody is about to be told that these versions are written; answers which rows are there. Of one that
    /// is not, another process has decided: nobody may be told that it waits.
    ///
    /// # Errors
    /// When that could not be noted; then nobody may be told.
    async fn acknowledge(&self, rows: &[u64]) -> Result<Vec<u64>>;

    /// A replica has these versions, or ones that follow them; answers which rows are there. From then on they count as
    /// acknowledged: should another replica be promoted, they are not dropped unseen. One that has no targets left is gone.
    /// One that is not there was decided about by another process.
    ///
    /// # Errors
    /// When that could not be noted: it will be found out again.
    async fn done(&self, rows: &[u64], replica: &str) -> Result<Vec<u64>>;

    /// Takes rows back: their versions were refused, and no replica has them.
    ///
    /// # Errors
    /// When they are still there.
    async fn forget(&self, rows: &[u64]) -> Result<()>;

    /// Takes those rows back of which nobody was told, in one step with looking whether somebody was: the process that
    /// wrote them may be about to tell.
    ///
    /// # Errors
    /// When they are still there.
    async fn abandon(&self, rows: &[u64]) -> Result<()>;

    /// The rows that are there, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn rows(&self) -> Result<Vec<Row>>;

    /// Notes whether replicas have versions of a secret that were written without each other.
    ///
    /// # Errors
    /// When that could not be noted.
    async fn flag(&self, path: &SecretPath, in_conflict: bool) -> Result<()>;

    /// Whether that was noted of a secret, as it was last read from where it is kept.
    fn is_flagged(&self, path: &SecretPath) -> bool;

    /// What is remembered of a replica, as it was last read from where it is kept: that may be a moment ago.
    fn memory(&self, replica: &str) -> Memory;

    /// Remembers it.
    ///
    /// # Errors
    /// When it is remembered by this process alone.
    async fn remember(&self, replica: &str, memory: Memory) -> Result<()>;
}
