//! At a terminal, made by util-linux's `script`.

use std::process::{Command, Stdio};

use crate::support::{Done, Scratch, feed, has, skip};

/// Runs a line of shell at a terminal, types `typed` into it, and answers all that it showed.
pub(crate) fn at_terminal(scratch: &Scratch, line: &str, typed: &str) -> Option<Done> {
    if !has("script") {
        skip("script (util-linux) is not installed");
        return None;
    }
    let binary = env!("CARGO_BIN_EXE_secrets");
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--echo", "never", "--command"])
        .arg(line.replace("secrets", binary))
        .arg("/dev/null")
        .env("SECRETS_HOME", scratch.home())
        .env("TERM", "dumb")
        .current_dir(scratch.work())
        .stdin(Stdio::piped());
    Some(feed(command, typed.as_bytes()))
}

#[test]
fn the_value_is_asked_for_twice_without_echo() {
    let scratch = Scratch::new();
    let Some(done) = at_terminal(&scratch, "secrets set a", "hunter2\nhunter2\n") else { return };
    assert_eq!(done.code, 0, "{}", done.text());
    assert!(done.text().contains("Value, again") && !done.text().contains("hunter2"), "{}", done.text());
    assert_eq!(scratch.get("a"), b"hunter2");
    let done = at_terminal(&scratch, "secrets set a", "hunter2\nhunter3\n").unwrap();
    assert_eq!(done.code, 2, "{}", done.text());
    assert_eq!(scratch.call(["history", "a"]).text().lines().count(), 2);
}

#[test]
fn a_value_at_a_terminal_ends_with_a_newline_and_in_a_pipe_it_does_not() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    let Some(done) = at_terminal(&scratch, "secrets get a", "") else { return };
    assert!(done.text().ends_with("x\r\n"), "{:?}", done.text());
    assert_eq!(scratch.get("a"), b"x");
}

#[test]
fn destruction_is_asked_about_and_non_interactive_never_asks() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    scratch.set("b", "x");
    let Some(done) = at_terminal(&scratch, "secrets delete a b", "n\n") else { return };
    assert_eq!(done.code, 1, "{}", done.text());
    assert_eq!(at_terminal(&scratch, "secrets --non-interactive delete a b", "y\n").unwrap().code, 2);
    assert_eq!(at_terminal(&scratch, "secrets delete a b", "y\n").unwrap().code, 0);
    scratch.call(["get", "a"]).refused(10, "not found");
}

#[test]
fn what_cannot_be_undone_is_asked_about_also_where_it_is_one() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    scratch.set("b", "x");
    let Some(done) = at_terminal(&scratch, "secrets purge a", "n\n") else { return };
    assert_eq!(done.code, 1, "{}", done.text());
    assert_eq!(scratch.get("a"), b"x");
    assert_eq!(at_terminal(&scratch, "secrets purge a", "y\n").unwrap().code, 0);
    // A script that names one path means it.
    assert_eq!(scratch.call(["purge", "b"]).code, 0);
    assert_eq!(scratch.call(["key", "add", "key-file", "--out", "second.key"]).code, 0);
    let slots = || scratch.call(["key", "list"]).text().lines().count() - 1;
    scratch.call(["key", "remove", "1"]).refused(2, "--yes");
    assert_eq!(at_terminal(&scratch, "secrets key remove 2", "n\n").unwrap().code, 1);
    assert_eq!(at_terminal(&scratch, "secrets --non-interactive key remove 2", "y\n").unwrap().code, 2);
    assert_eq!(slots(), 2);
    assert_eq!(at_terminal(&scratch, "secrets key remove 2", "y\n").unwrap().code, 0);
    assert_eq!(slots(), 1);
}

#[test]
fn a_recovery_phrase_is_shown_once_and_opens_the_safe() {
    let scratch = Scratch::new();
    let Some(done) = at_terminal(&scratch, "secrets init --recovery-phrase", "") else { return };
    assert_eq!(done.code, 0, "{}", done.text());
    let after = done.text().split("keep it away from this machine:").nth(1).unwrap();
    let words: Vec<&str> =
        after.split_whitespace().filter(|word| word.bytes().all(|b| b.is_ascii_lowercase())).collect();
    assert_eq!(words.len(), 24, "{after}");
    scratch.set("a", "x");
    std::fs::rename(scratch.key(), scratch.work().join("aside")).unwrap();
    // With no key file and no passphrase slot, the words are what is left to ask for.
    let done = at_terminal(&scratch, "secrets get a", &format!("{}\n", words.join(" "))).unwrap();
    assert!(done.text().ends_with("x\r\n"), "{}", done.text());
    assert!(!done.text().contains(words[0]), "the words are not echoed");
    let done = at_terminal(&scratch, "secrets get a", "abandon abandon\n").unwrap();
    assert_eq!(done.code, 19, "{}", done.text());
}

#[test]
fn a_passphrase_is_asked_for_once_also_where_it_is_used_twice() {
    let scratch = Scratch::new();
    let made =
        at_terminal(&scratch, "secrets init --passphrase --no-key-file", "correct horse\ncorrect horse\n");
    let Some(done) = made else { return };
    assert_eq!(done.code, 0, "{}", done.text());
    let done = at_terminal(&scratch, "secrets key add key-file --out second.key", "correct horse\n").unwrap();
    assert_eq!(done.code, 0, "{}", done.text());
    assert!(!done.text().contains("correct horse"));
    let done = at_terminal(&scratch, "secrets list", "hunter2\n").unwrap();
    assert_eq!(done.code, 19, "{}", done.text());
    scratch.call(["list"]).refused(19, "the safe is locked");
}
