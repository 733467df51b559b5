//! File systems that are full or read-only under the data, while the audit log can still be written.

use crate::support::{Scratch, skip};

#[test]
fn a_full_disk_under_the_data_refuses_writes_and_all_goes_on_with_room_again() {
    let scratch = Scratch::new();
    for path in ["a", "b", "c"] {
        scratch.set(path, "hunter2");
    }
    // More than the free pages of a full store hold.
    scratch.write("many.env", format!("ONE={}\nTWO=2\n", "1".repeat(100_000)));
    scratch.write("passphrase", "correct horse battery");
    // Large values fill what is left; then every kind of write finds no room.
    let script = r#"
        data="$SECRETS_HOME/data"
        cp -a "$data" "$SECRETS_HOME/aside"
        mount -t tmpfs -o size=12m,mode=700 tmpfs "$data" || exit 77
        cp -a "$SECRETS_HOME/aside/." "$data/"
        chmod 600 passphrase
        dd if=/dev/zero of="$data/filler" bs=1M count=8 2> /dev/null
        last=-1
        for n in $(seq 0 99); do
            head -c 100000 /dev/zero | tr '\0' x | "$0" set "big/n$n" - --raw 2> /dev/null || break
            last=$n
        done
        echo "acknowledged to $last"
        dd if=/dev/zero of="$data/rest" bs=4k 2> /dev/null
        try() { echo hunter3 | "$0" $2 > out 2> /dev/null; echo "$1 $2: $? $(head -c 7 out)"; }
        for line in "set new -" "import many.env" "delete b --yes" "rollback c 1" \
            "key add passphrase --new-passphrase-file passphrase" "key rotate" "get a" "list"; do
            try full "$line"
        done
        [ -e "$data/state.redb.suspect" ]; echo "state to be verified: $?"
        rm "$data/filler" "$data/rest"
        for line in "get a" "set new -" "import many.env" "get TWO" "rollback c 1" \
            "key add passphrase --new-passphrase-file passphrase" "key rotate" "get c" "delete a --yes" \
            "audit verify"; do
            try room "$line"
        done
        for n in $(seq 0 $last); do
            [ "$("$0" get "big/n$n" | wc -c)" = 100000 ] || echo "lost big/n$n"
        done
    "#;
    let Some(done) = scratch.with_mounts(script, &[]) else {
        return skip("a small file system cannot be mounted here");
    };
    let said = done.text();
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    assert!(lines[0].starts_with("acknowledged to ") && lines[0] != "acknowledged to 99", "{said}");
    // What is small may find room in pages that a failed write gave back; what is large finds none.
    let small = [
        (1, "full set new -", 16),
        (3, "full delete b --yes", 16),
        (4, "full rollback c 1", 16),
        (5, "full key add passphrase --new-passphrase-file passphrase", 1),
        (6, "full key rotate", 1),
    ];
    for (at, command, refused) in small {
        let expected = [format!("{command}: 0"), format!("{command}: {refused}")];
        assert!(expected.iter().any(|start| lines[at].starts_with(start)), "{}\n{said}", lines[at]);
    }
    assert!(lines[2].starts_with("full import many.env: 16"), "{said}");
    // Where it was the local state that found no room, it is verified before anybody believes it again: that takes room.
    let may_wait = lines[9] == "state to be verified: 0";
    for (line, read) in lines[7..9].iter().zip(["full get a: 0 hunter2", "full list: 0 PATH"]) {
        let waits = may_wait && (line.starts_with("full get a: 1") || line.starts_with("full list: 1"));
        assert!(waits || line.starts_with(read), "{line} instead of {read}\n{said}");
    }
    for (line, expected) in lines[10..].iter().zip([
        "room get a: 0 hunter2",
        "room set new -: 0",
        "room import many.env: 0",
        "room get TWO: 0 2",
        "room rollback c 1: 0",
        "room key add passphrase --new-passphrase-file passphrase: 0",
        "room key rotate: 0",
        "room get c: 0 hunter2",
        "room delete a --yes: 0",
        "room audit verify: 0 ok",
    ]) {
        assert!(line.starts_with(expected), "{line} instead of {expected}\n{said}");
    }
    assert_eq!(lines.len(), 20, "{said}");
}

#[test]
fn a_read_only_file_system_under_the_data_is_read_and_refuses_writes() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    scratch.write("many.env", "ONE=1\nTWO=2\n");
    scratch.write("passphrase", "correct horse battery");
    let script = r#"
        data="$SECRETS_HOME/data"
        chmod 600 passphrase
        mount --bind "$data" "$data" && mount -o remount,bind,ro "$data" || exit 77
        for line in "get a" "export" "set a -" "import many.env" "delete a --yes" \
            "key add passphrase --new-passphrase-file passphrase" "key rotate"; do
            echo hunter3 | "$0" $line > out 2> /dev/null; echo "$line: $? $(head -c 9 out)"
        done
    "#;
    let Some(done) = scratch.with_mounts(script, &[]) else {
        return skip("a directory cannot be made read-only here");
    };
    let lines: Vec<&str> = done.text().lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "get a: 0 hunter2",
            "export: 0 A=hunter2",
            "set a -: 16",
            "import many.env: 16",
            "delete a --yes: 16",
            "key add passphrase --new-passphrase-file passphrase: 1",
            "key rotate: 1",
        ]
    );
    assert_eq!(scratch.get("a"), b"hunter2");
    assert_eq!(scratch.call(["audit", "verify"]).code, 0);
}
