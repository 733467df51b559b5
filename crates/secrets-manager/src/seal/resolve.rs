//! Ending a conflict: one of the versions that were written without each other becomes a new one everywhere.

use secrets_backend::{ErrorKind, NewSecret, Operation, Result, SecretPath, VersionId, Written};

use super::SealBackend;
use super::write::{Content, Current};
use crate::state::Mark;

impl SealBackend {
    /// Seals what `holder` has on top of all others, and puts it into the place of each.
    pub(crate) async fn resolve(&self, path: &SecretPath, holder: &str) -> Result<Written> {
        self.load(std::slice::from_ref(path)).await?;
        let rivals = self.inner.rivals(path).await?;
        let newest = rivals.iter().map(|rival| rival.stamp.version).max();
        let chosen = rivals.into_iter().find(|rival| rival.holders.iter().any(|one| one == holder));
        let (Some(newest), Some(chosen)) = (newest, chosen) else {
            return Err(self.missing(Operation::Get, path).with_detail(format!("{holder} has none")));
        };
        let refused = |error| self.refuse(ErrorKind::Tampered, Operation::Get, path, &error);
        let opened = self.tenant.open(path, None, chosen.secret.value.expose()).map_err(refused)?;
        let mut on_top = Current { stamp: chosen.stamp.clone(), stored: true };
        // Its parent is what was chosen; its number is above every other.
        on_top.stamp.version = newest;
        let value = NewSecret::new(opened.value).with_metadata(opened.metadata);
        let content = if chosen.stamp.is_tombstone() { Content::tombstone() } else { Content::of(&value) };
        let prepared = self.after(path, Some(&on_top), content)?;
        self.inner.settle(path, &prepared.secret).await?;
        self.record(vec![(self.tenant.object(path), Mark::of(&prepared.stamp))]).await;
        let version = VersionId::from_number(prepared.stamp.version);
        Ok(Written::version(version).with_stamp(Some(prepared.stamp)))
    }
}
