//! How the command logs in to a server: with a secret that another backend holds, with an AWS identity.

use std::io::{Read, Write};
use std::net::TcpStream;

use secrets_testkit::{Server, openbao, sts, vault};
use serde_json::{Value, json};

use crate::support::{Done, Scratch, feed, skip};

/// A call as root that must succeed.
fn done(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = call(server, method, path, body);
    assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    answer
}

fn call(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(server.address.trim_start_matches("http://")).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    write!(
        stream,
        "{method} /v1/{path} HTTP/1.0\r\nX-Vault-Token: {}\r\nContent-Length: {}\r\n\r\n{body}",
        server.root_token,
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

/// A fresh KV mount, of version 1, which is ready at once; a policy over it has its name.
fn mount(server: &Server, scratch: &Scratch) -> String {
    let unique = scratch.home().parent().unwrap().file_name().unwrap().to_str().unwrap().replace('.', "x");
    let name = format!("cli{unique}");
    done(server, "POST", &format!("sys/mounts/{name}"), &json!({"type": "kv", "options": {"version": "1"}}));
    let policy = format!(
        "path \"{name}/*\" {{ capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }}"
    );
    done(server, "POST", &format!("sys/policies/acl/{name}"), &json!({ "policy": policy }));
    name
}

fn configure(scratch: &Scratch, config: &str) {
    std::fs::create_dir_all(scratch.home().join("config")).unwrap();
    std::fs::write(scratch.home().join("config/config.toml"), config).unwrap();
}

#[test]
fn the_secret_of_a_login_is_read_from_another_backend() {
    let Some(server) = openbao() else { return skip("the server of this test was not started") };
    let scratch = Scratch::new();
    let name = mount(&server, &scratch);
    done(&server, "POST", &format!("sys/auth/{name}"), &json!({"type": "userpass"}));
    let user = json!({"password": "hunter2", "token_policies": [name]});
    done(&server, "POST", &format!("auth/{name}/users/me"), &user);
    let address = &server.address;
    configure(
        &scratch,
        &format!(
            "[backends.first]\ntype = \"hcvault\"\naddress = \"{address}\"\nmount = \"{name}\"\nprefix = \"boot/\"\n\
             auth = {{ token = \"${{TOKEN}}\" }}\n\
             [backends.second]\ntype = \"hcvault\"\naddress = \"{address}\"\nmount = \"{name}\"\nprefix = \"app/\"\n\
             [backends.second.auth]\nmethod = \"userpass\"\nmount = \"{name}\"\nusername = \"me\"\n\
             password = {{ backend = \"first\", path = \"shop/password\" }}\n\
             [environments.default]\nprimary = \"second\"\n[environments.boot]\nprimary = \"first\"\n"
        ),
    );
    let with_token = |arguments: &[&str]| {
        let mut command = scratch.command(arguments);
        command.env("TOKEN", &server.root_token);
        command
    };
    let call = |arguments: &[&str]| Done::of(with_token(arguments).output().unwrap());
    done(&server, "POST", &format!("{name}/boot/shop/password"), &json!({"value": "hunter2"}));
    let set = feed(with_token(&["set", "a"]), b"found");
    assert_eq!(set.code, 0, "{}", set.stderr);
    assert_eq!(call(&["get", "a"]).text(), "found");
    let shown = call(&["config", "show"]);
    assert!(shown.text().contains("shop/password"), "{}", shown.text());
    assert!(!shown.text().contains("hunter2") && !shown.text().contains(&server.root_token));
    // Without it, it is the configuration that does not do, and no secret that is missing.
    done(&server, "DELETE", &format!("{name}/boot/shop/password"), &Value::Null);
    let missing = call(&["get", "a"]);
    missing.refused(2, "auth.password: shop/password on prefix(boot/, ");
    missing.refused(2, "): not found");
    // What the safe itself keeps there is sealed, and opens nothing.
    let sealed = feed(with_token(&["-e", "boot", "set", "shop/password"]), b"hunter2");
    assert_eq!(sealed.code, 0, "{}", sealed.stderr);
    call(&["get", "a"]).refused(2, "is sealed");
}

#[test]
fn secrets_of_logins_that_nobody_can_give_are_named() {
    let scratch = Scratch::new();
    let backend = |name: &str, auth: &str| {
        format!(
            "[backends.{name}]\ntype = \"hcvault\"\naddress = \"https://127.0.0.1:1\"\nauth = {{ {auth} }}\n"
        )
    };
    let from = |other: &str| format!("token = {{ backend = \"{other}\", path = \"x\" }}");
    for (config, words) in [
        (backend("a", &from("b")), "`backends.a`: auth.token: there is no backend `b`"),
        (backend("a", &from("a")), "auth.token: `a` itself needs `a` to log in"),
        (backend("a", &from("b")) + &backend("b", &from("a")), "auth.token: `b` itself needs `a`"),
        (backend("a", &from("local")), "auth.token: the local store"),
        (backend("a", &from("l")) + "[backends.l]\ntype = \"local\"\n", "auth.token: the local store"),
        (backend("a", "token = { backend = \"b\" }"), "auth.token: must have two texts"),
        (backend("a", "token = { backend = \"b\", path = \"/x\" }"), "auth.token: path:"),
        (backend("a", "token = [\"hunter2\"]"), "auth.token: must be a text, or"),
        (
            backend("a", "method = \"aws-iam\", secret_access_key = \"hunter2\""),
            "auth.access_key_id: missing",
        ),
        (backend("a", "method = \"aws-iam\", access_key_id = \"x\""), "auth.secret_access_key: missing"),
        (backend("a", "method = \"aws-iam\", sts_endpoint = \"sts\""), "auth.sts_endpoint"),
        (backend("a", "method = \"aws-iam\", username = \"x\""), "auth.username: does not go with"),
    ] {
        configure(&scratch, &config);
        scratch.call(["status"]).refused(3, words);
    }
}

#[test]
fn a_backend_without_credentials_is_shown_and_refuses_only_who_uses_it() {
    let scratch = Scratch::new();
    let place = "type = \"hcvault\"\naddress = \"https://127.0.0.1:1\"\n";
    let config = |environment: &str| {
        format!(
            "[backends.v]\n{place}prefix = \"v/\"\n[backends.iam]\n{place}prefix = \"iam/\"\n\
             auth = {{ method = \"aws-iam\" }}\n[environments.default]\n{environment}\n"
        )
    };
    configure(&scratch, &config("primary = \"local\"\nfailover = [\"v\", \"iam\"]"));
    let listed = scratch.call(["backend", "list"]);
    assert!(listed.code == 0 && listed.text().contains("iam"), "{}", listed.stderr);
    for (name, policy) in [("v", "secret/data/v/*"), ("iam", "secret/data/iam/*")] {
        let described = scratch.call(["backend", "describe", name]);
        assert!(described.code == 0 && described.text().contains(policy), "{}", described.stderr);
    }
    // Whoever has the primary reads and writes there, and is told who did not get it.
    let set = scratch.pipe(["set", "a"], b"hunter2");
    assert!(set.code == 0 && set.stderr.contains("2 replicas behind"), "{}", set.stderr);
    assert_eq!(scratch.get("a"), b"hunter2");
    let health = scratch.call(["health"]);
    assert!(health.code == 20 && health.text().contains("credentials refused"), "{}", health.text());
    let words = [
        ("v", "auth.token: there is no token in VAULT_TOKEN nor in ~/.vault-token"),
        (
            "iam",
            "auth.secret_access_key: missing, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
        ),
    ];
    for (name, words) in words {
        configure(&scratch, &config(&format!("primary = \"{name}\"")));
        let refused = scratch.call(["get", "a"]);
        refused.refused(13, words);
        assert!(refused.stderr.contains("try: log in") && refused.stderr.contains("vault login"));
        scratch.pipe(["set", "b"], b"hunter2").refused(13, words);
    }
}

#[test]
fn an_aws_identity_logs_in_by_variables_and_by_fields() {
    let (Some(server), Some(sts)) = (vault(), sts()) else {
        return skip("the servers of this test were not started");
    };
    let scratch = Scratch::new();
    let name = mount(&server, &scratch);
    done(&server, "POST", &format!("sys/auth/{name}"), &json!({"type": "aws"}));
    let client = json!({"sts_endpoint": sts.url, "sts_region": "us-east-1", "access_key": sts.access_key,
        "secret_key": sts.secret_key, "iam_server_id_header_value": "vault.example.org"});
    done(&server, "POST", &format!("auth/{name}/config/client"), &client);
    let role = json!({"auth_type": "iam", "bound_iam_principal_arn": [sts.arn], "resolve_aws_unique_ids": false,
        "token_policies": [name]});
    done(&server, "POST", &format!("auth/{name}/role/app"), &role);
    let config = |keys: &str| {
        format!(
            "[backends.v]\ntype = \"hcvault\"\naddress = \"{}\"\nmount = \"{name}\"\n[backends.v.auth]\n\
             method = \"aws-iam\"\nmount = \"{name}\"\nrole = \"app\"\nregion = \"us-east-1\"\n\
             sts_endpoint = \"{}\"\nserver_id = \"vault.example.org\"\n{keys}\n[environments.default]\nprimary = \"v\"\n",
            server.address, sts.url
        )
    };
    configure(&scratch, &config(""));
    let with_keys = |arguments: &[&str], secret: &str| {
        let mut command = scratch.command(arguments);
        command.env("AWS_ACCESS_KEY_ID", &sts.access_key).env("AWS_SECRET_ACCESS_KEY", secret);
        command
    };
    let set = feed(with_keys(&["set", "a"], &sts.secret_key), b"hunter2");
    assert_eq!(set.code, 0, "{}", set.stderr);
    Done::of(with_keys(&["get", "a"], "wrong").output().unwrap()).refused(13, "refused");
    let keys = format!("access_key_id = \"{}\"\nsecret_access_key = \"${{KEY}}\"", sts.access_key);
    configure(&scratch, &config(&keys));
    let by_fields = |arguments: &[&str]| {
        Done::of(scratch.command(arguments).env("KEY", &sts.secret_key).output().unwrap())
    };
    assert_eq!(by_fields(&["get", "a"]).text(), "hunter2");
    let shown = by_fields(&["config", "show"]);
    assert!(shown.text().contains(&sts.access_key) && !shown.text().contains(&sts.secret_key));
}
