//! This machine's own writes that a primary does not have yet: every read here shows them.

use std::collections::BTreeMap;

use secrets_backend::{Listed, Page, Result, Secret, SecretPath, Served, Stamp, VersionId, VersionMeta};

use super::FailoverBackend;
use super::route::Route;
use crate::journal::Row;

/// The name under which the journal answers for its rows.
pub(super) const JOURNAL: &str = "journal";

impl FailoverBackend {
    /// What waits for a primary: this machine's own acknowledged writes, which every read has to show. Oldest first.
    pub(super) async fn waiting(&self) -> Result<Vec<Row>> {
        let Some(journal) = &self.journal else { return Ok(Vec::new()) };
        let mut rows = journal.rows().await?;
        rows.retain(|row| {
            let primary = self.replicas[self.route(&row.path).primary()].name();
            row.acknowledged && row.targets.iter().any(|name| name == primary)
        });
        Ok(rows)
    }

    /// What the journal has of a secret, for whichever replica, as far as somebody was told of it: of two that were written
    /// without each other, one may have been at the primary and be gone from there.
    pub(super) async fn rows_of(&self, path: &SecretPath) -> Result<Vec<Row>> {
        let Some(journal) = &self.journal else { return Ok(Vec::new()) };
        let primary = self.replicas[self.route(path).primary()].name();
        let mut rows = journal.rows().await?;
        rows.retain(|row| {
            row.path == *path && (row.acknowledged || row.targets.iter().all(|name| name != primary))
        });
        Ok(rows)
    }

    /// Whether a version that waits is still the newest here: the primary may have taken the next one, while nobody could
    /// find out yet that it has this one too.
    pub(super) fn is_newest(&self, path: &SecretPath, own: &Secret) -> bool {
        !self.replicas[self.route(path).primary()].is_past(path, own)
    }

    /// The rows that a listing shows.
    pub(super) async fn shown(&self, route: &Route) -> Result<Vec<Row>> {
        let mut rows = self.waiting().await?;
        rows.retain(|row| {
            self.belongs(route, &row.path) && answered(row).is_some_and(|own| self.is_newest(&row.path, &own))
        });
        Ok(rows)
    }
}

/// The version of a secret that waits for the primary: the newest, or the one of this number.
pub(super) fn own(rows: &[Row], path: &SecretPath, at: Option<&VersionId>) -> Option<Secret> {
    let of_path = rows.iter().filter(|row| row.path == *path);
    let stamped = of_path.filter_map(|row| Some((row.secret.stamp.as_ref()?, row)));
    let is_wanted = |stamp: &Stamp| at.is_none_or(|at| at.number() == Some(stamp.version));
    let newest = stamped.filter(|(stamp, _)| is_wanted(stamp)).max_by_key(|(stamp, _)| stamp.version);
    newest.and_then(|(_, row)| answered(row))
}

/// A history with what waits behind it.
pub(super) fn continued(mut history: Vec<VersionMeta>, rows: &[Row]) -> Vec<VersionMeta> {
    for stamp in rows.iter().filter_map(|row| row.secret.stamp.as_ref()) {
        let is_it = |meta: &VersionMeta| {
            meta.stamp.as_ref().is_some_and(|known| known.content_id.matches(&stamp.content_id))
        };
        if !history.iter().any(is_it) {
            let mut meta = VersionMeta::new(VersionId::from_number(stamp.version));
            meta.stamp = Some(stamp.clone());
            history.push(meta);
        }
    }
    // Stable: of two with one number, which is a conflict, the replica's stays first.
    history.sort_by_key(|meta| meta.id.number());
    history
}

/// A row as the answer to a read.
fn answered(row: &Row) -> Option<Secret> {
    let stamp = row.secret.stamp.clone()?;
    let mut found = Secret::new(VersionId::from_number(stamp.version), row.secret.value.duplicate());
    found.stamp = Some(stamp);
    found.served = Some(Served::new(JOURNAL, true));
    Some(found)
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
