//! A scratch installation and ways to call the binary in it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A fresh `SECRETS_HOME` and a fresh working directory, gone when dropped.
pub(crate) struct Scratch {
    root: tempfile::TempDir,
}

/// What a call did.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("work")).unwrap();
        Self { root }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn header(&self) -> PathBuf {
        self.home().join("data/safe")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.home().join("config/key")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.home().join("state/audit.jsonl")
    }

    /// Writes a file into the working directory.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The binary with this installation, nothing of the tester's own environment but `PATH`.
    pub(crate) fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secrets"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", search_path())
            .env("SECRETS_HOME", self.home())
            .env("USER", "tester")
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn call<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Done {
        Done::of(self.command(arguments).output().unwrap())
    }

    /// Calls with bytes on standard input.
    pub(crate) fn pipe<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        arguments: I,
        input: &[u8],
    ) -> Done {
        feed(self.command(arguments), input)
    }

    /// Runs a script in a mount namespace of its own, so that what it mounts is gone with it: the binary is
    /// `$0`, the home `$SECRETS_HOME`. `None` where it cannot mount, which it says by exiting with 77.
    pub(crate) fn with_mounts(&self, script: &str, variables: &[(&str, &Path)]) -> Option<Done> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_secrets")]).env_clear();
        command.env("PATH", search_path()).env("SECRETS_HOME", self.home()).envs(variables.iter().copied());
        let done = Done::of(command.current_dir(self.work()).stdin(Stdio::null()).output().ok()?);
        assert!(!done.stderr.contains("hunter2"), "{}", done.stderr);
        (done.code != 77 && !done.stderr.contains("unshare failed")).then_some(done)
    }

    /// Stores a value; the test ends where that fails.
    pub(crate) fn set(&self, path: &str, value: impl AsRef<[u8]>) {
        let done = self.pipe(["set", path, "-", "--raw"], value.as_ref());
        assert_eq!(done.code, 0, "{}", done.stderr);
    }

    /// Reads a value; the test ends where that fails.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let done = self.call(["get", path]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        done.stdout
    }

    /// The entries of the audit log.
    pub(crate) fn entries(&self) -> usize {
        std::fs::read(self.log()).unwrap().iter().filter(|&&byte| byte == b'\n').count()
    }
}

/// An installation whose command needs something of its environment: credentials, say.
pub(crate) trait Machine {
    /// The command with what it needs.
    fn prepared(&self, arguments: &[&str]) -> Command;

    fn call(&self, arguments: &[&str]) -> Done {
        Done::of(self.prepared(arguments).output().unwrap())
    }

    /// A call that must succeed; what it printed.
    fn done(&self, arguments: &[&str]) -> String {
        let done = self.call(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.stderr);
        done.text().to_owned()
    }

    /// Stores a value; the test ends where that fails.
    fn store(&self, path: &str, value: &str) {
        let done = feed(self.prepared(&["set", path]), value.as_bytes());
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
}

impl Done {
    pub(crate) fn of(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("internal error"), "{stderr}");
        Self { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Requires this exit code, words on stderr, nothing on stdout, and no trace of the usual planted value.
    pub(crate) fn refused(&self, code: i32, words: &str) {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(self.stderr.contains(words), "{}", self.stderr);
        assert!(self.stdout.is_empty(), "{:?}", self.text());
        assert!(!self.stderr.contains("hunter2"), "{}", self.stderr);
    }
}

pub(crate) fn feed(mut command: Command, input: &[u8]) -> Done {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A child that refuses early closes its end; that is its right.
    let _ = child.stdin.take().unwrap().write_all(input);
    Done::of(child.wait_with_output().unwrap())
}

/// Says that a test cannot run here; where everything is required, fails instead.
pub(crate) fn skip(reason: &str) {
    assert!(variable("SECRETS_TEST_REQUIRE").as_deref() != Some("1"), "would skip: {reason}");
    let line = format!("SKIP: {reason}");
    eprintln!("{line}");
    if let Some(file) = variable("SECRETS_TEST_SKIPS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// Whether a program is on the path.
pub(crate) fn has(program: &str) -> bool {
    search_path().split(':').any(|directory| Path::new(directory).join(program).is_file())
}

#[allow(clippy::disallowed_methods, reason = "tests choose by the tester's environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn search_path() -> String {
    variable("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned())
}

/// A program as the user `nobody`, with nothing but `PATH` of the tester's environment; only for root.
pub(crate) fn as_nobody(line: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"]).args(line);
    command.env_clear().env("PATH", search_path()).current_dir("/").stdin(Stdio::null());
    command
}

/// Gives a directory and everything in it to the user `nobody`.
pub(crate) fn give_to_nobody(path: &Path) {
    let id = NOBODY.parse().ok();
    std::os::unix::fs::lchown(path, id, id).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in std::fs::read_dir(path).unwrap() {
            give_to_nobody(&entry.unwrap().path());
        }
    }
}

const NOBODY: &str = "65534";
