//! Links, and files of other users, where the safe's own should be.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::PathBuf;

use crate::support::{Scratch, as_nobody, give_to_nobody, has, skip};

/// Everything of an installation that is opened by name, with the exit code that its refusal has.
const PARTS: [(&str, i32); 13] = [
    ("config/key", 19),
    ("data", 3),
    ("data/safe", 3),
    ("data/keyrings", 3),
    ("data/locks", 3),
    ("data/store", 12),
    ("data/store/store.redb", 12),
    ("data/store/lock", 12),
    ("data/state.redb", 3),
    ("state", 14),
    ("state/audit.jsonl", 14),
    ("state/audit.head", 14),
    ("state/installation.key", 14),
];

fn refused(scratch: &Scratch, part: &str, code: i32, words: &[&str]) {
    for line in [&["get", "a"][..], &["set", "a", "-"], &["export"]] {
        let done = scratch.pipe(line, b"hunter2");
        assert_eq!(done.code, code, "{part}, {line:?}: {}", done.stderr);
        assert!(words.iter().any(|word| done.stderr.contains(word)), "{part}: {}", done.stderr);
        assert!(done.stdout.is_empty() && !done.stderr.contains("hunter2"), "{part}: {}", done.stderr);
    }
}

#[test]
fn a_symbolic_link_in_place_of_any_part_is_refused() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    for (part, code) in PARTS {
        let (path, aside) = (scratch.home().join(part), scratch.work().join("aside"));
        fs::rename(&path, &aside).unwrap();
        symlink(&aside, &path).unwrap();
        refused(&scratch, part, code, &["symbolic link", "cannot read the head file"]);
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(scratch.get("a"), b"hunter2");
    println!("FIGURE: a link in place of {} parts of a safe: refused by 3 commands each", PARTS.len());
}

#[test]
fn a_part_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can give a file to another user");
    }
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    for (part, code) in PARTS {
        let path = scratch.home().join(part);
        chown(&path, Some(65_534), None).unwrap();
        refused(&scratch, part, code, &["65534", "belongs to another user", "cannot read the head file"]);
        chown(&path, Some(0), None).unwrap();
    }
    assert_eq!(scratch.get("a"), b"hunter2");
    println!(
        "FIGURE: {} parts of a safe that belong to another user: refused by 3 commands each",
        PARTS.len()
    );
}

#[test]
fn a_part_that_others_may_read_or_write_is_refused() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    for (part, code) in PARTS {
        let path = scratch.home().join(part);
        let own = fs::metadata(&path).unwrap().permissions();
        // The log holds nothing secret: a reader may be let in, a writer not.
        let tolerated = if part.starts_with("state/audit.") { 0o004 } else { 0 };
        for bits in [0o004, 0o020].into_iter().filter(|&bits| bits != tolerated) {
            fs::set_permissions(&path, fs::Permissions::from_mode(own.mode() | bits)).unwrap();
            refused(
                &scratch,
                part,
                code,
                &["mode 0", "others can", "lets other users in", "cannot read the head file"],
            );
        }
        fs::set_permissions(&path, own).unwrap();
    }
    assert_eq!(scratch.get("a"), b"hunter2");
    println!(
        "FIGURE: {} parts of a safe that others may read or write: refused by 3 commands each",
        PARTS.len()
    );
}

#[test]
fn another_users_home_is_refused_and_left_as_it_was() {
    if !rustix::process::geteuid().is_root() || !has("setpriv") {
        return skip("only root can be somebody else, by setpriv (util-linux)");
    }
    let (own, other) = (Scratch::new(), Scratch::new());
    other.set("a", "hunter2");
    give_to_nobody(own.home().parent().unwrap());
    let program: PathBuf = own.work().join("secrets");
    fs::copy(env!("CARGO_BIN_EXE_secrets"), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    // Open doors: only the files themselves keep the other user out.
    for directory in ["", "home", "home/data", "home/state"] {
        let path = other.home().parent().unwrap().join(directory);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for line in [&["get", "a"][..], &["set", "a", "x"], &["init"], &["status"]] {
        let mut command = as_nobody(&[&[program.to_str().unwrap()], line].concat());
        let output = command.env("SECRETS_HOME", other.home()).output().unwrap();
        assert!(!output.status.success(), "{line:?}");
        assert!(output.stdout.is_empty(), "{line:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    for directory in ["data", "state", ""] {
        fs::set_permissions(other.home().join(directory), fs::Permissions::from_mode(0o700)).unwrap();
    }
    assert_eq!(other.get("a"), b"hunter2");
}
