//! How two copies of one secret relate: by their parents, never by a clock.

use secrets_backend::Stamp;

/// How the first copy of a secret relates to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relation {
    /// The same version with the same content, or none at both.
    Equal,
    /// It follows the second, which is one of its ancestors or nothing at all.
    Ahead,
    /// The second follows it.
    Behind,
    /// It has the higher number; that the second is an ancestor cannot be shown.
    AheadUnproven,
    /// The second has the higher number; that the first is an ancestor cannot be shown.
    BehindUnproven,
    /// Each was written without the other.
    Diverged,
}

impl Relation {
    /// How the second relates to the first.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Ahead => Self::Behind,
            Self::Behind => Self::Ahead,
            Self::AheadUnproven => Self::BehindUnproven,
            Self::BehindUnproven => Self::AheadUnproven,
            symmetric => symmetric,
        }
    }
}

/// Relates two copies; none is a secret that was never there, since what was deleted or purged leaves a tombstone.
#[must_use]
pub fn relation(first: Option<&Stamp>, second: Option<&Stamp>) -> Relation {
    match (first, second) {
        (None, None) => Relation::Equal,
        (Some(_), None) => Relation::Ahead,
        (None, Some(_)) => Relation::Behind,
        (Some(first), Some(second)) if first.version == second.version => {
            if first.content_id.matches(&second.content_id) { Relation::Equal } else { Relation::Diverged }
        }
        (Some(first), Some(second)) if first.version > second.version => ahead(first, second),
        (Some(first), Some(second)) => ahead(second, first).reversed(),
    }
}

/// Relates two copies of which the first has the higher number.
fn ahead(newer: &Stamp, older: &Stamp) -> Relation {
    let is_next = newer.version - 1 == older.version;
    match newer.parent.filter(|_| is_next).map(|parent| parent.matches(&older.content_id)) {
        Some(true) => Relation::Ahead,
        Some(false) => Relation::Diverged,
        None => Relation::AheadUnproven,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrets_backend::{ContentId, StampKind};

    use super::*;

    fn id(content: u8) -> ContentId {
        ContentId::new([content; 32])
    }

    fn stamp(version: u64, content: u8, parent: Option<u8>) -> Stamp {
        Stamp::new(StampKind::Secret, version, Some(1), 7, id(content), parent.map(id))
    }

    fn of(first: &Stamp, second: &Stamp) -> Relation {
        relation(Some(first), Some(second))
    }

    #[test]
    fn a_parent_tells_the_next_version_from_a_rival() {
        let base = stamp(4, 1, None);
        assert_eq!(of(&stamp(5, 2, Some(1)), &base), Relation::Ahead);
        assert_eq!(of(&stamp(5, 2, Some(9)), &base), Relation::Diverged);
        assert_eq!(of(&stamp(5, 2, None), &base), Relation::AheadUnproven);
        assert_eq!(of(&stamp(4, 2, Some(1)), &base), Relation::Diverged);
        assert_eq!(of(&base, &stamp(4, 1, Some(3))), Relation::Equal);
    }

    #[test]
    fn an_absence_is_behind_everything() {
        assert_eq!(relation(None, None), Relation::Equal);
        assert_eq!(relation(Some(&stamp(9, 1, None)), None), Relation::Ahead);
        assert_eq!(relation(None, Some(&stamp(9, 1, None))), Relation::Behind);
    }

    #[test]
    fn over_several_versions_the_stamps_alone_show_nothing() {
        assert_eq!(of(&stamp(9, 9, Some(8)), &stamp(3, 3, None)), Relation::AheadUnproven);
        assert_eq!(of(&stamp(3, 3, None), &stamp(9, 9, Some(8))), Relation::BehindUnproven);
    }

    #[test]
    fn a_new_epoch_makes_no_other_version() {
        let mut rewrapped = stamp(3, 3, None);
        rewrapped.epoch = 8;
        assert_eq!(of(&rewrapped, &stamp(3, 3, Some(2))), Relation::Equal);
    }

    fn any_stamp() -> impl Strategy<Value = Option<Stamp>> {
        let one = (1_u64..6, 0_u8..3, proptest::option::of(0_u8..3));
        proptest::option::of(one.prop_map(|(version, content, parent)| stamp(version, content, parent)))
    }

    proptest! {
        #[test]
        fn both_sides_see_the_same(first in any_stamp(), second in any_stamp()) {
            let there = relation(first.as_ref(), second.as_ref());
            prop_assert_eq!(there, relation(second.as_ref(), first.as_ref()).reversed());
            prop_assert_eq!(relation(first.as_ref(), first.as_ref()), Relation::Equal);
        }

        #[test]
        fn the_higher_number_is_never_behind(first in any_stamp(), second in any_stamp()) {
            let numbers = (first.as_ref().map(|one| one.version), second.as_ref().map(|one| one.version));
            let found = relation(first.as_ref(), second.as_ref());
            if numbers.0 > numbers.1 {
                prop_assert!(!matches!(found, Relation::Behind | Relation::BehindUnproven | Relation::Equal));
            }
        }
    }
}
