//! What a secret goes through.

use std::sync::Arc;

use secrets_backend::{
    ErrorKind, MemoryBackend, MemoryConfig, Metadata, NewSecret, PutMode, VersionId, VersionState,
};
use secrets_manager::{Error, InitOptions, ListScope, init};

use crate::harness::{Home, kind, path, set, value};

#[tokio::test]
async fn a_value_comes_back_after_the_safe_was_closed() {
    let home = Home::new().await;
    assert_eq!(set(&home.open().await, "app/key", "one").await, 1);
    assert_eq!(value(&home.open().await, "app/key").await, "one");
}

#[tokio::test]
async fn versions_count_on_through_delete_undelete_and_purge() {
    let home = Home::new().await;
    let safe = home.open().await;
    let at = path("app/key");
    set(&safe, "app/key", "one").await;
    set(&safe, "app/key", "two").await;
    assert_eq!(safe.delete(&at).await.unwrap().version, Some(VersionId::from_number(3)));
    assert_eq!(kind(safe.get(&at, None).await), ErrorKind::NotFound);
    assert_eq!(safe.undelete(&at).await.unwrap().version, Some(VersionId::from_number(4)));
    assert_eq!(value(&safe, "app/key").await, "two");
    safe.purge(&at).await.unwrap();
    assert_eq!(kind(safe.undelete(&at).await), ErrorKind::NotFound);
    assert_eq!(kind(safe.history(&at).await), ErrorKind::NotFound);
    assert_eq!(set(&safe, "app/key", "three").await, 6);
}

#[tokio::test]
async fn an_old_version_is_read_by_number_and_rolled_back_to() {
    let home = Home::new().await;
    let safe = home.open().await;
    let at = path("app/key");
    for text in ["one", "two", "three"] {
        set(&safe, "app/key", text).await;
    }
    assert_eq!(safe.get(&at, Some(&VersionId::from_number(2))).await.unwrap().value.expose(), b"two");
    assert_eq!(kind(safe.get(&at, Some(&VersionId::from_number(9))).await), ErrorKind::NotFound);
    safe.rollback(&at, &VersionId::from_number(1)).await.unwrap();
    assert_eq!(value(&safe, "app/key").await, "one");
    let history = safe.history(&at).await.unwrap();
    let numbers: Vec<_> = history.iter().filter_map(|meta| meta.id.number()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert!(history.iter().all(|meta| meta.state == VersionState::Live && meta.created.is_some()));
}

#[tokio::test]
async fn metadata_is_sealed_with_the_value_and_changed_without_it() {
    let home = Home::new().await;
    let safe = home.open().await;
    let at = path("app/key");
    let mut metadata = Metadata::default();
    metadata.description = Some("planted-description".to_owned());
    let secret = NewSecret::new("planted-value").with_metadata(metadata);
    safe.put(&at, &secret, &PutMode::Create).await.unwrap();
    safe.update_metadata(&at, |metadata| {
        metadata.tags.insert("team".to_owned(), "web".to_owned());
    })
    .await
    .unwrap();
    let description = safe.describe(&at).await.unwrap();
    assert_eq!(description.version, VersionId::from_number(2));
    assert_eq!(description.size, "planted-value".len());
    assert_eq!(description.metadata.description.as_deref(), Some("planted-description"));
    assert_eq!(description.metadata.tags["team"], "web");
    let stored = std::fs::read(home.places.store().join("store.redb")).unwrap();
    for planted in ["planted-value", "planted-description"] {
        assert!(!stored.windows(planted.len()).any(|window| window == planted.as_bytes()), "{planted}");
    }
}

#[tokio::test]
async fn deleted_secrets_are_listed_only_where_asked_for() {
    let home = Home::new().await;
    let safe = home.open().await;
    for name in ["app/a", "app/b", "apple/c"] {
        set(&safe, name, "x").await;
    }
    safe.delete(&path("app/a")).await.unwrap();
    let names = |list: Vec<secrets_manager::Summary>| -> Vec<String> {
        list.into_iter().map(|summary| summary.path.to_string()).collect()
    };
    let prefix = path("app");
    assert_eq!(names(safe.list(Some(&prefix), ListScope::Live).await.unwrap()), ["app/b"]);
    let all = safe.list(None, ListScope::WithDeleted).await.unwrap();
    assert_eq!(all.iter().filter(|summary| summary.deleted).count(), 1);
    assert_eq!(names(all), ["app/a", "app/b", "apple/c"]);
}

#[tokio::test]
async fn the_largest_value_is_kept_and_one_byte_more_is_refused() {
    let home = Home::new().await;
    let safe = home.open().await;
    let at = path("app/large");
    let largest = safe.as_backend().capabilities().max_value;
    assert_eq!(largest, 1 << 20);
    let over = NewSecret::new(vec![7; largest + 1]);
    assert_eq!(kind(safe.put(&at, &over, &PutMode::Upsert).await), ErrorKind::InvalidInput);
    assert_eq!(kind(safe.get(&at, None).await), ErrorKind::NotFound);
    safe.put(&at, &NewSecret::new(vec![7; largest]), &PutMode::Upsert).await.unwrap();
    assert_eq!(safe.get(&at, None).await.unwrap().value.len(), largest);
}

#[tokio::test]
async fn a_small_backend_keeps_a_large_value_beside_metadata_of_the_portable_size() {
    let home = Home::in_memory().await;
    let mut config = MemoryConfig::default();
    config.capabilities.max_value = 1 << 16;
    let safe = home.open_over(Arc::new(MemoryBackend::with_config(config))).await.unwrap();
    let at = path("app/large");
    let largest = safe.as_backend().capabilities().max_value;
    let mut metadata = Metadata::default();
    metadata.tags = (0..Metadata::PORTABLE_TAGS)
        .map(|number| (format!("{number:0>64}"), "v".repeat(Metadata::PORTABLE_TEXT)))
        .collect();
    let large = || NewSecret::new(vec![7; largest]);
    safe.put(&at, &large().with_metadata(metadata.clone()), &PutMode::Upsert).await.unwrap();
    assert!(largest > 50_000 && safe.get(&at, None).await.unwrap().value.len() == largest);
    metadata.description = Some("d".repeat(10_000));
    let over = large().with_metadata(metadata);
    assert_eq!(kind(safe.put(&at, &over, &PutMode::Upsert).await), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_second_safe_at_the_same_place_is_refused_and_changes_nothing() {
    let home = Home::new().await;
    set(&home.open().await, "app/key", "one").await;
    let again = init(&home.places, InitOptions::with_key_file(&home.places)).await;
    assert!(matches!(again, Err(Error::SafeExists(_))));
    assert_eq!(value(&home.open().await, "app/key").await, "one");
}

#[tokio::test]
async fn many_tasks_write_one_secret_and_none_is_lost() {
    let home = Home::new().await;
    let safe = std::sync::Arc::new(home.open().await);
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let safe = std::sync::Arc::clone(&safe);
            tokio::spawn(async move { set(&safe, "app/key", &number.to_string()).await })
        })
        .collect();
    let mut versions = Vec::new();
    for task in tasks {
        versions.push(task.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=16).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_safe_can_be_shared_among_threads() {
    fn needs<T: Send + Sync + 'static>() {}
    needs::<secrets_manager::Safe>();
}
