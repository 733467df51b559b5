//! What is particular to this backend: when it makes files, formats, engines, environments, limits.

use std::fs;

use secrets_backend::{ErrorKind, Metadata, NewSecret, PageToken, PutMode, SecretBackend as _, VersionId};
use secrets_backend_local::{Engine, LocalBackend};

use crate::support::{ENGINES, backend, config, fast_scratch, get, path, put};

#[tokio::test]
async fn reading_makes_nothing_on_disk() {
    for &engine in ENGINES {
        let scratch = fast_scratch();
        let directory = scratch.path().join("deep/store");
        let backend = backend(&directory, engine);
        backend.check().await.unwrap();
        assert_eq!(get(&backend, "a").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(backend.get_many(&[path("a"), path("b")]).await.len(), 2);
        assert_eq!(backend.versions(&path("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(backend.delete(&path("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(backend.undelete(&path("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(backend.purge(&path("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(backend.list(None, None).await.unwrap().items.is_empty());
        assert_eq!(backend.stats().await.unwrap().bytes, 0);
        assert!(!backend.compact().await.unwrap());
        assert!(fs::read_dir(scratch.path()).unwrap().next().is_none());
        assert_eq!(backend.opens(), 0);
    }
}

#[tokio::test]
async fn a_refused_write_makes_no_secret() {
    let scratch = fast_scratch();
    let backend = backend(&scratch.path().join("store"), Engine::Redb);
    let mode = PutMode::Replace(VersionId::from_number(1));
    let refused = backend.put(&path("a"), &NewSecret::new("x"), &mode).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(get(&backend, "a").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn environments_are_tables_of_their_own() {
    for &engine in ENGINES {
        let scratch = fast_scratch();
        let directory = scratch.path().join("store");
        let mut staging = config(&directory, engine);
        staging.environment = "staging".to_owned();
        let staging = LocalBackend::new(staging).unwrap();
        let default = backend(&directory, engine);
        put(&default, "a", "of default").await.unwrap();
        assert_eq!(get(&staging, "a").await.unwrap_err().kind(), ErrorKind::NotFound);
        put(&staging, "a", "of staging").await.unwrap();
        staging.purge(&path("a")).await.unwrap();
        assert_eq!(get(&default, "a").await.unwrap(), "of default");
        assert_eq!(staging.list(None, None).await.unwrap().items.len(), 0);
        assert_eq!(default.stats().await.unwrap().live, 1);
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_with_nothing_changed() {
    for &engine in ENGINES {
        let scratch = fast_scratch();
        let directory = scratch.path().join("store");
        let backend = backend(&directory, engine);
        put(&backend, "a", "1").await.unwrap();
        fs::write(directory.join("format"), format!("secrets-local-store 2 {engine}\n")).unwrap();
        let before = contents(&directory);
        let errors = [
            get(&backend, "a").await.unwrap_err(),
            put(&backend, "a", "2").await.unwrap_err(),
            backend.check().await.unwrap_err(),
            backend.compact().await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("format 2"), "{error}");
        }
        assert_eq!(contents(&directory), before);
    }
}

/// Every file but the locks, which name their last holder.
fn contents(directory: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if !["lock", "queue"].map(|name| directory.join(name)).contains(&path) {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn a_store_of_the_other_engine_is_an_error_not_an_empty_store() {
    for (made, asked) in [(Engine::Redb, Engine::Sled), (Engine::Sled, Engine::Redb)] {
        let scratch = fast_scratch();
        let directory = scratch.path().join("store");
        put(&backend(&directory, made), "a", "1").await.unwrap();
        let other = backend(&directory, asked);
        for error in [get(&other, "a").await.unwrap_err(), put(&other, "a", "2").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(&made.to_string()), "{error}");
        }
        assert_eq!(get(&backend(&directory, made), "a").await.unwrap(), "1");
    }
}

#[cfg(not(feature = "sled"))]
#[test]
fn an_engine_that_is_not_in_the_build_is_said_so() {
    let refused = LocalBackend::new(config(std::path::Path::new("/nowhere"), Engine::Sled)).unwrap_err();
    assert_eq!(refused, secrets_backend_local::InvalidConfig::EngineNotBuilt(Engine::Sled));
    assert!(refused.to_string().contains("sled"));
}

#[tokio::test]
async fn only_the_newest_versions_are_kept() {
    for &engine in ENGINES {
        let scratch = fast_scratch();
        let mut config = config(&scratch.path().join("store"), engine);
        config.keep_versions = 3.try_into().unwrap();
        let few = LocalBackend::new(config.clone()).unwrap();
        for number in 1..=5 {
            put(&few, "a", &number.to_string()).await.unwrap();
        }
        let numbers = |backend: LocalBackend| async move {
            let versions = backend.versions(&path("a")).await.unwrap();
            versions.iter().map(|version| version.id.number().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(few.clone()).await, [3, 4, 5]);
        let pruned = few.get(&path("a"), Some(&VersionId::from_number(2))).await.unwrap_err();
        assert_eq!(pruned.kind(), ErrorKind::NotFound);
        config.keep_versions = 1.try_into().unwrap();
        let one = LocalBackend::new(config).unwrap();
        put(&one, "a", "6").await.unwrap();
        assert_eq!(numbers(one).await, [6]);
    }
}

#[tokio::test]
async fn a_version_id_never_means_two_things() {
    let scratch = fast_scratch();
    let backend = backend(&scratch.path().join("store"), Engine::Redb);
    put(&backend, "a", "first life").await.unwrap();
    put(&backend, "a", "first life").await.unwrap();
    let stale = PutMode::Replace(VersionId::from_number(1));
    backend.purge(&path("a")).await.unwrap();
    assert_eq!(put(&backend, "a", "second life").await.unwrap(), 3);
    let late = backend.put(&path("a"), &NewSecret::new("x"), &stale).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    // The name of what was purged is nowhere left behind, so the count is the environment's.
    assert_eq!(put(&backend, "b", "another").await.unwrap(), 3);
}

#[tokio::test]
async fn a_run_of_deleted_secrets_does_not_end_a_listing() {
    let scratch = fast_scratch();
    let mut config = config(&scratch.path().join("store"), Engine::Redb);
    config.page_size = 2.try_into().unwrap();
    let backend = LocalBackend::new(config).unwrap();
    for number in 0..40 {
        put(&backend, &format!("a/{number:02}"), "x").await.unwrap();
        if number < 38 {
            backend.delete(&path(&format!("a/{number:02}"))).await.unwrap();
        }
    }
    let mut found = Vec::new();
    let mut token: Option<PageToken> = None;
    for _ in 0..40 {
        let page = backend.list(Some(&path("a")), token.as_ref()).await.unwrap();
        found.extend(page.items.into_iter().map(|item| item.path.to_string()));
        assert!(page.next.is_none() || page.next != token, "the token repeats");
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, ["a/38", "a/39"]);
    assert!(token.is_none());
}

#[tokio::test]
async fn a_page_token_of_another_listing_is_refused() {
    let scratch = fast_scratch();
    let backend = backend(&scratch.path().join("store"), Engine::Redb);
    put(&backend, "a/b", "x").await.unwrap();
    for (prefix, token) in [(Some("a"), "b/c"), (None, "../x"), (None, ""), (Some("a"), "ab")] {
        let prefix = prefix.map(path);
        let refused = backend.list(prefix.as_ref(), Some(&PageToken::new(token))).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{token:?}");
    }
}

#[tokio::test]
async fn an_envelope_of_a_mebibyte_fits() {
    for &engine in ENGINES {
        let scratch = fast_scratch();
        let backend = backend(&scratch.path().join("store"), engine);
        // 1 MiB in 16-KiB chunks with a tag each, header and wrap, the largest metadata and path.
        let envelope = vec![7_u8; (1 << 20) + 80 * 16 + 512 + Metadata::MAX_LEN + 512];
        backend.put(&path("a"), &NewSecret::new(envelope.clone()), &PutMode::Create).await.unwrap();
        assert_eq!(backend.get(&path("a"), None).await.unwrap().value.expose(), envelope);
    }
}

#[tokio::test]
async fn compaction_gives_space_back_and_keeps_the_secrets() {
    let scratch = fast_scratch();
    let backend = backend(&scratch.path().join("store"), Engine::Redb);
    for number in 0..40 {
        put(&backend, &format!("a/{number}"), &"x".repeat(100_000)).await.unwrap();
    }
    // What is left lies at the end of the file, where closing cannot cut it off.
    for number in 0..39 {
        backend.purge(&path(&format!("a/{number}"))).await.unwrap();
    }
    let before = backend.stats().await.unwrap();
    assert_eq!(before.live, 1);
    let gave_back = backend.compact().await.unwrap();
    let after = backend.stats().await.unwrap();
    assert!(gave_back, "{before:?} {after:?}");
    assert!(after.bytes < before.bytes / 2, "{before:?} {after:?}");
    assert_eq!(get(&backend, "a/39").await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn debug_and_display_name_the_place_and_no_value() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    let backend = backend(&directory, Engine::Redb);
    put(&backend, "a", "planted-value").await.unwrap();
    assert_eq!(backend.to_string(), format!("local at {}", directory.display()));
    assert!(!format!("{backend:?}").contains("planted"));
}
