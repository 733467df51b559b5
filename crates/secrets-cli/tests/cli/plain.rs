//! Plain values on a real server: what its other programs write is read here, and the other way round.

use std::process::Command;

use secrets_testkit::{Server, openbao};
use serde_json::{Value, json};

use crate::support::{Done, Machine, Scratch, feed, skip, variable};

/// An installation whose environments use one server: `default` plain values, `sealed` and `one` a mount each.
struct Shared {
    scratch: Scratch,
    server: Server,
    bao: String,
    mount: String,
}

impl Shared {
    /// None, after a loud skip, where there is no server or not its own command.
    fn new() -> Option<Self> {
        let (Some(server), Some(bao)) = (openbao(), variable("SECRETS_TEST_BAO_PROGRAM")) else {
            skip("the server of this test was not started");
            return None;
        };
        let scratch = Scratch::new();
        let unique = scratch.home().parent()?.file_name()?.to_str()?.replace('.', "");
        let shared = Self { mount: format!("plain{unique}"), scratch, server, bao };
        for (mount, version) in [("", "2"), ("-sealed", "2"), ("-one", "1")] {
            let path = format!("-path={}{mount}", shared.mount);
            shared.bao(&["secrets", "enable", &path, &format!("-version={version}"), "kv"]);
        }
        std::fs::create_dir_all(shared.scratch.home().join("config")).unwrap();
        let config = ["", "-sealed", "-one"].map(|mount| shared.backend(mount)).concat();
        shared.configure(&format!(
            "{config}[environments.default]\nprimary = \"b\"\n[environments.sealed]\nprimary = \"b-sealed\"\n\
             [environments.one]\nprimary = \"b-one\"\n"
        ));
        Some(shared)
    }

    fn backend(&self, mount: &str) -> String {
        format!(
            "[backends.b{mount}]\ntype = \"hcvault\"\naddress = \"{}\"\nmount = \"{}{mount}\"\nseal = {}\n\
             auth = {{ method = \"token\", token = \"${{TOKEN}}\" }}\n",
            self.server.address,
            self.mount,
            mount == "-sealed",
        )
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.scratch.home().join("config/config.toml"), text).unwrap();
    }

    /// OpenBao's own command.
    fn bao(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new(&self.bao);
        command.args(arguments).env_clear().env("HOME", self.scratch.work());
        command.env("BAO_ADDR", &self.server.address).env("BAO_TOKEN", &self.server.root_token);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Fields of a secret, as OpenBao's own command shows them.
    fn fields(&self, mount: &str, path: &str) -> Value {
        let mount = format!("-mount={}{mount}", self.mount);
        let shown: Value =
            serde_json::from_slice(&self.bao(&["kv", "get", "-format=json", &mount, path])).unwrap();
        let data = &shown["data"];
        if mount.ends_with("-one") { data.clone() } else { data["data"].clone() }
    }

    /// Writes fields, `name=value`, by OpenBao's own command.
    fn write(&self, mount: &str, path: &str, fields: &[&str]) {
        let mount = format!("-mount={}{mount}", self.mount);
        self.bao(&[&["kv", "put", &mount, path], fields].concat());
    }

    fn set(&self, arguments: &[&str], value: impl AsRef<[u8]>) {
        let done = feed(self.prepared(&[&["set", "--raw"], arguments].concat()), value.as_ref());
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
}

impl Machine for Shared {
    fn prepared(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.command(arguments);
        command.env("TOKEN", &self.server.root_token);
        command
    }
}

#[test]
fn what_hcvaults_own_command_writes_is_read_in_every_way() {
    let Some(shared) = Shared::new() else { return };
    shared.done(&["init"]);
    shared.write("", "db/creds", &["user=app", "password=hunter2", "port=5432"]);
    shared.write("", "app/token", &["value=two\nlines"]);
    shared.write("", "app/bytes", &["value=/wAB", "content_type=application/octet-stream;base64"]);
    let creds = shared.done(&["get", "db/creds"]);
    assert_eq!(creds, r#"{"password":"hunter2","port":"5432","user":"app"}"#);
    assert_eq!(shared.done(&["get", "db/creds", "--field", "password"]), "hunter2");
    let json: Value =
        serde_json::from_str(&shared.done(&["get", "db/creds", "--field", "user", "--json"])).unwrap();
    assert_eq!(
        (&json["field"], &json["value"], &json["version"]),
        (&json!("user"), &json!("app"), &json!(1))
    );
    shared.call(&["get", "db/creds", "--field", "hunter2-typed"]).refused(10, "no such field");
    shared.call(&["get", "app/token", "--field", "value"]).refused(2, "not a JSON object");
    assert_eq!(shared.done(&["get", "app/token"]), "two\nlines");
    assert_eq!(shared.call(&["get", "app/bytes"]).stdout, [0xff, 0, 1]);
    let run = shared.done(&["run", "--only", "app/token", "--", "sh", "-c", "printf %s \"$TOKEN\""]);
    assert_eq!(run, "two\nlines");
    let export = shared.done(&["export", "--prefix", "db", "--format", "json"]);
    assert!(export.contains("hunter2") && export.contains("CREDS"), "{export}");
    let listed: Value = serde_json::from_str(&shared.done(&["list", "--json"])).unwrap();
    assert_eq!(listed["secrets"].as_array().unwrap().len(), 3);
    shared.done(&["audit", "verify"]);
}

#[test]
fn what_is_set_plain_is_read_by_hcvaults_own_command() {
    let Some(shared) = Shared::new() else { return };
    for environment in ["default", "one"] {
        let mount = if environment == "one" { "-one" } else { "" };
        let set = |path: &str, value: &[u8]| shared.set(&["-e", environment, path], value);
        set("text", b"hunter2");
        set("fields", br#"{"password":"y","user":"x"}"#);
        set("bytes", &[0xff, 0, 1]);
        assert_eq!(shared.fields(mount, "text"), json!({"value": "hunter2"}));
        assert_eq!(shared.fields(mount, "fields"), json!({"password": "y", "user": "x"}));
        let binary = json!({"value": "/wAB", "content_type": "application/octet-stream;base64"});
        assert_eq!(shared.fields(mount, "bytes"), binary);
        set("text", b"hunter3");
        assert_eq!(shared.fields(mount, "text"), json!({"value": "hunter3"}));
        assert_eq!(shared.done(&["-e", environment, "get", "text"]), "hunter3");
    }
    shared.done(&["tag", "text", "--description", "main database"]);
    let metadata =
        shared.bao(&["kv", "metadata", "get", "-format=json", &format!("-mount={}", shared.mount), "text"]);
    assert!(String::from_utf8(metadata).unwrap().contains("main database"));
}

#[test]
fn versions_and_deletes_of_plain_values_are_the_servers_own() {
    let Some(shared) = Shared::new() else { return };
    shared.set(&["a"], "one");
    shared.write("", "a", &["value=two"]);
    assert_eq!(shared.done(&["get", "a", "--version", "1"]), "one");
    shared.done(&["rollback", "a", "1"]);
    assert_eq!(shared.fields("", "a"), json!({"value": "one"}));
    let history: Value = serde_json::from_str(&shared.done(&["history", "a", "--json"])).unwrap();
    assert_eq!(history["versions"].as_array().unwrap().len(), 3);
    shared.done(&["delete", "a"]);
    assert_eq!(shared.call(&["get", "a"]).code, 10);
    shared.call(&["list", "--deleted"]).refused(2, "does not list deleted secrets");
    shared.done(&["undelete", "-n", "a"]);
    shared.done(&["undelete", "a"]);
    assert_eq!(shared.done(&["get", "a"]), "one");
    shared.call(&["get", "a", "--version", "newest"]).refused(10, "not found");
    shared.call(&["-e", "sealed", "rollback", "a", "newest"]).refused(2, "is a number");
    shared.done(&["purge", "--yes", "a"]);
    assert_eq!(shared.call(&["history", "a"]).code, 10);
    // The engine of version 1 has neither versions nor conditions.
    shared.set(&["-e", "one", "a"], "one");
    shared.call(&["-e", "one", "history", "a"]).refused(2, "keeps no old versions");
    let create = feed(shared.prepared(&["-e", "one", "set", "--create", "b"]), b"hunter2");
    create.refused(2, "no conditional writes");
    shared.call(&["-e", "one", "undelete", "a"]).refused(2, "not supported");
}

#[test]
fn sealed_and_plain_values_are_never_taken_for_each_other() {
    let Some(shared) = Shared::new() else { return };
    shared.set(&["-e", "sealed", "a"], "hunter2");
    // Someone copies what is stored: a sealed secret among plain ones, and a plain one among sealed ones.
    let Value::Object(stored) = shared.fields("-sealed", "a") else { panic!("no fields") };
    let fields: Vec<_> =
        stored.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    shared.write("", "a", &fields);
    shared.write("-sealed", "b", &["value=hunter2"]);
    let sealed = "sealed; this environment has seal = false";
    for arguments in [&["get", "a"][..], &["delete", "a"], &["purge", "--yes", "a"], &["run", "--", "true"]] {
        shared.call(arguments).refused(2, sealed);
    }
    feed(shared.prepared(&["set", "a"]), b"hunter2").refused(2, sealed);
    assert_eq!(shared.fields("", "a"), Value::Object(stored.clone()));
    shared.call(&["-e", "sealed", "get", "b"]).refused(11, "a plain value has to be imported");
    assert_eq!(shared.done(&["-e", "sealed", "get", "a"]), "hunter2");
}

#[test]
fn a_plain_import_says_how_far_it_came() {
    let Some(shared) = Shared::new() else { return };
    shared.write("", "B", &["value=theirs"]);
    let file = shared.scratch.write("all.env", "A=hunter2\nB=hunter2\nC=hunter2\n");
    let file = file.to_str().unwrap();
    shared.call(&["import", "--create", file]).refused(15, "B");
    assert_eq!(shared.done(&["list"]).lines().count(), 2, "nothing was written");
    // Who may read all and write but some.
    let policy = format!(
        "path \"{0}/data/*\" {{ capabilities = [\"create\", \"read\", \"update\"] }}\n\
         path \"{0}/data/B\" {{ capabilities = [\"read\"] }}\n\
         path \"{0}/metadata/*\" {{ capabilities = [\"read\", \"list\"] }}\n",
        shared.mount
    );
    let policy = shared.scratch.write("policy.hcl", policy);
    shared.bao(&["policy", "write", &shared.mount, policy.to_str().unwrap()]);
    let name = format!("-policy={}", shared.mount);
    let token = shared.bao(&["token", "create", "-field=token", &name]);
    let mut import = shared.scratch.command(["import", file]);
    let done = Done::of(import.env("TOKEN", String::from_utf8(token).unwrap().trim()).output().unwrap());
    done.refused(12, "1 of 3 were done before it");
    assert_eq!(shared.fields("", "A"), json!({"value": "hunter2"}));
    assert_eq!(shared.fields("", "B"), json!({"value": "theirs"}));
    shared.done(&["import", file]);
    assert_eq!(shared.done(&["get", "C"]), "hunter2");
}

#[test]
fn plain_values_need_no_file() {
    let Some(shared) = Shared::new() else { return };
    shared.configure("");
    let path = shared.mount.clone();
    shared.bao(&["kv", "put", "-mount=secret", &path, "user=app", "password=hunter2"]);
    shared.scratch.call(["init"]);
    let get = |arguments: &[&str]| {
        let mut command = shared.prepared(&[&["-b", "vault", "get", &path], arguments].concat());
        command.env("VAULT_ADDR", &shared.server.address).env("VAULT_TOKEN", &shared.server.root_token);
        Done::of(command.output().unwrap())
    };
    assert_eq!(get(&["--no-seal", "--field", "password"]).text(), "hunter2");
    get(&[]).refused(11, "a plain value has to be imported");
    shared.call(&["--no-seal", "get", "a"]).refused(2, "--no-seal");
}
