//! What is known of secrets without their values.

use secrets_backend::{Listed, Metadata, Secret, SecretPath, Stamp, Timestamp, VersionId};

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The secret's path.
    pub path: SecretPath,
    /// Its newest version, as the backend claims it; of plain values a listing shows none.
    pub version: Option<u64>,
    /// When that was written, by the backend's clock.
    pub updated: Option<Timestamp>,
    /// Whether it is deleted.
    pub deleted: bool,
}

impl From<Listed> for Summary {
    fn from(listed: Listed) -> Self {
        Self {
            version: listed.stamp.as_ref().map(|stamp| stamp.version),
            deleted: listed.stamp.as_ref().is_some_and(Stamp::is_tombstone),
            path: listed.path,
            updated: listed.updated,
        }
    }
}

/// What is known of one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Its path.
    pub path: SecretPath,
    /// Its current version.
    pub version: VersionId,
    /// When that was written: by the writer's clock, of a plain value by the backend's.
    pub created: Option<Timestamp>,
    /// Length of the value, in bytes.
    pub size: usize,
    /// What the user says about it.
    pub metadata: Metadata,
}

impl Description {
    /// The description of a version; its value is wiped.
    pub(super) fn of(path: SecretPath, secret: Secret) -> Self {
        Self {
            path,
            version: secret.version,
            created: secret.created,
            size: secret.value.len(),
            metadata: secret.metadata,
        }
    }
}
