//! The README's tour, run as it is printed: what it shows is what the commands answer.

use std::process::{Command, Stdio};

use crate::support::search_path;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");

#[test]
fn the_tour_of_the_readme_answers_as_it_is_printed() {
    let readme = std::fs::read_to_string(README).unwrap();
    let tour = readme.split_once("```console\n").unwrap().1.split_once("```").unwrap().0;
    let home = tempfile::tempdir().unwrap();
    let real: String =
        commands(tour).map(|line| format!("$ {line}\n{}", answer(line, home.path()))).collect();
    assert!(tour.contains("$ secrets audit verify"), "the tour has lost its end");
    assert_eq!(masked(tour), masked(&real), "the README should show:\n{real}");
}

fn commands(tour: &str) -> impl Iterator<Item = &str> {
    tour.lines().filter_map(|line| line.strip_prefix("$ "))
}

/// What a shell in an empty home answers, on both streams, the home written `~`. A value is followed by the
/// newline that a terminal would get.
fn answer(line: &str, home: &std::path::Path) -> String {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_secrets"));
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{line}")])
        .env_clear()
        .env("PATH", format!("{}:{}", binary.parent().unwrap().display(), search_path()))
        .env("HOME", home)
        .env("USER", "tester")
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap().replace(home.to_str().unwrap(), "~");
    if text.ends_with('\n') { text } else { text + "\n" }
}

/// The text without what differs from run to run: times, fingerprints, roots and keys.
fn masked(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split(' ').map(mask).collect::<Vec<_>>().join(" ")).collect()
}

fn mask(word: &str) -> &str {
    let is_key =
        word.len() > 30 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+/=".contains(&byte));
    let is_time = word.len() == 20 && word.starts_with("20") && word.ends_with('Z');
    if is_key || is_time { "…" } else { word }
}

#[test]
fn only_what_differs_from_run_to_run_is_masked() {
    assert_eq!(masked("ok 23 entries 2026-11-22T02:41:09Z"), ["ok 23 entries …"]);
    assert_eq!(masked("safe fbe8-e045-2c64-76f7-00a9-6b00-21fc-b8d6"), ["safe …"]);
    assert_ne!(masked("set db/url (version 1)"), masked("set db/url (version 2)"));
}
