//! Surroundings that somebody else chose: umask, temporary directories, a missing or read-only home, links and
//! other users' files where ours should be.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Done, Scratch, feed, search_path, skip};

/// The binary under a umask.
fn under(umask: &str, scratch: &Scratch, line: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = format!("umask {umask} && exec \"$@\"");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_secrets")]).args(line);
    command.env_clear().env("PATH", search_path()).env("SECRETS_HOME", scratch.home());
    command.current_dir(scratch.work());
    command
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// How many files and directories there are, each closed to others.
fn private(path: &Path) -> usize {
    assert_eq!(mode(path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    if !path.is_dir() {
        return 1;
    }
    1 + fs::read_dir(path).unwrap().map(|entry| private(&entry.unwrap().path())).sum::<usize>()
}

#[test]
fn whatever_the_umask_every_file_that_is_made_is_private() {
    for umask in ["000", "002", "022", "077"] {
        let scratch = Scratch::new();
        for (line, input) in [
            (&["set", "a", "-"][..], "hunter2"),
            (&["set", "b/c", "-"], "hunter2"),
            (&["import", "-", "--format", "dotenv"], "E=hunter2\n"),
            (&["get", "a"], ""),
            (&["delete", "a"], ""),
            (&["key", "add", "key-file", "--out", "made/second.key"], ""),
            (&["export", "-o", "out.env"], ""),
            (&["audit", "export", "log"], ""),
            (&["trust"], ""),
        ] {
            if line == ["trust"] {
                scratch.write("secrets.toml", "environment = \"default\"\n");
            }
            let done = feed(under(umask, &scratch, line), input.as_bytes());
            assert_eq!(done.code, 0, "{umask} {line:?}: {}", done.stderr);
        }
        assert!(private(&scratch.home()) > 12);
        assert_eq!(mode(&scratch.work().join("made/second.key")), 0o600);
        assert_eq!(mode(&scratch.work().join("out.env")), 0o600);
        let script = "stat -c %a \"$F\" \"$(dirname \"$F\")\"";
        let run = under(umask, &scratch, &["run", "--file", "F=b/c", "--", "sh", "-c", script]);
        assert_eq!(feed(run, b"").text(), "600\n700\n", "{umask}");
    }
}

/// Where `run --file` puts its file, with these variables, while `/dev/shm` is open to everybody without the
/// sticky bit, so that it is not usable; `None` where that cannot be had.
fn file_of(scratch: &Scratch, variables: &[(&str, &Path)]) -> Option<Result<PathBuf, Done>> {
    let script = r#"
        mount -t tmpfs -o mode=0777 tmpfs /dev/shm || exit 77
        exec "$0" run --file F=a -- sh -c 'test "$(cat $F)" = hunter2 && echo $F'
    "#;
    let done = scratch.with_mounts(script, variables)?;
    Some(if done.code == 0 { Ok(PathBuf::from(done.text().trim_end())) } else { Err(done) })
}

#[test]
fn a_temporary_directory_that_others_control_is_passed_over() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    let made = |name: &str, bits: u32| {
        let path = scratch.work().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
        path
    };
    let (private, sticky, open, group) =
        (made("private", 0o700), made("sticky", 0o1777), made("open", 0o777), made("group", 0o770));
    let foreign = made("foreign", 0o700);
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        chown(&foreign, Some(65_534), Some(65_534)).unwrap();
    }
    let links = [("link", &private), ("open-link", &open)].map(|(name, target)| {
        symlink(target, scratch.work().join(name)).unwrap();
        scratch.work().join(name)
    });
    let file = scratch.write("file", "");
    let elsewhere = Path::new("/tmp");
    let mut cases = vec![
        (private.clone(), private.as_path()),
        (sticky.clone(), &sticky),
        (links[0].clone(), &private),
        (open.clone(), elsewhere),
        (group, elsewhere),
        (links[1].clone(), elsewhere),
        (file, elsewhere),
        (scratch.work().join("missing"), elsewhere),
        (PathBuf::from("open"), elsewhere),
        (PathBuf::new(), elsewhere),
    ];
    if is_root {
        cases.push((foreign, elsewhere));
    }
    for (directory, expected) in &cases {
        for variable in ["TMPDIR", "XDG_RUNTIME_DIR"] {
            let Some(found) = file_of(&scratch, &[(variable, directory)]) else {
                return skip("a small file system cannot be mounted here");
            };
            let path = found.unwrap_or_else(|done| panic!("{}: {}", directory.display(), done.stderr));
            let below = fs::canonicalize(expected).unwrap();
            assert!(
                path.parent()
                    .unwrap()
                    .parent()
                    .is_some_and(|parent| fs::canonicalize(parent).unwrap() == below),
                "{variable}={} gave {}",
                directory.display(),
                path.display()
            );
            assert!(!path.exists());
        }
    }
    println!("FIGURE: {} hostile or odd temporary directories, in 2 variables", cases.len());
}

#[test]
fn a_home_that_is_missing_or_relative_is_an_error_that_says_what_to_set() {
    let scratch = Scratch::new();
    let with = |variables: &[(&str, &str)]| {
        let mut command = scratch.command(["set", "a", "-"]);
        command.env_remove("SECRETS_HOME").envs(variables.iter().copied());
        feed(command, b"hunter2")
    };
    let data = scratch.work().join("data");
    for variables in [
        &[][..],
        &[("HOME", "")],
        &[("HOME", "here")],
        &[("XDG_DATA_HOME", data.to_str().unwrap())],
        &[("XDG_DATA_HOME", "here"), ("XDG_CONFIG_HOME", "here"), ("XDG_STATE_HOME", "here")],
    ] {
        let done = with(variables);
        done.refused(3, "HOME");
        assert!(done.stderr.contains("SECRETS_HOME"), "{}", done.stderr);
    }
    assert_eq!(fs::read_dir(scratch.work()).unwrap().count(), 0, "nothing was made");
    let all =
        ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"].map(|name| (name, data.to_str().unwrap()));
    assert_eq!(with(&all).code, 0, "no HOME is needed where every directory is named");
    assert_eq!(private(&data.join("secrets")), private(&data) - 1);
}

#[test]
fn a_read_only_home_is_refused_and_nothing_is_half_made() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    fs::create_dir(scratch.work().join("empty")).unwrap();
    let script = r#"
        for each in "$SECRETS_HOME" empty; do
            mount --bind "$each" "$each" && mount -o remount,bind,ro "$each" || exit 77
        done
        for line in "get a" "set a -" "set new -" "delete a" "list" "export"; do
            echo hunter2 | "$0" $line; echo "$?" >&2
        done
        SECRETS_HOME="$PWD/empty/home"
        echo hunter2 | "$0" set a -; echo "$?" >&2
    "#;
    let Some(done) = scratch.with_mounts(script, &[]) else {
        return skip("a directory cannot be made read-only here");
    };
    assert!(done.stdout.is_empty(), "no value leaves without an entry");
    let told = done.stderr;
    let codes: Vec<&str> = told.lines().filter(|line| line.parse::<u8>().is_ok()).collect();
    // The log cannot be written, so nothing is read or written; and no safe can be made.
    assert_eq!(codes, ["14", "14", "14", "14", "14", "14", "1"], "{told}");
    assert_eq!(fs::read_dir(scratch.work().join("empty")).unwrap().count(), 0);
    assert_eq!(scratch.get("a"), b"hunter2");
}
