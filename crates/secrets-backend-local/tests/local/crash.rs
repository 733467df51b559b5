//! Kills in the middle of writing: what was acknowledged is there, the history is whole, the store opens.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use secrets_backend::{ErrorKind, SecretBackend as _, VersionId};
use secrets_backend_local::{Engine, LocalBackend};

use crate::support::{backend, config, first_said, path, put, role, said, say, second_process};

const ROUNDS: u32 = 20;
const PATHS: [&str; 3] = ["crash/a", "crash/b", "crash/c"];
/// The role of a second process that reads; any other one writes.
const READ: &str = "read";

/// What was acknowledged, by path and version: the value as [`repeated`] reads it.
type Acknowledged = BTreeMap<(String, u64), String>;

#[tokio::test]
async fn redb_keeps_every_acknowledged_write_through_kills() {
    kills("crash::redb_keeps_every_acknowledged_write_through_kills", Engine::Redb).await;
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn sled_keeps_every_acknowledged_write_through_kills() {
    kills("crash::sled_keeps_every_acknowledged_write_through_kills", Engine::Sled).await;
}

async fn kills(test: &str, engine: Engine) {
    match role() {
        Some((role, directory)) if role == READ => read_for_ever(&directory, engine).await,
        Some((_, directory)) => write_for_ever(&directory, engine).await,
        None => {}
    }
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("store");
    let rounds = rounds();
    let mut acknowledged = Acknowledged::new();
    for round in 0..rounds {
        let mut new = Acknowledged::new();
        for line in kill_a_writer(test, &directory, round) {
            let [at, version, value] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            new.insert((at.to_owned(), version.parse().unwrap()), value.to_owned());
        }
        acknowledged.extend(new.clone());
        for _ in 0..round % 3 {
            // The first of them repairs what the writer left, the next one what this one left.
            for said in kill_a_reader(test, &directory) {
                let fine = said == "there" || acknowledged.is_empty() && said == "nothing yet";
                assert!(fine, "a reader after a kill: {said}");
            }
        }
        // All of them, or in long runs now and then, since each is an opening.
        let all = round % (rounds / ROUNDS).max(1) == 0 || round + 1 == rounds;
        let backend = backend(&directory, engine);
        check_values(&backend, if all { &acknowledged } else { &new }).await;
        check_histories(&backend, &acknowledged, round + 1).await;
    }
    // Three rounds in four wait for a first one.
    assert!(acknowledged.len() * 4 >= rounds as usize * 3, "{} writes acknowledged", acknowledged.len());
    println!("{engine}: {rounds} kills, {} acknowledged writes, none lost", acknowledged.len());
}

/// How many kills the store must survive. More are asked for by hand.
fn rounds() -> u32 {
    let asked = std::env::var("SECRETS_LOCAL_TEST_KILLS").ok();
    asked.map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// Lets a second process write, kills it, and gives what it had acknowledged.
fn kill_a_writer(test: &str, directory: &Path, round: u32) -> Vec<String> {
    let mut child = second_process(test, "write", directory).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    if round.is_multiple_of(4) {
        // Also in the first moments, when the store is being made or opened.
        std::thread::sleep(up_to(Duration::from_millis(40)));
    } else {
        lines.extend(first_said(&mut reader));
        std::thread::sleep(up_to(Duration::from_millis(60)));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines.extend(reader_rest(reader));
    lines
}

/// Kills a second process while it opens the store to read, which repairs it, and gives what it said.
fn kill_a_reader(test: &str, directory: &Path) -> Vec<String> {
    let mut child = second_process(test, READ, directory).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(first_said(&mut reader).as_deref(), Some("opening"));
    std::thread::sleep(up_to(Duration::from_millis(30)));
    child.kill().unwrap();
    child.wait().unwrap();
    reader_rest(reader)
}

/// A random time, another one in each run.
fn up_to(most: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    most * u32::try_from(random % 1_000).unwrap() / 1_000
}

fn reader_rest(mut reader: BufReader<std::process::ChildStdout>) -> Vec<String> {
    std::iter::from_fn(|| first_said(&mut reader)).collect()
}

async fn check_values(backend: &LocalBackend, acknowledged: &Acknowledged) {
    for ((at, version), value) in acknowledged {
        let secret = backend.get(&path(at), Some(&VersionId::from_number(*version))).await.unwrap();
        let same = secret.value.expose_str() == Some(&repeated(value));
        assert!(same, "{at} version {version} is not what was acknowledged");
    }
}

async fn check_histories(backend: &LocalBackend, acknowledged: &Acknowledged, kills: u32) {
    for at in PATHS {
        let newest = acknowledged.range((at.to_owned(), 0)..=(at.to_owned(), u64::MAX)).next_back();
        let Some(((_, newest), _)) = newest else { continue };
        let numbers: Vec<u64> = backend
            .versions(&path(at))
            .await
            .unwrap()
            .iter()
            .map(|version| version.id.number().unwrap())
            .collect();
        // Writes that took effect without being acknowledged: one per kill at most.
        let last = numbers.last().copied().unwrap();
        assert!(last >= *newest && last <= newest + u64::from(kills), "{at}: {newest} but {numbers:?}");
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "the history of {at} has a hole");
    }
    assert_eq!(
        backend.stats().await.unwrap().live,
        backend.list(None, None).await.unwrap().items.len() as u64
    );
}

/// The second process: it ends by being killed.
async fn write_for_ever(directory: &Path, engine: Engine) -> ! {
    let mut config = config(directory, engine);
    config.keep_versions = 1_000_000.try_into().unwrap();
    let backend = LocalBackend::new(config).unwrap();
    let mut count = 0;
    loop {
        // Side by side, so that they share transactions.
        let puts = PATHS.map(|at| {
            count += 1;
            // Now and then one so large that sled keeps it in a file of its own.
            let times = if (std::process::id() + count).is_multiple_of(16) { 20_000 } else { 20 };
            let value = format!("{}-{count}*{times}", std::process::id());
            let backend = backend.clone();
            tokio::spawn(async move {
                let version = put(&backend, at, &repeated(&value)).await.unwrap();
                say(&format!("{at} {version} {value}"));
            })
        });
        for put in puts {
            put.await.unwrap();
        }
    }
}

/// The value that is told as `text*times`.
fn repeated(told: &str) -> String {
    let (text, times) = told.split_once('*').unwrap();
    text.repeat(times.parse().unwrap())
}

/// The second process, as a reader of the path that is written first. It says its errors, since nobody looks
/// at how it ends.
async fn read_for_ever(directory: &Path, engine: Engine) -> ! {
    let backend = backend(directory, engine);
    say("opening");
    loop {
        match backend.get(&path(PATHS[0]), None).await {
            Ok(_) => say("there"),
            Err(error) if error.kind() == ErrorKind::NotFound => say("nothing yet"),
            Err(error) => say(&error.to_string()),
        }
    }
}

#[test]
fn a_line_that_was_cut_by_the_kill_is_no_acknowledgement() {
    assert_eq!(crate::support::unmarked("@crash/a 12 valu"), None);
    let mut child = std::process::Command::new("printf")
        .arg("@one.\nnoise\n@tw")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(said(child.stdout.take().unwrap()), ["one"]);
    child.wait().unwrap();
}

#[tokio::test]
async fn the_first_reader_after_a_kill_repairs_and_the_next_ones_only_read() {
    let test = "crash::the_first_reader_after_a_kill_repairs_and_the_next_ones_only_read";
    if let Some((_, directory)) = role() {
        write_for_ever(&directory, Engine::Redb).await;
    }
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("store");
    // A kill may fall between two operations, when the store is closed: then there is nothing to repair.
    for round in 1..50 {
        kill_a_writer(test, &directory, round);
        let backend = backend(&directory, Engine::Redb);
        backend.get(&path(PATHS[0]), None).await.unwrap();
        let first = backend.opens();
        backend.get(&path(PATHS[0]), None).await.unwrap();
        assert_eq!(backend.opens(), first + 1, "the repair did not last");
        if first == 3 {
            return;
        }
        assert_eq!(first, 1);
    }
    panic!("no kill fell into an operation");
}
