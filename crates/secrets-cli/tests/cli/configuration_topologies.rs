//! The files of the guide to several backends: each is checked as it stands, and used on real servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use secrets_testkit::{Server, openbao, secrets_manager};
use serde_json::Value;

use crate::support::{Done, Scratch, feed, skip};

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide")
}

/// The files of the guide, by name.
fn files() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(guide().join("topologies")).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    files.sort();
    files
}

/// One of the files on the servers of the tests, its places made this test's own.
struct Pattern {
    scratch: Scratch,
    file: PathBuf,
    aws: String,
    vault: Server,
}

impl Pattern {
    /// None, after a loud skip, where there is no server.
    fn new(name: &str) -> Option<Self> {
        let (Some(aws), Some(vault)) = (secrets_manager(), openbao()) else {
            skip("the servers of this test were not started");
            return None;
        };
        let scratch = Scratch::new();
        let unique = scratch.home().parent()?.file_name()?.to_str()?.replace('.', "x");
        let text = std::fs::read_to_string(guide().join("topologies").join(name)).unwrap();
        let own = text.replace("\"shop", &format!("\"cli{unique}shop"));
        assert_ne!(text, own, "every file has a prefix that tells tests apart");
        let file = scratch.write(name, own);
        Some(Self { scratch, file, aws, vault })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.command(["-c", self.file.to_str().unwrap()]);
        command.args(arguments).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "5ecret-of-the-key");
        command.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &self.aws);
        command.env("VAULT_ADDR", &self.vault.address).env("VAULT_TOKEN", &self.vault.root_token);
        command
    }

    fn call(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).output().unwrap())
    }

    fn set(&self, environment: &str, path: &str, value: &str) {
        let done = feed(self.command(&["-e", environment, "set", path, "-"]), value.as_bytes());
        assert_eq!(done.code, 0, "{}", done.stderr);
    }

    fn get(&self, environment: &str, path: &str) -> String {
        let done = self.call(&["-e", environment, "get", path]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        done.text().to_owned()
    }

    /// What one backend holds alone, past the environment's own choice; none where it has no such secret.
    fn held_by(&self, environment: &str, backend: &str, path: &str) -> Option<String> {
        let done = self.call(&["-e", environment, "-b", backend, "get", path]);
        assert!([0, 10, 18].contains(&done.code), "{backend}: {} {}", done.code, done.stderr);
        (done.code == 0).then(|| done.text().to_owned())
    }
}

#[test]
fn every_file_of_the_guide_is_named_there_and_passes_the_check() {
    let page = std::fs::read_to_string(guide().join("topologies.md")).unwrap();
    let files = files();
    assert!(files.len() >= 6, "{files:?}");
    for (name, path) in files {
        assert!(page.contains(&format!("(topologies/{name})")), "{name} is not in the guide");
        let scratch = Scratch::new();
        let call = |arguments: &[&str]| {
            let mut command = scratch.command(["-c", path.to_str().unwrap()]);
            command.args(arguments).env("VAULT_ADDR", "https://vault.example.com:8200");
            Done::of(command.output().unwrap())
        };
        let checked = call(&["-e", "production", "config", "check"]);
        assert_eq!(checked.code, 0, "{name}: {}", checked.text());
        assert!(checked.text().contains(&name), "{}", checked.text());
        let slip = call(&["-e", "prodution", "config", "check"]);
        assert_eq!(slip.code, 20, "{name}");
        assert!(slip.text().contains("did you mean `production`?"), "{}", slip.text());
        call(&["-e", "prodution", "set", "a", "x"]).refused(3, "no environment `prodution`");
        assert!(!scratch.home().exists(), "nothing was written anywhere");
    }
}

#[test]
fn a_secret_is_in_each_backend_that_the_file_names() {
    for (file, backends) in [
        ("regions.toml", &["east", "west"][..]),
        ("cloud-and-onprem.toml", &["cloud", "onprem", "local"]),
        ("development.toml", &["cloud", "elsewhere"]),
        ("cloud_config.yaml", &["production-primary", "production-failover", "production-backup_0"]),
        ("read-weights.toml", &["east", "nearby", "far"]),
    ] {
        let Some(pattern) = Pattern::new(file) else { return };
        pattern.set("production", "db/url", "hunter1");
        pattern.set("production", "db/url", "hunter2");
        assert_eq!(pattern.get("production", "db/url"), "hunter2", "{file}");
        for backend in backends {
            let held = pattern.held_by("production", backend, "db/url");
            assert_eq!(held.as_deref(), Some("hunter2"), "{file}: {backend}");
        }
    }
}

#[test]
fn development_is_local_and_production_is_not() {
    let Some(pattern) = Pattern::new("development.toml") else { return };
    let done = feed(pattern.command(&["set", "db/url", "-"]), b"mine");
    assert_eq!(done.code, 0, "{}", done.stderr);
    pattern.set("production", "db/url", "theirs");
    assert_eq!(pattern.get("development", "db/url"), "mine");
    assert_eq!(pattern.get("production", "db/url"), "theirs");
    let status: Value = serde_json::from_str(pattern.call(&["status", "--json"]).text()).unwrap();
    assert_eq!((&status["environment"], &status["backend"]), (&"development".into(), &"local".into()));
}

#[test]
fn the_flat_file_keeps_its_environments_apart() {
    let Some(pattern) = Pattern::new("cloud_config.yaml") else { return };
    pattern.set("production", "db/url", "theirs");
    pattern.set("staging", "db/url", "trial");
    assert_eq!(pattern.get("production", "db/url"), "theirs");
    assert_eq!(pattern.get("staging", "db/url"), "trial");
}

#[test]
fn what_a_route_takes_is_on_its_own_backends_alone() {
    let Some(pattern) = Pattern::new("routes.toml") else { return };
    let all = ["db/url", "payments/fee", "payments/cards/key", "payments/cards-old"];
    for path in all {
        pattern.set("production", path, &format!("value of {path}"));
        assert_eq!(pattern.get("production", path), format!("value of {path}"));
    }
    for (backend, held) in [
        ("cloud", &["db/url", "payments/fee", "payments/cards-old"][..]),
        ("onprem", &["payments/fee", "payments/cards/key", "payments/cards-old"]),
        ("local", &["payments/cards/key"]),
    ] {
        let found = all.iter().filter(|path| pattern.held_by("production", backend, path).is_some());
        assert_eq!(found.copied().collect::<Vec<_>>(), held, "{backend}");
    }
    let listed: Value =
        serde_json::from_str(pattern.call(&["-e", "production", "list", "--json"]).text()).unwrap();
    let listed: Vec<_> = listed["secrets"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    assert_eq!(listed, ["db/url", "payments/cards-old", "payments/cards/key", "payments/fee"]);
}
