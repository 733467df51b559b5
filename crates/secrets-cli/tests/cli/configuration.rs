//! Configuration files, precedence and trust, as seen from outside.

use std::net::TcpListener;

use crate::support::{Done, Scratch};

#[test]
fn an_untrusted_project_file_is_refused_before_anything_is_contacted_or_substituted() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let before = scratch.entries();
    for file in [
        format!(
            "[backends.evil]\ntype = \"hcvault\"\naddress = \"http://{address}\"\n[environments.default]\nprimary = \"evil\"\n"
        ),
        "environment = \"${TOKEN}\"\n".to_owned(),
        "[secrets]\nA = { path = \"${TOKEN}\" }\n".to_owned(),
        "[secrets]\nA = { path = \"a\", command = \"touch pwned\" }\n".to_owned(),
        "seal = false\n".to_owned(),
        "names = \"plain\"\n".to_owned(),
        format!("webhooks = [\"http://{address}\"]\n"),
        "key_file = \"key\"\n".to_owned(),
    ] {
        scratch.write("secrets.toml", &file);
        for command in [
            &["get", "a"][..],
            &["run", "--", "env"],
            &["export"],
            &["list"],
            &["set", "b", "x"],
            &["status"],
        ] {
            let mut command = scratch.command(command);
            command.env("TOKEN", "hunter2");
            Done::of(command.output().unwrap()).refused(3, "secrets.toml");
        }
    }
    assert_eq!(scratch.entries(), before, "the safe was not even opened");
    assert!(listener.accept().is_err(), "somebody was contacted");
    assert!(!scratch.work().join("pwned").exists());
}

#[test]
fn a_trusted_file_holds_until_it_changes() {
    let scratch = Scratch::new();
    scratch.write("secrets.toml", "environment = \"${WHERE:-staging}\"\nengine = \"redb\"\n");
    scratch.call(["list"]).refused(3, "secrets trust");
    assert_eq!(scratch.call(["trust"]).code, 0);
    assert!(scratch.call(["trust", "--list"]).text().contains("secrets.toml"));
    scratch.set("a", "x");
    assert!(scratch.call(["status"]).text().contains("staging"));
    scratch.write("secrets.toml", "environment = \"${WHERE:-production}\"\n");
    scratch.call(["list"]).refused(3, "not trusted");
    assert_eq!(scratch.call(["trust"]).code, 0);
    let dry = scratch.call(["trust", "--remove", "-n"]);
    assert_eq!((dry.code, dry.stderr.as_str()), (0, "would no longer be trusted\n"));
    assert_ne!(scratch.call(["list"]).code, 3, "it still is");
    assert_eq!(scratch.call(["trust", "--remove"]).code, 0);
    scratch.call(["list"]).refused(3, "not trusted");
    scratch.call(["trust", "nowhere.toml"]).refused(3, "no such file");
}

#[test]
fn an_untrusted_file_may_choose_an_environment_and_list_secrets() {
    let scratch = Scratch::new();
    scratch.write("secrets.toml", "environment = \"staging\"\n[secrets]\nURL = { path = \"db/url\" }\n");
    scratch.set("db/url", "s");
    assert_eq!(scratch.call(["run", "--", "sh", "-c", "echo $URL"]).text(), "s\n");
}

#[test]
fn two_environments_with_one_path_are_two_secrets() {
    let scratch = Scratch::new();
    assert_eq!(scratch.pipe(["set", "a", "-e", "staging"], b"s").code, 0);
    assert_eq!(scratch.pipe(["-e", "production", "set", "a"], b"p").code, 0);
    assert_eq!(scratch.call(["get", "a", "-e", "staging"]).stdout, b"s");
    let mut command = scratch.command(["get", "a"]);
    command.env("SECRETS_ENVIRONMENT", "production");
    assert_eq!(command.output().unwrap().stdout, b"p");
    scratch.call(["get", "a"]).refused(10, "not found");
}

#[test]
fn mistakes_in_a_file_are_named_with_the_way_out() {
    let scratch = Scratch::new();
    for (file, words) in [
        ("enviroment = \"x\"\n", "did you mean `environment`?"),
        ("keep_version = 3\n", "did you mean `keep_versions`?"),
        ("environment = \n", "line 1"),
        ("[secrets]\nA = { path = \"../x\" }\n", "`secrets.A.path`"),
    ] {
        scratch.write("secrets.toml", file);
        scratch.call(["list"]).refused(3, words);
        let done = scratch.call(["config", "check"]);
        assert_eq!(done.code, 20, "{}", done.text());
    }
    let user = scratch.home().join("config");
    std::fs::create_dir_all(&user).unwrap();
    std::fs::remove_file(scratch.work().join("secrets.toml")).unwrap();
    std::fs::write(user.join("config.toml"), "environment = \"${NOBODY_SET_THIS}\"\n").unwrap();
    scratch.call(["list"]).refused(3, "NOBODY_SET_THIS");
    scratch.call(["config", "show"]).refused(3, "NOBODY_SET_THIS");
    std::fs::write(user.join("config.toml"), "environment = \"mine\"\n").unwrap();
    let done = scratch.call(["config", "show"]);
    assert!(done.text().contains("mine") && done.text().contains("config.toml"), "{}", done.text());
    assert_eq!(scratch.call(["config", "check", "--json"]).code, 0);
}

#[test]
fn the_other_engine_works_by_configuration() {
    if !cfg!(feature = "sled") {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("own.toml", "engine = \"sled\"\n");
    let with = |arguments: &[&str]| {
        let mut command = scratch.command(arguments);
        command.env("SECRETS_CONFIG", scratch.work().join("own.toml"));
        Done::of(command.output().unwrap())
    };
    assert_eq!(with(&["set", "a", "x"]).code, 0);
    assert_eq!(with(&["get", "a"]).stdout, b"x");
    assert!(with(&["status"]).text().contains("sled"));
}

#[test]
fn slots_are_added_listed_and_removed_and_the_last_one_stays() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    scratch.write("pass", "correct horse\n");
    assert_eq!(
        scratch.call(["key", "add", "passphrase", "--new-passphrase-file", "pass", "--label", "mine"]).code,
        0
    );
    assert_eq!(scratch.call(["key", "add", "key-file", "--out", "second.key", "--label", "second"]).code, 0);
    let listed = scratch.call(["key", "list"]);
    assert!(
        listed.text().contains("Argon2id, 64 MiB") && listed.text().contains("second"),
        "{}",
        listed.text()
    );
    assert_eq!(scratch.call(["get", "a", "--passphrase-file", "pass"]).stdout, b"x");
    assert_eq!(scratch.call(["get", "a", "--key-file", "second.key"]).stdout, b"x");
    assert_eq!(scratch.call(["key", "remove", "1", "--yes", "--key-file", "second.key"]).code, 0);
    scratch.call(["get", "a"]).refused(19, "no slot");
    assert_eq!(scratch.call(["key", "remove", "2", "--yes", "--key-file", "second.key"]).code, 0);
    scratch.call(["key", "remove", "3", "--yes", "--key-file", "second.key"]).refused(2, "slot");
    scratch
        .call(["key", "add", "recovery-phrase", "--key-file", "second.key"])
        .refused(2, "on a terminal only");
    scratch.call(["key", "add", "passphrase", "--key-file", "second.key"]).refused(2, "no terminal");
}

#[test]
fn a_filter_of_the_log_that_is_none_is_told_and_one_that_is_does_not_silence_the_flag() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    let with = |filter: &str, arguments: &[&str]| {
        Done::of(scratch.command(arguments).env("SECRETS_LOG", filter).output().unwrap())
    };
    let ignored = with("infoo", &["list"]);
    assert!(ignored.code == 0 && ignored.stderr.contains("SECRETS_LOG is ignored"), "{}", ignored.stderr);
    assert_eq!(with("warn", &["list"]).stderr, "");
    // What a failure says of its cause is at the level of `-vv`.
    assert!(!with("warn", &["get", "b"]).stderr.contains("DEBUG"));
    assert!(with("warn", &["-vv", "get", "b"]).stderr.contains("DEBUG"));
}
