//! The prefix wrapper: what it hides, and how it names things.

use std::sync::Arc;

use secrets_backend::{
    ErrorKind, MemoryBackend, MemoryConfig, PrefixBackend, PutMode, SecretBackend, SecretBackendExt,
    SecretPath,
};

use crate::{path, value};

async fn filled(names: &[&str]) -> Arc<MemoryBackend> {
    let mut config = MemoryConfig::default();
    config.page_size = 2;
    let memory = Arc::new(MemoryBackend::with_config(config));
    for name in names {
        let native = SecretPath::native(name).unwrap();
        memory.put(&native, &value(name), &PutMode::Upsert).await.unwrap();
    }
    memory
}

async fn listed(backend: &impl SecretBackend, prefix: Option<&str>) -> Vec<String> {
    let prefix = prefix.map(path);
    let mut names: Vec<String> = backend
        .list_all(prefix.as_ref())
        .await
        .unwrap()
        .into_iter()
        .map(|item| item.path.to_string())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_listing_translates_back_and_hides_foreign_names() {
    let memory = filled(&[
        "prod",
        "prod/app",
        "prod/app/x",
        "prod/apple",
        "prod-app",
        "prods/app",
        "staging/app",
        "Prod/app",
        "prod/_secrets/safe",
    ])
    .await;
    let folder = PrefixBackend::new(memory.clone(), "prod/").unwrap();
    assert_eq!(listed(&folder, None).await, ["_secrets/safe", "app", "app/x", "apple"]);
    assert_eq!(listed(&folder, Some("app")).await, ["app", "app/x"]);
    let shared = PrefixBackend::new(memory, "prod").unwrap();
    assert_eq!(listed(&shared, None).await, ["s/app"], "what is left of other names is no path");
}

#[tokio::test]
async fn a_prefix_within_a_segment_shares_its_folder() {
    let memory =
        filled(&["jobs/intraday-a", "jobs/intraday-b/c", "jobs/daily-a", "intraday-a", "jobs"]).await;
    let part = PrefixBackend::new(memory, "jobs/intraday-").unwrap();
    assert_eq!(listed(&part, None).await, ["a", "b/c"]);
    assert_eq!(listed(&part, Some("b")).await, ["b/c"]);
    assert_eq!(part.get(&path("b/c"), None).await.unwrap().value.expose(), b"jobs/intraday-b/c");
}

#[tokio::test]
async fn the_safes_own_objects_go_under_the_prefix_too() {
    let memory = filled(&[]).await;
    let part = PrefixBackend::new(memory.clone(), "prod/").unwrap();
    let control = SecretPath::control("_secrets/safe").unwrap();
    part.put(&control, &value("header"), &PutMode::Create).await.unwrap();
    let native = SecretPath::native("prod/_secrets/safe").unwrap();
    assert_eq!(memory.get(&native, None).await.unwrap().value.expose(), b"header");
}

#[tokio::test]
async fn errors_name_the_path_that_was_asked_for() {
    let part = PrefixBackend::new(filled(&[]).await, "prod/").unwrap();
    let error = part.get(&path("a/b"), None).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some(&path("a/b"))));
    let answers = part.get_many(&[path("c"), path("d")]).await;
    assert_eq!(answers[1].as_ref().unwrap_err().path(), Some(&path("d")));
    assert_eq!(part.to_string(), "prefix(prod/, memory)");
}

#[tokio::test]
async fn a_name_too_long_with_the_prefix_is_refused_before_the_backend_is_asked() {
    let part = PrefixBackend::new(filled(&[]).await, "p".repeat(395)).unwrap();
    assert_eq!(part.capabilities().max_path, 5);
    let answers = part.get_many(&[path("short"), path("longer"), path("five5")]).await;
    let kinds: Vec<_> = answers.into_iter().map(|answer| answer.unwrap_err().kind()).collect();
    assert_eq!(kinds, [ErrorKind::NotFound, ErrorKind::InvalidInput, ErrorKind::NotFound]);
    let error = part.put(&path("longer"), &value("x"), &PutMode::Upsert).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::InvalidInput, Some(&path("longer"))));
}

#[test]
fn a_prefix_that_makes_no_name_is_refused() {
    for prefix in ["/", "a//", "../", "-", ".", "a/.", "a b/", "a\n", "é/"] {
        assert!(PrefixBackend::new(MemoryBackend::new(), prefix).is_err(), "{prefix:?}");
    }
    for prefix in ["", "a", "a/", "a-", "a/b.", "_t/acme/", "a/b/c/d/e/f/g/h/i/j/"] {
        assert!(PrefixBackend::new(MemoryBackend::new(), prefix).is_ok(), "{prefix:?}");
    }
}
