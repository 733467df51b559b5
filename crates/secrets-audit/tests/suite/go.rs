//! A log made here verifies with Go's `sumdb/note` and `tlog`, which nobody here wrote.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use secrets_audit::{Durability, proof};

use super::sample::{Place, full, read_of};

#[test]
fn a_log_of_ours_verifies_with_go() {
    let place = Place::new();
    export(&place, 11);
    let Some((worked, output)) = verify_with_go(place.path()) else { return };
    assert!(worked, "{output}");
    assert!(output.contains("11 entries"), "{output}");
}

#[test]
fn go_refuses_an_altered_log_of_ours() {
    let place = Place::new();
    export(&place, 5);
    let altered = String::from_utf8(place.bytes()).unwrap().replacen("uid:1000", "uid:1001", 1);
    std::fs::write(place.log(), altered).unwrap();
    let Some((worked, output)) = verify_with_go(place.path()) else { return };
    assert!(!worked && output.contains("entry 1"), "{output}");
}

#[test]
fn the_vectors_verify_with_go() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let Some((worked, output)) = verify_with_go(&vectors) else { return };
    assert!(worked && output.contains("7 entries"), "{output}");
}

/// A log with a checkpoint after every entry, and all proofs between them.
fn export(place: &Place, size: u64) {
    let log = place.open().unwrap();
    let write = |name: String, text: String| std::fs::write(place.path().join(name), text).unwrap();
    write("vkey.txt".to_owned(), format!("{}\n", log.vkey()));
    for number in 0..size {
        let entry = if number % 2 == 0 { read_of(number) } else { full(number) };
        log.append(vec![entry], Durability::Synced).unwrap();
        write(format!("checkpoint-{}.txt", number + 1), log.checkpoint().unwrap());
    }
    let leaves = proof::leaf_hashes(&place.bytes()[..]).unwrap();
    for new in 1..=size {
        let tree = &leaves[..usize::try_from(new).unwrap()];
        for index in 0..new {
            let proof = proof::inclusion_proof(tree, index).unwrap();
            write(format!("inclusion-{index}-{new}.txt"), proof.to_string());
        }
        for old in 1..=new {
            let proof = proof::consistency_proof(tree, old).unwrap();
            write(format!("consistency-{old}-{new}.txt"), proof.to_string());
        }
    }
}

/// Whether the Go program accepted the directory, and what it said; nothing where there is no Go.
fn verify_with_go(directory: &Path) -> Option<(bool, String)> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go");
    let run = Command::new("go").arg("run").arg(".").arg(directory).current_dir(program).output();
    match run {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(!required(), "go is not installed, and every test is required here");
            // Past the test harness's capture, so that a skip is always seen.
            let mut stderr = std::io::stderr();
            writeln!(stderr, "SKIP: go is not installed: the log was not verified with Go").unwrap();
            None
        }
        Err(error) => panic!("go could not be started: {error}"),
    }
}

#[allow(clippy::disallowed_methods, reason = "the switch that turns every skip into a failure")]
fn required() -> bool {
    std::env::var("SECRETS_TEST_REQUIRE").is_ok_and(|value| value == "1")
}
