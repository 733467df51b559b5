//! Whether an environment's values are sealed, and what follows for the names of versions.

use secrets_backend::{PutMode, VersionId};

use super::Safe;
use crate::{Error, Result};

/// What the backend of an environment is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sealing {
    /// Values that this safe alone can read.
    #[default]
    Sealed,
    /// Values as they are, which the backend's other programs read and write. Every call is audited as well, but
    /// versions, deletions and metadata are the backend's own, and nothing that it answers can be verified.
    Plain,
}

impl Safe {
    /// What the backend is given.
    #[must_use]
    pub fn sealing(&self) -> Sealing {
        if self.stack.layer().is_sealed() { Sealing::Sealed } else { Sealing::Plain }
    }

    /// Sealed versions are counted by us, so their names are numbers; those of plain values are the backend's.
    pub(super) fn check_version(&self, version: &VersionId) -> Result<()> {
        if self.sealing() == Sealing::Sealed && version.number().is_none() {
            return Err(Error::InvalidInput("the version of a sealed secret is a number".to_owned()));
        }
        Ok(())
    }

    pub(super) fn check_mode(&self, mode: &PutMode) -> Result<()> {
        match mode {
            PutMode::Replace(version) => self.check_version(version),
            PutMode::Upsert | PutMode::Create => Ok(()),
        }
    }
}
