//! Without a durable audit entry nothing leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Done, Scratch, has, skip};

const READERS: [&[&str]; 5] = [
    &["get", "a"],
    &["get", "a", "--json"],
    &["export"],
    &["run", "--", "sh", "-c", "echo $A"],
    &["run", "--replace", "--", "sh", "-c", "echo $A"],
];

#[test]
fn a_damaged_log_gives_exit_14_and_no_value() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    let head = scratch.home().join("state/audit.head");
    let log = fs::read(scratch.log()).unwrap();
    let half: Vec<u8> = log.split_inclusive(|&byte| byte == b'\n').take(1).flatten().copied().collect();
    fs::write(scratch.log(), half).unwrap();
    for reader in READERS {
        scratch.call(reader).refused(14, "audit");
    }
    assert_eq!(scratch.call(["audit", "verify"]).code, 20);
    assert!(head.exists());
}

#[test]
fn a_log_that_cannot_be_opened_gives_exit_14_and_no_value() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    let aside = scratch.home().join("state/aside");
    fs::rename(scratch.log(), &aside).unwrap();
    fs::create_dir(scratch.log()).unwrap();
    for reader in READERS {
        scratch.call(reader).refused(14, "audit");
    }
    fs::remove_dir(scratch.log()).unwrap();
    std::os::unix::fs::symlink(&aside, scratch.log()).unwrap();
    for reader in READERS {
        scratch.call(reader).refused(14, "audit");
    }
    fs::remove_file(scratch.log()).unwrap();
    fs::rename(&aside, scratch.log()).unwrap();
    assert_eq!(scratch.get("a"), b"hunter2");
}

#[test]
fn an_unwritable_log_gives_exit_14_and_no_value() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    let state = scratch.home().join("state");
    fs::set_permissions(scratch.log(), fs::Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o500)).unwrap();
    if rustix::process::getuid().is_root() {
        // Root writes anywhere: only a full disk stops it.
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(scratch.log(), fs::Permissions::from_mode(0o600)).unwrap();
    } else {
        for reader in READERS {
            scratch.call(reader).refused(14, "audit");
        }
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    }
    // A limit on file sizes below the log's present length is a full disk to every write of it.
    if !has("prlimit") {
        return skip("prlimit is not installed");
    }
    for reader in READERS {
        let limited = Command::new("prlimit")
            .arg("--fsize=64")
            .arg("--")
            .arg(env!("CARGO_BIN_EXE_secrets"))
            .args(reader)
            .env("SECRETS_HOME", scratch.home())
            .current_dir(scratch.work())
            .output()
            .unwrap();
        // SIGXFSZ ends a process that writes over the limit, unless it is handled; either way nothing leaves.
        let status = limited.status;
        let done = Done::of(limited);
        assert!(done.stdout.is_empty(), "{:?}", done.text());
        assert!(
            done.code == 14 || std::os::unix::process::ExitStatusExt::signal(&status) == Some(25),
            "{status}: {}",
            done.stderr
        );
    }
    assert_eq!(scratch.get("a"), b"hunter2");
}

#[test]
fn a_full_disk_gives_exit_14_and_no_value() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    // The last page of the log may have room yet, so reads go on until it is full.
    let script = r#"
        state="$SECRETS_HOME/state"
        cp -a "$state" "$SECRETS_HOME/aside"
        mount -t tmpfs -o size=128k,mode=700 tmpfs "$state" || exit 77
        cp -a "$SECRETS_HOME/aside/." "$state/"
        dd if=/dev/zero of="$state/filler" bs=4k 2> /dev/null
        for n in $(seq 200); do
            "$0" get a > out 2> err || break
        done
        for reader in "get a" "get a --json" "export" "run -- env" "run --replace -- env"; do
            "$0" $reader 2> err
            echo "$?" >&2
        done
    "#;
    let Some(done) = scratch.with_mounts(script, &[]) else {
        return skip("a small file system cannot be mounted here");
    };
    assert!(done.stdout.is_empty(), "{}", done.text());
    assert_eq!(done.stderr.split_whitespace().collect::<Vec<_>>(), ["14"; 5]);
}

#[test]
fn every_read_has_one_entry_however_many_secrets() {
    let scratch = Scratch::new();
    let lines: String = (0..100).map(|n| format!("A{n}=v{n}\n")).collect();
    scratch.write("many.env", lines);
    assert_eq!(scratch.call(["import", "many.env"]).code, 0);
    let before = scratch.entries();
    let done = scratch.call(["run", "--", "sh", "-c", "echo $A0 $A99"]);
    assert_eq!(done.text(), "v0 v99\n");
    assert_eq!(scratch.entries(), before + 1);
    assert_eq!(scratch.call(["export"]).text().lines().count(), 100);
    assert_eq!(scratch.entries(), before + 2);
    let shown = scratch.call(["audit", "show", "--last", "2", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let [run, export] = shown["entries"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    assert_eq!(
        (run["action"].as_str(), export["action"].as_str()),
        (Some("secret.run"), Some("secret.export"))
    );
    assert_eq!(run["paths"].as_array().unwrap().len(), 100);
}

#[test]
fn an_exported_log_verifies_elsewhere_and_an_altered_one_does_not() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    scratch.get("a");
    assert_eq!(scratch.call(["audit", "export", "out"]).code, 0);
    let key = fs::read_to_string(scratch.work().join("out/public-key")).unwrap();
    let verify = |log: &str| {
        Scratch::new().call([
            "audit".as_ref(),
            "verify".as_ref(),
            "--log".as_ref(),
            scratch.work().join(log).as_os_str(),
            "--public-key".as_ref(),
            key.trim().as_ref(),
            "--checkpoint".as_ref(),
            scratch.work().join("out/checkpoint").as_os_str(),
        ])
    };
    assert_eq!(verify("out/audit.jsonl").code, 0);
    let log = fs::read(scratch.work().join("out/audit.jsonl")).unwrap();
    let mut altered = log.clone();
    altered[200] ^= 1;
    scratch.write("altered", &altered);
    let done = verify("altered");
    assert_eq!(done.code, 20);
    assert!(done.text().contains("broken"), "{}", done.text());
    let cut: Vec<u8> = log.split_inclusive(|&byte| byte == b'\n').take(2).flatten().copied().collect();
    scratch.write("cut", cut);
    assert_eq!(verify("cut").code, 20, "the checkpoint knows how long the log was");
}
