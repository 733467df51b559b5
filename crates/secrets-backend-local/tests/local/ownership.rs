//! Who may reach the files: modes whatever the umask, no symbolic links, no other users.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use secrets_backend::{ErrorKind, SecretBackend as _};
use secrets_backend_local::Engine;

use crate::support::{ENGINES, assert_success, backend, fast_scratch, get, put, role, second_process, skip};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn assert_private(directory: &Path) {
    assert_eq!(mode(directory), 0o700, "{}", directory.display());
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_private(&path);
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn files_are_private_under_any_umask() {
    if let Some((umask, directory)) = role() {
        let bits = u32::from_str_radix(&umask, 8).unwrap();
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(bits));
        // Under 777 sled could not open again what it made.
        let engines = if bits == 0o777 { &[Engine::Redb][..] } else { ENGINES };
        for &engine in engines {
            let backend = backend(&directory.join(format!("made/{engine}/store")), engine);
            put(&backend, "a", &"x".repeat(400_000)).await.unwrap();
            assert_eq!(get(&backend, "a").await.unwrap().len(), 400_000);
        }
        return;
    }
    let scratch = fast_scratch();
    for umask in ["000", "022", "077", "777"] {
        let directory = scratch.path().join(umask);
        fs::create_dir(&directory).unwrap();
        let test = "ownership::files_are_private_under_any_umask";
        assert_success(second_process(test, umask, &directory).spawn().unwrap());
        assert_private(&directory.join("made"));
    }
}

#[tokio::test]
async fn a_directory_that_was_there_is_closed_to_others_when_the_store_is_made() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    put(&backend(&directory, Engine::Redb), "a", "1").await.unwrap();
    assert_private(&directory);
}

#[tokio::test]
async fn a_directory_with_other_things_in_it_is_not_closed_but_refused() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("project");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("main.rs"), "fn main() {}").unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    let refused = put(&backend(&directory, Engine::Redb), "a", "1").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused}");
    assert_eq!(mode(&directory), 0o755);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
}

#[tokio::test]
async fn files_that_others_may_read_are_refused() {
    for (opened, bits) in
        [("", 0o750), ("format", 0o640), ("store.redb", 0o604), ("lock", 0o660), ("queue", 0o606)]
    {
        let scratch = fast_scratch();
        let directory = scratch.path().join("store");
        let backend = backend(&directory, Engine::Redb);
        put(&backend, "a", "1").await.unwrap();
        let target = if opened.is_empty() { directory.clone() } else { directory.join(opened) };
        let before = fs::read(directory.join("store.redb")).unwrap();
        fs::set_permissions(&target, Permissions::from_mode(bits)).unwrap();
        for error in [get(&backend, "a").await.unwrap_err(), put(&backend, "a", "2").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{opened}: {error}");
            assert!(error.to_string().contains(&format!("mode {bits:04o}")), "{opened}: {error}");
        }
        assert_eq!(fs::read(directory.join("store.redb")).unwrap(), before);
    }
}

#[tokio::test]
async fn symbolic_links_are_refused() {
    for linked in ["format", "store.redb", "lock", "queue"] {
        let scratch = fast_scratch();
        let directory = scratch.path().join("store");
        let backend = backend(&directory, Engine::Redb);
        put(&backend, "a", "1").await.unwrap();
        let elsewhere = scratch.path().join("elsewhere");
        fs::rename(directory.join(linked), &elsewhere).unwrap();
        symlink(&elsewhere, directory.join(linked)).unwrap();
        for error in [get(&backend, "a").await.unwrap_err(), put(&backend, "a", "2").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{linked}: {error}");
            assert!(error.to_string().contains("symbolic link"), "{linked}: {error}");
        }
    }
}

#[tokio::test]
async fn a_directory_behind_a_symbolic_link_is_refused() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    put(&backend(&directory, Engine::Redb), "a", "1").await.unwrap();
    let link = scratch.path().join("link");
    symlink(&directory, &link).unwrap();
    // A slash at the end makes the system itself follow the link.
    let with_slash = format!("{}/", link.display());
    for through in [link.as_path(), Path::new(&with_slash)] {
        let backend = backend(through, Engine::Redb);
        for error in [get(&backend, "a").await.unwrap_err(), put(&backend, "a", "2").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        }
    }
}

#[tokio::test]
async fn a_dangling_link_in_place_of_the_directory_is_refused() {
    let scratch = fast_scratch();
    let link = scratch.path().join("link");
    symlink(scratch.path().join("nothing"), &link).unwrap();
    let backend = backend(&link, Engine::Redb);
    assert_eq!(put(&backend, "a", "1").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(!scratch.path().join("nothing").exists());
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_without_hanging() {
    let scratch = fast_scratch();
    let directory = scratch.path().join("store");
    let backend = backend(&directory, Engine::Redb);
    put(&backend, "a", "1").await.unwrap();
    for odd in ["lock", "format", "store.redb"] {
        let path = directory.join(odd);
        let kept = scratch.path().join("kept");
        fs::rename(&path, &kept).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert_eq!(get(&backend, "a").await.unwrap_err().kind(), ErrorKind::PermissionDenied, "{odd}");
        assert_eq!(put(&backend, "a", "2").await.unwrap_err().kind(), ErrorKind::PermissionDenied, "{odd}");
        fs::remove_file(&path).unwrap();
        fs::rename(&kept, &path).unwrap();
    }
    assert_eq!(get(&backend, "a").await.unwrap(), "1");
}

#[tokio::test]
async fn files_of_another_user_are_refused() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can give a file to another user");
    }
    for owned in ["", "format", "store.redb", "lock"] {
        let scratch = fast_scratch();
        let directory = scratch.path().join("store");
        let backend = backend(&directory, Engine::Redb);
        put(&backend, "a", "1").await.unwrap();
        let target = if owned.is_empty() { directory.clone() } else { directory.join(owned) };
        chown(&target, Some(65_534), None).unwrap();
        for error in [get(&backend, "a").await.unwrap_err(), put(&backend, "a", "2").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{owned}: {error}");
            assert!(error.to_string().contains("65534"), "{owned}: {error}");
        }
        assert_eq!(backend.check().await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}
