//! Random work, failures and power cuts on a simulated disk: what was acknowledged is there afterwards.

use std::io::BufReader;

use secrets_audit::{AuditLog, Durability, Error, read, verify_log};

use super::sample::{public, read_of};
use super::simulated::{Chance, Disk};

/// What must survive, by operation number and sequence number, and what only the same process must see.
#[derive(Default)]
struct Promised {
    durable: Vec<(u64, u64)>,
    deferred: Vec<(u64, u64)>,
}

#[test]
fn nothing_acknowledged_is_lost_by_power_cuts_and_failures() {
    let rounds = rounds();
    let (mut cuts, mut seed) = (0, 0);
    while cuts < rounds {
        cuts += run(seed);
        seed += 1;
    }
    println!("FIGURE: {cuts} power cuts in appends lost no acknowledged entry of the log, {seed} disks");
}

/// How many power cuts; a small sample unless the environment asks for more.
#[allow(clippy::disallowed_methods, reason = "the number of rounds of a test")]
fn rounds() -> u64 {
    std::env::var("SECRETS_TEST_ROUNDS").map_or(60, |rounds| rounds.parse().unwrap())
}

fn run(seed: u64) -> u64 {
    let mut chance = Chance::new(seed);
    let disk = Disk::default();
    let mut logs = [disk.open().unwrap(), disk.open().unwrap()];
    let mut promised = Promised::default();
    let (mut number, mut cuts) = (0, 0);
    for _ in 0..40 {
        match chance.below(12) {
            0 => {
                disk.cut_power(&mut chance);
                cuts += 1;
                promised.deferred.clear();
                let open = || disk.open().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                logs = [open(), open()];
                verify(&disk, seed);
            }
            1 => disk.fail_sync(),
            2 => disk.state().room = Some(usize::try_from(chance.below(2000)).unwrap()),
            3 => disk.state().fail_write = Some(usize::try_from(chance.below(2000)).unwrap()),
            4 => disk.state().fail_head = true,
            _ => {
                let log = &logs[usize::try_from(chance.below(2)).unwrap()];
                append(log, &mut number, &mut chance, &mut promised, seed);
                disk.state().room = None;
            }
        }
        check(&disk, &promised, seed);
    }
    verify(&disk, seed);
    cuts
}

fn append(log: &AuditLog, number: &mut u64, chance: &mut Chance, promised: &mut Promised, seed: u64) {
    let count = 1 + chance.below(6);
    let first = *number;
    *number += count;
    let durability = if chance.one_in(3) { Durability::Deferred } else { Durability::Synced };
    let appended = match log.append((first..*number).map(read_of).collect(), durability) {
        Ok(appended) => appended,
        // A disk that fails is told; nothing else may go wrong, whatever it did before.
        Err(Error::Io { .. }) => return,
        Err(error) => panic!("seed {seed}: {error}"),
    };
    promised.deferred.extend((0..count).map(|index| (first + index, appended.first_seq + index)));
    if durability == Durability::Synced {
        // A sync covers what was deferred before it.
        promised.durable.append(&mut promised.deferred);
    }
}

fn check(disk: &Disk, promised: &Promised, seed: u64) {
    let bytes = disk.log.content();
    let present: Vec<u128> = read::Entries::new(BufReader::new(&bytes[..]))
        .map_while(Result::ok)
        .map(|entry| u128::from_be_bytes(*entry.said.op.as_bytes()))
        .collect();
    for (number, seq) in promised.durable.iter().chain(&promised.deferred) {
        let found = present.get(usize::try_from(*seq).unwrap());
        assert_eq!(found, Some(&u128::from(*number)), "seed {seed}: entry {seq} was acknowledged");
    }
}

fn verify(disk: &Disk, seed: u64) {
    let report = verify_log(&disk.log.content()[..], &public(), &[]).unwrap();
    assert_eq!(report.fault, None, "seed {seed}");
}
