//! Kills in the middle of writing: what was acknowledged is there, the history is whole, the store opens.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

#[cfg(feature = "sled")]
use secrets_backend::ErrorKind;
use secrets_backend::{SecretBackend as _, VersionId};
use secrets_backend_local::{Engine, LocalBackend};

use crate::support::{backend, config, first_said, path, put, role, said, say, second_process};

const ROUNDS: u32 = 20;
const PATHS: [&str; 3] = ["crash/a", "crash/b", "crash/c"];

#[tokio::test]
async fn redb_keeps_every_acknowledged_write_through_kills() {
    kills("crash::redb_keeps_every_acknowledged_write_through_kills", Engine::Redb).await;
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn sled_after_a_kill_gives_what_was_acknowledged_or_says_tampered() {
    let test = "crash::sled_after_a_kill_gives_what_was_acknowledged_or_says_tampered";
    if let Some((_, directory)) = role() {
        write_for_ever(&directory, Engine::Sled).await;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 1..=ROUNDS {
        let directory = scratch.path().join(round.to_string());
        let mut refused = false;
        for line in kill_a_writer(test, &directory, round) {
            let [at, version, value] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let at_version = VersionId::new(version);
            match backend(&directory, Engine::Sled).get(&path(at), Some(&at_version)).await {
                Ok(secret) => assert_eq!(secret.value.expose_str(), Some(value), "{at} version {version}"),
                Err(error) if error.kind() == ErrorKind::Tampered => refused = true,
                Err(error) => panic!("{at} version {version}: {error}"),
            }
            acknowledged += 1;
            if refused {
                break;
            }
        }
    }
    assert!(acknowledged * 2 >= ROUNDS, "{acknowledged} writes acknowledged");
}

async fn kills(test: &str, engine: Engine) {
    if let Some((_, directory)) = role() {
        write_for_ever(&directory, engine).await;
    }
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("store");
    let mut acknowledged: BTreeMap<(String, u64), String> = BTreeMap::new();
    for round in 0..ROUNDS {
        for line in kill_a_writer(test, &directory, round) {
            let [at, version, value] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            acknowledged.insert((at.to_owned(), version.parse().unwrap()), value.to_owned());
        }
        check(&backend(&directory, engine), &acknowledged).await;
    }
    // Three rounds in four wait for a first one.
    assert!(acknowledged.len() * 4 >= ROUNDS as usize * 3, "{} writes acknowledged", acknowledged.len());
}

/// Lets a second process write, kills it, and gives what it had acknowledged.
fn kill_a_writer(test: &str, directory: &Path, round: u32) -> Vec<String> {
    let mut child = second_process(test, "write", directory).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    if round.is_multiple_of(4) {
        // Also in the first moments, when the store is being made or opened.
        std::thread::sleep(Duration::from_millis(u64::from(round) * 2));
    } else {
        lines.extend(first_said(&mut reader));
        std::thread::sleep(Duration::from_micros(u64::from(round) * 3_571 % 60_000));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines.extend(reader_rest(reader));
    lines
}

fn reader_rest(mut reader: BufReader<std::process::ChildStdout>) -> Vec<String> {
    std::iter::from_fn(|| first_said(&mut reader)).collect()
}

async fn check(backend: &LocalBackend, acknowledged: &BTreeMap<(String, u64), String>) {
    for ((at, version), value) in acknowledged {
        let secret = backend.get(&path(at), Some(&VersionId::from_number(*version))).await.unwrap();
        assert_eq!(secret.value.expose_str(), Some(value.as_str()), "{at} version {version}");
    }
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
        assert!(last >= *newest && last <= newest + u64::from(ROUNDS), "{at}: {newest} but {numbers:?}");
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
        for at in PATHS {
            count += 1;
            let value = format!("{}-{count}", std::process::id()).repeat(20);
            let version = put(&backend, at, &value).await.unwrap();
            say(&format!("{at} {version} {value}"));
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
