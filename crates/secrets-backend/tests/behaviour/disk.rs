//! The simulated disk: what a failed sync forgets, and what it does not.

use std::io;

use secrets_backend::conformance::disk::{Chance, Disk, Event};

#[test]
fn a_file_that_was_cut_stays_cut_once_a_sync_after_a_failed_one_succeeds() {
    for seed in 0..50 {
        let disk = Disk::default();
        disk.write(0, &[1; 8000]).unwrap();
        disk.sync().unwrap();
        disk.set_length(10 + seed).unwrap();
        disk.arrange(0, Event::SyncFails(io::ErrorKind::Other));
        assert!(disk.sync().is_err());
        disk.sync().unwrap();
        disk.cut_power(&mut Chance::new(seed));
        assert_eq!(disk.length(), 10 + seed);
    }
}
