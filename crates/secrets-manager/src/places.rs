//! Where an installation keeps its files.

use std::path::PathBuf;

/// Where an installation keeps its files. Nothing here is looked up: an application hands it in.
///
/// | file | holds |
/// | --- | --- |
/// | `key_file` | the key of the key-file slot; kept apart from the data on purpose |
/// | `data/safe` | the header: keyslots, installations |
/// | `data/keyrings/` | one sealed keyring per tenant |
/// | `data/state.redb` | what this installation has seen: high-water marks, the write journal |
/// | `data/locks/` | locks of writes under way |
/// | `data/store/` | offered to a local backend |
/// | `state/audit.jsonl`, `state/audit.head` | the audit log and its head |
/// | `state/installation.key` | the key that signs the log |
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Places {
    /// The key file.
    pub key_file: PathBuf,
    /// The directory of header, keyrings, state and store.
    pub data: PathBuf,
    /// The directory of the audit log and the installation key.
    pub state: PathBuf,
}

impl Places {
    /// The three places.
    #[must_use]
    pub fn new(key_file: impl Into<PathBuf>, data: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self { key_file: key_file.into(), data: data.into(), state: state.into() }
    }

    /// The header file.
    #[must_use]
    pub fn header(&self) -> PathBuf {
        self.data.join("safe")
    }

    /// The directory of the tenants' keyrings.
    #[must_use]
    pub fn keyrings(&self) -> PathBuf {
        self.data.join("keyrings")
    }

    /// The database of what this installation has seen.
    #[must_use]
    pub fn state_db(&self) -> PathBuf {
        self.data.join("state.redb")
    }

    /// The directory of the locks that writes hold.
    #[must_use]
    pub fn locks(&self) -> PathBuf {
        self.data.join("locks")
    }

    /// A directory for a local backend.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.data.join("store")
    }

    /// The audit log.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.state.join("audit.jsonl")
    }

    /// The audit log's head.
    #[must_use]
    pub fn audit_head(&self) -> PathBuf {
        self.state.join("audit.head")
    }

    /// The installation's signing key.
    #[must_use]
    pub fn installation_key(&self) -> PathBuf {
        self.state.join("installation.key")
    }
}
