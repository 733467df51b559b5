//! What can be wrong with an entry or a log.

/// Why a log does not verify at a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The line is not `payload TAB base64`.
    #[error("the line is malformed")]
    Malformed,
    /// The line is longer than any entry can be.
    #[error("the line is too long")]
    TooLong,
    /// The signature does not hold under the given key.
    #[error("bad signature")]
    BadSignature,
    /// The payload is signed, but not the one spelling of an entry of this schema.
    #[error("not a canonical entry")]
    NotCanonical,
    /// The payload names an action or an outcome that the schema does not have.
    #[error("unknown action or outcome")]
    UnknownName,
    /// The sequence number is not the one that comes next: an entry was removed, repeated or moved.
    #[error("wrong sequence number")]
    WrongSequence,
    /// The entry does not name the hash of the entry before it.
    #[error("broken chain")]
    BrokenChain,
    /// The last line has no end: an append was interrupted.
    #[error("torn last line")]
    TornTail,
    /// The log ends before the size that a checkpoint signs.
    #[error("cut: a checkpoint signs more entries")]
    Cut,
    /// The log is another one than a checkpoint signs, somewhere up to this entry.
    #[error("forked: a checkpoint signs other entries")]
    Forked,
}
