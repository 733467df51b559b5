//! Bad input: refused with the right exit code, saying nothing that was secret, leaving nothing half-done.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::support::{Scratch, feed};

#[test]
fn paths_outside_the_grammar_are_refused_and_not_repeated() {
    let scratch = Scratch::new();
    let long = "a".repeat(10_240);
    for path in [
        &b""[..],
        b"..",
        b"../../etc/passwd",
        b"%2e%2e",
        b"a//b",
        b"/a",
        b"a/",
        b"a\nb",
        b"a\tb",
        b"\x1b[2Jx",
        b"\xff\xfe",
        "a\u{202e}b".as_bytes(),
        "\u{1f511}".as_bytes(),
        b"_secrets/safe",
        b".hidden",
        long.as_bytes(),
    ] {
        for command in ["get", "set", "delete", "history", "describe"] {
            let value: &[&OsStr] = if command == "set" { &[OsStr::new("hunter2")] } else { &[] };
            let arguments =
                [&[OsStr::new(command), OsStr::new("--"), OsStr::from_bytes(path)][..], value].concat();
            let done = scratch.call(arguments);
            done.refused(2, "this is not a path");
            assert!(done.stderr.is_ascii() && done.stderr.len() < 400, "{}", done.stderr);
        }
    }
    assert!(!scratch.home().exists(), "a refused path must not make a safe");
    scratch.set("CON", "x");
}

#[test]
fn a_value_at_the_limit_is_stored_and_one_over_it_is_not() {
    let scratch = Scratch::new();
    let limit = 1 << 20;
    scratch.set("a", vec![b'x'; limit]);
    assert_eq!(scratch.get("a").len(), limit);
    scratch.pipe(["set", "b"], &vec![b'x'; limit + 1]).refused(2, "invalid input");
    scratch.call(["get", "b"]).refused(10, "not found");
}

#[test]
fn an_empty_and_a_binary_value_are_values() {
    let scratch = Scratch::new();
    assert_eq!(scratch.call(["set", "empty", ""]).code, 0);
    assert_eq!(scratch.get("empty"), b"");
    let bytes: Vec<u8> = (0..=255).collect();
    scratch.set("binary", &bytes);
    assert_eq!(scratch.get("binary"), bytes);
}

#[test]
fn no_terminal_and_no_input_is_an_error_that_says_what_to_do() {
    let scratch = Scratch::new();
    let done = scratch.call(["set", "a"]);
    done.refused(2, "no value");
    assert!(done.stderr.contains("--from-file"), "{}", done.stderr);
    assert!(!scratch.home().exists());
}

#[test]
fn a_wrong_passphrase_cannot_unlock() {
    let scratch = Scratch::new();
    scratch.write("right", "correct horse\n");
    scratch.write("wrong", "hunter2\n");
    let init = ["init", "--passphrase", "--no-key-file", "--passphrase-file", "right"];
    let mut command = scratch.command(init);
    command.env("NOTHING", "");
    assert_eq!(crate::support::Done::of(command.output().unwrap()).code, 0);
    let with = |file: &str, arguments: &[&str]| {
        let mut command = scratch.command(arguments);
        command.env("SECRETS_PASSPHRASE_FILE", scratch.work().join(file));
        feed(command, b"x")
    };
    assert_eq!(with("right", &["set", "a"]).code, 0);
    with("wrong", &["get", "a"]).refused(19, "no slot of the safe opens with this passphrase");
    assert_eq!(with("right", &["get", "a"]).stdout, b"x");
    scratch.call(["get", "a"]).refused(19, "locked");
    assert!(with("right", &["audit", "show"]).text().contains("safe.unlock"), "a refused unlock is recorded");
}

#[test]
fn a_missing_short_foreign_or_open_key_file_cannot_unlock() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    let key = fs::read(scratch.key()).unwrap();
    let put = |content: &[u8], mode: u32| {
        fs::write(scratch.key(), content).unwrap();
        fs::set_permissions(scratch.key(), fs::Permissions::from_mode(mode)).unwrap();
    };
    put(&key[..key.len() / 2], 0o600);
    scratch.call(["get", "a"]).refused(19, "not a key file");
    put(&key, 0o644);
    scratch.call(["get", "a"]).refused(19, "others can read it");
    fs::remove_file(scratch.key()).unwrap();
    scratch.call(["get", "a"]).refused(19, "key file");
    scratch.call(["get", "a", "--key-file", "/nowhere/key"]).refused(19, "/nowhere/key");
    put(&key, 0o600);
    assert_eq!(scratch.get("a"), b"x");
    let other = Scratch::new();
    other.set("a", "y");
    scratch
        .call(["get", "a", "--key-file", other.key().to_str().unwrap()])
        .refused(19, "no slot of the safe opens");
}

const COPY: usize = 16 * 1024;

#[test]
fn one_damaged_copy_of_the_header_opens_by_the_other_and_two_do_not() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    let header = fs::read(scratch.header()).unwrap();
    for copy in 0..2 {
        let mut damaged = header.clone();
        damaged[copy * COPY + 40] ^= 1;
        fs::write(scratch.header(), &damaged).unwrap();
        assert_eq!(scratch.get("a"), b"x", "copy {copy}");
    }
    let mut damaged = header.clone();
    damaged[40] ^= 1;
    damaged[COPY + 40] ^= 1;
    fs::write(scratch.header(), &damaged).unwrap();
    scratch.call(["get", "a"]).refused(11, "the header");
    fs::write(scratch.header(), b"").unwrap();
    scratch.call(["get", "a"]).refused(11, "the header");
}

#[test]
fn a_header_that_asks_for_four_tebibytes_is_refused_at_once() {
    let scratch = Scratch::new();
    scratch.write("pass", "correct horse");
    let init = ["init", "--passphrase", "--no-key-file", "--passphrase-file", "pass"];
    assert_eq!(scratch.call(init).code, 0);
    let mut header = fs::read(scratch.header()).unwrap();
    let default_memory = (64_u32 * 1024).to_be_bytes();
    for copy in [0, COPY] {
        let end = copy + u32::from_be_bytes(header[copy + 6..copy + 10].try_into().unwrap()) as usize;
        // The first slot's fields come after magic, format, size, sequence, safe id and two counts.
        let at = (copy + 36..end).find(|&at| header[at..at + 4] == default_memory).unwrap();
        header[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        // The checksum against torn writes is anybody's to make; what a forger cannot make is the MAC after it.
        let checksum = Sha256::digest(&header[copy..end - 64]);
        header[end - 64..end - 32].copy_from_slice(&checksum);
    }
    fs::write(scratch.header(), &header).unwrap();
    let start = Instant::now();
    let done = scratch.call(["get", "a", "--passphrase-file", "pass"]);
    assert!(start.elapsed() < Duration::from_secs(2));
    done.refused(11, "memory (KiB) of the key derivation");
}

#[test]
fn a_closed_stdout_ends_quietly() {
    let scratch = Scratch::new();
    scratch.set("a", vec![b'x'; 1 << 20]);
    for arguments in [&["get", "a"][..], &["--help"], &["--exit-codes"], &["list"], &["export"]] {
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        let output = scratch.command(arguments).stdout(write).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_second_safe_at_the_same_place_is_refused() {
    let scratch = Scratch::new();
    assert_eq!(scratch.call(["init"]).code, 0);
    let header = fs::read(scratch.header()).unwrap();
    scratch.call(["init"]).refused(15, "there is a safe at");
    assert_eq!(fs::read(scratch.header()).unwrap(), header);
}

#[test]
fn without_a_safe_reading_is_not_found_and_makes_none() {
    let scratch = Scratch::new();
    for arguments in [
        &["get", "a"][..],
        &["list"],
        &["run", "true"],
        &["export"],
        &["audit", "show"],
        &["audit", "verify"],
    ] {
        scratch.call(arguments).refused(10, "there is no safe");
    }
    assert!(!scratch.home().exists());
}

#[test]
fn faults_of_a_dotenv_file_are_named_by_line_and_nothing_is_imported() {
    let scratch = Scratch::new();
    for (content, words) in [
        (&b"A=hunter2\nB=1\nA=hunter2\n"[..], "line 3: `A` is set on line 1 already"),
        (b"A=1\nB=\"hunter2\nC=2\n", "line 2: an unterminated quote"),
        (b"A=1\nB=hun\0ter2\n", "line 2: a NUL byte"),
        (b"A=1\nB=\xff\n", "line 2: not UTF-8 text"),
        (b"A=1\n_B=2\n", "`_B` is not a path"),
    ] {
        let file = scratch.write(".env", content);
        scratch.call(["import", file.to_str().unwrap()]).refused(2, words);
    }
    assert!(!scratch.home().exists(), "a refused file must not make a safe");
}

#[test]
fn deep_and_long_files_are_refused_without_a_crash() {
    let scratch = Scratch::new();
    scratch.write("deep.json", "{\"a\":".repeat(10_000));
    scratch.write("deep.yaml", "{a: ".repeat(10_000));
    scratch.write("long.env", "hunter2\n".repeat(1_000_000));
    for file in ["deep.json", "deep.yaml", "long.env"] {
        scratch.call(["import", file]).refused(2, file);
    }
}

#[test]
fn an_import_that_is_killed_leaves_all_or_nothing() {
    let scratch = Scratch::new();
    scratch.set("before", "x");
    let lines: String = (0..400).map(|n| format!("A{n}=value {n}\n")).collect();
    scratch.write("many.env", lines);
    let mut outcomes = std::collections::BTreeSet::new();
    for pause in [0, 5, 15, 30, 45, 60, 90, 120, 200] {
        let mut child = scratch.command(["import", "many.env"]).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        let listed = scratch.call(["list", "--json"]);
        assert_eq!(listed.code, 0, "{}", listed.stderr);
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        let count = listed["secrets"].as_array().unwrap().len();
        assert!(count == 1 || count == 401, "{count} secrets after {pause} ms");
        outcomes.insert(count);
        if count == 401 {
            assert_eq!(scratch.get("A399"), b"value 399");
            assert_eq!(
                scratch
                    .call(
                        ["delete", "--yes"]
                            .into_iter()
                            .map(String::from)
                            .chain((0..400).map(|n| format!("A{n}")))
                    )
                    .code,
                0
            );
        }
    }
    assert!(outcomes.contains(&1), "no kill came early enough to be worth anything");
    let done = scratch.call(["audit", "verify"]);
    assert_eq!(done.code, 0, "{}", done.text());
}

#[test]
fn usage_errors_do_not_repeat_what_may_be_a_value() {
    let scratch = Scratch::new();
    for arguments in [
        &["get", "a", "hunter2"][..],
        &["set", "a", "my", "hunter2"],
        &["set", "a", "--if-version", "hunter2"],
        &["rollback", "a", "hunter2"],
        &["export", "--format", "hunter2"],
    ] {
        scratch.call(arguments).refused(2, "secrets:");
    }
    assert_eq!(scratch.call(["--no-such-flag"]).code, 2);
    assert_eq!(scratch.call::<[&str; 0], &str>([]).code, 2);
}

#[test]
fn a_hostile_path_or_home_is_no_crash() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    for variables in
        [&[("HOME", "")][..], &[("HOME", "relative")], &[("PATH", "")], &[("TMPDIR", "/nowhere")]]
    {
        let mut command = scratch.command(["get", "a"]);
        command.envs(variables.iter().copied());
        assert_eq!(command.output().unwrap().stdout, b"x");
    }
    let homeless = Command::new(env!("CARGO_BIN_EXE_secrets"))
        .args(["get", "a"])
        .env_clear()
        .current_dir(scratch.work())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(homeless.status.code(), Some(3));
}
