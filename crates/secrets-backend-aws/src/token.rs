//! Ids of versions: made from a stamp, so that a listing shows the stamp, or fresh.
//!
//! The service takes 32 to 64 characters, and keeps one content under one id: a write that is repeated changes nothing.
//!
//! | characters | of a sealed version, in hexadecimal |
//! | --- | --- |
//! | 1 | type: 1 secret, 2 tombstone |
//! | 15 | logical version |
//! | 8 | epoch |
//! | 40 | first 20 bytes of the content id |

use std::sync::atomic::{AtomicU16, Ordering};

use secrets_backend::{ContentId, ErrorKind, Stamp, StampKind, Timestamp};

use crate::failure::Failure;

const LEN: usize = 64;
/// A logical version has 15 digits here: a write every nanosecond fills them in 36 years.
const MAX_VERSION: u64 = (1 << 60) - 1;

/// The id of the version with this stamp. Term and parent have no room in it.
pub(crate) fn of(stamp: &Stamp) -> Result<String, Failure> {
    if stamp.version > MAX_VERSION {
        return Err(Failure::invalid("the logical version is too large for an id of this service"));
    }
    let kind = match stamp.kind {
        StampKind::Secret => '1',
        StampKind::Tombstone => '2',
    };
    Ok(format!("{kind}{:015x}{:08x}{}", stamp.version, stamp.epoch, stamp.content_id.cut()))
}

/// The stamp that an id says; none for an id of another program.
pub(crate) fn stamp(id: &str) -> Option<Stamp> {
    if id.len() != LEN || !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let kind = match &id[..1] {
        "1" => StampKind::Secret,
        "2" => StampKind::Tombstone,
        _ => return None,
    };
    let version = u64::from_str_radix(&id[1..16], 16).ok()?;
    let epoch = u32::from_str_radix(&id[16..24], 16).ok()?;
    let content_id: ContentId = id[24..].parse().ok()?;
    Some(Stamp::new(kind, version, None, epoch, content_id, None))
}

/// Whether the second is the version of the first with its data key wrapped anew.
pub(crate) fn is_rewrap(current: &str, new: &str) -> bool {
    current != new && stamp(current).zip(stamp(new)).is_some_and(|(current, new)| current.agrees_with(&new))
}

/// Ids for plain versions.
#[derive(Debug, Default)]
pub(crate) struct Fresh(AtomicU16);

impl Fresh {
    /// An id that no version has: its first digits are the time, so that versions of one second keep their order.
    pub(crate) fn id(&self) -> Result<String, Failure> {
        let random = getrandom::u64()
            .map_err(|_| Failure::new(ErrorKind::Unexpected, "the operating system gives no randomness"))?;
        let next = self.0.fetch_add(1, Ordering::Relaxed);
        Ok(format!("{:012x}{next:04x}{random:016x}", Timestamp::now().as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_stamp_reads_back_cut(
            tombstone in any::<bool>(), version in 0..=MAX_VERSION, epoch in any::<u32>(), content in any::<[u8; 32]>()
        ) {
            let kind = if tombstone { StampKind::Tombstone } else { StampKind::Secret };
            let given = Stamp::new(kind, version, Some(1), epoch, ContentId::new(content), None);
            let id = of(&given).unwrap();
            let read = stamp(&id).unwrap();
            prop_assert_eq!(id.len(), LEN);
            prop_assert_eq!(read.epoch, epoch);
            prop_assert!(read.agrees_with(&given));
            prop_assert_eq!(of(&read).unwrap(), id);
        }

        #[test]
        fn an_id_has_one_stamp_and_a_stamp_one_id(id in "[0-9a-fA-F]{62,66}|\\PC{0,70}") {
            if let Some(read) = stamp(&id) {
                prop_assert_eq!(of(&read).unwrap(), id);
            }
        }
    }

    #[test]
    fn an_id_reads_as_specified() {
        let given = Stamp::new(StampKind::Tombstone, 3, None, 0x5f3a_0001, ContentId::new([0xab; 32]), None);
        assert_eq!(of(&given).unwrap(), format!("20000000000000035f3a0001{}", "ab".repeat(20)));
    }

    #[test]
    fn a_version_without_room_is_refused() {
        let given = Stamp::new(StampKind::Secret, MAX_VERSION + 1, None, 0, ContentId::new([0; 32]), None);
        assert_eq!(of(&given).unwrap_err().kind, ErrorKind::InvalidInput);
    }

    #[test]
    fn fresh_ids_are_new_and_in_order_and_no_stamps() {
        let fresh = Fresh::default();
        let ids: Vec<String> = (0..100).map(|_| fresh.id().unwrap()).collect();
        assert!(ids.iter().all(|id| id.len() == 32 && stamp(id).is_none()));
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }
}
