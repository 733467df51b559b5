//! How two copies of one secret relate: by their parents and by what is on record, never by a clock.

use secrets_backend::{ContentId, Stamp};

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

/// The content of each version of a secret that is known to belong to one history.
pub type Record<'a> = dyn Fn(u64) -> Option<ContentId> + Sync + 'a;

/// Relates two copies; none is a secret that was never there, since what was deleted or purged leaves a tombstone.
#[must_use]
pub fn relation(first: Option<&Stamp>, second: Option<&Stamp>, record: &Record<'_>) -> Relation {
    match (first, second) {
        (None, None) => Relation::Equal,
        (Some(_), None) => Relation::Ahead,
        (None, Some(_)) => Relation::Behind,
        (Some(first), Some(second)) if first.version == second.version => {
            if first.content_id.matches(&second.content_id) { Relation::Equal } else { Relation::Diverged }
        }
        (Some(first), Some(second)) if first.version > second.version => ahead(first, second, record),
        (Some(first), Some(second)) => ahead(second, first, record).reversed(),
    }
}

/// Relates two copies of which the first has the higher number.
fn ahead(newer: &Stamp, older: &Stamp, record: &Record<'_>) -> Relation {
    let is_next = newer.version - 1 == older.version;
    let by_parent = newer.parent.filter(|_| is_next).map(|parent| parent.matches(&older.content_id));
    let of_record = |stamp: &Stamp| record(stamp.version).map(|known| known.matches(&stamp.content_id));
    // The record says something about both only where the newer one belongs to it.
    let by_record = || of_record(newer).filter(|&is_known| is_known).and_then(|_| of_record(older));
    match by_parent.or_else(by_record) {
        Some(true) => Relation::Ahead,
        Some(false) => Relation::Diverged,
        None => Relation::AheadUnproven,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrets_backend::StampKind;

    use super::*;

    fn id(content: u8) -> ContentId {
        ContentId::new([content; 32])
    }

    fn stamp(version: u64, content: u8, parent: Option<u8>) -> Stamp {
        Stamp::new(StampKind::Secret, version, Some(1), 7, id(content), parent.map(id))
    }

    fn of(first: &Stamp, second: &Stamp) -> Relation {
        relation(Some(first), Some(second), &|_| None)
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
        let none = |_| None;
        assert_eq!(relation(None, None, &none), Relation::Equal);
        assert_eq!(relation(Some(&stamp(9, 1, None)), None, &none), Relation::Ahead);
        assert_eq!(relation(None, Some(&stamp(9, 1, None)), &none), Relation::Behind);
    }

    #[test]
    fn the_record_spans_several_versions_where_the_newer_one_is_in_it() {
        let record = |version: u64| (1..=7).contains(&version).then(|| id(u8::try_from(version).unwrap()));
        let of = |first: &Stamp, second: &Stamp| relation(Some(first), Some(second), &record);
        assert_eq!(of(&stamp(7, 7, Some(6)), &stamp(3, 3, None)), Relation::Ahead);
        assert_eq!(of(&stamp(7, 7, Some(6)), &stamp(3, 99, None)), Relation::Diverged);
        assert_eq!(
            of(&stamp(9, 9, Some(8)), &stamp(3, 3, None)),
            Relation::AheadUnproven,
            "beyond the record"
        );
        assert_eq!(
            of(&stamp(7, 99, Some(6)), &stamp(3, 3, None)),
            Relation::AheadUnproven,
            "not in the record"
        );
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
        fn both_sides_see_the_same(
            first in any_stamp(), second in any_stamp(), known in proptest::collection::vec(proptest::option::of(0_u8..3), 6)
        ) {
            let record = |version: u64| known.get(usize::try_from(version).unwrap()).copied().flatten().map(id);
            let there = relation(first.as_ref(), second.as_ref(), &record);
            let back = relation(second.as_ref(), first.as_ref(), &record);
            prop_assert_eq!(there, back.reversed());
            prop_assert_eq!(relation(first.as_ref(), first.as_ref(), &record), Relation::Equal);
        }

        #[test]
        fn the_higher_number_is_never_behind(first in any_stamp(), second in any_stamp()) {
            let numbers = (first.as_ref().map(|one| one.version), second.as_ref().map(|one| one.version));
            let found = relation(first.as_ref(), second.as_ref(), &|_| None);
            if numbers.0 > numbers.1 {
                prop_assert!(!matches!(found, Relation::Behind | Relation::BehindUnproven | Relation::Equal));
            }
        }
    }
}
