//! The journal of writes to several replicas, in the state of this installation.

use std::sync::Arc;

use secrets_backend::{Error, ErrorKind, NewSecret, Operation, Result, SecretPath, async_trait};
use secrets_multicloud::{Journal, Row};

use crate::blocking::blocking;
use crate::state::{OutboxRow, State, StateError};
use crate::tenant::Tenant;

/// The rows of one environment.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Arc<State>,
    tenant: Arc<Tenant>,
}

impl Outbox {
    pub(crate) const fn new(state: Arc<State>, tenant: Arc<Tenant>) -> Self {
        Self { state, tenant }
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&State) -> std::result::Result<T, StateError> + Send + 'static,
    ) -> Result<T> {
        let state = Arc::clone(&self.state);
        blocking(move || work(&state)).await.map_err(|error| {
            // Nothing was begun that is not kept.
            Error::new(ErrorKind::Unavailable, Operation::Put, "local state").with_detail(error.to_string())
        })
    }

    /// A row with its stamp, which only what is authentic has; none of another environment.
    fn row(&self, id: u64, row: OutboxRow) -> Result<Option<Row>> {
        if row.environment != self.tenant.environment() {
            return Ok(None);
        }
        let opened = self.tenant.open(&row.path, None, &row.envelope).map_err(|error| {
            let damaged = Error::new(ErrorKind::Tampered, Operation::Put, "local state").with_path(&row.path);
            damaged.with_detail(error.to_string())
        })?;
        let secret = NewSecret::new(row.envelope).with_stamp(opened.stamp);
        Ok(Some(Row::new(id, row.path, secret, row.targets)))
    }
}

#[async_trait]
impl Journal for Outbox {
    async fn add(&self, path: &SecretPath, secret: &NewSecret, targets: &[&str]) -> Result<u64> {
        let row = OutboxRow {
            environment: self.tenant.environment().to_owned(),
            path: path.clone(),
            targets: targets.iter().map(|&name| name.to_owned()).collect(),
            envelope: secret.value.expose().to_vec(),
        };
        self.with(move |state| state.add_outgoing(&row)).await
    }

    async fn done(&self, row: u64, replica: &str) -> Result<()> {
        let replica = replica.to_owned();
        self.with(move |state| state.strike_outgoing(row, Some(&replica))).await
    }

    async fn forget(&self, row: u64) -> Result<()> {
        self.with(move |state| state.strike_outgoing(row, None)).await
    }

    async fn rows(&self) -> Result<Vec<Row>> {
        let rows = self.with(State::outgoing).await?;
        rows.into_iter().filter_map(|(id, row)| self.row(id, row).transpose()).collect()
    }
}
