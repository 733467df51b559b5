//! `import` and `export`: what goes in comes out, and what cannot is refused by name.

use std::os::unix::fs::PermissionsExt;

use crate::support::Scratch;

const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQ==\n-----END PRIVATE KEY-----\n";

#[test]
fn a_key_a_service_account_and_awkward_text_survive_each_text_format() {
    let scratch = Scratch::new();
    let account = format!("{{\n  \"type\": \"service_account\",\n  \"private_key\": {:?}\n}}\n", PEM);
    for (path, value) in [
        ("tls/key", PEM),
        ("gcp/account", &account),
        ("odd/quotes", "it's \"x\" `y` $z ${w} \\ # end "),
        ("odd/empty", ""),
        ("odd/unicode", "é\u{1f511}\u{85}\u{2028}"),
        ("odd/controls", "\u{1}\u{7f}\t\r\n"),
    ] {
        scratch.set(path, value);
    }
    for (format, keys) in [("json", "path"), ("yaml", "path"), ("csv", "path"), ("dotenv", "variable")] {
        let file = format!("all.{}", if format == "dotenv" { "env" } else { format });
        let done = scratch.call(["export", "--format", format, "--keys", keys, "-o", &file]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let mode = std::fs::metadata(scratch.work().join(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = Scratch::new();
        let file = scratch.work().join(&file);
        let done = other.call(["import".as_ref(), file.as_os_str()]);
        assert_eq!(done.code, 0, "{format}: {}", done.stderr);
        for path in ["tls/key", "gcp/account", "odd/quotes", "odd/empty", "odd/unicode", "odd/controls"] {
            let name = if format == "dotenv" {
                path.rsplit('/').next().unwrap().to_uppercase()
            } else {
                path.to_owned()
            };
            assert_eq!(other.get(&name), scratch.get(path), "{format} {path}");
        }
    }
}

#[test]
fn each_format_refuses_its_documented_classes_by_name_and_no_others() {
    let scratch = Scratch::new();
    let every = ["dotenv", "shell", "json", "yaml", "toml", "docker", "gha", "tfvars", "csv"];
    let all_but = |refused: &[&str]| {
        every.iter().copied().filter(|format| !refused.contains(format)).collect::<Vec<_>>()
    };
    for (value, carriers) in [
        (&b"text"[..], every.to_vec()),
        (b"\xff\xfe", vec!["shell"]),
        (b"a\0b", vec!["json", "yaml", "toml"]),
        (b"a\nb", all_but(&["docker"])),
        (b"a\rb", all_but(&["docker", "gha"])),
        (b"\"'`$\\#=", every.to_vec()),
    ] {
        scratch.set("the/value", value);
        for format in every {
            let done = scratch.call(["export", "--format", format]);
            if carriers.contains(&format) {
                assert_eq!(done.code, 0, "{format} {value:?}: {}", done.stderr);
            } else {
                done.refused(2, &format!("VALUE cannot be written as {format}"));
            }
        }
    }
}

#[test]
fn imports_are_all_or_nothing_and_keep_the_files_names() {
    let scratch = Scratch::new();
    scratch.write("a.json", r#"{"db": {"url": "u", "port": 5432}, "Token": "t"}"#);
    assert_eq!(scratch.call(["import", "a.json", "--prefix", "app"]).code, 0);
    assert_eq!(scratch.get("app/db/port"), b"5432");
    assert_eq!(scratch.get("app/Token"), b"t");
    scratch.write("b.yaml", "new: hunter2\napp: {Token: hunter2}\n");
    scratch.call(["import", "b.yaml", "--create"]).refused(15, "already exists");
    scratch.call(["get", "new"]).refused(10, "not found");
    scratch.write("c.csv", "path,value\nok,hunter2\n../bad,hunter2\n");
    scratch.call(["import", "c.csv"]).refused(2, "not a path");
    scratch.call(["get", "ok"]).refused(10, "not found");
    scratch.call(["import", "nowhere.env"]).refused(2, "nowhere.env");
    scratch.write("unknown", "A=1\n");
    scratch.call(["import", "unknown"]).refused(2, "--format");
    assert_eq!(scratch.pipe(["import", "-", "--format", "dotenv"], b"A=1\n").code, 0);
    assert_eq!(scratch.get("A"), b"1");
}

#[test]
fn references_in_a_dotenv_file_are_kept_and_told_of_unless_expanded() {
    let scratch = Scratch::new();
    scratch.write(".env", "A=1\nB=${A}2\nC=$NOWHERE\n");
    let done = scratch.call(["import", ".env"]);
    assert!(done.stderr.contains("B holds a `$` reference"), "{}", done.stderr);
    assert_eq!(scratch.get("B"), b"${A}2");
    let done = scratch.call(["import", ".env", "--expand"]);
    assert!(done.stderr.contains("C refers to a variable"), "{}", done.stderr);
    assert_eq!((scratch.get("B"), scratch.get("C")), (b"12".to_vec(), b"".to_vec()));
}

#[test]
fn keys_are_variables_names_or_paths() {
    let scratch = Scratch::new();
    scratch.set("app/api-key", "x");
    for (arguments, expected) in [
        (&["export"][..], "API_KEY=x\n"),
        (&["export", "--full-path"], "APP_API_KEY=x\n"),
        (&["export", "--keys", "name"], "api-key=x\n"),
        (&["export", "--format", "toml", "--keys", "path"], "\"app/api-key\" = \"x\"\n"),
        (&["export", "--format", "shell"], "export API_KEY='x'\n"),
        (&["export", "--format", "docker"], "API_KEY=x\n"),
        (&["export", "--format", "tfvars"], "API_KEY = \"x\"\n"),
        (&["export", "--format", "gha"], "API_KEY<<END_OF_SECRET\nx\nEND_OF_SECRET\n"),
        (&["export", "--format", "csv"], "variable,value\r\n\"API_KEY\",\"x\"\r\n"),
        (&["export", "--format", "json"], "{\n  \"API_KEY\": \"x\"\n}\n"),
    ] {
        assert_eq!(scratch.call(arguments).text(), expected);
    }
    scratch.call(["export", "--format", "shell", "--keys", "name"]).refused(2, "its name is not one");
}
