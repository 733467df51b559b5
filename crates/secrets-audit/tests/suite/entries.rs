//! The bounds of an entry, each at its last value that is written and its first that is refused.

use secrets_audit::{Error, MAX_PAYLOAD, NewEntry, ObjectRef, OpId, Reason, TreeHash, sign_line, verify_log};

use super::sample::{full, key, public, read_of};

/// The largest number: 2^53 − 1.
const LARGEST: u64 = (1 << 53) - 1;
/// What objects and detail may take of a payload; the rest is kept for the other fields.
const ROOM: usize = MAX_PAYLOAD - 2048;
/// What one object is counted as.
const OBJECT_ROOM: usize = 128;

fn payload_of(entry: &NewEntry) -> Result<Vec<u8>, Error> {
    entry.to_payload(LARGEST, &TreeHash::ZERO)
}

fn with(objects: usize, detail: usize) -> NewEntry {
    let object = ObjectRef { object: [1; 16], version: LARGEST, content_id: Some([2; 32]) };
    NewEntry { objects: vec![object; objects], detail: vec![0; detail], ..full(1) }
}

#[track_caller]
fn assert_refused(entry: &NewEntry) {
    assert!(matches!(payload_of(entry), Err(Error::InvalidEntry(_))));
}

#[test]
fn numbers_go_up_to_2_to_the_53_and_no_further() {
    let time = |ts_ms| NewEntry { ts_ms, ..read_of(1) };
    assert!(payload_of(&time(LARGEST)).is_ok());
    assert_refused(&time(LARGEST + 1));
    let version = |version| {
        let object = |version| ObjectRef { object: [1; 16], version, content_id: None };
        NewEntry { objects: vec![object(1), object(version)], ..read_of(1) }
    };
    assert!(payload_of(&version(LARGEST)).is_ok());
    assert_refused(&version(LARGEST + 1));
}

#[test]
fn objects_and_detail_fill_a_payload_to_its_limit_and_no_further() {
    // Base64 makes four characters of three bytes.
    let detail = ROOM / 4 * 3;
    for (objects, detail) in [(0, detail), (1, detail - OBJECT_ROOM / 4 * 3), (ROOM / OBJECT_ROOM, 0)] {
        let largest = payload_of(&with(objects, detail)).unwrap();
        assert!(largest.len() <= MAX_PAYLOAD, "{objects} objects and {detail} bytes: {}", largest.len());
        assert_refused(&with(objects, detail + 1));
        assert_refused(&with(objects + 1, detail));
    }
}

#[test]
fn a_line_of_the_largest_payload_is_read_whole_and_a_longer_one_is_not() {
    let reason = |payload| {
        let line = sign_line(&vec![b'a'; payload], &key());
        verify_log(&line[..], &public(), &[]).unwrap().fault.unwrap().reason
    };
    assert_eq!(reason(MAX_PAYLOAD), Reason::NotCanonical, "its signature holds");
    assert_eq!(reason(MAX_PAYLOAD + 1), Reason::TooLong);
}

#[test]
fn an_operation_id_has_one_text() {
    let text = "00017f80ff05060708090a0b0c0d0e0f";
    let op = OpId::from_bytes([0, 1, 0x7f, 0x80, 0xff, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(op.to_string(), text);
    assert_eq!(text.parse::<OpId>().unwrap(), op);
    assert_eq!(format!("{op:?}"), format!("OpId({text})"));
    for wrong in ["", &text[1..], &text.to_uppercase(), &format!("{text}0")] {
        assert!(wrong.parse::<OpId>().is_err(), "{wrong}");
    }
}
