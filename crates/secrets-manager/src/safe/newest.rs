//! How new answers have to be, for an installation that has seen none yet.

use std::collections::BTreeSet;

use secrets_multicloud::{Scope, plan};

use super::Safe;
use crate::Result;

impl Safe {
    /// Notes the newest version that a backend has of each secret, so that from the first read on one that is behind is
    /// not believed. For an installation that has just joined.
    ///
    /// Answers how many backends could be compared. With fewer than two nothing tells how fresh an answer is.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend) where a backend that answers cannot be listed.
    pub async fn learn_newest(&self) -> Result<usize> {
        if !self.has_several() {
            return Ok(1);
        }
        let answering = self.health().await?.into_iter().filter(|health| health.failure.is_none());
        let answering: BTreeSet<String> = answering.map(|health| health.name).collect();
        let count = answering.len();
        if count > 1 {
            let mut scope = Scope::default();
            scope.replicas = answering;
            let plan = plan(self.group()?, &scope, &|_, _| {}).await?;
            self.sealed()?.note_newest(&plan).await;
        }
        Ok(count)
    }
}
