//! The command on AWS Secrets Manager, as moto does it: what a user does, and which credentials are taken.

use std::process::Command;

use secrets_testkit::{Responder, secrets_manager};

use crate::support::{Done, Scratch, feed, skip};

/// A scratch installation whose backend is AWS, under a prefix of its own.
struct Remote {
    scratch: Scratch,
}

fn service() -> Option<String> {
    let url = secrets_manager();
    if url.is_none() {
        skip("the server of this test was not started");
    }
    url
}

impl Remote {
    /// None, after a loud skip, where there is no server.
    fn new(region: &str) -> Option<Self> {
        Some(Self::at(&service()?, region))
    }

    fn at(url: &str, region: &str) -> Self {
        let scratch = Scratch::new();
        let prefix =
            scratch.home().parent().unwrap().file_name().unwrap().to_str().unwrap().replace('.', "x");
        std::fs::create_dir_all(scratch.home().join("config")).unwrap();
        let config = format!(
            "[backends.cloud]\ntype = \"aws\"\nendpoint_url = \"{url}\"\nprefix = \"cli{prefix}/\"\n{region}\n\
             [environments.default]\nprimary = \"cloud\"\n"
        );
        std::fs::write(scratch.home().join("config/config.toml"), config).unwrap();
        Self { scratch }
    }

    /// The command without any credentials, which never asks a metadata address.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.command(arguments);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// The same with keys in the environment.
    fn keyed(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "5ecret-of-the-key");
        command
    }

    fn call(&self, arguments: &[&str]) -> Done {
        Done::of(self.keyed(arguments).output().unwrap())
    }

    fn done(&self, arguments: &[&str]) -> String {
        let done = self.call(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.stderr);
        done.text().to_owned()
    }

    fn set(&self, path: &str, value: &str) {
        let done = feed(self.keyed(&["set", path]), value.as_bytes());
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
}

#[test]
fn secrets_are_kept_on_aws_with_versions_and_deletes() {
    let Some(remote) = Remote::new("region = \"us-east-1\"") else { return };
    remote.set("app/db", "hunter1");
    remote.set("app/db", "hunter2");
    assert_eq!(remote.done(&["get", "app/db"]), "hunter2");
    assert_eq!(remote.done(&["get", "app/db", "--version", "1"]), "hunter1");
    remote.done(&["delete", "app/db"]);
    assert_eq!(remote.call(&["get", "app/db"]).code, 10);
    remote.done(&["undelete", "app/db"]);
    assert_eq!(remote.done(&["get", "app/db"]), "hunter2");
    let policy = remote.done(&["backend", "describe", "cloud"]);
    assert!(policy.contains("secretsmanager:UpdateSecretVersionStage"), "{policy}");
}

#[test]
fn a_get_from_a_known_safe_is_one_request() {
    let Some(url) = service() else { return };
    let counting = Responder::start().unwrap();
    counting.on("POST", "/", move |request| request.forward(&url).unwrap());
    let remote = Remote::at(&counting.url(), "region = \"us-east-1\"");
    remote.set("app/db", "hunter2");
    let before = counting.requests().len();
    assert_eq!(remote.done(&["get", "app/db"]), "hunter2");
    let asked = counting.requests().split_off(before);
    let actions: Vec<_> = asked.iter().filter_map(|request| request.header("x-amz-target")).collect();
    assert_eq!(actions, ["secretsmanager.GetSecretValue"]);
}

#[test]
fn missing_credentials_and_a_missing_region_are_told_apart_and_nothing_hangs() {
    let Some(remote) = Remote::new("region = \"us-east-1\"") else { return };
    let none = Done::of(remote.command(&["health"]).output().unwrap());
    assert!(
        none.stderr.contains("no credentials") || none.text().contains("no credentials"),
        "{}",
        none.stderr
    );
    let Some(remote) = Remote::new("") else { return };
    let none = remote.call(&["health"]);
    assert!(none.stderr.contains("region") || none.text().contains("region"), "{}", none.stderr);
    let mut named = remote.keyed(&["health"]);
    assert_eq!(Done::of(named.env("AWS_REGION", "us-east-1").output().unwrap()).code, 0);
}
