//! The fixtures of published dotenv packages, fetched from their registries, read by us and by their own
//! parsers: byte for byte the same, before and after a journey through the safe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Scratch, has, search_path, skip, variable};

type Values = BTreeMap<String, String>;

/// Reads a `.env` file with a package's own parser.
trait Parser {
    fn read(&self, file: &Path) -> Values;
}

/// A fixture through our reader, the safe and our writer, compared with the package's parser at both ends.
///
/// `misread` names values that this parser cannot be given in any form that the others read too.
fn compare(parser: &dyn Parser, fixture: &Path, flags: &[&str], misread: &[&str]) {
    let expected = parser.read(fixture);
    assert!(!expected.is_empty(), "{}", fixture.display());
    let scratch = Scratch::new();
    let arguments: Vec<&std::ffi::OsStr> = [
        &["import".as_ref(), "--format".as_ref(), "dotenv".as_ref(), fixture.as_os_str()][..],
        &flags.iter().map(|flag| (*flag).as_ref()).collect::<Vec<_>>(),
    ]
    .concat();
    let done = scratch.call(arguments);
    assert_eq!(done.code, 0, "{}: {}", fixture.display(), done.stderr);
    let exported = scratch.call(["export", "--format", "json", "--keys", "name"]);
    let ours: Values = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!(ours, expected, "{} as we read it", fixture.display());
    let done = scratch.call(["export", "--format", "dotenv", "--keys", "name", "-o", "again.env"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let mut again = parser.read(&scratch.work().join("again.env"));
    for name in misread {
        again.insert((*name).to_owned(), expected[*name].clone());
    }
    assert_eq!(again, expected, "{} as we write it", fixture.display());
    let listing = "import json, os, sys; json.dump({k: os.environ[k] for k in sys.argv[1:]}, sys.stdout)";
    if has("python3") {
        let names: Vec<String> = expected.keys().map(|name| name.to_uppercase()).collect();
        let done = scratch.call(
            ["run", "--", "python3", "-c", listing]
                .into_iter()
                .map(str::to_owned)
                .chain(names.iter().cloned()),
        );
        let given: Values = serde_json::from_slice(&done.stdout).unwrap();
        assert!(
            expected.iter().all(|(name, value)| given[&name.to_uppercase()] == *value),
            "{}",
            fixture.display()
        );
    }
}

struct Go {
    program: PathBuf,
    _root: tempfile::TempDir,
}

impl Parser for Go {
    fn read(&self, file: &Path) -> Values {
        let output = Command::new(&self.program).arg(file).env_clear().output().unwrap();
        assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn go(arguments: &[&str], directory: &Path) -> std::process::Output {
    let mut command = Command::new("go");
    command.args(arguments).current_dir(directory).env("GOFLAGS", "-mod=mod");
    command.output().unwrap()
}

/// A small program around a Go package's parser, and the directory of its published fixtures.
fn go_package(module: &str, version: &str, call: &str) -> Option<(Go, PathBuf)> {
    if !has("go") {
        skip(&format!("go is not installed, so {module} cannot be compared"));
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    let main = format!(
        "package main\nimport (\"encoding/json\"; \"os\"; dotenv \"{module}\")\n\
         func main() {{ values, err := {call}; if err != nil {{ println(err.Error()); os.Exit(1) }}\n\
         json.NewEncoder(os.Stdout).Encode(values) }}\n"
    );
    std::fs::write(root.path().join("main.go"), main).unwrap();
    std::fs::write(
        root.path().join("go.mod"),
        format!("module compare\ngo 1.21\nrequire {module} {version}\n"),
    )
    .unwrap();
    let found = go(&["mod", "download", "-json", &format!("{module}@{version}")], root.path());
    let built = go(&["build", "-o", "parse", "."], root.path());
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap_or_default();
    match (found["Dir"].as_str(), built.status.success()) {
        (Some(directory), true) => {
            let fixtures = Path::new(directory).join("fixtures");
            Some((Go { program: root.path().join("parse"), _root: root }, fixtures))
        }
        _ => {
            skip(&format!(
                "{module} {version} cannot be fetched and built: {}",
                String::from_utf8_lossy(&built.stderr)
            ));
            None
        }
    }
}

#[test]
fn every_fixture_of_godotenv_reads_as_godotenv_reads_it() {
    let call = "dotenv.Read(os.Args[1])";
    let Some((parser, fixtures)) = go_package("github.com/joho/godotenv", "v1.5.1", call) else { return };
    for name in ["comments", "equals", "exported", "plain", "quoted", "substitutions"] {
        compare(&parser, &fixtures.join(format!("{name}.env")), &["--expand"], &[]);
    }
    let scratch = Scratch::new();
    let invalid = fixtures.join("invalid1.env");
    scratch.call(["import".as_ref(), invalid.as_os_str()]).refused(2, "line 1");
}

#[test]
fn every_fixture_of_gotenv_reads_as_gotenv_reads_it() {
    let call = "dotenv.Read(os.Args[1])";
    let Some((parser, fixtures)) = go_package("github.com/subosito/gotenv", "v1.6.0", call) else { return };
    for name in ["exported", "plain", "quoted", "vars", "yaml", "utf8_bom", "utf16le_bom", "utf16be_bom"] {
        compare(&parser, &fixtures.join(format!("{name}.env")), &["--expand"], &[]);
    }
}

struct Node {
    package: PathBuf,
}

impl Parser for Node {
    fn read(&self, file: &Path) -> Values {
        let script = "process.stdout.write(JSON.stringify(require(process.argv[1]).parse(require('fs').readFileSync(process.argv[2]))))";
        let output = Command::new("node")
            .args(["-e", script])
            .arg(&self.package)
            .arg(file)
            .env_clear()
            .env("PATH", search_path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A published package of npm, unpacked.
fn npm_package(name: &str, version: &str) -> Option<(tempfile::TempDir, PathBuf)> {
    if !has("npm") || !has("node") || !has("tar") {
        skip(&format!("npm, node or tar is not installed, so {name} cannot be compared"));
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", &format!("{name}@{version}")]).current_dir(root.path());
    let packed = pack.output().unwrap();
    let file = format!("{name}-{version}.tgz");
    let unpacked = Command::new("tar").args(["-xzf", &file]).current_dir(root.path()).output().unwrap();
    if !packed.status.success() || !unpacked.status.success() {
        skip(&format!("{name} {version} cannot be fetched: {}", String::from_utf8_lossy(&packed.stderr)));
        return None;
    }
    let package = root.path().join("package");
    Some((root, package))
}

#[test]
fn the_fixture_of_nodes_dotenv_reads_as_it_reads_it() {
    let Some((_root, package)) = npm_package("dotenv", "1.2.0") else { return };
    let fixture = package.join("test/.env");
    // This release expands references; later ones do not, and are compared below. It does so even between
    // single quotes, where everybody else leaves a `$` alone.
    compare(&Node { package: package.join("lib/main.js") }, &fixture, &["--expand"], &["ESCAPED_EXPAND"]);
    let Some((_root, package)) = npm_package("dotenv", "16.4.7") else { return };
    compare(&Node { package: package.join("lib/main.js") }, &fixture, &[], &[]);
}

#[test]
fn what_pythons_dotenv_reads_of_our_files_is_what_was_stored() {
    let Some(python) =
        variable("SECRETS_TEST_PYTHON").or_else(|| has("python3").then(|| "python3".to_owned()))
    else {
        return skip("python3 is not installed, so python-dotenv cannot be compared");
    };
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("packages");
    let installed = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "python-dotenv==1.1.1", "--target"])
        .arg(&target)
        .output()
        .unwrap();
    if !installed.status.success() {
        return skip(&format!(
            "python-dotenv cannot be fetched: {}",
            String::from_utf8_lossy(&installed.stderr)
        ));
    }
    let scratch = Scratch::new();
    let pem = "-----BEGIN KEY-----\nAAAA+/==\n-----END KEY-----\n";
    let stored: Values = [
        ("PEM", pem),
        ("JSON", "{\"type\": \"service_account\", \"key\": \"a\\nb\"}"),
        ("QUOTES", "it's \"quoted\""),
        ("SPACES", "  a # b  "),
        ("BACKSLASH", "C:\\new\\table"),
        ("DOLLAR", "pa$$word $HOME"),
        ("EMPTY", ""),
        ("UNICODE", "é\u{1f511}"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    for (name, value) in &stored {
        scratch.set(name, value);
    }
    assert_eq!(scratch.call(["export", "-o", ".env"]).code, 0);
    let script = "import json, sys, dotenv; json.dump(dotenv.dotenv_values(sys.argv[1], interpolate=False), sys.stdout)";
    let output = Command::new(&python)
        .args(["-c", script])
        .arg(scratch.work().join(".env"))
        .env("PYTHONPATH", &target)
        .output()
        .unwrap();
    let read: Values = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read, stored);
}
