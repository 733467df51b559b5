//! What other programs see of ours, and we of theirs; and what the server has seen of hostile names.

use std::net::SocketAddr;
use std::sync::Arc;

use secrets_backend::{
    ContentId, ErrorKind, Metadata, NewSecret, PutMode, SecretBackend, SecretBackendExt, SecretPath, Stamp,
    StampKind, VersionId, read_back,
};
use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend};
use secrets_testkit::{Fault, FaultProxy, openbao, vault};
use serde_json::{Value, json};

use crate::admin::{Admin, admin_or_skip};

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

fn stamp(version: u64) -> Stamp {
    let byte = u8::try_from(version).unwrap();
    Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([byte; 32]), None)
}

async fn servers() -> Vec<Admin> {
    [openbao(), vault()].into_iter().filter_map(Admin::of).collect()
}

#[tokio::test]
async fn what_we_write_plain_is_what_other_programs_expect() {
    for admin in servers().await {
        let mount = admin.mount(Engine::Kv2).await;
        let backend = admin.backend(&mount);
        let mut metadata = Metadata::default();
        metadata.description = Some("of the shop".to_owned());
        metadata.tags.insert("team".to_owned(), "red".to_owned());
        let secret = NewSecret::new("hunter2").with_metadata(metadata);
        backend.put(&path("app/db"), &secret, &PutMode::Create).await.unwrap();
        backend.put(&path("app/bin"), &NewSecret::new(&[0xff, 0][..]), &PutMode::Create).await.unwrap();
        let map = NewSecret::new(r#"{"password":"y","user":"x"}"#);
        backend.put(&path("app/map"), &map, &PutMode::Create).await.unwrap();

        let read = admin.done("GET", &format!("{mount}/data/app/db"), Value::Null).await;
        assert_eq!(read["data"]["data"], json!({"value": "hunter2"}));
        let labels = &read["data"]["metadata"]["custom_metadata"];
        assert_eq!((&labels["description"], &labels["team"]), (&json!("of the shop"), &json!("red")));
        let read = admin.done("GET", &format!("{mount}/data/app/bin"), Value::Null).await;
        let binary = json!({"value": "/wA=", "content_type": "application/octet-stream;base64"});
        assert_eq!(read["data"]["data"], binary);
        let read = admin.done("GET", &format!("{mount}/data/app/map"), Value::Null).await;
        assert_eq!(read["data"]["data"], json!({"user": "x", "password": "y"}));
    }
}

#[tokio::test]
async fn what_other_programs_write_is_read() {
    for admin in servers().await {
        for engine in [Engine::Kv1, Engine::Kv2] {
            let mount = admin.mount(engine).await;
            let data = if engine == Engine::Kv2 { "data/" } else { "" };
            let wrapped =
                |fields: Value| if engine == Engine::Kv2 { json!({ "data": fields }) } else { fields };
            let write = |name: &'static str, fields: Value| {
                let body = wrapped(fields);
                let target = format!("{mount}/{data}{name}");
                let admin = &admin;
                async move { admin.done("POST", &target, body).await }
            };
            write("one", json!({"value": "s3cr3t"})).await;
            write("map", json!({"user": "x", "port": 5432, "nested": {"a": [1, 2]}})).await;
            let backend = admin.backend(&mount);
            let one = backend.get(&path("one"), None).await.unwrap();
            assert_eq!((one.value.expose(), one.stamp), (&b"s3cr3t"[..], None));
            let map = backend.get(&path("map"), None).await.unwrap();
            assert_eq!(map.value.expose_str(), Some(r#"{"nested":{"a":[1,2]},"port":5432,"user":"x"}"#));
            // Written back as it was read, it is the same fields.
            let back = NewSecret::new(map.value.expose());
            backend.put(&path("map"), &back, &PutMode::Upsert).await.unwrap();
            let read = admin.done("GET", &format!("{mount}/{data}map"), Value::Null).await;
            let fields = if engine == Engine::Kv2 { &read["data"]["data"] } else { &read["data"] };
            assert_eq!(*fields, json!({"user": "x", "port": 5432, "nested": {"a": [1, 2]}}));
        }
    }
}

#[tokio::test]
async fn entries_of_other_programs_are_tags_and_survive_a_write_without_metadata() {
    for admin in servers().await {
        let mount = admin.mount(Engine::Kv2).await;
        admin.done("POST", &format!("{mount}/data/a"), json!({"data": {"value": "1"}})).await;
        let labels = json!({"custom_metadata": {"team": "red"}});
        admin.done("POST", &format!("{mount}/metadata/a"), labels).await;
        let backend = admin.backend(&mount);
        backend.put(&path("a"), &NewSecret::new("2"), &PutMode::Upsert).await.unwrap();
        let read = backend.get(&path("a"), None).await.unwrap();
        assert_eq!(read.metadata.tags.get("team").map(String::as_str), Some("red"));
    }
}

#[tokio::test]
async fn sealed_the_server_sees_ciphertext_a_stamp_and_nothing_else() {
    for admin in servers().await {
        let mount = admin.mount(Engine::Kv2).await;
        let backend = admin.backend(&mount);
        let secret = NewSecret::new("envelope").with_stamp(stamp(1));
        backend.put(&path("a"), &secret, &PutMode::Create).await.unwrap();
        let read = admin.done("GET", &format!("{mount}/data/a"), Value::Null).await;
        let fields = json!({"value": "sev1:ZW52ZWxvcGU", "stamp": stamp(1).to_string()});
        assert_eq!(read["data"]["data"], fields);
        let labels = json!({"secrets_stamp": stamp(1).to_string(), "secrets_version": "1"});
        assert_eq!(read["data"]["metadata"]["custom_metadata"], labels);
    }
}

#[tokio::test]
async fn a_copy_of_a_stamp_that_is_of_another_version_is_not_believed() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    let backend = admin.backend(&mount);
    for version in 1..=2 {
        let secret = NewSecret::new("envelope").with_stamp(stamp(version));
        backend.put(&path("a"), &secret, &PutMode::Upsert).await.unwrap();
    }
    let labels = json!({"custom_metadata": {"secrets_stamp": stamp(9).to_string(), "secrets_version": "1"}});
    admin.done("POST", &format!("{mount}/metadata/a"), labels).await;
    let listed = backend.list_all(None).await.unwrap();
    assert_eq!(listed[0].stamp, Some(stamp(2)), "the stamp is read from the version itself");
    let versions = backend.versions(&path("a")).await.unwrap();
    let stamps: Vec<_> = versions.into_iter().map(|meta| meta.stamp).collect();
    assert_eq!(stamps, [Some(stamp(1)), Some(stamp(2))]);
}

#[tokio::test]
async fn without_the_right_to_write_copies_sealed_secrets_are_written_and_listed() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    let policy = format!(
        "path \"{mount}/data/*\" {{ capabilities = [\"create\", \"read\", \"update\"] }}\n\
         path \"{mount}/metadata/*\" {{ capabilities = [\"read\", \"list\"] }}"
    );
    let token = admin.token(&policy, json!({})).await;
    let config = admin.config_with(&mount, Auth::Token(Credential::value(&*token)));
    let backend = HcVaultBackend::new(config).unwrap();
    for version in 1..=2 {
        let secret = NewSecret::new("envelope").with_stamp(stamp(version));
        backend.put(&path("a"), &secret, &PutMode::Upsert).await.unwrap();
    }
    assert_eq!(backend.get(&path("a"), None).await.unwrap().stamp, Some(stamp(2)));
    let last = backend.versions(&path("a")).await.unwrap().pop().unwrap();
    assert_eq!(last.stamp, Some(stamp(2)));
}

#[tokio::test]
async fn the_number_of_versions_kept_is_the_servers_or_ours() {
    for admin in servers().await {
        let mount = admin.mount(Engine::Kv2).await;
        let mut config = admin.config(&mount);
        config.max_versions = Some(2);
        let backend = HcVaultBackend::new(config).unwrap();
        for value in ["1", "2", "3"] {
            backend.put(&path("a"), &NewSecret::new(value), &PutMode::Upsert).await.unwrap();
        }
        let kept = backend.versions(&path("a")).await.unwrap();
        let ids: Vec<_> = kept.iter().map(|meta| meta.id.as_str()).collect();
        assert_eq!(ids, ["2", "3"]);
        let gone = backend.get(&path("a"), Some(&VersionId::new("1"))).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn nested_namespaces_are_places_of_their_own() {
    let admin = admin_or_skip!(openbao());
    let (outer, inner) = (crate::admin::fresh("outer"), crate::admin::fresh("inner"));
    admin.done("POST", &format!("sys/namespaces/{outer}"), json!({})).await;
    let admin = admin.inside(&outer);
    admin.done("POST", &format!("sys/namespaces/{inner}"), json!({})).await;
    let admin = admin.inside(&format!("{outer}/{inner}"));
    let mount = admin.mount(Engine::Kv2).await;
    let backend = admin.backend(&mount);
    assert!(backend.to_string().ends_with(&format!(" in namespace {outer}/{inner}")), "{backend}");
    backend.check().await.unwrap();
    backend.put(&path("a"), &NewSecret::new("inside"), &PutMode::Create).await.unwrap();
    assert_eq!(backend.get(&path("a"), None).await.unwrap().value.expose(), b"inside");
    let mut outside = admin.config(&mount);
    outside.namespace = None;
    let outside = HcVaultBackend::new(outside).unwrap();
    assert!(outside.get(&path("a"), None).await.is_err(), "the mount is the namespace's own");
}

#[tokio::test]
async fn hostile_names_reach_nothing_but_their_own_mount() {
    let admin = admin_or_skip!(openbao());
    let (mount, other) = (admin.mount(Engine::Kv2).await, admin.mount(Engine::Kv2).await);
    let backend = admin.backend(&mount);
    let hostile =
        ["a/../../sys/mounts/x", "..", "a//b", "a/%2e%2e/b", "a?version=1", "a#b", "a b", "a\u{202e}b", "-x"];
    for text in hostile {
        assert!(text.parse::<SecretPath>().is_err() && SecretPath::native(text).is_err(), "{text}");
    }
    backend.put(&path(&format!("{other}/data/x")), &NewSecret::new("1"), &PutMode::Create).await.unwrap();
    let (status, _) = admin.call("LIST", &format!("{other}/metadata/"), Value::Null).await;
    assert_eq!(status, 404, "the other mount is empty");
    let listed = admin.done("LIST", &format!("{mount}/metadata/"), Value::Null).await;
    assert_eq!(listed["data"]["keys"], json!([format!("{other}/")]));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_one_version() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    let upstream: SocketAddr = admin.server.address.trim_start_matches("http://").parse().unwrap();
    let proxy = FaultProxy::start(upstream).unwrap();
    let mut config = admin.config(&mount);
    config.address = format!("http://{}", proxy.addr());
    config.engine = Engine::Kv2;
    let backend = HcVaultBackend::new(config).unwrap();
    let secret = NewSecret::new("envelope").with_stamp(stamp(1));
    proxy.next(Fault::LoseResponse);
    let written = read_back(&backend, &path("a"), &secret, &PutMode::Create).await.unwrap();
    assert_eq!(written.version, Some(VersionId::new("1")));
    assert_eq!(backend.versions(&path("a")).await.unwrap().len(), 1, "it was written once");
}

#[tokio::test]
async fn of_two_writers_of_one_version_exactly_one_wins() {
    let admin = admin_or_skip!(openbao());
    let mount = admin.mount(Engine::Kv2).await;
    let backends = [Arc::new(admin.backend(&mount)), Arc::new(admin.backend(&mount))];
    let rounds = std::env::var("SECRETS_TEST_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    let first = backends[0].put(&path("a"), &NewSecret::new("0"), &PutMode::Create).await.unwrap();
    let mut current = first.version.unwrap();
    for round in 0..rounds {
        let mode = PutMode::Replace(current.clone());
        let secrets = [0, 1].map(|writer| NewSecret::new(format!("{round} by {writer}")));
        let a = path("a");
        let (one, two) =
            tokio::join!(backends[0].put(&a, &secrets[0], &mode), backends[1].put(&a, &secrets[1], &mode));
        let winner = usize::from(one.is_err());
        let (Ok(won), Err(lost)) = (if one.is_ok() { (one, two) } else { (two, one) }) else {
            panic!("round {round}: not exactly one won");
        };
        assert_eq!(lost.kind(), ErrorKind::Conflict);
        let read = backends[0].get(&path("a"), None).await.unwrap();
        assert_eq!(read.value.expose_str().unwrap(), format!("{round} by {winner}"));
        current = won.version.unwrap();
        assert_eq!(read.version, current);
    }
    println!("FIGURE: {rounds} rounds of two writers, one winner each");
}

#[tokio::test]
async fn the_least_policy_is_enough_and_no_more_than_the_mount() {
    for admin in servers().await {
        for engine in [Engine::Kv1, Engine::Kv2] {
            let mount = admin.mount(engine).await;
            let mut config = admin.config(&mount);
            config.engine = engine;
            let policy = HcVaultBackend::new(config).unwrap().least_policy("");
            let token = admin.token(&policy, json!({"no_default_policy": true})).await;
            let config = admin.config_with(&mount, Auth::Token(Credential::value(&*token)));
            let backend = HcVaultBackend::new(config).unwrap();
            backend.check().await.unwrap();
            let name = path("app/key");
            backend.put(&name, &NewSecret::new("1"), &PutMode::Upsert).await.unwrap();
            assert_eq!(backend.get(&name, None).await.unwrap().value.expose(), b"1");
            assert_eq!(backend.list_all(None).await.unwrap().len(), 1);
            backend.versions(&name).await.unwrap();
            backend.delete(&name).await.unwrap();
            if engine == Engine::Kv2 {
                backend.undelete(&name).await.unwrap();
                backend.purge(&name).await.unwrap();
            }
            let (status, _) = admin.call_as(&token, "GET", "sys/mounts", Value::Null).await;
            assert_eq!(status, 403);
            let other = admin.mount(engine).await;
            let config = admin.config_with(&other, Auth::Token(Credential::value(&*token)));
            let refused = HcVaultBackend::new(config).unwrap().get(&name, None).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        }
    }
}
