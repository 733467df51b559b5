//! What can go wrong with a safe.

use std::path::PathBuf;

use secrets_crypto::SafeId;

use crate::files::FileError;
use crate::locks::LockError;
use crate::state::StateError;

/// The result of an operation on a safe.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A backend holds another safe at this place: the source of an `InvalidInput` of the first call there. Join that
/// safe, or choose another place or prefix.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the place belongs to another safe, {safe}")]
#[non_exhaustive]
pub struct ForeignPlace {
    /// The safe that is there.
    pub safe: SafeId,
}

/// A failed operation on a safe, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A secret could not be read or written; its [`kind`](secrets_backend::Error::kind) says what to do.
    #[error(transparent)]
    Backend(#[from] secrets_backend::Error),
    /// The audit log is broken or cannot be written: nothing was released. Repair it.
    #[error("the audit log cannot be used: {0}")]
    Audit(#[from] secrets_audit::Error),
    /// There is no safe at this place. Make one, or look elsewhere.
    #[error("there is no safe at {}", .0.display())]
    NoSafe(PathBuf),
    /// There is a safe already. Use it, or choose another place.
    #[error("there is a safe at {} already", .0.display())]
    SafeExists(PathBuf),
    /// No slot opens with what was given. Try another slot secret.
    #[error("no slot of the safe opens with this {what}")]
    WrongSecret {
        /// The kind of slot secret: `key file`, `passphrase`, `recovery phrase`.
        what: &'static str,
    },
    /// The key file is missing, too short, or no key file.
    #[error("the key file {}: {reason}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The header cannot be used: damaged, of a newer version, or asking for absurd work.
    #[error("the header {}: {source}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: secrets_crypto::Error,
    },
    /// The header is older than one that this installation has seen: an old file was put back.
    #[error("the header {} has sequence {found}; sequence {seen} has been seen", path.display())]
    OldHeader {
        /// The file.
        path: PathBuf,
        /// Its sequence.
        found: u64,
        /// The highest sequence seen.
        seen: u64,
    },
    /// The audit log has fewer entries than this installation has written.
    #[error("the audit log has {found} entries; {seen} have been written")]
    ShortLog {
        /// Its entries.
        found: u64,
        /// The entries seen when a write last ended.
        seen: u64,
    },
    /// A keyring cannot be opened under the safe's root key.
    #[error("the keyring {}: {source}", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: secrets_crypto::Error,
    },
    /// What a backend holds of a safe cannot be used: it is damaged, changed by someone without the root key, or
    /// of a newer version.
    #[error("the {what} at {place}: {source}")]
    Stored {
        /// `header` or `keyring`.
        what: &'static str,
        /// The backend.
        place: String,
        /// What is wrong with it.
        source: secrets_crypto::Error,
    },
    /// A backend cannot keep what several installations write: it has neither conditions nor versions.
    #[error("{0} can be used by one installation alone: it has neither conditional writes nor versions")]
    NotShareable(String),
    /// Backend and safe do not go together: nothing of a safe is there.
    #[error("there is no safe at {0}")]
    NoSafeThere(String),
    /// This installation is not listed in the header. Join the safe.
    #[error("the key {} belongs to no installation of this safe", .0.display())]
    UnknownInstallation(PathBuf),
    /// A slot cannot be added or removed.
    #[error("slot: {0}")]
    Slot(secrets_crypto::Error),
    /// A name or number that can never work.
    #[error("{0}")]
    InvalidInput(String),
    /// What this installation has seen cannot be read or written.
    #[error("local state: {0}")]
    State(#[from] StateError),
    /// A file of the safe is missing, someone else's, or open to others.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process holds the safe.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The system's source of randomness failed.
    #[error("the system's source of randomness failed")]
    Random,
}
