//! The command on AWS Secrets Manager, as moto does it: what a user does, and which credentials are taken.

use std::process::Command;

use secrets_testkit::{Request, Responder, secrets_manager};
use serde_json::{Value, json};

use crate::support::{Done, Machine, Scratch, feed, skip};

/// A scratch installation whose backend is AWS, under a prefix of its own.
struct Remote {
    scratch: Scratch,
    url: String,
    prefix: String,
}

impl Remote {
    /// None, after a loud skip, where there is no server.
    fn new(region: &str) -> Option<Self> {
        let Some(url) = secrets_manager() else {
            skip("the server of this test was not started");
            return None;
        };
        let scratch = Scratch::new();
        let prefix = format!("cli{}/", scratch.home().parent()?.file_name()?.to_str()?.replace('.', "x"));
        std::fs::create_dir_all(scratch.home().join("config")).unwrap();
        let config = format!(
            "[backends.cloud]\ntype = \"aws\"\nendpoint_url = \"{url}\"\nprefix = \"{prefix}\"\n{region}\n\
             [environments.default]\nprimary = \"cloud\"\n"
        );
        std::fs::write(scratch.home().join("config/config.toml"), config).unwrap();
        Some(Self { scratch, url, prefix })
    }

    /// Has the command call the service at another address.
    fn use_endpoint(&self, url: &str) {
        let file = self.scratch.home().join("config/config.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, config.replace(&self.url, url)).unwrap();
    }

    /// A call of the service without the command.
    fn native(&self, action: &str, body: &Value) {
        // The service knows by the key's scope which region is meant.
        let scope = "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/secretsmanager/aws4_request, \
                     SignedHeaders=host, Signature=none";
        let target = format!("secretsmanager.{action}");
        let headers = [
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.1"),
            ("authorization", scope),
        ];
        let request = Request::new("POST", "/", &headers, body.to_string());
        let answer = request.forward(&self.url).unwrap();
        assert_eq!(answer.status, 200, "{action}: {answer:?}");
    }

    /// The command without any credentials, which never asks a metadata address.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.command(arguments);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }
}

impl Machine for Remote {
    /// With keys in the environment.
    fn prepared(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "5ecret-of-the-key");
        command
    }
}

#[test]
fn secrets_are_kept_on_aws_with_versions_and_deletes() {
    let Some(remote) = Remote::new("region = \"us-east-1\"") else { return };
    remote.store("app/db", "hunter1");
    remote.store("app/db", "hunter2");
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
    let mut named = remote.prepared(&["health"]);
    assert_eq!(Done::of(named.env("AWS_REGION", "us-east-1").output().unwrap()).code, 0);
}

#[test]
fn flags_alone_describe_the_service_and_go_with_no_other_backend() {
    let Some(url) = secrets_manager() else { return skip("the server of this test was not started") };
    let scratch = Scratch::new();
    let call = |arguments: &[&str], input: &[u8]| {
        let mut command = scratch.command(arguments);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "5ecret-of-the-key");
        feed(command, input)
    };
    let prefix = format!(
        "{}/",
        scratch.home().parent().unwrap().file_name().unwrap().to_str().unwrap().replace('.', "f")
    );
    let typed = ["--backend", "aws", "--region", "eu-central-1", "--endpoint-url", &url, "--prefix", &prefix];
    assert_eq!(call(&[&typed[..], &["set", "app/db"]].concat(), b"hunter2").code, 0);
    let read = call(&[&typed[..], &["get", "app/db"]].concat(), b"");
    assert_eq!((read.code, read.text()), (0, "hunter2"), "{}", read.stderr);
    // A prefix by itself says nothing of AWS, and the command goes nowhere.
    let alone = call(&["--prefix", &prefix, "get", "app/db"], b"");
    assert_eq!(alone.code, 2, "{}", alone.stderr);
    // The region alone says which backend is meant; after the command but for the prefix, which is first.
    let read = call(
        &["--prefix", &prefix, "get", "app/db", "--region", "eu-central-1", "--endpoint-url", &url],
        b"",
    );
    assert_eq!((read.code, read.text()), (0, "hunter2"), "{}", read.stderr);
    let elsewhere =
        call(&["--prefix", &prefix, "list", "--region", "us-west-2", "--endpoint-url", &url], b"");
    assert!(elsewhere.code == 0 && !elsewhere.text().contains("app/db"), "{}", elsewhere.stderr);
    for wrong in [
        &["--region", "eu-central-1", "--backend", "local", "list"][..],
        &["--role-arn", "arn:aws:iam::123456789012:role/r", "--vault-url", "http://127.0.0.1:9", "list"],
        &["--prefix", "x/", "--backend", "local", "list"],
        &["--backend", "local", "--no-seal", "list"],
    ] {
        let refused = call(wrong, b"");
        assert!(
            refused.code == 2 && refused.stderr.contains("--backend aws"),
            "{wrong:?}: {}",
            refused.stderr
        );
    }
    let refused = call(&["--region", "EU!", "list"], b"");
    assert!(refused.code == 3 && refused.stderr.contains("region"), "{}", refused.stderr);
}

#[test]
fn describe_shows_what_the_service_keeps_about_a_secret() {
    let Some(remote) = Remote::new("region = \"us-east-1\"") else { return };
    remote.store("app/db", "hunter2");
    let name = format!("{}app/db", remote.prefix);
    remote.native(
        "ReplicateSecretToRegions",
        &json!({"SecretId": name, "AddReplicaRegions": [{"Region": "eu-west-1"}]}),
    );
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    remote.native("PutResourcePolicy", &json!({"SecretId": name, "ResourcePolicy": policy}));
    let shown: Value =
        serde_json::from_str(&remote.done(&["backend", "describe", "cloud", "--secret", "app/db", "--json"]))
            .unwrap();
    let secret = &shown["secret"];
    assert_eq!(secret["name"], name.as_str());
    assert_eq!(secret["replicas"], json!([{"region": "eu-west-1", "state": "in sync"}]));
    assert_eq!(secret["resource_policy"]["Version"], "2012-10-17");
    let table = remote.done(&["backend", "describe", "cloud", "--secret", "app/db"]);
    assert!(table.contains("eu-west-1") && table.contains("least policy"), "{table}");
    assert_eq!(remote.call(&["backend", "describe", "--secret", "app/none"]).code, 10);
    assert_eq!(remote.call(&["backend", "describe", "local", "--secret", "app/db"]).code, 2);
}

/// What each command asks the service, in the order in which it does; the guide has the same table.
const CALLS: [(&[&str], &str); 16] = [
    (&["get", "a/first"], "GetSecretValue"),
    (&["get", "a/none"], "GetSecretValue ListSecrets"),
    (&["describe", "a/first"], "GetSecretValue"),
    (&["get", "a/first", "--version", "1"], "ListSecretVersionIds GetSecretValue"),
    (&["history", "a/first"], "ListSecretVersionIds"),
    (&["list"], "ListSecrets"),
    (
        &["tag", "a/first", "--owner", "ops"],
        "GetSecretValue GetSecretValue PutSecretValue UpdateSecretVersionStage",
    ),
    (
        &["rollback", "a/first", "1"],
        "ListSecretVersionIds GetSecretValue GetSecretValue PutSecretValue UpdateSecretVersionStage",
    ),
    (
        &["delete", "a/first"],
        "GetSecretValue PutSecretValue UpdateSecretVersionStage UpdateSecretVersionStage",
    ),
    (
        &["undelete", "a/first"],
        "GetSecretValue ListSecretVersionIds ListSecretVersionIds GetSecretValue PutSecretValue \
         UpdateSecretVersionStage",
    ),
    (&["export"], "ListSecrets BatchGetSecretValue"),
    (&["import", "many.env", "--prefix", "m"], "BatchGetSecretValue*3 CreateSecret*60"),
    (&["export", "--prefix", "m"], "ListSecrets BatchGetSecretValue*3"),
    (&["purge", "--yes", "a/first"], "GetSecretValue DescribeSecret DeleteSecret CreateSecret"),
    (&["health"], "ListSecrets"),
    (&["status"], ""),
];

/// The actions of requests, in their order, each once with how often it was called in a row.
fn actions(requests: &[Request]) -> String {
    let mut rows: Vec<(&str, usize)> = Vec::new();
    for request in requests {
        let target = request.header("x-amz-target").unwrap_or_default();
        let action = target.rsplit('.').next().unwrap_or_default();
        match rows.last_mut() {
            Some((last, count)) if *last == action && action.starts_with(['B', 'C']) => *count += 1,
            _ => rows.push((action, 1)),
        }
    }
    let text = |(action, count): (&str, usize)| match count {
        1 => action.to_owned(),
        _ => format!("{action}*{count}"),
    };
    rows.into_iter().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_command_makes_the_calls_that_the_guide_lists() {
    let Some(remote) = Remote::new("region = \"us-east-1\"") else { return };
    let responder = Responder::start().unwrap();
    let url = remote.url.clone();
    responder.on("POST", "/", move |request| request.forward(&url).unwrap());
    remote.use_endpoint(&responder.url());
    let many: String = (0..60).map(|n| format!("K{n}=v\n")).collect();
    std::fs::write(remote.scratch.work().join("many.env"), many).unwrap();
    let mut before = 0;
    let mut called = || {
        let all = responder.requests();
        let new = actions(&all[before..]);
        before = all.len();
        new
    };
    // The first write on a place also makes it this safe's.
    remote.store("a/before", "x");
    called();
    remote.store("a/first", "x");
    assert_eq!(called(), "GetSecretValue CreateSecret");
    remote.store("a/first", "y");
    assert_eq!(called(), "GetSecretValue PutSecretValue UpdateSecretVersionStage");
    for (arguments, calls) in CALLS {
        let done = remote.call(arguments);
        assert_eq!(called(), calls, "{arguments:?}: {}", done.stderr);
        assert!(done.code == 0 || arguments[1] == "a/none", "{arguments:?}: {}", done.stderr);
    }
}
