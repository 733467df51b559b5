//! Checkpoints: the signed size and root of a log, in C2SP's tlog-checkpoint format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::note::{KeyName, Note, NoteKey};
use crate::{Error, Result, SigningKey, TreeHash};

/// The size and root of a log at one moment, as <https://c2sp.org/tlog-checkpoint> writes them.
///
/// The text is the origin, the size in decimal and the root in base64, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: for ours `<safe id>.<installation id>` in hexadecimal, also the name of its key.
    pub origin: KeyName,
    /// The number of entries.
    pub size: u64,
    /// The Merkle root over their leaf hashes.
    pub root: TreeHash,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Signs it under the name of its origin.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] never happens for a valid origin; it is passed on from [`Note::sign`].
    pub fn sign(&self, key: &SigningKey) -> Result<Note> {
        Note::sign(&self.to_text(), &self.origin, key)
    }

    /// From the text that is signed; lines after the first three are extensions, and are not kept.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for any other text.
    pub fn from_text(text: &str) -> Result<Self> {
        let wrong = |reason| Error::malformed("checkpoint", reason);
        let body = text.strip_suffix('\n').ok_or_else(|| wrong("it does not end with a line feed"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(wrong("it has fewer than three lines"));
        };
        if lines.any(str::is_empty) {
            return Err(wrong("an extension line is empty"));
        }
        let number: u64 = size.parse().map_err(|_| wrong("its size is no number"))?;
        if number.to_string() != size {
            return Err(wrong("its size is not the shortest decimal"));
        }
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        let root = TreeHash::from_bytes(root.ok_or_else(|| wrong("its root is not 32 bytes in base64"))?);
        Ok(Self { origin: origin.parse()?, size: number, root })
    }

    /// Opens a signed note: its signature by `key` must hold, and the key's name must be its origin.
    ///
    /// # Errors
    ///
    /// [`Error::BadSignature`] or [`Error::Malformed`].
    pub fn open(note: &Note, key: &NoteKey) -> Result<Self> {
        let checkpoint = Self::from_text(key.verify(note)?)?;
        if &checkpoint.origin != key.name() {
            return Err(Error::malformed("checkpoint", "its origin is not the name of its key"));
        }
        Ok(checkpoint)
    }
}
