//! A disk that is full: nothing is acknowledged that is not there, and all that was acknowledged stays.

use std::path::Path;
use std::process::{Command, Stdio};

use secrets_backend::{ErrorKind, SecretBackend as _};
use secrets_backend_local::Engine;

use crate::support::{ENGINES, backend, get, path, put, role, skip};

const TEST: &str = "full_disk::a_full_disk_is_unavailable_and_loses_nothing";

#[tokio::test]
async fn a_full_disk_is_unavailable_and_loses_nothing() {
    if let Some((_, directory)) = role() {
        for &engine in ENGINES {
            fill(&directory, engine).await;
        }
        return;
    }
    // A mount namespace of its own: the small file system is gone with the process.
    let scratch = tempfile::tempdir().unwrap();
    let binary = std::env::current_exe().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=6m,mode=700 tmpfs '{0}' || exit 77; \
         SECRETS_LOCAL_TEST_ROLE=fill SECRETS_LOCAL_TEST_DIRECTORY='{0}' exec '{1}' {TEST} --exact --nocapture",
        scratch.path().display(),
        binary.display(),
    );
    let child = Command::new("unshare").args(["--mount", "sh", "-c", &script]).stdin(Stdio::null()).output();
    match child {
        Err(error) => skip(&format!("a small file system needs `unshare`: {error}")),
        Ok(output) => {
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            match output.status.code() {
                Some(0) => assert!(said.contains("1 passed"), "{said}"),
                // 77 is ours; 1 without a test having run is `unshare` itself, refused.
                Some(77) => skip(&format!("a small file system cannot be mounted here: {said}")),
                Some(1) if !said.contains("running") => skip(&format!("no mount namespace here: {said}")),
                _ => panic!("{said}"),
            }
        }
    }
}

async fn fill(directory: &Path, engine: Engine) {
    let backend = backend(&directory.join("store"), engine);
    let mut acknowledged: u32 = 0;
    let refused = loop {
        let value = format!("{acknowledged:08}").repeat(8_000);
        match put(&backend, &format!("a/{acknowledged}"), &value).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(acknowledged > 2, "{engine}: {refused}");
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{engine}: {refused:?}");
    assert!(refused.to_string().contains("no space left"), "{engine}: {refused}");
    for number in 0..acknowledged {
        let value = get(&backend, &format!("a/{number}")).await.unwrap();
        assert_eq!(value, format!("{number:08}").repeat(8_000), "{engine}");
    }
    let absent = backend.get(&path(&format!("a/{acknowledged}")), None).await;
    assert_eq!(absent.unwrap_err().kind(), ErrorKind::NotFound, "{engine}");
    std::fs::remove_dir_all(directory.join("store")).unwrap();
}
