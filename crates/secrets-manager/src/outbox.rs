//! The journal of writes to several replicas, in the state of this installation.

use std::sync::Arc;

use secrets_backend::{Error, ErrorKind, NewSecret, Operation, Result, SecretPath, async_trait};
use secrets_multicloud::{Journal, Memory, NewRow, Row};

use crate::blocking::blocking;
use crate::replica::Files;
use crate::state::{Change, OutboxRow, State, StateError};
use crate::tenant::{Opened, SealError, Tenant};

/// The rows of one environment, and what is remembered of its replicas.
#[derive(Debug)]
pub(crate) struct Outbox {
    files: Arc<Files>,
}

impl Outbox {
    pub(crate) const fn new(files: Arc<Files>) -> Self {
        Self { files }
    }

    fn state(&self) -> &Arc<State> {
        &self.files.state
    }

    fn tenant(&self) -> &Tenant {
        &self.files.tenant
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&State) -> std::result::Result<T, StateError> + Send + 'static,
    ) -> Result<T> {
        let state = Arc::clone(self.state());
        blocking(move || work(&state)).await.map_err(|error| {
            // Nothing was begun that is not kept.
            Error::new(ErrorKind::Unavailable, Operation::Put, "local state").with_detail(error.to_string())
        })
    }

    async fn change(&self, rows: &[u64], change: Change) -> Result<Vec<u64>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let rows = rows.to_vec();
        self.with(move |state| state.change_outgoing(&rows, &change)).await
    }

    /// A row with its stamp, which only what is authentic has; none of another environment.
    async fn row(&self, id: u64, row: OutboxRow) -> Result<Option<Row>> {
        if row.environment != self.tenant().environment() {
            return Ok(None);
        }
        let opened = self.opened(&row).await.map_err(|error| {
            let damaged = Error::new(ErrorKind::Tampered, Operation::Put, "local state").with_path(&row.path);
            damaged.with_detail(error.to_string())
        })?;
        let secret = NewSecret::new(row.envelope).with_stamp(opened.stamp);
        let mut found = Row::new(id, row.path, secret, row.targets);
        (found.purges, found.acknowledged) = (row.purges, row.acknowledged);
        Ok(Some(found))
    }

    /// Opens what a row holds; where another process sealed it under a key that it made meanwhile, with that.
    async fn opened(&self, row: &OutboxRow) -> std::result::Result<Opened, SealError> {
        let open = || self.tenant().open(&row.path, None, &row.envelope);
        match open() {
            Err(SealError::UnknownEpoch) => {
                let files = Arc::clone(&self.files);
                if let Err(error) = blocking(move || files.learn_own()).await {
                    tracing::warn!(%error, "keys that another process made could not be read");
                }
                open()
            }
            opened => opened,
        }
    }
}

#[async_trait]
impl Journal for Outbox {
    async fn add(&self, rows: &[NewRow<'_>]) -> Result<Vec<u64>> {
        let kept = |row: &NewRow<'_>| OutboxRow {
            environment: self.tenant().environment().to_owned(),
            path: row.path.clone(),
            purges: row.purges,
            acknowledged: false,
            targets: row.targets.iter().map(|&name| name.to_owned()).collect(),
            envelope: row.secret.value.expose().to_vec(),
        };
        let rows: Vec<OutboxRow> = rows.iter().map(kept).collect();
        self.with(move |state| state.add_outgoing(&rows)).await
    }

    async fn acknowledge(&self, rows: &[u64]) -> Result<Vec<u64>> {
        self.change(rows, Change::Acknowledge).await
    }

    async fn done(&self, rows: &[u64], replica: &str) -> Result<Vec<u64>> {
        self.change(rows, Change::Strike(replica.to_owned())).await
    }

    async fn forget(&self, rows: &[u64]) -> Result<()> {
        self.change(rows, Change::Remove).await.map(drop)
    }

    async fn abandon(&self, rows: &[u64]) -> Result<()> {
        self.change(rows, Change::Abandon).await.map(drop)
    }

    async fn rows(&self) -> Result<Vec<Row>> {
        if !self.state().has_outgoing() {
            return Ok(Vec::new());
        }
        let mut rows = Vec::new();
        for (id, row) in self.with(State::outgoing).await? {
            rows.extend(self.row(id, row).await?);
        }
        Ok(rows)
    }

    async fn flag(&self, path: &SecretPath, in_conflict: bool) -> Result<()> {
        let object = self.tenant().object(path);
        self.with(move |state| state.contest(object, in_conflict)).await
    }

    fn is_flagged(&self, path: &SecretPath) -> bool {
        self.state().is_contested(self.tenant().object(path))
    }

    fn memory(&self, replica: &str) -> Memory {
        self.state().replica(self.tenant().environment(), replica)
    }

    async fn remember(&self, replica: &str, memory: Memory) -> Result<()> {
        let (environment, replica) = (self.tenant().environment().to_owned(), replica.to_owned());
        self.with(move |state| state.remember_replica(&environment, &replica, memory)).await
    }
}
