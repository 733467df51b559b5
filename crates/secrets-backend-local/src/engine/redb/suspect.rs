//! What a failed sync entails, and what a kill does not.

use secrets_backend::conformance::disk::{Disk, Event};
use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretPath, Timestamp};

use super::{builder, read, transact, write};
use crate::fault::Fault;
use crate::operations::{self, Put};

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_the_disk_itself_was_verified() {
    let disk = disk_with_secrets();
    disk.arrange(0, Event::SyncFails(std::io::ErrorKind::Other));
    assert!(put(&disk, 1, "new").is_err());
    // What the failing disk did to a page is hidden by the cache.
    disk.damage(&value(3).as_bytes()[..2000]);
    assert_eq!(get(&disk, 0).unwrap_err().detail(), Fault::needs_repair().detail(), "a reader has to wait");
    for _ in 0..2 {
        assert_eq!(
            put(&disk, 1, "new").unwrap_err().kind(),
            ErrorKind::Tampered,
            "nothing is taken on trust"
        );
    }
}

#[test]
fn a_store_that_verifies_after_a_failed_sync_goes_on_and_is_verified_once() {
    let disk = disk_with_secrets();
    let usual = usual(&disk);
    for kind in [std::io::ErrorKind::Other, std::io::ErrorKind::StorageFull] {
        // Whichever sync of a write it is: of its opening, its commit or its closing.
        for sync in 0..12 {
            disk.arrange(sync, Event::SyncFails(kind));
            let answer = put(&disk, 1, "during");
            disk.stop_events();
            if !disk.has_happened() {
                continue;
            }
            let before = disk.bytes_read();
            put(&disk, 1, "after").unwrap();
            let opening = disk.bytes_read() - before;
            assert!(opening > usual + LARGE * SECRETS, "sync {sync}: not all was read: {answer:?}");
            let before = disk.bytes_read();
            assert_eq!(get(&disk, 1).unwrap(), b"after");
            assert!(disk.bytes_read() - before < LARGE, "sync {sync}: it was verified again");
        }
    }
}

#[test]
fn a_kill_alone_makes_nobody_verify_the_whole_store() {
    let disk = disk_with_secrets();
    let usual = usual(&disk);
    for calls in 0..12 {
        disk.arrange(calls, Event::Death);
        let answer = put(&disk, 1, "during");
        disk.stop_events();
        disk.revive();
        let before = disk.bytes_read();
        put(&disk, 1, "after").unwrap();
        let opening = disk.bytes_read() - before;
        assert!(opening < usual + LARGE * 2, "call {calls}: {opening} instead of {usual} bytes: {answer:?}");
    }
}

/// What an undisturbed write reads; with debug assertions, redb itself reads all pages at each opening.
fn usual(disk: &Disk) -> u64 {
    let before = disk.bytes_read();
    put(disk, 1, "usual").unwrap();
    let usual = disk.bytes_read() - before;
    assert!(usual < LARGE * SECRETS * 3 / 2, "an undisturbed write verifies the store");
    usual
}

const LARGE: u64 = 100_000;
const SECRETS: u64 = 10;

/// A disk with large secrets, the last of them two commits ago.
fn disk_with_secrets() -> Disk {
    let disk = Disk::default();
    builder().create_with_backend(disk.clone()).unwrap().close().unwrap();
    for number in 0..SECRETS {
        put(&disk, number, &value(number)).unwrap();
    }
    for text in ["one", "two"] {
        put(&disk, SECRETS, text).unwrap();
    }
    disk
}

fn value(number: u64) -> String {
    format!("{number:010}").repeat(usize::try_from(LARGE / 10).unwrap())
}

fn path(number: u64) -> SecretPath {
    format!("a/{number}").parse().unwrap()
}

fn put(disk: &Disk, number: u64, value: &str) -> Result<(), Fault> {
    write(disk, |database, watch| {
        transact(database, watch, "default", &mut |rows| {
            let (path, secret) = (path(number), NewSecret::new(value));
            let (metadata, mode, now) = (&[][..], &PutMode::Upsert, Timestamp::from_millis(7));
            let put = Put { path: &path, secret: &secret, metadata, mode, now, keep: 3 };
            operations::put(rows, &put).map(drop)
        })
    })
}

fn get(disk: &Disk, number: u64) -> Result<Vec<u8>, Fault> {
    let mut value = Vec::new();
    read(disk, "default", &mut |rows| {
        value = operations::get(rows, &path(number), None)?.value.expose().to_vec();
        Ok(())
    })?;
    Ok(value)
}
