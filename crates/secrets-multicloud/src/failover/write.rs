//! Writing with several replicas: the journal, the primary, the answer; then the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrets_backend::{
    Error, ErrorKind, Level, Listed, NewSecret, Operation, Page, PutMode, Result, Secret, SecretBackend,
    SecretPath, Served, Stamp, VersionId, Written,
};

use super::FailoverBackend;
use crate::forward::{Forwarded, forward};
use crate::journal::{Journal, Row};
use crate::replica::Replica;

/// What becomes of a write while the primary cannot take it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenDown {
    /// It waits in the journal of this machine, at [`Level::Local`].
    #[default]
    Journal,
    /// It fails.
    Deny,
}

/// What draining the journal has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many rows are left.
    pub left: usize,
    /// Replicas that could not take what they lack, by name.
    pub behind: BTreeSet<String>,
    /// Secrets of which a replica has a version that was written without the one of the journal.
    pub diverged: BTreeSet<SecretPath>,
}

/// The name under which the journal answers for its rows.
const JOURNAL: &str = "journal";

impl FailoverBackend {
    /// Writes where there are several replicas.
    pub(super) async fn write(
        &self,
        journal: &Arc<dyn Journal>,
        path: &SecretPath,
        secret: &NewSecret,
        mode: &PutMode,
    ) -> Result<Written> {
        let stamp = secret.stamp.clone().ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidInput, Operation::Put, self.to_string());
            error.with_path(path).with_detail("only sealed secrets")
        })?;
        let names: Vec<&str> = self.replicas.iter().map(Replica::name).collect();
        let row = journal.add(path, secret, &names).await?;
        let version = VersionId::from_number(stamp.version);
        let written = Written::version(version).with_stamp(Some(stamp));
        match self.primary().put(path, secret, mode).await {
            Ok(_) => {
                note(journal.done(row, self.primary().name()).await);
                // However long that takes, the write is acknowledged by what the primary said.
                let drained = tokio::time::timeout(self.config.drain_timeout, self.drain()).await;
                let is_everywhere = matches!(drained, Ok(Ok(drained)) if drained.left == 0);
                Ok(written.at(if is_everywhere { Level::All } else { Level::Primary }))
            }
            Err(error) if self.config.when_down == WhenDown::Journal && is_down(error.kind()) => {
                tracing::warn!(%path, "the primary cannot take it now: the write waits in the journal");
                Ok(written.at(Level::Local))
            }
            Err(error) => {
                // A row that stays spreads to no other replica before the primary has taken it.
                note(journal.forget(row).await);
                Err(error)
            }
        }
    }

    /// Brings what waits in the journal to the replicas that lack it: first to the primary, oldest first.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn drain(&self) -> Result<Drained> {
        let mut drained = Drained::default();
        let Some(journal) = &self.journal else { return Ok(drained) };
        for row in journal.rows().await? {
            let left = self.drain_row(journal, &row, &mut drained).await;
            drained.left += usize::from(left);
        }
        Ok(drained)
    }

    /// Whether something of the row is left.
    async fn drain_row(&self, journal: &Arc<dyn Journal>, row: &Row, drained: &mut Drained) -> bool {
        let Some(stamp) = &row.secret.stamp else { return true };
        let is_target = |replica: &&Replica| row.targets.iter().any(|name| name == replica.name());
        let mut is_left = false;
        for replica in self.replicas.iter().filter(is_target) {
            let is_behind = drained.behind.contains(replica.name());
            if !is_behind && self.bring(replica, row, stamp, drained).await {
                note(journal.done(row.id, replica.name()).await);
                continue;
            }
            is_left = true;
            if std::ptr::eq(replica, self.primary()) {
                // What the primary does not have, nobody gets.
                break;
            }
        }
        is_left
    }

    /// Whether the replica has the version now.
    async fn bring(&self, replica: &Replica, row: &Row, stamp: &Stamp, drained: &mut Drained) -> bool {
        match forward(replica, &row.path, &row.secret, stamp, &|_| None).await {
            Ok(Forwarded::Has) => return true,
            Ok(Forwarded::Unproven | Forwarded::Diverged) => {
                drained.diverged.insert(row.path.clone());
            }
            Err(error) => {
                tracing::debug!(replica = replica.name(), kind = %error.kind(), "a replica stays behind");
                drained.behind.insert(replica.name().to_owned());
            }
        }
        false
    }

    /// What waits for the primary: this machine's own acknowledged writes, which every read has to show. Oldest first.
    pub(super) async fn waiting(&self) -> Result<Vec<Row>> {
        let Some(journal) = &self.journal else { return Ok(Vec::new()) };
        let mut rows = journal.rows().await?;
        rows.retain(|row| row.targets.iter().any(|name| name == self.primary().name()));
        Ok(rows)
    }
}

/// The version of a secret that waits for the primary: the newest, or the one of this number.
pub(super) fn own(rows: &[Row], path: &SecretPath, at: Option<&VersionId>) -> Option<Secret> {
    let of_path = rows.iter().filter(|row| row.path == *path);
    let stamped = of_path.filter_map(|row| Some((row.secret.stamp.as_ref()?, &row.secret)));
    let is_wanted = |stamp: &Stamp| at.is_none_or(|at| at.number() == Some(stamp.version));
    let newest = stamped.filter(|(stamp, _)| is_wanted(stamp)).max_by_key(|(stamp, _)| stamp.version);
    newest.map(|(stamp, secret)| {
        let mut found = Secret::new(VersionId::from_number(stamp.version), secret.value.duplicate());
        found.stamp = Some(stamp.clone());
        found.served = Some(Served::new(JOURNAL, true));
        found
    })
}

/// A first page with what waits, and any page without what waits being on it as it was before.
pub(super) fn with_own(mut page: Page, rows: &[Row], prefix: Option<&SecretPath>, is_first: bool) -> Page {
    page.items.retain(|item| rows.iter().all(|row| row.path != item.path));
    if is_first {
        let newest: BTreeMap<&SecretPath, &Row> = rows.iter().map(|row| (&row.path, row)).collect();
        let under = newest.into_values().filter(|row| prefix.is_none_or(|prefix| row.path.is_under(prefix)));
        page.items.extend(under.map(|row| {
            let mut item = Listed::new(row.path.clone());
            item.stamp.clone_from(&row.secret.stamp);
            item
        }));
    }
    page
}

fn is_down(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::RateLimited)
}

/// A row that could not be changed is looked at again by the next draining, which finds out that it is done.
fn note(changed: Result<()>) {
    if let Err(error) = changed {
        tracing::warn!(%error, "the journal could not be brought up to date");
    }
}
