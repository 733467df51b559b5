//! A disk that is full, and one that may only be read: nothing is acknowledged that is not there, all that was
//! acknowledged stays, and writing goes on by itself once it can.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use secrets_backend::{ErrorKind, SecretBackend as _};
use secrets_backend_local::Engine;

use crate::support::{ENGINES, backend, get, path, put, role, skip};

#[tokio::test]
async fn a_full_disk_is_unavailable_and_loses_nothing() {
    if let Some((_, directory)) = role() {
        for &engine in ENGINES {
            fill(&directory, engine).await;
        }
        return;
    }
    on_a_small_disk("full_disk::a_full_disk_is_unavailable_and_loses_nothing", "run fill");
}

#[tokio::test]
async fn a_read_only_file_system_is_read_and_refuses_writes_and_nothing_is_lost() {
    let test = "full_disk::a_read_only_file_system_is_read_and_refuses_writes_and_nothing_is_lost";
    match role() {
        Some((role, directory)) => read_only(&role, &directory).await,
        None => on_a_small_disk(
            test,
            "run before && mount -o remount,ro \"$disk\" && run during && mount -o remount,rw \"$disk\" && run after",
        ),
    }
}

/// Runs a script in a mount namespace of its own, where a small file system is mounted at `$disk`; `run` is this
/// test in a role.
fn on_a_small_disk(test: &str, script: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let binary = std::env::current_exe().unwrap();
    let script = format!(
        "disk='{}'; mount -t tmpfs -o size=8m,mode=700 tmpfs \"$disk\" || exit 77; \
         run() {{ SECRETS_LOCAL_TEST_ROLE=$1 SECRETS_LOCAL_TEST_DIRECTORY=\"$disk\" \
         '{}' {test} --exact --nocapture; }}; {script}",
        scratch.path().display(),
        binary.display(),
    );
    let child = Command::new("unshare").args(["--mount", "sh", "-c", &script]).stdin(Stdio::null()).output();
    let output = match child {
        Err(error) => return skip(&format!("a small file system needs `unshare`: {error}")),
        Ok(output) => output,
    };
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(0) => {
            let runs = script.matches("run ").count();
            assert_eq!(said.matches("1 passed").count(), runs, "{said}");
        }
        // 77 is ours; 1 without a test having run is `unshare` itself, refused.
        Some(77) => skip(&format!("a small file system cannot be mounted here: {said}")),
        Some(1) if !said.contains("running") => skip(&format!("no mount namespace here: {said}")),
        _ => panic!("{said}"),
    }
}

async fn fill(directory: &Path, engine: Engine) {
    let filler = directory.join("filler");
    fs::write(&filler, vec![1; 3 << 20]).unwrap();
    let backend = backend(&directory.join("store"), engine);
    let value = |number: u32| format!("{number:08}").repeat(8_000);
    let mut acknowledged: u32 = 0;
    let refused = loop {
        match put(&backend, &format!("a/{acknowledged}"), &value(acknowledged)).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(acknowledged > 2, "{engine}: {refused}");
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{engine}: {refused:?}");
    assert!(refused.to_string().contains("no space left"), "{engine}: {refused}");
    // A deletion needs room too; it is done, or nothing is.
    let mut deleted = false;
    match backend.delete(&path("a/0")).await {
        Ok(_) => deleted = true,
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{engine}: {error:?}"),
    }
    for round in ["full", "with room again"] {
        for number in 0..acknowledged {
            let found = get(&backend, &format!("a/{number}")).await;
            match found {
                Ok(found) => {
                    assert!(found == value(number) && !(deleted && number == 0), "{engine}, {round}")
                }
                Err(error) => assert!(deleted && number == 0, "{engine}, {round}: a/{number}: {error}"),
            }
        }
        let absent = backend.get(&path(&format!("a/{acknowledged}")), None).await;
        assert_eq!(absent.unwrap_err().kind(), ErrorKind::NotFound, "{engine}, {round}");
        let _ = fs::remove_file(&filler);
    }
    assert!(!directory.join("store/store.suspect").exists(), "a full disk is no failing one");
    put(&backend, &format!("a/{acknowledged}"), &value(acknowledged)).await.unwrap();
    assert_eq!(get(&backend, &format!("a/{acknowledged}")).await.unwrap(), value(acknowledged), "{engine}");
    fs::remove_dir_all(directory.join("store")).unwrap();
}

async fn read_only(role: &str, directory: &Path) {
    let backend = backend(&directory.join("store"), Engine::Redb);
    match role {
        "before" => assert_eq!(put(&backend, "a", "1").await.unwrap(), 1),
        "during" => {
            assert_eq!(get(&backend, "a").await.unwrap(), "1");
            let refused = [
                put(&backend, "a", "2").await.unwrap_err(),
                put(&backend, "b", "1").await.unwrap_err(),
                backend.delete(&path("a")).await.unwrap_err(),
                backend.purge(&path("a")).await.unwrap_err(),
                backend.compact().await.unwrap_err(),
            ];
            for error in refused {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                assert!(error.to_string().contains("read-only file system"), "{error}");
            }
            assert_eq!(backend.list(None, None).await.unwrap().items.len(), 1);
        }
        _ => {
            assert_eq!(get(&backend, "a").await.unwrap(), "1");
            assert_eq!(put(&backend, "a", "2").await.unwrap(), 2);
        }
    }
}
