//! What the commands that write print for programs: one document, and nothing where none is asked for.

use serde_json::{Value, json};

use crate::support::{Done, Scratch};

fn read(done: &Done) -> Value {
    let document: Value = serde_json::from_str(done.text()).unwrap_or_else(|_| panic!("{}", done.stderr));
    assert_eq!(document["schema_version"], 1);
    document
}

/// The `secrets` of a document that tells of these versions.
fn secrets(versions: &[(&str, u64)]) -> Value {
    versions
        .iter()
        .map(|(path, version)| json!({ "path": path, "version": version, "level": "all" }))
        .collect()
}

#[test]
fn each_command_that_writes_tells_programs_what_it_wrote() {
    let scratch = Scratch::new();
    let done = scratch.pipe(["set", "a", "--json"], b"hunter2");
    assert_eq!((done.code, &read(&done)["secrets"]), (0, &secrets(&[("a", 1)])), "{}", done.stderr);
    scratch.write("more.env", "B=hunter2\nC=hunter2\n");
    for (line, versions) in [
        ("tag a --tag x=y", &[("a", 2)][..]),
        ("rollback a 1", &[("a", 3)]),
        ("delete a", &[("a", 4)]),
        ("undelete a", &[("a", 5)]),
        ("import more.env", &[("B", 1), ("C", 1)]),
        ("delete B C --yes", &[("B", 2), ("C", 2)]),
    ] {
        let done = scratch.call(line.split(' ').chain(["--json"]));
        assert_eq!(done.code, 0, "{line:?}: {}", done.stderr);
        assert_eq!(read(&done), json!({ "schema_version": 1, "secrets": secrets(versions), "failed": [] }));
        assert!(!done.text().contains("hunter2"));
    }
    let yaml = scratch.call(["undelete", "B", "--format", "yaml"]);
    assert!(yaml.text().contains("version: 3"), "{}", yaml.text());
    let purged = scratch.call(["purge", "a", "--json"]);
    assert_eq!(read(&purged)["secrets"][0]["path"], "a", "{}", purged.stderr);
}

#[test]
fn what_was_written_before_a_failure_is_told_with_it() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    scratch.call(["delete", "a"]);
    let done = scratch.call(["undelete", "a", "nothing", "--json"]);
    assert_eq!(done.code, 10, "{}", done.stderr);
    let document = read(&done);
    assert_eq!(document["secrets"], secrets(&[("a", 3)]));
    assert_eq!(document["failed"][0]["path"], "nothing", "{document}");
    // Of nothing there is nothing to tell.
    scratch.call(["undelete", "nothing", "--json"]).refused(10, "not found");
}

#[test]
fn a_dry_run_tells_what_would_be_written_and_without_the_flag_nothing_is_printed() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    scratch.write("more.env", "B=x\n");
    scratch.write("none.env", "# nothing\n");
    for (line, path) in [
        (&["tag", "a", "--owner", "me"][..], "a"),
        (&["rollback", "a", "1"], "a"),
        (&["import", "more.env"], "B"),
        (&["delete", "a"], "a"),
    ] {
        let dry = scratch.call([line, &["-n", "--json"]].concat());
        let expected = json!({ "schema_version": 1, "dry_run": true, "secrets": [{ "path": path }] });
        assert_eq!(read(&dry), expected, "{line:?}: {}", dry.stderr);
        let done = scratch.call(line);
        assert_eq!((done.code, done.text()), (0, ""), "{line:?}: {}", done.stderr);
    }
    assert_eq!(read(&scratch.call(["import", "none.env", "--json"]))["secrets"], json!([]));
}
