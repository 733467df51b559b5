//! Head files that lag, are missing, torn or ahead, and logs with a torn end.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use secrets_audit::{
    AuditLog, Durability, Error, LogConfig, Reason, SigningKey, TreeHash, Warning, leaf_hash, sign_line,
};

use super::sample::{Place, key, origin, place_with, read_of};

fn append_bytes(place: &Place, bytes: &[u8]) {
    OpenOptions::new().append(true).open(place.log()).unwrap().write_all(bytes).unwrap();
}

fn line_starts(log: &[u8]) -> Vec<usize> {
    let ends = log.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1);
    std::iter::once(0).chain(ends).collect()
}

#[test]
fn a_new_log_has_its_head_and_no_warning() {
    let place = Place::new();
    let log = place.open().unwrap();
    assert_eq!(log.take_warnings(), []);
    assert_eq!(log.size(), 0);
    assert!(place.head().exists());
    place.assert_whole(0);
}

#[test]
fn a_log_is_continued_where_it_ended() {
    let place = place_with(3);
    let log = place.open().unwrap();
    assert_eq!(log.size(), 3);
    let appended = log.append(vec![read_of(3), read_of(4)], Durability::Synced).unwrap();
    assert_eq!((appended.first_seq, appended.size), (3, 5));
    assert_eq!(log.take_warnings(), []);
    place.assert_whole(5);
}

#[test]
fn a_lagging_head_is_caught_up_with_from_verified_lines() {
    let place = place_with(2);
    let old_head = fs::read(place.head()).unwrap();
    place.open().unwrap().append((2..7).map(read_of).collect(), Durability::Synced).unwrap();
    fs::write(place.head(), old_head).unwrap();
    let log = place.open().unwrap();
    assert_eq!((log.size(), log.take_warnings()), (7, vec![]));
    log.append(vec![read_of(7)], Durability::Synced).unwrap();
    place.assert_whole(8);
}

#[test]
fn a_deferred_entry_is_found_by_the_next_process() {
    let place = place_with(1);
    place.open().unwrap().append(vec![read_of(1)], Durability::Deferred).unwrap();
    let log = place.open().unwrap();
    assert_eq!((log.size(), log.take_warnings()), (2, vec![]));
    place.assert_whole(2);
}

#[test]
fn an_altered_line_beyond_the_head_stops_the_log() {
    let place = place_with(2);
    let old_head = fs::read(place.head()).unwrap();
    place.open().unwrap().append(vec![read_of(2), read_of(3)], Durability::Synced).unwrap();
    fs::write(place.head(), old_head).unwrap();
    let mut bytes = place.bytes();
    let third = line_starts(&bytes)[2] + 20;
    bytes[third] ^= 1;
    fs::write(place.log(), &bytes).unwrap();
    let refused = place.open().unwrap_err();
    assert!(matches!(refused, Error::Damaged { seq: 2, reason: Reason::BadSignature }), "{refused:?}");
    assert_eq!(place.bytes(), bytes, "evidence must stay as it is");
}

#[test]
fn signed_lines_beyond_the_head_must_continue_the_chain() {
    let last = |place: &Place| {
        leaf_hash(place.bytes().split(|byte| *byte == b'\t' || *byte == b'\n').nth(2).unwrap())
    };
    let place = place_with(2);
    let prev = last(&place);
    let continuing = read_of(9).to_payload(2, &prev).unwrap();
    let spaced = [&b" "[..], &continuing].concat();
    for (payload, expected) in [
        (read_of(9).to_payload(2, &TreeHash::ZERO).unwrap(), Some(Reason::BrokenChain)),
        (read_of(9).to_payload(3, &prev).unwrap(), Some(Reason::WrongSequence)),
        (b"{}".to_vec(), Some(Reason::NotCanonical)),
        (spaced, Some(Reason::NotCanonical)),
        (continuing, None),
    ] {
        append_bytes(&place, &sign_line(&payload, &key()));
        match (place.open(), expected) {
            (Ok(log), None) => assert_eq!(log.size(), 3),
            (Err(Error::Damaged { seq: 2, reason }), Some(expected)) => assert_eq!(reason, expected),
            (other, _) => panic!("{other:?} instead of {expected:?}"),
        }
        let whole: Vec<u8> =
            place.bytes().split_inclusive(|byte| *byte == b'\n').take(2).flatten().copied().collect();
        fs::write(place.log(), whole).unwrap();
    }
}

#[test]
fn every_torn_last_line_is_repaired() {
    let place = place_with(2);
    let (before, old_head) = (place.bytes(), fs::read(place.head()).unwrap());
    place.open().unwrap().append(vec![read_of(2)], Durability::Synced).unwrap();
    let after = place.bytes();
    for length in before.len() + 1..after.len() {
        fs::write(place.log(), &after[..length]).unwrap();
        fs::write(place.head(), &old_head).unwrap();
        let log = place.open().unwrap();
        let bytes = (length - before.len()) as u64;
        assert_eq!(log.take_warnings(), [Warning::TornTail { size: 2, bytes }]);
        assert_eq!(place.bytes(), before);
    }
    place.open().unwrap().append(vec![read_of(2)], Durability::Synced).unwrap();
    place.assert_whole(3);
}

#[test]
fn a_hole_that_a_power_cut_left_is_repaired() {
    let place = place_with(2);
    let before = place.bytes();
    append_bytes(&place, &[&[0; 512][..], b"end of a line\n", &[0; 100]].concat());
    let log = place.open().unwrap();
    assert_eq!(log.take_warnings(), [Warning::TornTail { size: 2, bytes: 512 + 14 + 100 }]);
    assert_eq!(place.bytes(), before);
}

#[test]
fn a_missing_head_is_rebuilt_with_a_warning() {
    let place = place_with(3);
    let head = fs::read(place.head()).unwrap();
    fs::remove_file(place.head()).unwrap();
    let log = place.open().unwrap();
    assert_eq!((log.size(), log.take_warnings()), (3, vec![Warning::HeadMissing { size: 3 }]));
    assert_eq!(fs::read(place.head()).unwrap(), head);
}

#[test]
fn a_torn_head_is_rebuilt_with_a_warning() {
    let place = place_with(3);
    let head = fs::read(place.head()).unwrap();
    for torn in [&b""[..], &head[..head.len() / 2], &[0; 2136], &[&head[..20], &head[21..], b"x"].concat()] {
        fs::write(place.head(), torn).unwrap();
        let log = place.open().unwrap();
        assert_eq!((log.size(), log.take_warnings()), (3, vec![Warning::HeadTorn { size: 3 }]));
        assert_eq!(fs::read(place.head()).unwrap(), head);
    }
}

#[test]
fn a_log_whose_rebuilding_finds_damage_is_not_opened() {
    let place = place_with(3);
    fs::remove_file(place.head()).unwrap();
    let mut bytes = place.bytes();
    bytes[10] ^= 1;
    fs::write(place.log(), bytes).unwrap();
    assert!(matches!(place.open(), Err(Error::Damaged { seq: 0, .. })));
}

#[test]
fn a_log_shorter_than_its_head_was_cut() {
    let place = place_with(3);
    let bytes = place.bytes();
    for length in [0, 1, line_starts(&bytes)[2], bytes.len() - 1] {
        fs::write(place.log(), &bytes[..length]).unwrap();
        let refused = place.open().unwrap_err();
        let expected = bytes.len() as u64;
        assert!(
            matches!(refused, Error::Cut { size: 3, expected: e, found } if e == expected && found == length as u64),
            "{refused:?}"
        );
    }
    fs::remove_file(place.log()).unwrap();
    assert!(matches!(place.open(), Err(Error::Cut { size: 3, found: 0, .. })), "a removed log is a cut one");
}

#[test]
fn a_log_cut_under_a_running_process_is_noticed_even_with_its_head_set_back() {
    let place = place_with(2);
    let (old_log, old_head) = (place.bytes(), fs::read(place.head()).unwrap());
    let log = place.open().unwrap();
    log.append(vec![read_of(2)], Durability::Synced).unwrap();
    OpenOptions::new().write(true).open(place.log()).unwrap().set_len(old_log.len() as u64).unwrap();
    fs::write(place.head(), old_head).unwrap();
    for _ in 0..2 {
        assert!(matches!(log.append(vec![read_of(3)], Durability::Synced), Err(Error::Cut { size: 3, .. })));
    }
    assert_eq!(place.bytes(), old_log);
}

#[test]
fn a_log_removed_or_replaced_under_a_running_process_is_noticed() {
    let place = place_with(2);
    let log = place.open().unwrap();
    let bytes = place.bytes();
    fs::remove_file(place.log()).unwrap();
    assert!(matches!(log.append(vec![read_of(3)], Durability::Synced), Err(Error::Io { .. })));
    fs::write(place.log(), &bytes).unwrap();
    assert!(matches!(log.append(vec![read_of(3)], Durability::Synced), Err(Error::Io { .. })));
    assert_eq!(place.bytes(), bytes);
}

#[test]
fn another_key_is_refused_with_and_without_a_head() {
    let place = place_with(2);
    let open = || {
        let (log, head) = (place.log(), place.head());
        let config = LogConfig { log, head, origin: origin(), lock_wait: Duration::ZERO };
        AuditLog::open(config, SigningKey::from_seed(&[1; 32]))
    };
    assert!(matches!(open(), Err(Error::WrongKey)));
    fs::remove_file(place.head()).unwrap();
    assert!(matches!(open(), Err(Error::Damaged { seq: 0, reason: Reason::BadSignature })));
}

#[test]
fn files_are_private_and_stay_private() {
    let place = place_with(1);
    for file in [place.log(), place.head()] {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn links_directories_and_files_that_others_may_write_are_refused() {
    for which in [Place::log, Place::head] {
        let place = place_with(1);
        let (file, aside) = (which(&place), place.path().join("aside"));
        fs::set_permissions(&file, Permissions::from_mode(0o620)).unwrap();
        assert!(place.open().is_err(), "others may write {}", file.display());
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        fs::rename(&file, &aside).unwrap();
        symlink(&aside, &file).unwrap();
        assert!(place.open().is_err(), "{} is a link", file.display());
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(place.open().is_err(), "{} is a directory", file.display());
    }
}

#[test]
fn a_head_that_cannot_be_written_only_lags() {
    let place = place_with(1);
    let log = place.open().unwrap();
    fs::remove_file(place.head()).unwrap();
    fs::create_dir(place.head()).unwrap();
    log.append(vec![read_of(1)], Durability::Synced).unwrap();
    assert_eq!(log.take_warnings(), [Warning::HeadNotWritten { size: 2 }]);
    fs::remove_dir(place.head()).unwrap();
    log.append(vec![read_of(2)], Durability::Synced).unwrap();
    assert_eq!((place.open().unwrap().size(), place.open().unwrap().take_warnings()), (3, vec![]));
}

#[test]
fn a_held_lock_is_waited_for_within_its_bound() {
    let place = place_with(1);
    let log = super::sample::open_in(place.path(), Duration::from_millis(50)).unwrap();
    let holder = fs::File::open(place.log()).unwrap();
    holder.lock().unwrap();
    let refused = log.append(vec![read_of(1)], Durability::Synced).unwrap_err();
    assert!(matches!(refused, Error::Busy { waited } if waited == Duration::from_millis(50)), "{refused:?}");
    holder.unlock().unwrap();
    log.append(vec![read_of(1)], Durability::Synced).unwrap();
    place.assert_whole(2);
}

#[test]
fn a_checkpoint_covers_deferred_entries_and_makes_them_durable() {
    let place = place_with(1);
    let log = place.open().unwrap();
    log.append(vec![read_of(1)], Durability::Deferred).unwrap();
    let note = log.checkpoint().unwrap();
    assert!(note.starts_with(&format!("{}\n2\n", origin())), "{note}");
    fs::remove_file(place.log()).unwrap();
    assert!(matches!(place.open(), Err(Error::Cut { size: 2, .. })), "the head covers what was signed");
    assert_eq!(log.public_key(), key().verifying_key());
}

#[test]
fn an_entry_that_can_never_be_written_is_refused_before_anything_is_written() {
    let place = place_with(1);
    let log = place.open().unwrap();
    let before = place.bytes();
    let mut late = read_of(1);
    late.ts_ms = 1 << 53;
    let mut large = read_of(1);
    large.detail = vec![0; secrets_audit::MAX_PAYLOAD];
    for wrong in [late, large] {
        assert!(matches!(
            log.append(vec![read_of(2), wrong], Durability::Synced),
            Err(Error::InvalidEntry(_))
        ));
    }
    assert_eq!(place.bytes(), before);
}
