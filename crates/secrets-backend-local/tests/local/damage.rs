//! Damaged files: a typed error or the right value, never a panic and never a wrong value.

use std::fs;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use secrets_backend::{Error, ErrorKind, SecretBackend as _};
use secrets_backend_local::{Engine, LocalBackend};

use crate::support::{backend, config, fast_scratch, get, path, put};

const VALUE: &str = "the value that must come back whole or not at all";

async fn made(directory: &Path, engine: Engine) -> LocalBackend {
    let backend = backend(directory, engine);
    for number in 0..8 {
        put(&backend, &format!("a/{number}"), VALUE).await.unwrap();
    }
    backend
}

/// Every kind of read and a write answer rightly or with one of the kinds for damage.
async fn assert_honest(backend: &LocalBackend, what: &str) {
    let typed = |error: &Error| {
        let expected =
            [ErrorKind::Tampered, ErrorKind::Unsupported, ErrorKind::Unavailable, ErrorKind::NotFound];
        assert!(expected.contains(&error.kind()), "{what}: {error:?}");
    };
    for number in 0..8 {
        match get(backend, &format!("a/{number}")).await {
            Ok(value) => assert_eq!(value, VALUE, "{what}"),
            Err(error) => typed(&error),
        }
    }
    let _ = backend.list(None, None).await.inspect_err(typed);
    let _ = backend.versions(&path("a/3")).await.inspect_err(typed);
    let _ = put(backend, "a/4", VALUE).await.inspect_err(typed);
}

#[tokio::test]
async fn a_rotten_value_is_tampered() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    let backend = made(&directory, Engine::Redb).await;
    let store = directory.join("store.redb");
    let bytes = fs::read(&store).unwrap();
    // Copies of freed pages may hold the value too: all are damaged alike.
    let needle = VALUE.as_bytes();
    let places: Vec<usize> =
        (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert!(places.len() >= 8);
    let file = fs::File::options().write(true).open(&store).unwrap();
    for place in places {
        file.write_all_at(b"T", place as u64).unwrap();
    }
    let error = get(&backend, "a/3").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tampered, "{error}");
    assert!(!format!("{error:?}").contains("come back whole"), "the error shows the value");
}

#[tokio::test]
async fn a_store_whose_sync_failed_is_verified_whole_before_it_answers() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    let backend = backend(&directory, Engine::Redb);
    let large = VALUE.repeat(2000);
    put(&backend, "large", &large).await.unwrap();
    put(&backend, "small", "1").await.unwrap();
    put(&backend, "small", "2").await.unwrap();
    let (store, suspect) = (directory.join("store.redb"), directory.join("store.suspect"));
    let good = fs::read(&store).unwrap();
    let place = good.windows(4000).position(|window| window == &large.as_bytes()[..4000]).unwrap();
    let damaged = [&good[..place], b"T", &good[place + 1..]].concat();
    fs::write(&store, damaged).unwrap();
    assert_eq!(get(&backend, "small").await.unwrap(), "2", "nobody looks at the damage");
    // What a failed sync leaves behind, for every process to see.
    let mark = || drop(fs::File::options().create(true).append(true).mode(0o600).open(&suspect).unwrap());
    mark();
    assert_eq!(get(&backend, "small").await.unwrap_err().kind(), ErrorKind::Tampered);
    assert_eq!(put(&backend, "small", "3").await.unwrap_err().kind(), ErrorKind::Tampered);
    assert!(suspect.exists(), "what did not verify stays suspect");
    fs::write(&store, good).unwrap();
    assert_eq!(get(&backend, "small").await.unwrap(), "2");
    assert!(!suspect.exists());
    mark();
    put(&backend, "small", "3").await.unwrap();
    assert!(!suspect.exists());
}

#[tokio::test]
async fn flipped_bytes_in_redb_never_panic_and_never_give_a_wrong_value() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    made(&directory, Engine::Redb).await;
    let store = directory.join("store.redb");
    let good = fs::read(&store).unwrap();
    let impatient = impatient(&directory, Engine::Redb);
    // The header, byte by byte, then one byte in every so many.
    let places = (0..320).step_by(5).chain((320..good.len()).step_by(good.len() / 80));
    for place in places {
        let mut bad = good.clone();
        bad[place] ^= 0x5a;
        fs::write(&store, &bad).unwrap();
        assert_honest(&impatient, &format!("byte {place}")).await;
    }
}

#[tokio::test]
async fn a_truncated_redb_file_is_a_typed_error() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    made(&directory, Engine::Redb).await;
    let store = directory.join("store.redb");
    let good = fs::read(&store).unwrap();
    let impatient = impatient(&directory, Engine::Redb);
    for length in [0, 1, 100, 319, 320, 4096, 5000, good.len() / 2, good.len() - 4096, good.len() - 1] {
        fs::write(&store, &good[..length]).unwrap();
        assert_honest(&impatient, &format!("{length} bytes")).await;
        if length < 320 {
            let error = get(&impatient, "a/1").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tampered, "{length} bytes: {error}");
        }
    }
}

#[tokio::test]
async fn files_that_are_something_else_are_tampered() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    let backend = made(&directory, Engine::Redb).await;
    for (name, content) in [
        ("store.redb", "SQLite format 3 and what follows".repeat(500)),
        ("store.redb", String::new()),
        ("format", String::new()),
        ("format", "secrets-local-store one redb\n".to_owned()),
        ("format", "secrets-local-store 1 btree\n".to_owned()),
    ] {
        let file = directory.join(name);
        let good = fs::read(&file).unwrap();
        fs::write(&file, &content).unwrap();
        for error in [get(&backend, "a/1").await.unwrap_err(), put(&backend, "a/1", "x").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Tampered, "{name} {content:.20}: {error}");
        }
        assert_eq!(fs::read(&file).unwrap(), content.as_bytes(), "{name} was changed");
        fs::write(&file, good).unwrap();
    }
    assert_eq!(get(&backend, "a/1").await.unwrap(), VALUE);
}

#[tokio::test]
async fn a_store_without_its_format_file_is_tampered_and_stays_as_it_is() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    let backend = made(&directory, Engine::Redb).await;
    let good = fs::read(directory.join("store.redb")).unwrap();
    fs::remove_file(directory.join("format")).unwrap();
    for error in [get(&backend, "a/1").await.unwrap_err(), put(&backend, "a/1", "x").await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Tampered, "{error}");
    }
    assert_eq!(fs::read(directory.join("store.redb")).unwrap(), good);
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn flipped_bytes_in_sled_never_panic_and_never_give_a_wrong_value() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    made(&directory, Engine::Sled).await;
    let good = copies(&directory.join("store.sled"));
    let impatient = impatient(&directory, Engine::Sled);
    for (file, bytes) in &good {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for place in (0..used).step_by((used / 6).max(1)) {
            fs::remove_dir_all(directory.join("store.sled")).unwrap();
            for (other, bytes) in &good {
                fs::create_dir_all(other.parent().unwrap()).unwrap();
                fs::write(other, bytes).unwrap();
            }
            fs::set_permissions(
                directory.join("store.sled"),
                std::os::unix::fs::PermissionsExt::from_mode(0o700),
            )
            .unwrap();
            let mut bad = bytes.clone();
            bad[place] ^= 0x5a;
            fs::write(file, bad).unwrap();
            assert_honest(&impatient, &format!("byte {place} of {}", file.display())).await;
        }
    }
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn an_unfinished_snapshot_of_sled_is_removed() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    let backend = made(&directory, Engine::Sled).await;
    let finished = fs::read(snapshot(&directory)).unwrap();
    // What a kill leaves: nothing, a part, or all of a snapshot under the name that it has before the renaming.
    let unfinished = directory.join("store.sled/snap.7FFFFFFFFFFFFFFF.generating");
    for content in [&[], &finished[..5], &finished[..finished.len() - 1], &finished] {
        fs::write(&unfinished, content).unwrap();
        assert_eq!(get(&backend, "a/3").await.unwrap(), VALUE, "{} bytes", content.len());
        assert!(!unfinished.exists());
        fs::write(&unfinished, content).unwrap();
        put(&backend, "a/4", VALUE).await.unwrap();
        assert!(!unfinished.exists());
    }
    assert_eq!(backend.versions(&path("a/4")).await.unwrap().len(), 5);
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn a_damaged_snapshot_of_sled_is_tampered_and_stays() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    let backend = made(&directory, Engine::Sled).await;
    let snapshot = snapshot(&directory);
    let good = fs::read(&snapshot).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 0x5a;
    for bad in [&[], &good[..good.len() / 2], &flipped] {
        fs::write(&snapshot, bad).unwrap();
        for error in [get(&backend, "a/3").await.unwrap_err(), put(&backend, "a/3", "x").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Tampered, "{} bytes: {error}", bad.len());
        }
        assert_eq!(&fs::read(&snapshot).unwrap(), bad, "the snapshot was changed");
    }
    fs::write(&snapshot, good).unwrap();
    assert_eq!(get(&backend, "a/3").await.unwrap(), VALUE);
}

/// The one snapshot that a store has when it is closed.
#[cfg(feature = "sled")]
fn snapshot(directory: &Path) -> std::path::PathBuf {
    let files = copies(&directory.join("store.sled")).into_iter().map(|(file, _)| file);
    let is_snapshot = |file: &std::path::PathBuf| file.to_string_lossy().contains("/snap.");
    let found: Vec<_> = files.filter(is_snapshot).collect();
    <[_; 1]>::try_from(found).unwrap().into_iter().next().unwrap()
}

#[cfg(feature = "sled")]
fn copies(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(copies(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// One that does not wait long for a damaged store to become free.
fn impatient(directory: &Path, engine: Engine) -> LocalBackend {
    let mut config = config(directory, engine);
    config.lock_wait = Duration::from_millis(500);
    LocalBackend::new(config).unwrap()
}
