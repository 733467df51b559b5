//! Threads and processes that append at once, and processes that are killed.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use secrets_audit::{Durability, read};

use super::sample::{Place, open_in, read_of};

/// Says to a copy of this test program in which directory it should append.
const DIRECTORY: &str = "SECRETS_AUDIT_TEST_DIRECTORY";
/// Says to it which operation numbers are its own.
const FIRST: &str = "SECRETS_AUDIT_TEST_FIRST";

fn ops(place: &Place) -> Vec<u128> {
    let entries = read::Entries::new(read::snapshot(&place.log(), Duration::from_secs(10)).unwrap());
    entries.map(|entry| u128::from_be_bytes(*entry.unwrap().said.op.as_bytes())).collect()
}

#[test]
fn eight_threads_append_one_whole_chain() {
    let place = Place::new();
    let log = place.open().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for number in 0..25 {
                    let op = thread * 1000 + number;
                    let appended =
                        log.append(vec![read_of(op), read_of(op + 500)], Durability::Synced).unwrap();
                    assert!(appended.first_seq + 2 <= appended.size);
                }
            });
        }
    });
    place.assert_whole(400);
    let ops = ops(&place);
    assert_eq!(ops.iter().collect::<HashSet<_>>().len(), 400);
    for pair in ops.chunks(2) {
        assert_eq!(pair[0] + 500, pair[1], "entries of one append stand next to each other");
    }
}

#[test]
fn two_instances_in_one_process_take_turns() {
    let place = Place::new();
    let logs = [place.open().unwrap(), place.open().unwrap()];
    for number in 0..10 {
        let appended =
            logs[usize::from(number % 3 == 0)].append(vec![read_of(number)], Durability::Synced).unwrap();
        assert_eq!(appended.first_seq, number);
    }
    place.assert_whole(10);
}

#[test]
fn six_processes_append_one_whole_chain() {
    if let Some((directory, first)) = told() {
        let log = open_in(&directory, Duration::from_secs(60)).unwrap();
        for number in first..first + 25 {
            log.append(vec![read_of(number)], Durability::Synced).unwrap();
        }
        return;
    }
    let place = Place::new();
    let children: Vec<_> = (0..6)
        .map(|child| again("concurrency::six_processes_append_one_whole_chain", &place, child * 100))
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    place.assert_whole(150);
    assert_eq!(ops(&place).into_iter().collect::<HashSet<_>>().len(), 150);
}

#[test]
fn what_a_killed_process_was_told_is_durable_is_in_the_log() {
    if let Some((directory, first)) = told() {
        let log = open_in(&directory, Duration::from_secs(60)).unwrap();
        for number in first.. {
            log.append(vec![read_of(number)], Durability::Synced).unwrap();
            writeln!(std::io::stdout(), "acknowledged {number}").unwrap();
        }
    }
    let place = Place::new();
    for round in 0..8_u64 {
        let mut child = again(
            "concurrency::what_a_killed_process_was_told_is_durable_is_in_the_log",
            &place,
            round * 10_000,
        );
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let told =
            lines.filter_map(|line| Some(line.rsplit_once("acknowledged ")?.1.parse::<u128>().unwrap()));
        let mut last = None;
        for number in told {
            last = Some(number);
            if number >= u128::from(round * 10_000 + round) {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        drop(place.open().unwrap());
        let ops = ops(&place);
        assert!(ops.contains(&last.expect("the child acknowledged something")), "round {round}");
        place.assert_whole(ops.len() as u64);
    }
}

/// Starts this test program again, with one test, which then finds that it was [`told`].
fn again(test: &str, place: &Place, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(DIRECTORY, place.path())
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[allow(clippy::disallowed_methods, reason = "how a test tells its own copies what to do")]
fn told() -> Option<(PathBuf, u64)> {
    let directory = std::env::var_os(DIRECTORY)?;
    Some((directory.into(), std::env::var(FIRST).unwrap().parse().unwrap()))
}
