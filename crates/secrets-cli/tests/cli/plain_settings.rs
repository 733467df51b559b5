//! `seal = false` where nothing is contacted: how it is shown, what is refused; and fields of a sealed value.

use serde_json::{Value, json};

use crate::support::Scratch;

#[test]
fn a_backend_of_plain_values_is_marked_wherever_it_is_shown() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.home().join("config")).unwrap();
    let config = "[backends.v]\ntype = \"hcvault\"\naddress = \"http://127.0.0.1:1\"\nseal = false\n\
        auth = { token = \"t\" }\n[environments.default]\nprimary = \"v\"\n";
    std::fs::write(scratch.home().join("config/config.toml"), config).unwrap();
    let json =
        |arguments: &[&str]| -> Value { serde_json::from_slice(&scratch.call(arguments).stdout).unwrap() };
    assert!(scratch.call(["status"]).text().contains("v (hcvault), not sealed"));
    assert_eq!(json(&["status", "--json"])["sealed"], false);
    let listed = json(&["backend", "list", "--json"]);
    let sealed: Vec<_> = listed["backends"].as_array().unwrap().iter().map(|one| &one["sealed"]).collect();
    assert_eq!(sealed, [&json!(true), &json!(false)]);
    assert_eq!(json(&["backend", "describe", "--json"])["sealed"], false);
    assert_eq!(json(&["health", "--json"])["replicas"]["primary"]["sealed"], false);
    let table = scratch.call(["backend", "list"]);
    assert!(
        table.text().lines().any(|line| line.contains("v *") && line.contains(" no ")),
        "{}",
        table.text()
    );
}

#[test]
fn a_configuration_that_mixes_plain_and_sealed_values_is_refused() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.home().join("config")).unwrap();
    let backend = |name: &str, more: &str| {
        format!(
            "[backends.{name}]\ntype = \"hcvault\"\naddress = \"http://127.0.0.1:1\"\nauth = {{ token = \"t\" }}\n{more}\n"
        )
    };
    let (plain, apart) = ("seal = false", "seal = false\nmount = \"kv\"");
    for (config, words) in [
        ("[backends.local]\ntype = \"local\"\nseal = false\n".to_owned(), "never holds plain values"),
        (backend("a", "") + &backend("b", plain), "`a` and `b` share one place"),
        (backend("a", "prefix = \"x/\"") + &backend("b", plain), "`seal = false`"),
        (backend("a", "seal = \"perhaps\""), "seal"),
        ("seal = false\n".to_owned(), "seal"),
    ] {
        std::fs::write(scratch.home().join("config/config.toml"), &config).unwrap();
        scratch.call(["status"]).refused(3, words);
    }
    std::fs::write(scratch.home().join("config/config.toml"), backend("a", "") + &backend("b", apart))
        .unwrap();
    assert_eq!(scratch.call(["status"]).code, 0);
}

#[test]
fn a_field_of_a_sealed_value_is_printed_alone() {
    let scratch = Scratch::new();
    scratch.set("db", r#"{"user":"app","port":5432,"tls":{"on":true},"none":null}"#);
    for (field, expected) in [("user", "app"), ("port", "5432"), ("tls", r#"{"on":true}"#), ("none", "null")]
    {
        assert_eq!(scratch.call(["get", "db", "--field", field]).text(), expected);
    }
    scratch.set("text", "hunter2");
    scratch.call(["get", "text", "--field", "x"]).refused(2, "not a JSON object");
}
