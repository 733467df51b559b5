//! What several of the tests need: backends in scratch directories, the test binary as a second process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use secrets_backend::{NewSecret, PutMode, Result, SecretBackend as _, SecretPath};
use secrets_backend_local::{Engine, LocalBackend, LocalConfig};

/// The engines of this build.
pub(crate) const ENGINES: &[Engine] = &[
    Engine::Redb,
    #[cfg(feature = "sled")]
    Engine::Sled,
];

const ROLE: &str = "SECRETS_LOCAL_TEST_ROLE";
const DIRECTORY: &str = "SECRETS_LOCAL_TEST_DIRECTORY";

pub(crate) fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

pub(crate) fn config(directory: &Path, engine: Engine) -> LocalConfig {
    let mut config = LocalConfig::new(directory);
    config.engine = engine;
    config
}

pub(crate) fn backend(directory: &Path, engine: Engine) -> LocalBackend {
    LocalBackend::new(config(directory, engine)).unwrap()
}

pub(crate) async fn put(backend: &LocalBackend, at: &str, value: &str) -> Result<u64> {
    let written = backend.put(&path(at), &NewSecret::new(value), &PutMode::Upsert).await?;
    Ok(written.version.unwrap().number().unwrap())
}

pub(crate) async fn get(backend: &LocalBackend, at: &str) -> Result<String> {
    let secret = backend.get(&path(at), None).await?;
    Ok(secret.value.expose_str().unwrap().to_owned())
}

/// A directory where fsync costs nothing, for tests that are not about disks.
pub(crate) fn fast_scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What this process is to do, if it is a second process of a test.
pub(crate) fn role() -> Option<(String, PathBuf)> {
    Some((std::env::var(ROLE).ok()?, std::env::var_os(DIRECTORY)?.into()))
}

/// The command that runs the test of this name alone, in a process of its own, with a role.
pub(crate) fn second_process(test: &str, role: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(DIRECTORY, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// The whole lines that a second process said with [`say`], until it ended.
pub(crate) fn said(stdout: ChildStdout) -> Vec<String> {
    BufReader::new(stdout).lines().map_while(|line| line.ok()).filter_map(|line| unmarked(&line)).collect()
}

/// Waits for the first line that a second process says.
pub(crate) fn first_said(reader: &mut BufReader<ChildStdout>) -> Option<String> {
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 0 {
        if let Some(text) = line.strip_suffix('\n').and_then(unmarked) {
            return Some(text);
        }
        line.clear();
    }
    None
}

/// Says a line to the first process, past what the test harness prints. The full stop shows that it is whole.
pub(crate) fn say(text: &str) {
    println!("\n@{text}.");
}

pub(crate) fn unmarked(line: &str) -> Option<String> {
    Some(line.strip_prefix('@')?.strip_suffix('.')?.to_owned())
}

pub(crate) fn assert_success(mut child: Child) {
    drop(child.stdin.take());
    let status = child.wait().unwrap();
    assert!(status.success(), "the second process failed: {status}");
}

/// Says loudly that a test cannot run here; fails where nothing may be skipped.
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var("SECRETS_TEST_REQUIRE").as_deref() != Ok("1"), "would skip: {reason}");
    println!("SKIP: {reason}");
}
