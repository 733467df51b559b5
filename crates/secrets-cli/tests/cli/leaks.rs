//! A day with the command, every command of it: where do a value, its metadata, a passphrase and a path turn up?

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::scan::{Scanner, listed};
use crate::support::{Scratch, feed, search_path};

/// Every value holds this; it is free of what a format would quote.
const VALUE: &str = "Cnry4711valueXq9Zk2Wm7";
const METADATA: &str = "Cnry4711metaRt5Yb8Pd3";
const PASSPHRASE: &str = "Cnry4711passJh6Gf1Ds4";
const PATH: &str = "cnry4711path-lo8iu5";

/// An installation where every place that a program may write to is this test's own.
struct Day {
    scratch: Scratch,
    /// What the user has besides: files to import, passphrases. Not searched.
    input: tempfile::TempDir,
    secret: Scanner,
    steps: usize,
}

/// What a step may show, and how it ends.
#[derive(Clone, Copy)]
enum Shows {
    /// Neither on stdout nor on stderr is anything secret.
    Nothing,
    /// Stdout is what was asked for.
    OnStdout,
}

impl Day {
    fn new() -> Self {
        let scratch = Scratch::new();
        for name in ["tmp", "run", "user"] {
            let directory = scratch.work().with_file_name(name);
            fs::create_dir(&directory).unwrap();
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let secret = Scanner::new([("value", VALUE), ("metadata", METADATA), ("passphrase", PASSPHRASE)]);
        Self { scratch, input: tempfile::tempdir().unwrap(), secret, steps: 0 }
    }

    /// A file of the user's, with a value in it.
    fn input(&self, name: &str, content: &str) -> String {
        let path = self.input.path().join(name);
        fs::write(&path, content.replace("VALUE", VALUE)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The command under the most careless umask, telling everything that it ever tells.
    fn command(&self, line: &[&str]) -> Command {
        let beside = |name: &str| self.scratch.work().with_file_name(name);
        let mut command = Command::new("sh");
        command
            .args(["-c", "umask 000 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_secrets"), "-vv"])
            .args(line);
        command.env_clear().env("PATH", search_path()).env("SECRETS_HOME", self.scratch.home());
        command
            .env("HOME", beside("user"))
            .env("TMPDIR", beside("tmp"))
            .env("XDG_RUNTIME_DIR", beside("run"));
        command.env("SECRETS_LOG", "trace").env("USER", "tester").current_dir(self.scratch.work());
        command
    }

    fn step(&mut self, line: &[&str], input: &str, shows: Shows, code: i32) {
        let done = feed(self.command(line), input.as_bytes());
        assert_eq!(done.code, code, "{line:?}: {}", done.stderr);
        self.steps += 1;
        let mut hits = self.secret.bytes("stderr", done.stderr.as_bytes());
        match shows {
            Shows::Nothing => hits.extend(self.secret.bytes("stdout", &done.stdout)),
            Shows::OnStdout => {
                assert!(!self.secret.bytes("stdout", &done.stdout).is_empty(), "{line:?} shows nothing");
            }
        }
        // What is put here could be gone by the end.
        for beside in ["tmp", "run", "user", "work"] {
            hits.extend(self.secret.files(&self.scratch.home().with_file_name(beside)));
        }
        assert!(hits.is_empty(), "{line:?}:{}", listed(&hits));
    }

    fn quiet(&mut self, line: &[&str], input: &str) {
        self.step(line, input, Shows::Nothing, 0);
    }

    fn fails(&mut self, line: &[&str], input: &str, code: i32) {
        self.step(line, input, Shows::Nothing, code);
    }

    /// The installation as a part of the day has left it.
    fn check_home(&self) {
        let hits = self.secret.files(&self.scratch.home());
        assert!(hits.is_empty(), "{}", listed(&hits));
        assert_private(&self.scratch.home());
    }
}

/// Writes in every way; gives the store as it was after the first.
fn writing(day: &mut Day) -> Vec<u8> {
    let at = |name: &str| format!("{PATH}/{name}");
    let value = format!("{VALUE}\n");
    let key = at("key");
    day.quiet(&["init"], "");
    let metadata =
        ["--description", METADATA, "--owner", METADATA, "--tag", &format!("{METADATA}={METADATA}")];
    day.quiet(&[&["set", &key, "-"][..], &metadata].concat(), &value);
    let old_store = fs::read(day.scratch.home().join("data/store/store.redb")).unwrap();
    day.quiet(&["set", &key, "--reason", METADATA], &format!("again {value}"));
    let file = day.input("file", "VALUE with more");
    day.quiet(&["set", &at("file"), "--from-file", &file], "");
    day.quiet(&["set", &at("at"), &format!("@{file}")], "");
    day.quiet(&["set", "-n", &at("dry")], &value);
    for (name, content) in [
        ("a.env", "E1=VALUE\nE2=\"${E1} VALUE\"\nE3=$E1\n"),
        ("a.json", r#"{"j1": "VALUE", "below": {"j2": "VALUE"}}"#),
        ("a.yaml", "y1: VALUE\ny2: |\n  VALUE\n  VALUE\n"),
        ("a.csv", "path,value\nc1,VALUE\nc2,\"VALUE,VALUE\"\n"),
    ] {
        let file = day.input(name, content);
        day.quiet(&["import", &file, "--prefix", PATH], "");
    }
    let file = day.input("expand.env", "X1=VALUE\nX2=${X1}\n");
    day.quiet(&["import", &file, "--expand", "--prefix", PATH], "");
    day.quiet(&["tag", &key, "--tag", &format!("more={METADATA}"), "--classification", METADATA], "");
    day.quiet(&["rollback", &key, "1"], "");
    day.quiet(&["delete", &at("at")], "");
    day.quiet(&["undelete", &at("at")], "");
    day.quiet(&["delete", &at("E1"), &at("E2"), "-y"], "");
    day.quiet(&["purge", &at("E3")], "");
    old_store
}

fn reading(day: &mut Day) {
    let key = format!("{PATH}/key");
    for line in
        [&["get", &key][..], &["get", &key, "--json"], &["get", &key, "--version", "1", "--format", "yaml"]]
    {
        day.step(line, "", Shows::OnStdout, 0);
    }
    for format in ["dotenv", "shell", "json", "yaml", "toml", "gha", "tfvars", "csv"] {
        day.step(&["export", "--format", format], "", Shows::OnStdout, 0);
    }
    let out = day.input.path().join("out.env");
    day.quiet(&["export", "-o", out.to_str().unwrap()], "");
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    for format in [&[][..], &["--json"], &["--format", "yaml"]] {
        for line in [&["list"][..], &["list", "--deleted"], &["history", &key], &["status"], &["key", "list"]]
        {
            day.quiet(&[line, format].concat(), "");
        }
        // Metadata is shown by these two alone, the reason of a call by the second.
        day.step(&[&["describe", &key][..], format].concat(), "", Shows::OnStdout, 0);
        day.step(&[&["audit", "show", "--last", "1000"][..], format].concat(), "", Shows::OnStdout, 0);
    }
    day.quiet(&["audit", "verify"], "");
    let exported = day.input.path().join("audit");
    day.quiet(&["audit", "export", exported.to_str().unwrap()], "");
    let hits = Scanner::new([("value", VALUE), ("metadata", METADATA), ("path", PATH)]).files(&exported);
    assert!(hits.is_empty(), "{}", listed(&hits));
    day.quiet(&["config", "show"], "");
    day.quiet(&["config", "check"], "");
}

fn running(day: &mut Day) {
    let only = format!("{PATH}/key");
    let file = format!("TOKEN={PATH}/file");
    day.quiet(&["run", "--only", &only, "--", "true"], "");
    day.quiet(&["run", "--file", &file, "--only", &only, "--", "sh", "-c", "test -s $TOKEN"], "");
    day.quiet(&["run", "--replace", "--only", &only, "--", "true"], "");
    day.step(&["run", "--only", &only, "--", "sh", "-c", "echo $KEY"], "", Shows::OnStdout, 0);
    day.fails(&["run", "--file", &file, "--only", &only, "--", "sh", "-c", "kill -KILL $$"], "", 137);
    day.fails(&["run", "--only", &only, "--", "no-such-program"], "", 127);
    day.fails(&["run", "--only", &only, "--", "/dev/null"], "", 126);
}

fn failing(day: &mut Day) {
    let (key, value) = (format!("{PATH}/key"), format!("{VALUE}\n"));
    let bad = day.input("bad.json", "{\"a\": \"VALUE\", \"b\": [\"VALUE\"]}");
    let worse = day.input("worse.yaml", "a: \"VALUE\n b: VALUE: VALUE\n");
    let quote = day.input("quote.env", "A=\"VALUE\nB=VALUE VALUE\n");
    let columns = day.input("columns.csv", "path,value\na,VALUE,VALUE\n");
    for file in [&bad, &worse, &quote, &columns] {
        day.fails(&["import", file], "", 2);
    }
    day.fails(&["set", &format!("not a path {VALUE}"), "-"], &value, 2);
    day.fails(&["get", &format!("{VALUE}!")], "", 2);
    day.fails(&["set", &key, "one", VALUE], "", 2);
    day.fails(&["set", &key, "-", "--expires", VALUE], &value, 2);
    day.fails(&["set", &key, "-", "--rotate-every", VALUE], &value, 2);
    day.fails(&["get", &key, "--version", VALUE], "", 2);
    day.fails(&["get", &key, "--format", VALUE], "", 2);
    day.fails(&["set", &key, "-", "--create"], &value, 15);
    day.fails(&["set", &key, "-", "--if-version", "99"], &value, 15);
    day.fails(&["set", &key, "-"], &VALUE.repeat(1 << 16), 2);
    day.fails(&["get", &format!("{PATH}/nothing")], "", 10);
    let config = day.input("config.toml", "no-such-setting = \"VALUE\"\nenvironment = \"VALUE VALUE\"\n");
    day.fails(&["--config", &config, "get", &key], "", 3);
}

fn unlocking(day: &mut Day) {
    let key = format!("{PATH}/key");
    let pass = day.input("pass", &format!("{PASSPHRASE}\n"));
    day.quiet(&["key", "add", "passphrase", "--new-passphrase-file", &pass, "--label", "second"], "");
    day.step(&["get", &key, "--passphrase-file", &pass], "", Shows::OnStdout, 0);
    let wrong = day.input("wrong", &format!("{PASSPHRASE}, but wrong\n"));
    day.fails(&["get", &key, "--passphrase-file", &wrong], "", 19);
    let no_key = day.input("no-key", &format!("SECRETS-KEY-1 {VALUE}\n"));
    day.fails(&["get", &key, "--key-file", &no_key], "", 19);
    let third = day.input.path().join("third.key");
    day.quiet(&["key", "add", "key-file", "--out", third.to_str().unwrap()], "");
    day.quiet(&["key", "remove", "3", "-y"], "");
}

/// Damage, loss and a full disk, each undone again; each with the exit code that it has.
fn breaking(day: &mut Day, old_store: &[u8]) {
    let (key, home) = (format!("{PATH}/key"), day.scratch.home());
    let get = ["get", key.as_str()];
    let store = home.join("data/store/store.redb");
    for (path, damage, line, code) in [
        (home.join("data/safe"), &b"SEVH"[..], &get[..], 11),
        (home.join("state/audit.jsonl"), b"{}\n", &get, 14),
        (home.join("state/audit.jsonl"), b"{}\n", &["audit", "verify"], 20),
        (store.clone(), old_store, &get, 18),
    ] {
        let sound = fs::read(&path).unwrap();
        fs::write(&path, damage).unwrap();
        day.fails(line, "", code);
        fs::write(&path, &sound).unwrap();
    }
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    day.fails(&get, "", 12);
    fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).unwrap();
    let patience = day.input("config.toml", "lock_wait = 1\n");
    let lock = fs::File::open(home.join("data/store/lock")).unwrap();
    lock.lock().unwrap();
    day.fails(&["--config", &patience, "set", &key, "-"], VALUE, 16);
    drop(lock);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = day.command(&get).stdin(Stdio::null()).stdout(full).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(day.secret.bytes("stderr", &done.stderr), []);
    day.step(&get, "", Shows::OnStdout, 0);
}

#[test]
fn no_command_leaves_anything_secret_where_nobody_asked_for_it() {
    let mut day = Day::new();
    let old_store = writing(&mut day);
    day.check_home();
    for part in [reading, running, failing, unlocking] {
        part(&mut day);
        day.check_home();
    }
    breaking(&mut day, &old_store);
    day.check_home();
    let home = day.scratch.home();
    for name in ["tmp", "run", "user", "work"] {
        let left: Vec<_> = fs::read_dir(home.with_file_name(name)).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
    // The store learns paths, as every backend does; nothing else does.
    let path = Scanner::new([("path", PATH)]);
    let (known, other): (Vec<_>, Vec<_>) = path
        .files(&home)
        .into_iter()
        .partition(|hit| Path::new(&hit.place) == home.join("data/store/store.redb"));
    assert!(!known.is_empty() && other.is_empty(), "{}", listed(&other));
    println!(
        "FIGURE: {} commands, 3 kinds of secrets, 11 encodings: 0 hits in files and messages",
        day.steps
    );
}

fn assert_private(path: &Path) {
    let mode = fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| assert_private(&entry.unwrap().path()));
    }
}
