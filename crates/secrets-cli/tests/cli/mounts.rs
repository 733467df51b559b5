//! File systems that are full or read-only under the data, while the audit log can still be written.

use std::process::Command;

use crate::support::{Scratch, skip};

/// Runs a script in a mount namespace of its own, its first argument the home, its second the binary; what it
/// said on standard output, or `None` where that cannot be done here. It exits with 77 where it cannot mount.
fn with_mounts(scratch: &Scratch, script: &str) -> Option<String> {
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(scratch.home())
        .arg(env!("CARGO_BIN_EXE_secrets"))
        .env("SECRETS_HOME", scratch.home())
        .current_dir(scratch.work())
        .output()
        .ok()?;
    let errors = String::from_utf8(output.stderr).unwrap();
    if output.status.code() == Some(77) || errors.contains("unshare failed") {
        return None;
    }
    assert!(!errors.contains("internal error") && !errors.contains("hunter2"), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_full_disk_under_the_data_refuses_writes_and_all_goes_on_with_room_again() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    scratch.write("many.env", "ONE=1\nTWO=2\n");
    scratch.write("passphrase", "correct horse battery");
    // Large values fill what is left; then every kind of write finds no room.
    let script = r#"
        cp -a "$1/data" "$1/aside"
        mount -t tmpfs -o size=12m,mode=700 tmpfs "$1/data" || exit 77
        cp -a "$1/aside/." "$1/data/"
        chmod 600 passphrase
        dd if=/dev/zero of="$1/data/filler" bs=1M count=8 2> /dev/null
        last=-1
        for n in $(seq 0 99); do
            head -c 100000 /dev/zero | tr '\0' x | "$2" set "big/n$n" - --raw 2> /dev/null || break
            last=$n
        done
        echo "acknowledged to $last"
        dd if=/dev/zero of="$1/data/rest" bs=4k 2> /dev/null
        try() { echo hunter3 | "$2" $3 > out 2> /dev/null; echo "$1 $3: $? $(head -c 7 out)"; }
        for line in "set new -" "import many.env" "delete a --yes" "rollback a 1" \
            "key add passphrase --new-passphrase-file passphrase" "get a" "list"; do
            try full "$2" "$line"
        done
        rm "$1/data/filler" "$1/data/rest"
        for line in "get a" "set new -" "import many.env" "get TWO" "rollback a 1" \
            "key add passphrase --new-passphrase-file passphrase" "delete a --yes" "audit verify"; do
            try room "$2" "$line"
        done
        for n in $(seq 0 $last); do
            [ "$("$2" get "big/n$n" | wc -c)" = 100000 ] || echo "lost big/n$n"
        done
    "#;
    let Some(said) = with_mounts(&scratch, script) else {
        return skip("a small file system cannot be mounted here");
    };
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    assert!(lines[0].starts_with("acknowledged to ") && lines[0] != "acknowledged to 99", "{said}");
    for (line, expected) in lines[1..].iter().zip([
        "full set new -: 16",
        "full import many.env: 16",
        "full delete a --yes: 16",
        "full rollback a 1: 16",
        "full key add passphrase --new-passphrase-file passphrase: 1",
        "full get a: 0 hunter2",
        "full list: 0 PATH",
        "room get a: 0 hunter2",
        "room set new -: 0",
        "room import many.env: 0",
        "room get TWO: 0 2",
        "room rollback a 1: 0",
        "room key add passphrase --new-passphrase-file passphrase: 0",
        "room delete a --yes: 0",
        "room audit verify: 0 ok",
    ]) {
        assert!(line.starts_with(expected), "{line} instead of {expected}\n{said}");
    }
    assert_eq!(lines.len(), 16, "{said}");
}

#[test]
fn a_read_only_file_system_under_the_data_is_read_and_refuses_writes() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    scratch.write("many.env", "ONE=1\nTWO=2\n");
    scratch.write("passphrase", "correct horse battery");
    let script = r#"
        chmod 600 passphrase
        mount --bind "$1/data" "$1/data" && mount -o remount,bind,ro "$1/data" || exit 77
        for line in "get a" "export" "set a -" "import many.env" "delete a --yes" "key add passphrase --new-passphrase-file passphrase"; do
            echo hunter3 | "$2" $line > out 2> /dev/null; echo "$line: $? $(head -c 9 out)"
        done
    "#;
    let Some(said) = with_mounts(&scratch, script) else {
        return skip("a directory cannot be made read-only here");
    };
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "get a: 0 hunter2",
            "export: 0 A=hunter2",
            "set a -: 16",
            "import many.env: 16",
            "delete a --yes: 16",
            "key add passphrase --new-passphrase-file passphrase: 1",
        ]
    );
    assert_eq!(scratch.get("a"), b"hunter2");
    assert_eq!(scratch.call(["audit", "verify"]).code, 0);
}
