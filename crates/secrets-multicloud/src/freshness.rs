//! Whether an authentic answer can be the newest one, by what was seen before.

use secrets_backend::{ContentId, Stamp};

/// The newest version of a secret that an installation has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Its number.
    pub version: u64,
    /// Its content.
    pub content_id: ContentId,
    /// Whether it is there as long as nobody deletes it: neither a deletion nor a purge that was begun.
    pub is_live: bool,
}

impl Seen {
    /// A version as it was seen.
    #[must_use]
    pub const fn new(version: u64, content_id: ContentId, is_live: bool) -> Self {
        Self { version, content_id, is_live }
    }
}

/// What an answer is beside what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// It is what was seen, or newer, or a version of the history.
    Good,
    /// It has the number of the one that was seen and another content: each was written without the other.
    Rival,
    /// It is older than what was seen.
    Stale,
}

/// Judges an answer: an authentic stamp, or none for an absence. History, which a caller asked for by its number, may
/// be old; only `is_newest` may not.
#[must_use]
pub fn freshness(answer: Option<&Stamp>, seen: Option<&Seen>, is_newest: bool) -> Freshness {
    match (answer, seen) {
        (_, None) => Freshness::Good,
        (None, Some(seen)) if seen.is_live && is_newest => Freshness::Stale,
        (None, Some(_)) => Freshness::Good,
        (Some(stamp), Some(seen)) if stamp.version < seen.version && is_newest => Freshness::Stale,
        (Some(stamp), Some(seen)) if stamp.version == seen.version => {
            if stamp.content_id.matches(&seen.content_id) { Freshness::Good } else { Freshness::Rival }
        }
        (Some(_), Some(_)) => Freshness::Good,
    }
}

#[cfg(test)]
mod tests {
    use secrets_backend::StampKind;

    use super::*;

    fn stamp(version: u64, content: u8) -> Stamp {
        Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([content; 32]), None)
    }

    fn seen(is_live: bool) -> Seen {
        Seen::new(4, ContentId::new([4; 32]), is_live)
    }

    #[test]
    fn an_older_answer_is_stale_unless_it_was_asked_for() {
        let judged = |version, is_newest| freshness(Some(&stamp(version, 4)), Some(&seen(true)), is_newest);
        assert_eq!(
            [judged(3, true), judged(4, true), judged(5, true)],
            [Freshness::Stale, Freshness::Good, Freshness::Good]
        );
        assert_eq!(judged(3, false), Freshness::Good);
    }

    #[test]
    fn another_content_under_the_number_that_was_seen_is_a_rival_whoever_asks() {
        for is_newest in [true, false] {
            assert_eq!(freshness(Some(&stamp(4, 9)), Some(&seen(true)), is_newest), Freshness::Rival);
        }
    }

    #[test]
    fn an_absence_is_stale_where_the_secret_was_seen_and_not_deleted() {
        assert_eq!(freshness(None, Some(&seen(true)), true), Freshness::Stale);
        assert_eq!(freshness(None, Some(&seen(true)), false), Freshness::Good);
        assert_eq!(freshness(None, Some(&seen(false)), true), Freshness::Good);
        assert_eq!(freshness(None, None, true), Freshness::Good);
    }
}
