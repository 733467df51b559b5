//! The way to real servers, and what a test does where there is none.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use secrets_testkit::{Body, Product, Request, Server, openbao, skip, vault};

use crate::client::get;

pub(crate) fn address(server: &Server) -> SocketAddr {
    let (_, address) = server.address.split_once("://").unwrap();
    address.parse().unwrap()
}

fn sealed(server: &Server) -> serde_json::Value {
    let answer = get(address(server), "/v1/sys/seal-status").unwrap();
    serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["sealed"].clone()
}

/// Runs a server of this test's own through its life.
fn live(product: Product, name: &str) {
    let Some(mut server) = Server::own(product) else {
        return skip(&format!("no program of {name}, which `cargo xtask test` installs or finds"));
    };
    assert_eq!(sealed(&server), false);
    assert!(!server.root_token.is_empty() && server.unseal_key.is_some());
    let before = address(&server);
    server.stop();
    assert_eq!(get(before, "/").unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    server.start_again();
    assert_eq!((address(&server), sealed(&server)), (before, false.into()));
    drop(server);
    assert_eq!(get(before, "/").unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn an_openbao_of_its_own_starts_stops_and_starts_again() {
    live(Product::OpenBao, "OpenBao");
}

#[test]
fn an_openbao_on_disk_keeps_what_it_answered_for_when_it_is_killed() {
    let Some(mut server) = Server::own(Product::OpenBaoOnDisk) else {
        return skip("no program of OpenBao, which `cargo xtask test` installs");
    };
    let (url, token) = (server.address.clone(), server.root_token.clone());
    let ask = |method: &str, body: &str| {
        let request = Request::new(method, "/v1/secret/data/a", &[("x-vault-token", token.as_str())], body);
        request.forward(&url).unwrap()
    };
    // A new engine may be upgrading itself for a moment.
    let written = || ask("POST", r#"{"data":{"value":"kept"}}"#).status == 200;
    assert!((0..100).any(|_| written() || {
        std::thread::sleep(Duration::from_millis(20));
        false
    }));
    server.stop();
    server.start_again();
    let Body::Bytes(kept) = ask("GET", "").body else { panic!("a body that is none") };
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept["data"]["data"]["value"], "kept");
}

#[test]
fn a_vault_of_its_own_starts_stops_and_starts_again() {
    live(Product::Vault, "Vault");
}

#[test]
fn an_openbao_with_tls_names_its_authority() {
    let Some(server) = Server::own(Product::OpenBaoTls) else {
        return skip("no program of OpenBao, which `cargo xtask test` installs");
    };
    assert!(server.address.starts_with("https://"));
    assert!(server.authority.as_deref().is_some_and(|pem| pem.contains("BEGIN CERTIFICATE")));
}

#[test]
fn the_shared_servers_answer_where_they_are_announced() {
    let servers: Vec<_> = [openbao(), vault()].into_iter().flatten().collect();
    if servers.is_empty() {
        return skip("neither OpenBao nor Vault was started by `cargo xtask test`");
    }
    for server in servers {
        assert_eq!(sealed(&server), false, "{server:?}");
    }
}

#[test]
fn a_skip_is_loud_and_a_failure_where_skips_are_forbidden() {
    if std::env::var_os("SECRETS_TEST_KIT_SKIPS").is_some() {
        return skip("asked to");
    }
    let run = |required: &str| {
        let name = "servers::a_skip_is_loud_and_a_failure_where_skips_are_forbidden";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env("SECRETS_TEST_KIT_SKIPS", "1")
            .env("SECRETS_TEST_REQUIRE", required)
            .env_remove("CI")
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).contains("SKIP: asked to\n"))
    };
    assert_eq!(run("0"), (true, true));
    assert_eq!(run("1"), (false, false));
}
