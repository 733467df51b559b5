//! What the process list shows while `secrets` waits, and what a panic, a prompt and a recovery phrase leave.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::memory::wait_for;
use crate::scan::{Scanner, listed};
use crate::support::{Scratch, variable};
use crate::terminal::at_terminal;

const VALUE: &str = "Cnry4711listUj5Ht8Ws";

/// Arguments and environment of every process, as this user can see them, that hold the value.
fn showing(scanner: &Scanner) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        for name in ["cmdline", "environ"] {
            // Other users' processes, and those that ended just now, show nothing.
            let shown = fs::read(entry.path().join(name)).unwrap_or_default();
            if !scanner.bytes(name, &shown).is_empty() {
                found.insert(process);
            }
        }
    }
    found
}

#[test]
fn no_process_shows_a_value_but_the_program_that_was_given_it() {
    let scratch = Scratch::new();
    let scanner = Scanner::new([("value", VALUE)]);
    // Waiting for the rest of its input.
    let mut child =
        scratch.command(["set", "a", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(VALUE.as_bytes()).unwrap();
    let is_read = || (rustix::io::ioctl_fionread(&input).unwrap() == 0).then_some(());
    wait_for("the value to be read", is_read);
    assert_eq!(showing(&scanner), BTreeSet::new());
    drop(input);
    assert!(child.wait().unwrap().success());
    // Waiting for its program: that one has the value in its environment, as it was asked for.
    let script = "echo $$ > told.new; mv told.new told; read go";
    let mut child = scratch.command(["run", "--", "sh", "-c", script]).stdin(Stdio::piped()).spawn().unwrap();
    let told = scratch.work().join("told");
    let program: u32 = wait_for("the program", || fs::read_to_string(&told).ok()?.trim().parse().ok());
    assert_eq!(showing(&scanner), BTreeSet::from([program]));
    drop(child.stdin.take());
    child.wait().unwrap();
}

const PANIC: &str = "process_list::a_panic_says_where_and_never_what";
const ROLE: &str = "SECRETS_CLI_TEST_PANIC";

/// The second process: hardened as the binary is, it panics in every way with the value at hand.
fn panicking_program() {
    secrets_cli::harden::process();
    let value = VALUE.to_lowercase().to_uppercase();
    let texts: [fn(&str); 4] = [
        |value| panic!("{value}"),
        |value| std::panic::panic_any(value.to_owned()),
        |value| value.parse::<u8>().map_err(|_| value).map(drop).unwrap(),
        |value| assert_eq!(value, "", "the value is {value}"),
    ];
    for text in texts {
        let value = value.clone();
        let outcome =
            std::thread::Builder::new().name(VALUE.into()).spawn(move || text(&value)).unwrap().join();
        assert!(outcome.is_err());
    }
}

#[test]
fn a_panic_says_where_and_never_what() {
    if variable(ROLE).is_some() {
        return panicking_program();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([PANIC, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, "1")
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert_eq!(told.matches("secrets: internal error at ").count(), 4, "{told}");
    let upper = VALUE.to_uppercase();
    let hits =
        Scanner::new([("value", VALUE), ("the same in capitals", &upper)]).bytes("stderr", told.as_bytes());
    assert!(hits.is_empty(), "{}:\n{told}", listed(&hits));
}

#[test]
fn what_is_typed_and_a_recovery_phrase_are_in_no_file() {
    let scratch = Scratch::new();
    let Some(done) = at_terminal(&scratch, "secrets init --recovery-phrase", "") else { return };
    let after = done.text().split("keep it away from this machine:").nth(1).unwrap();
    let words: Vec<&str> =
        after.split_whitespace().filter(|word| word.bytes().all(|b| b.is_ascii_lowercase())).collect();
    let lines: Vec<String> = words.chunks(6).map(|words| words.join(" ")).collect();
    assert_eq!(lines.len(), 4, "{after}");
    let typed = format!("{VALUE}\n{VALUE}\n");
    let set = at_terminal(&scratch, "secrets set a", &typed).unwrap();
    let pass = at_terminal(&scratch, "secrets key add passphrase", &typed).unwrap();
    assert_eq!((set.code, pass.code), (0, 0), "{} {}", set.text(), pass.text());
    let canaries = lines.iter().map(String::as_str).chain([VALUE]).map(|text| (text, text.as_bytes()));
    let scanner = Scanner::new(canaries);
    let mut hits = scanner.files(scratch.work().parent().unwrap());
    for done in [&set, &pass] {
        hits.extend(scanner.bytes("the terminal", done.text().as_bytes()));
    }
    assert!(hits.is_empty(), "{}", listed(&hits));
    assert!(scanner.bytes("the terminal", done.text().as_bytes()).len() == 4, "the phrase was shown once");
}
