//! Counted syncs, full disks, failing writes and syncs.

use secrets_audit::{Durability, Error, Report, verify_log};

use super::sample::{public, read_of};
use super::simulated::{Chance, Disk};

fn verify(disk: &Disk) -> Report {
    verify_log(&disk.log.content()[..], &public(), &[]).unwrap()
}

#[test]
fn one_synced_append_of_any_number_of_entries_is_one_sync() {
    let disk = Disk::default();
    let log = disk.open().unwrap();
    for count in [1, 2, 100] {
        let before = disk.state().syncs;
        log.append((0..count).map(read_of).collect(), Durability::Synced).unwrap();
        assert_eq!(disk.state().syncs - before, 1, "{count} entries");
    }
    assert_eq!(verify(&disk).size, 103);
}

#[test]
fn a_deferred_append_is_no_sync_and_the_next_synced_one_covers_it() {
    let disk = Disk::default();
    let log = disk.open().unwrap();
    let before = disk.state().syncs;
    log.append(vec![read_of(0)], Durability::Deferred).unwrap();
    assert_eq!(disk.state().syncs, before);
    log.append(vec![read_of(1)], Durability::Synced).unwrap();
    assert_eq!(disk.state().syncs, before + 1);
    disk.cut_power(&mut Chance::new(1));
    assert_eq!(disk.open().unwrap().size(), 2);
}

#[test]
fn appending_never_reads_the_log() {
    let disk = Disk::default();
    let log = disk.open().unwrap();
    for number in 0..20 {
        log.append(vec![read_of(number)], Durability::Synced).unwrap();
    }
    assert_eq!(disk.log.bytes_read(), 0);
    disk.open().unwrap().append(vec![read_of(20)], Durability::Synced).unwrap();
    assert_eq!(disk.log.bytes_read(), 0, "an up-to-date head is enough");
}

#[test]
fn a_full_disk_acknowledges_nothing_and_is_recovered_from_when_there_is_room() {
    for room in 0..400 {
        let disk = Disk::default();
        let log = disk.open().unwrap();
        log.append(vec![read_of(0)], Durability::Synced).unwrap();
        disk.state().room = Some(room);
        for _ in 0..2 {
            let refused = log.append(vec![read_of(1), read_of(2)], Durability::Synced).unwrap_err();
            assert!(matches!(refused, Error::Io { .. }), "{refused:?}");
            assert_eq!(verify(&disk).size, 1, "nothing that was refused stays");
        }
        disk.state().room = None;
        let appended = log.append(vec![read_of(3)], Durability::Synced).unwrap();
        assert_eq!((appended.first_seq, appended.size), (1, 2));
        assert_eq!((verify(&disk).size, verify(&disk).fault), (2, None));
    }
}

#[test]
fn a_failed_sync_acknowledges_nothing_and_loses_nothing_that_was_acknowledged() {
    let disk = Disk::default();
    let log = disk.open().unwrap();
    log.append(vec![read_of(0)], Durability::Synced).unwrap();
    log.append(vec![read_of(1)], Durability::Deferred).unwrap();
    disk.fail_sync();
    assert!(matches!(log.append(vec![read_of(2)], Durability::Synced), Err(Error::Io { .. })));
    // The deferred entry was among what the failed sync lost; only writing it again makes it durable.
    log.append(vec![read_of(3)], Durability::Synced).unwrap();
    disk.cut_power(&mut Chance::new(2));
    assert_eq!(disk.open().unwrap().size(), 3);
    assert_eq!((verify(&disk).size, verify(&disk).fault), (3, None));
}

#[test]
fn only_what_is_not_known_to_be_durable_is_written_twice() {
    let disk = Disk::default();
    let (ours, theirs) = (disk.open().unwrap(), disk.open().unwrap());
    for number in 0..50 {
        theirs.append(vec![read_of(number)], Durability::Synced).unwrap();
    }
    let start = disk.log.content().len() as u64;
    theirs.append(vec![read_of(50)], Durability::Deferred).unwrap();
    let before = disk.state().written;
    ours.append(vec![read_of(51)], Durability::Synced).unwrap();
    // Their deferred entry and ours; the head file says that the fifty before are durable.
    let written = disk.state().written - before;
    assert_eq!(written, disk.log.content().len() as u64 - start);
}

#[test]
fn a_failed_sync_takes_nothing_from_another_process() {
    let disk = Disk::default();
    let (ours, theirs) = (disk.open().unwrap(), disk.open().unwrap());
    theirs.append(vec![read_of(0)], Durability::Synced).unwrap();
    disk.fail_sync();
    assert!(ours.append(vec![read_of(1)], Durability::Synced).is_err());
    disk.cut_power(&mut Chance::new(3));
    assert_eq!(disk.open().unwrap().size(), 1);
}
