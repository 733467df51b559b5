//! What can go wrong with the log, by what the caller should do.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::Reason;

/// The result of an operation on the log.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation. After any of these from an append, nothing of that append was acknowledged.
///
/// It can be cloned, because all callers that share one write are told the same.
/// No text in it came from an entry.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An entry can never be written as it is. Change the request.
    #[error("invalid audit entry: {0}")]
    InvalidEntry(&'static str),
    /// A text (key, note, checkpoint, proof, entry) is not in its one allowed form. Do not use it.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// Which kind of text.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A signature does not hold, or none is by the expected key. Do not use what it should have covered.
    #[error("no valid signature on the {0}")]
    BadSignature(&'static str),
    /// A proof does not lead to the root it was made for. Do not believe what it should have proven.
    #[error("the {0} proof does not hold")]
    BadProof(&'static str),
    /// The randomness source failed. Retry.
    #[error("no randomness")]
    Random,
    /// A file of ours is a symbolic link, someone else's, or open to others. Repair its owner and mode.
    #[error("{}: {reason}", path.display())]
    UnsafeFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The operating system refused. Make room or repair, then retry: the log recovers by itself.
    #[error("cannot {doing}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// Its answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// Another process held the log for the whole time. Retry.
    #[error("the audit log stayed locked by another process for {waited:?}")]
    Busy {
        /// How long this call waited.
        waited: Duration,
    },
    /// The log is shorter than it is known to have been. Raise an alarm; restore it, or investigate and then
    /// remove the head file, which accepts what is left.
    #[error("the audit log was cut: it has {found} bytes, and {expected} were durable with entry {size}")]
    Cut {
        /// The number of entries known to have been there.
        size: u64,
        /// Their length in bytes.
        expected: u64,
        /// The length of the log now, in bytes.
        found: u64,
    },
    /// A whole line that the head does not cover yet does not verify. Raise an alarm; nothing was repaired.
    #[error("audit entry {seq} was altered: {reason}")]
    Damaged {
        /// The sequence number the line should have had.
        seq: u64,
        /// What is wrong with it.
        reason: Reason,
    },
    /// The log belongs to another signing key. Use the key of this installation.
    #[error("the audit log belongs to another signing key")]
    WrongKey,
    /// The thread that wrote for several of them panicked. A bug; nothing is acknowledged.
    #[error("the append was interrupted")]
    Interrupted,
    /// The head file has a format of a later release. Use that release.
    #[error("the head file has format {0}, which this release does not know")]
    UnsupportedFormat(u16),
}

impl Error {
    pub(crate) fn io(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { doing, source: Arc::new(source) }
    }

    pub(crate) const fn malformed(what: &'static str, reason: &'static str) -> Self {
        Self::Malformed { what, reason }
    }
}
