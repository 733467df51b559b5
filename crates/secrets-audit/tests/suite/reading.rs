//! Entries read back, from the start and from the end.

use std::time::Duration;

use secrets_audit::{Durability, Error, NewEntry, read};

use super::sample::{Place, full, place_with, read_of};

fn last(place: &Place, count: usize) -> Vec<u64> {
    let snapshot = read::snapshot(&place.log(), Duration::ZERO).unwrap();
    let entries = read::Entries::new(read::last(snapshot, count).unwrap());
    entries.map(|entry| entry.unwrap().seq).collect()
}

#[test]
fn what_was_said_is_read_back() {
    let place = Place::new();
    let said: Vec<NewEntry> =
        (0..20).map(|number| if number % 3 == 0 { full(number) } else { read_of(number) }).collect();
    place.open().unwrap().append(said.clone(), Durability::Synced).unwrap();
    let entries = read::Entries::new(read::snapshot(&place.log(), Duration::ZERO).unwrap());
    let read: Vec<_> = entries.map(|entry| entry.unwrap()).collect();
    assert_eq!(read.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    assert_eq!(read.into_iter().map(|entry| entry.said).collect::<Vec<_>>(), said);
}

#[test]
fn the_last_entries_are_found_from_the_end() {
    let place = place_with(9);
    assert!(last(&place, 0).is_empty());
    assert_eq!(last(&place, 1), [8]);
    assert_eq!(last(&place, 4), [5, 6, 7, 8]);
    assert_eq!(last(&place, 9), (0..9).collect::<Vec<_>>());
    assert_eq!(last(&place, 1000), (0..9).collect::<Vec<_>>());
    assert!(last(&Place::new_with_empty_log(), 3).is_empty());
}

#[test]
fn the_last_entries_are_found_across_long_lines() {
    let place = Place::new();
    let log = place.open().unwrap();
    for number in 0..6 {
        let detail = vec![0xA5; 40_000 * usize::try_from(number).unwrap()];
        log.append(vec![NewEntry { detail, ..read_of(number) }], Durability::Deferred).unwrap();
    }
    for count in 0..=6 {
        assert_eq!(last(&place, count), (6 - count as u64..6).collect::<Vec<_>>());
    }
}

#[test]
fn an_unreadable_entry_ends_the_reading_with_an_error() {
    let place = place_with(2);
    std::fs::write(place.log(), [&place.bytes()[..], b"{}\tAAAA\n", &place.bytes()].concat()).unwrap();
    let snapshot = read::snapshot(&place.log(), Duration::ZERO).unwrap();
    let read: Vec<_> = read::Entries::new(snapshot).collect();
    assert_eq!(read.len(), 3);
    assert!(matches!(read[2], Err(Error::Malformed { .. })));
}

#[test]
fn deeply_nested_json_is_an_error_and_no_overflow() {
    let deep = [b"[".repeat(100_000), b"\n".to_vec()].concat();
    assert!(read::Entries::new(&deep[..]).next().unwrap().is_err());
    let inside = format!(r#"{{"v":1,"objs":{}}}"#, "[".repeat(100_000));
    assert!(read::Entry::from_payload(inside.as_bytes()).is_err());
}

#[test]
fn a_copy_of_a_log_is_read_through_a_link_and_anything_else_is_refused() {
    let place = place_with(2);
    let link = place.path().join("link");
    std::os::unix::fs::symlink(place.log(), &link).unwrap();
    assert_eq!(read::Entries::new(read::snapshot(&link, Duration::ZERO).unwrap()).count(), 2);
    assert!(matches!(read::snapshot(place.path(), Duration::ZERO), Err(Error::UnsafeFile { .. })));
    assert!(matches!(read::snapshot(&place.path().join("none"), Duration::ZERO), Err(Error::Io { .. })));
}

impl Place {
    fn new_with_empty_log() -> Self {
        let place = Self::new();
        drop(place.open().unwrap());
        place
    }
}
