//! Bad input: a typed error that names the setting, and no call where none can help.

use std::path::PathBuf;

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_backend_hcvault::{
    Auth, AwsCredentials, AwsIam, Credential, Engine, HcVaultBackend, HcVaultConfig,
};
use secrets_testkit::{Answer, Fault, FaultProxy, Responder};
use serde_json::json;

fn config(address: impl Into<String>) -> HcVaultConfig {
    let mut config = HcVaultConfig::new(address, Auth::Token(Credential::value("s.t")));
    config.engine = Engine::Kv2;
    config
}

fn setting(config: HcVaultConfig) -> &'static str {
    HcVaultBackend::new(config).unwrap_err().setting()
}

async fn get(config: HcVaultConfig) -> secrets_backend::Error {
    let path: SecretPath = "a".parse().unwrap();
    HcVaultBackend::new(config).unwrap().get(&path, None).await.unwrap_err()
}

#[test]
fn an_address_that_is_none_is_refused() {
    let bad = [
        "",
        "vault",
        "vault:8200",
        "ftp://vault",
        "https://",
        "https://me:pw@vault:8200",
        "https://me@vault",
        "https://vault?x=1",
        "https://vault/#a",
    ];
    for address in bad {
        assert_eq!(setting(config(address)), "address", "{address}");
    }
}

#[test]
fn files_of_tls_that_are_missing_or_hold_nothing_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let (missing, empty) = (directory.path().join("missing"), directory.path().join("empty"));
    std::fs::write(&empty, "no certificate").unwrap();
    for file in [&missing, &empty] {
        let mut bad = config("https://127.0.0.1:1");
        bad.tls.ca_file = Some(PathBuf::from(file));
        assert_eq!(setting(bad), "tls.ca_file");
    }
    let mut half = config("https://127.0.0.1:1");
    half.tls.client_certificate = Some(empty.clone());
    assert_eq!(setting(half), "tls.client_key");
    let mut half = config("https://127.0.0.1:1");
    half.tls.client_key = Some(empty);
    assert_eq!(setting(half), "tls.client_certificate");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for hostile in ["a/b", "..", "a?b", "a%2fb", "", "a b"] {
        let auth = Auth::Userpass {
            mount: "userpass".to_owned(),
            username: hostile.to_owned(),
            password: Credential::value("x"),
        };
        assert_eq!(setting(HcVaultConfig::new("https://127.0.0.1:1", auth)), "auth.username", "{hostile:?}");
    }
    let auth = Auth::Jwt { mount: "../sys".to_owned(), role: None, jwt: Credential::value("x") };
    assert_eq!(setting(HcVaultConfig::new("https://127.0.0.1:1", auth)), "auth.mount");
}

#[tokio::test]
async fn a_token_of_several_lines_is_refused_and_one_with_a_newline_at_its_end_is_not() {
    let responder = Responder::start().unwrap();
    responder.on("GET", "/", |_| Answer::json(404, &json!({"errors": []})));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let kind_with = |text: &'static str| {
        std::fs::write(&file, text).unwrap();
        let mut config = config(responder.url());
        config.auth = Auth::Token(Credential::file(&file));
        get(config)
    };
    assert_eq!(kind_with("s.t\n").await.kind(), ErrorKind::NotFound);
    for bad in ["", "\n", "s.t\ns.u\n", "s.t\r\nX-Other: 1", "s.\u{7f}t", "s.ü"] {
        let error = kind_with(bad).await;
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad:?}");
        assert!(error.detail().unwrap().starts_with("auth.token:"), "{error}");
    }
    let tokens = responder.requests();
    assert!(tokens.iter().all(|request| request.header("x-vault-token") == Some("s.t")));
}

#[tokio::test]
async fn a_missing_file_of_a_login_is_named() {
    let mut config = config("http://127.0.0.1:1");
    config.auth = Auth::Kubernetes {
        mount: "kubernetes".to_owned(),
        role: "app".to_owned(),
        jwt: Credential::file("/nonexistent/token"),
    };
    let error = get(config).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.detail().unwrap().starts_with("auth.jwt:"), "{error}");
}

#[tokio::test]
async fn a_login_without_its_secret_is_unauthenticated_and_makes_no_call() {
    let responder = Responder::start().unwrap();
    let missing = || Credential::missing("nobody gave one");
    let password =
        Auth::Userpass { mount: "userpass".to_owned(), username: "me".to_owned(), password: missing() };
    let keys =
        AwsCredentials { access_key_id: String::new(), secret_access_key: missing(), session_token: None };
    for (auth, setting) in [
        (Auth::Token(missing()), "auth.token"),
        (password, "auth.password"),
        (Auth::AwsIam(AwsIam::new(keys)), "auth.secret_access_key"),
    ] {
        let mut config = config(responder.url());
        config.auth = auth;
        let backend = HcVaultBackend::new(config).unwrap();
        assert!(backend.least_policy("app/").contains("secret/data/app/"));
        for error in
            [backend.get(&"a".parse().unwrap(), None).await.unwrap_err(), backend.check().await.unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            assert_eq!(error.detail(), Some(&*format!("{setting}: nobody gave one")));
        }
    }
    assert!(responder.requests().is_empty());
}

#[tokio::test]
async fn tls_that_fails_names_the_address_and_the_authorities() {
    let plain = Responder::start().unwrap();
    let error = get(config(plain.url().replace("http:", "https:"))).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.detail().unwrap().contains("address"), "{error}");

    for (server, trusted) in [(Responder::start_tls(), false), (Responder::start_tls_expired(), true)] {
        let server = server.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut config = config(server.url());
        if trusted {
            let file = directory.path().join("ca.pem");
            std::fs::write(&file, server.authority().unwrap()).unwrap();
            config.tls.ca_file = Some(file);
        }
        let error = get(config).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.detail().unwrap().contains("tls.ca_file"), "{error}");
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn tls_with_the_right_authority_works() {
    let server = Responder::start_tls().unwrap();
    server.on("GET", "/", |_| Answer::json(404, &json!({"errors": []})));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, server.authority().unwrap()).unwrap();
    let mut config = config(server.url());
    config.tls.ca_file = Some(file);
    assert_eq!(get(config).await.kind(), ErrorKind::NotFound);
}

/// The server has taken the request, and what it answers cannot be opened.
#[tokio::test]
async fn tls_that_fails_after_a_write_was_sent_does_not_say_that_nothing_was_written() {
    let server = Responder::start_tls().unwrap();
    server.always("GET", "/", Answer::json(404, &json!({"errors": []})));
    server.always("POST", "/", Answer::json(200, &json!({"data": {"version": 1}})));
    let proxy = FaultProxy::start(server.addr()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, server.authority().unwrap()).unwrap();
    let mut config = config(format!("https://{}", proxy.addr()));
    config.tls.ca_file = Some(file);
    let backend = HcVaultBackend::new(config).unwrap();
    let path: SecretPath = "a".parse().unwrap();
    let kind = |error: secrets_backend::Error| error.kind();
    for is_write in [true, false] {
        proxy.set(Fault::None);
        assert_eq!(backend.get(&path, None).await.map_err(kind).unwrap_err(), ErrorKind::NotFound);
        proxy.set(Fault::Garble);
        if is_write {
            let put = backend.put(&path, &NewSecret::new("x"), &PutMode::Create).await;
            assert_eq!(put.map_err(kind).unwrap_err(), ErrorKind::TimedOut);
        } else {
            assert_eq!(backend.get(&path, None).await.map_err(kind).unwrap_err(), ErrorKind::Unavailable);
        }
    }
    let writes = server.requests().into_iter().filter(|request| request.method == "POST");
    assert_eq!(writes.count(), 1, "the request took effect");
}

#[tokio::test]
async fn plain_http_to_a_server_of_https_names_the_address() {
    // What Go's HTTP server answers, which is Vault's.
    let responder = Responder::start().unwrap();
    responder.on("GET", "/", |_| Answer::text(400, "Client sent an HTTP request to an HTTPS server.\n"));
    let error = get(config(responder.url())).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.detail().unwrap().contains("address"), "{error}");
}
