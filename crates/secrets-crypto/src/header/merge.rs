//! Two headers of one safe become one, and nothing is lost.

use super::{Header, Installation, MAX_INSTALLATIONS, MAX_SLOTS, Slot};
use crate::{Error, HeaderKey, Result};

pub(super) fn merge(header: &mut Header, other: &Header, key: &HeaderKey) -> Result<bool> {
    if header.safe != other.safe {
        return Err(Error::ForeignSafe);
    }
    other.verify_mac(key)?;
    let slots = merge_slots(&header.slots, &other.slots)?;
    let installations = merge_installations(&header.installations, &other.installations)?;
    let opens = |slots: &[Slot]| slots.iter().any(Slot::is_active);
    if opens(&header.slots) && !opens(&slots) {
        return Err(Error::LastSlot);
    }
    let changed = slots != header.slots || installations != header.installations;
    header.slots = slots;
    header.installations = installations;
    header.sequence = header.sequence.max(other.sequence);
    header.advance();
    Ok(changed)
}

/// By salt. A removed slot stays removed; absence is never removal.
fn merge_slots(ours: &[Slot], theirs: &[Slot]) -> Result<Vec<Slot>> {
    let mut merged = ours.to_vec();
    for slot in theirs {
        match merged.binary_search_by_key(&slot.salt, |known| known.salt) {
            Ok(at) if merged[at].is_active() && !slot.is_active() => merged[at] = slot.clone(),
            Ok(_) => {}
            Err(at) => merged.insert(at, slot.clone()),
        }
    }
    if merged.len() > MAX_SLOTS { Err(Error::Full("the header's list of slots")) } else { Ok(merged) }
}

fn merge_installations(ours: &[Installation], theirs: &[Installation]) -> Result<Vec<Installation>> {
    let mut merged = ours.to_vec();
    for installation in theirs {
        match merged.binary_search_by_key(&installation.id, |known| known.id) {
            Ok(at) if merged[at].public_key != installation.public_key => {
                return Err(Error::InstallationConflict);
            }
            Ok(at) => merged[at].removed |= installation.removed,
            Err(at) => merged.insert(at, *installation),
        }
    }
    if merged.len() > MAX_INSTALLATIONS {
        Err(Error::Full("the header's list of installations"))
    } else {
        Ok(merged)
    }
}
