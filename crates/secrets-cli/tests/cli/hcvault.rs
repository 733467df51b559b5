//! The command on a real server: what a user does with HashiCorp Vault or OpenBao, and what goes wrong.

use std::net::TcpListener;
use std::process::Command;

use secrets_testkit::{Product, Server, openbao};

use crate::support::{Done, Machine, Scratch, feed, skip};

/// A scratch installation whose backend is a server, under a prefix of its own.
struct Remote {
    scratch: Scratch,
    server: Server,
}

impl Remote {
    /// None, after a loud skip, where there is no server.
    fn new() -> Option<Self> {
        let Some(server) = openbao() else {
            skip("the server of this test was not started");
            return None;
        };
        let scratch = Scratch::new();
        let prefix = scratch.home().parent()?.file_name()?.to_str()?.replace('.', "x");
        std::fs::create_dir_all(scratch.home().join("config")).unwrap();
        let config = format!(
            "[backends.vault]\ntype = \"hcvault\"\naddress = \"{}\"\nprefix = \"cli{prefix}/\"\n\
             auth = {{ method = \"token\", token = \"${{TOKEN}}\" }}\n\
             [environments.default]\nprimary = \"vault\"\n",
            server.address
        );
        std::fs::write(scratch.home().join("config/config.toml"), config).unwrap();
        Some(Self { scratch, server })
    }

    /// Another machine with the same configuration.
    fn beside(&self) -> Option<Self> {
        let other = Self::new()?;
        let config = |remote: &Self| remote.scratch.home().join("config/config.toml");
        std::fs::copy(config(self), config(&other)).unwrap();
        Some(other)
    }

    fn listed(&self) -> Vec<String> {
        let text = self.done(&["list", "--json"]);
        let list: serde_json::Value = serde_json::from_str(&text).unwrap();
        let paths = list["secrets"].as_array().unwrap().iter();
        paths.map(|secret| secret["path"].as_str().unwrap().to_owned()).collect()
    }
}

impl Machine for Remote {
    fn prepared(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.command(arguments);
        command.env("TOKEN", &self.server.root_token);
        command
    }
}

#[test]
fn secrets_are_kept_on_a_server_with_versions_and_deletes() {
    let Some(remote) = Remote::new() else { return };
    remote.store("app/db", "hunter1");
    remote.store("app/db", "hunter2");
    remote.store("app/key", "k");
    assert_eq!(remote.done(&["get", "app/db"]), "hunter2");
    assert_eq!(remote.done(&["get", "app/db", "--version", "1"]), "hunter1");
    assert_eq!(remote.listed(), ["app/db", "app/key"]);
    remote.done(&["delete", "app/db"]);
    assert_eq!(remote.call(&["get", "app/db"]).code, 10);
    assert_eq!(remote.listed(), ["app/key"], "a tombstone is hidden");
    remote.done(&["undelete", "app/db"]);
    assert_eq!(remote.done(&["get", "app/db"]), "hunter2");
    let history = remote.done(&["history", "app/db", "--json"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&history).unwrap()["versions"].as_array().unwrap().len(),
        4
    );
    remote.done(&["purge", "--yes", "app/db"]);
    assert_eq!(remote.call(&["get", "app/db"]).code, 10);
    let verified = remote.done(&["audit", "verify"]);
    assert!(!verified.is_empty());
}

#[test]
fn an_import_and_a_run_work_on_a_server() {
    let Some(remote) = Remote::new() else { return };
    let file = remote.scratch.write("all.env", "A=1\nB=two\nC=three words\n");
    remote.done(&["import", file.to_str().unwrap()]);
    assert_eq!(remote.done(&["run", "--", "sh", "-c", "echo $A $B $C"]), "1 two three words\n");
    assert!(remote.done(&["export"]).contains("C="));
}

#[test]
fn flags_and_the_usual_variables_do_without_a_file() {
    // Of its own: there is no flag for a prefix, and a place belongs to one safe.
    let Some(server) = Server::own(Product::OpenBao) else { return skip("there is no server for this test") };
    let scratch = Scratch::new();
    let path = "flags/key".to_owned();
    let with_token = |mut command: Command| {
        command.env("VAULT_TOKEN", &server.root_token);
        command
    };
    let set = scratch.command(["--backend", "vault", "--vault-url", &server.address, "set", &path]);
    let done = feed(with_token(set), b"hunter2");
    assert_eq!(done.code, 0, "{}", done.stderr);
    let mut get = with_token(scratch.command(["-b", "vault", "get", &path]));
    get.env("VAULT_ADDR", &server.address);
    assert_eq!(Done::of(get.output().unwrap()).text(), "hunter2");
    let typed = ["--vault-url", &server.address, "--token", &server.root_token, "get", &path];
    let done = scratch.call(typed);
    assert_eq!((done.code, done.text()), (0, "hunter2"));
    assert!(done.stderr.contains("argument") && !done.stderr.contains(&server.root_token), "{}", done.stderr);
    // Where the usual tools keep a token.
    let person = scratch.work().join("person");
    std::fs::create_dir(&person).unwrap();
    std::fs::write(person.join(".vault-token"), format!("{}\n", server.root_token)).unwrap();
    let mut get = scratch.command(["-b", "vault", "--vault-url", &server.address, "get", &path]);
    get.env("HOME", &person);
    assert_eq!(Done::of(get.output().unwrap()).text(), "hunter2");
}

#[test]
fn refusals_have_the_exit_code_of_their_kind() {
    let Some(remote) = Remote::new() else { return };
    remote.store("a", "hunter2");
    let mut wrong = remote.prepared(&["get", "a"]);
    Done::of(wrong.env("TOKEN", "s.wrong").output().unwrap()).refused(13, "credentials refused");
    let config = remote.scratch.home().join("config/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(&config, text.replace(&remote.server.address, &format!("http://{closed}"))).unwrap();
    remote.call(&["get", "a"]).refused(16, "address");
    std::fs::write(&config, text.replace("prefix =", "mount = \"nowhere\"\nprefix =")).unwrap();
    // A server may say that there is none, or, as to anybody who may not know, that it is refused.
    let missing = remote.call(&["get", "a"]);
    assert!([2, 12].contains(&missing.code) && missing.stderr.contains("mount:"), "{}", missing.stderr);
}

#[test]
fn a_token_of_the_configuration_is_not_shown() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.home().join("config")).unwrap();
    let config = "[backends.v]\ntype = \"hcvault\"\naddress = \"https://127.0.0.1:1\"\n\
        auth = { method = \"userpass\", username = \"me\", password = \"${PASSWORD}\" }\n\
        [environments.default]\nprimary = \"v\"\n";
    std::fs::write(scratch.home().join("config/config.toml"), config).unwrap();
    for arguments in
        [&["config", "show"][..], &["config", "show", "--json"], &["config", "check"], &["status", "-vv"]]
    {
        let mut command = scratch.command(arguments);
        let done = Done::of(command.env("PASSWORD", "hunter2").output().unwrap());
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(!done.text().contains("hunter2") && !done.stderr.contains("hunter2"), "{}", done.text());
    }
}

#[test]
fn settings_that_do_not_go_together_are_named() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.home().join("config")).unwrap();
    let base = "[backends.v]\ntype = \"hcvault\"\naddress = \"https://127.0.0.1:1\"\n";
    for (more, words) in [
        ("auth = { method = \"token\", token = \"x\", role_id = \"y\" }\n", "auth.role_id"),
        ("auth = { method = \"token\", token = \"hunter2\", token_file = \"y\" }\n", "auth.token_file"),
        ("auth = { method = \"approle\", role_id = \"y\" }\n", "auth.secret_id: missing"),
        ("auth = { method = \"magic\" }\n", "auth.method"),
        ("auth = { token = \"x\" }\nmuont = \"kv\"\n", "muont"),
        ("auth = { token = \"x\" }\nmount = \"../sys\"\n", "mount"),
        ("auth = { token = \"x\" }\nengine = 3\n", "engine"),
        ("auth = { token = \"x\" }\nengine = \"hunter2\"\n", "wrong type"),
        ("auth = { token = \"x\" }\nca_file = \"missing.pem\"\n", "tls.ca_file"),
        ("auth = { token = \"x\" }\nprefix = \"/x\"\n", "prefix"),
    ] {
        std::fs::write(scratch.home().join("config/config.toml"), format!("{base}{more}")).unwrap();
        scratch.call(["status"]).refused(3, words);
    }
    let two = "[backends.a]\ntype = \"hcvault\"\naddress = \"https://127.0.0.1:1\"\nprefix = \"x\"\nauth = { token = \"t\" }\n\
        [backends.b]\ntype = \"hcvault\"\naddress = \"https://127.0.0.1:1/\"\nprefix = \"x-y/\"\nauth = { token = \"t\" }\n\
        [environments.one]\nprimary = \"a\"\n[environments.two]\nprimary = \"b\"\n";
    std::fs::write(scratch.home().join("config/config.toml"), two).unwrap();
    scratch.call(["status"]).refused(3, "share one place");
}

#[test]
fn health_is_a_map_by_role_and_a_backend_that_does_not_answer_is_exit_20() {
    let Some(remote) = Remote::new() else { return };
    let health = |done: &Done| -> serde_json::Value { serde_json::from_str(done.text()).unwrap() };
    let done = remote.call(&["health", "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(
        (&health(&done)["healthy"], &health(&done)["replicas"]["primary"]["state"]),
        (&true.into(), &"ok".into())
    );
    let mut wrong = remote.prepared(&["health", "--json"]);
    let done = Done::of(wrong.env("TOKEN", "s.wrong").output().unwrap());
    assert_eq!(done.code, 20);
    assert_eq!(health(&done)["replicas"]["primary"]["state"], "credentials refused");
}

#[test]
fn backends_are_listed_and_described_without_contacting_any() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.home().join("config")).unwrap();
    let config = "[backends.v]\ntype = \"hcvault\"\naddress = \"https://127.0.0.1:1\"\nprefix = \"shop/\"\n\
        auth = { token = \"hunter2\" }\n[environments.production]\nprimary = \"v\"\n";
    std::fs::write(scratch.home().join("config/config.toml"), config).unwrap();
    let list = scratch.call(["backend", "list"]);
    assert!(list.text().contains("hcvault at https://127.0.0.1:1/secret"), "{}", list.text());
    assert!(list.text().contains("local *") && list.text().contains("production"), "{}", list.text());
    let described = scratch.call(["backend", "describe", "v"]);
    assert!(described.text().contains("path \"secret/data/shop/*\""), "{}", described.text());
    let json = scratch.call(["backend", "describe", "v", "--json"]);
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(json["capabilities"]["atomic_replace"], true);
    assert!(!described.text().contains("hunter2"));
    scratch.call(["backend", "describe", "w"]).refused(3, "no backend");
    let local = scratch.call(["backend", "describe"]);
    assert!(local.text().contains("local at") && !local.text().contains("policy"), "{}", local.text());
}

#[test]
fn a_second_machine_joins_the_safe_and_both_rotate_its_key() {
    let Some(first) = Remote::new() else { return };
    let Some(second) = first.beside() else { return };
    second.call(&["join", "--yes"]).refused(10, "there is no safe at");
    first.store("app/db", "hunter2");
    second.call(&["get", "app/db"]).refused(10, "secrets join");
    feed(second.prepared(&["set", "app/x"]), b"hunter2").refused(15, "secrets join");
    second.call(&["init"]).refused(15, "secrets join");
    assert!(!second.scratch.header().exists(), "nothing was made");
    second.call(&["join", "--yes"]).refused(19, "key file");
    std::fs::copy(first.scratch.key(), second.scratch.key()).unwrap();
    second.call(&["join"]).refused(2, "--fingerprint");
    second
        .call(&["join", "--fingerprint", "0000-0000-0000-0000-0000-0000-0000-0000"])
        .refused(11, "fingerprint");
    assert!(!second.scratch.header().exists(), "nothing was joined");
    let fingerprint = first.done(&["key", "fingerprint"]);
    let joined = second.call(&["join", "--fingerprint", fingerprint.trim()]);
    assert_eq!((joined.code, joined.text()), (0, ""), "{}", joined.stderr);
    assert!(joined.stderr.contains("joined the safe"), "{}", joined.stderr);
    assert_eq!(second.done(&["get", "app/db"]), "hunter2");
    second.call(&["join", "--yes"]).refused(15, "already");
    // A machine can have a key file of its own.
    let Some(third) = first.beside() else { return };
    let carried = third.scratch.write("carried", std::fs::read(first.scratch.key()).unwrap());
    std::fs::set_permissions(&carried, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    // Its key file is there already, and opens nothing yet, as after a `join` that was cut short.
    let stranger = Scratch::new();
    stranger.set("a", "x");
    std::fs::copy(stranger.key(), third.scratch.key()).unwrap();
    third.done(&["--key-file", "carried", "join", "--yes", "--own-key-file"]);
    std::fs::remove_file(carried).unwrap();
    assert_eq!(third.done(&["get", "app/db"]), "hunter2");
    assert_eq!(third.done(&["key", "list"]).lines().count(), 3, "a heading and two slots");
    for (machine, other) in [(&first, &second), (&second, &first)] {
        machine.done(&["key", "rotate"]);
        machine.store("app/db", "rotated");
        assert_eq!(other.done(&["get", "app/db"]), "rotated");
        machine.store("app/db", "hunter2");
    }
    let rotated = second.done(&["key", "rotate", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&rotated).unwrap()["epochs"], 4);
    assert_eq!(first.listed(), ["app/db"]);
    for machine in [&first, &second] {
        assert!(!machine.done(&["audit", "verify"]).is_empty());
    }
}

#[test]
fn a_place_of_another_safe_is_refused_with_the_way_out() {
    let Some(first) = Remote::new() else { return };
    let Some(second) = first.beside() else { return };
    first.store("app/db", "hunter2");
    // A safe that was made for the local store, long before.
    assert_eq!(feed(second.prepared(&["--backend", "local", "set", "mine"]), b"x").code, 0);
    for arguments in [&["get", "app/db"][..], &["list"], &["delete", "app/db"], &["key", "rotate"]] {
        let refused = second.call(arguments);
        refused.refused(2, "belongs to another safe");
        assert!(refused.stderr.contains("secrets join"), "{}", refused.stderr);
    }
    feed(second.prepared(&["set", "app/db"]), b"hunter3").refused(2, "belongs to another safe");
    assert_eq!(first.done(&["get", "app/db"]), "hunter2");
}

#[test]
fn the_local_backend_holds_nothing_to_join() {
    let scratch = Scratch::new();
    scratch.call(["join"]).refused(2, "local backend");
    scratch.set("a", "hunter2");
    let rotated = scratch.call(["key", "rotate"]);
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    assert_eq!(scratch.get("a"), b"hunter2");
}
