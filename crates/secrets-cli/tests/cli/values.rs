//! Values in and out.

use crate::support::Scratch;

#[test]
fn from_a_pipe_exactly_one_line_feed_is_dropped_and_with_raw_none() {
    let scratch = Scratch::new();
    for (arguments, input, stored) in [
        (&["set", "a"][..], &b"x\n"[..], &b"x"[..]),
        (&["set", "a"], b"x\n\n", b"x\n"),
        (&["set", "a"], b"x", b"x"),
        (&["set", "a", "-"], b"x\n", b"x"),
        (&["set", "a", "--raw"], b"x\n", b"x\n"),
        (&["set", "a"], b"", b""),
    ] {
        assert_eq!(scratch.pipe(arguments, input).code, 0);
        assert_eq!(scratch.get("a"), stored);
    }
}

#[test]
fn files_are_taken_byte_for_byte() {
    let scratch = Scratch::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(12 * 1024).chain(*b"\n").collect();
    let file = scratch.write("file.bin", &bytes);
    assert_eq!(
        scratch.call(["set".as_ref(), "a".as_ref(), "--from-file".as_ref(), file.as_os_str()]).code,
        0
    );
    assert_eq!(scratch.get("a"), bytes);
    assert_eq!(scratch.call(["set", "b", "@file.bin"]).code, 0);
    assert_eq!(scratch.get("b"), bytes);
    scratch.call(["set", "c", "@nowhere"]).refused(2, "nowhere cannot be read");
}

#[test]
fn a_value_as_an_argument_works_and_warns() {
    let scratch = Scratch::new();
    let done = scratch.call(["set", "a", "-x y"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("history"), "{}", done.stderr);
    assert!(!done.stderr.contains("-x y"), "{}", done.stderr);
    assert_eq!(scratch.get("a"), b"-x y");
}

#[test]
fn set_echoes_nothing_and_list_shows_no_value() {
    let scratch = Scratch::new();
    let done = scratch.pipe(["set", "app/key"], b"hunter2");
    assert!(done.stdout.is_empty() && !done.stderr.contains("hunter2"));
    for command in
        [&["list"][..], &["describe", "app/key"], &["history", "app/key"], &["status"], &["audit", "show"]]
    {
        for format in [&[][..], &["--json"], &["--format", "yaml"]] {
            let done = scratch.call([command, format].concat());
            assert_eq!(done.code, 0, "{}", done.stderr);
            assert!(!done.text().contains("hunter2") && !done.stderr.contains("hunter2"), "{command:?}");
        }
    }
}

#[test]
fn the_first_set_makes_a_safe_and_says_where_it_is() {
    let scratch = Scratch::new();
    let done = scratch.pipe(["set", "a"], b"x");
    for words in [
        scratch.home().join("data").to_str().unwrap(),
        scratch.key().to_str().unwrap(),
        "can read every secret",
        "stolen disk without the key file",
    ] {
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
    assert!(!scratch.pipe(["set", "b"], b"x").stderr.contains("made a safe"));
    scratch.call(["init"]).refused(15, "there is a safe at");
}

#[test]
fn a_dry_run_writes_nothing() {
    let scratch = Scratch::new();
    assert_eq!(scratch.pipe(["set", "-n", "a"], b"x").code, 0);
    assert_eq!(scratch.call(["init", "--dry-run"]).code, 0);
    assert!(!scratch.home().exists());
    scratch.set("a", "x");
    scratch.set("a", "y");
    let env = scratch.write(".env", "B=1\n");
    for arguments in [
        &["set", "a", "z", "-n"][..],
        &["delete", "a", "-n"],
        &["purge", "a", "-n"],
        &["rollback", "a", "1", "-n"],
        &["tag", "a", "--tag", "k=v", "-n"],
        &["import", env.to_str().unwrap(), "-n"],
        &["key", "remove", "1", "-n"],
        &["export", "-o", "out.env", "-n"],
    ] {
        let done = scratch.call(arguments);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(done.stderr.contains("would "), "{}", done.stderr);
    }
    scratch.call(["undelete", "a", "-n"]);
    assert_eq!(scratch.get("a"), b"y");
    assert_eq!(scratch.call(["list", "--deleted"]).text().lines().count(), 2);
    assert!(scratch.call(["history", "a"]).text().lines().count() == 3);
    assert!(!scratch.work().join("out.env").exists());
    scratch.call(["delete", "nothing", "-n"]).refused(10, "nothing");
    scratch.call(["rollback", "a", "9", "-n"]).refused(10, "no version 9");
}

#[test]
fn versions_deletions_and_metadata_follow_one_another() {
    let scratch = Scratch::new();
    scratch.set("a", "one");
    assert_eq!(
        scratch.pipe(["set", "a", "--tag", "k=v", "--owner", "ann", "--rotate-every", "90d"], b"two").code,
        0
    );
    assert_eq!(scratch.call(["get", "a", "--version", "1"]).stdout, b"one");
    assert_eq!(scratch.call(["rollback", "a", "1"]).code, 0);
    assert_eq!(scratch.get("a"), b"one");
    assert_eq!(scratch.pipe(["set", "a"], b"three").code, 0);
    assert_eq!(scratch.call(["delete", "a"]).code, 0);
    scratch.call(["get", "a"]).refused(10, "not found");
    assert!(scratch.call(["list", "--deleted"]).text().contains("deleted"));
    assert_eq!(scratch.call(["undelete", "a"]).code, 0);
    assert_eq!(scratch.get("a"), b"three");
    assert_eq!(scratch.call(["tag", "a", "--untag", "k", "--description", "d"]).code, 0);
    let described = scratch.call(["describe", "a", "--json"]);
    let described: serde_json::Value = serde_json::from_slice(&described.stdout).unwrap();
    assert_eq!(described["schema_version"], 1);
    assert_eq!(described["description"], "d");
    assert_eq!(described["tags"], serde_json::json!({}));
    assert_eq!(scratch.call(["purge", "a"]).code, 0);
    scratch.call(["undelete", "a"]).refused(10, "not found");
    scratch.set("a", "four");
    let history = scratch.call(["history", "a", "--json"]);
    let history: serde_json::Value = serde_json::from_slice(&history.stdout).unwrap();
    assert!(
        history["versions"].as_array().unwrap().last().unwrap()["version"].as_u64().unwrap() > 6,
        "{history}"
    );
}

#[test]
fn a_new_value_keeps_the_metadata_that_is_not_named() {
    let scratch = Scratch::new();
    assert_eq!(scratch.pipe(["set", "a", "--owner", "ann", "--tag", "k=v"], b"1").code, 0);
    assert_eq!(scratch.pipe(["set", "a", "--tag", "l=w"], b"2").code, 0);
    let described = scratch.call(["describe", "a"]);
    assert!(
        described.text().contains("ann")
            && described.text().contains("k=v")
            && described.text().contains("l=w")
    );
}

#[test]
fn conditions_on_the_present_version_hold() {
    let scratch = Scratch::new();
    scratch.set("a", "one");
    scratch.pipe(["set", "a", "--create"], b"hunter2").refused(15, "already exists");
    scratch.pipe(["set", "a", "--if-version", "9"], b"hunter2").refused(15, "changed by someone else");
    assert_eq!(scratch.pipe(["set", "a", "--if-version", "1"], b"two").code, 0);
    assert_eq!(scratch.get("a"), b"two");
}

#[test]
fn many_deletions_need_yes_where_nobody_can_be_asked() {
    let scratch = Scratch::new();
    for path in ["app/a", "app/b", "apple"] {
        scratch.set(path, "x");
    }
    scratch.call(["delete", "--prefix", "app"]).refused(2, "--yes");
    scratch.call(["purge", "app/a", "app/b"]).refused(2, "--yes");
    assert_eq!(scratch.call(["delete", "--prefix", "app", "-y"]).code, 0);
    assert_eq!(scratch.call(["ls"]).text().lines().nth(1).unwrap().split(' ').next(), Some("apple"));
    scratch.call(["delete", "apple", "nowhere", "-y"]).refused(10, "not found");
    assert_eq!(scratch.get("apple"), b"x");
    scratch.call(["delete", "--prefix", "app", "-y"]).refused(10, "app");
}

#[test]
fn binary_values_come_out_of_machine_formats_as_base64() {
    let scratch = Scratch::new();
    scratch.set("a", b"\xff\x00");
    let done = scratch.call(["get", "a", "--json"]);
    let got: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(got["value_base64"], "/wA=");
    assert!(got.get("value").is_none());
}

#[test]
fn the_reason_is_in_the_log_and_sealed_there() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    assert_eq!(scratch.call(["get", "a", "--reason", "ticket 4711"]).code, 0);
    assert!(scratch.call(["audit", "show"]).text().contains("ticket 4711"));
    assert!(!std::fs::read_to_string(scratch.log()).unwrap().contains("4711"));
    assert!(scratch.call(["audit", "show", "--path", "b"]).text().is_empty());
}

/// The value in a few forms that a careless program would leave behind.
fn traces(value: &str) -> [Vec<u8>; 3] {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let wide = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [value.as_bytes().to_vec(), hex.into_bytes(), wide]
}

fn files_below(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn neither_value_nor_metadata_is_in_any_file_or_log_line() {
    let scratch = Scratch::new();
    let mut command =
        scratch.command(["set", "planted-path/key", "-", "--description", "planted-description", "-vv"]);
    command.env("SECRETS_LOG", "trace");
    let done = crate::support::feed(command, b"planted-value-0815");
    assert_eq!(done.code, 0, "{}", done.stderr);
    let mut command = scratch.command(["run", "-vv", "--", "true"]);
    command.env("SECRETS_LOG", "trace");
    let ran = crate::support::feed(command, b"");
    for text in [&done.stderr, &ran.stderr] {
        assert!(!text.contains("planted-value") && !text.contains("planted-description"), "{text}");
    }
    let files = files_below(&scratch.home());
    assert!(files.len() > 5);
    for file in files {
        let content = std::fs::read(&file).unwrap();
        for planted in ["planted-value-0815", "planted-description"] {
            for trace in traces(planted) {
                assert!(
                    !content.windows(trace.len()).any(|part| part == trace),
                    "{planted} in {}",
                    file.display()
                );
            }
        }
    }
}
