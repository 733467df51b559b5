//! What is set up here. Contacts nothing, opens nothing.

use secrets_crypto::SafeId;

use crate::header::HeaderFile;
use crate::slots::SlotInfo;
use crate::{Places, Result};

/// What a safe's files say without being unlocked. Nothing of it is authenticated.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The safe's id.
    pub safe: SafeId,
    /// How often its header was changed.
    pub sequence: u64,
    /// Its slots.
    pub slots: Vec<SlotInfo>,
    /// How many installations it has had.
    pub installations: usize,
    /// Whether the key file lies where it is looked for.
    pub key_file_present: bool,
    /// Whether key file and data lie under one directory: whoever copies that directory can read everything.
    pub key_beside_data: bool,
}

/// Reads what is set up at `places`.
///
/// # Errors
/// [`Error::NoSafe`](crate::Error::NoSafe); [`Error::Header`](crate::Error::Header) where no copy is readable.
pub fn status(places: &Places) -> Result<Status> {
    let file = HeaderFile::read(&places.header())?;
    let header = file.best()?;
    Ok(Status {
        safe: header.safe_id(),
        sequence: header.sequence(),
        slots: header.slots().into_iter().map(SlotInfo::from).collect(),
        installations: header.installations().len(),
        key_file_present: places.key_file.symlink_metadata().is_ok(),
        key_beside_data: lie_together(places),
    })
}

/// Whether the directories of key file and data have a parent in common that belongs to the safe alone.
fn lie_together(places: &Places) -> bool {
    let home = places.data.parent();
    places.key_file.parent() == Some(&places.data)
        || home.is_some_and(|home| places.state.parent() == Some(home) && places.key_file.starts_with(home))
}
