//! Running the real `secrets` binary on a safe of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A safe in a directory, reached only through the binary.
#[derive(Clone, Debug)]
pub(crate) struct Safe {
    binary: PathBuf,
    home: PathBuf,
    /// Beside the settings that each has
    environment: &'static [(&'static str, &'static str)],
}

impl Safe {
    /// Makes a safe with a key file in `home`.
    pub(crate) fn init(binary: &Path, home: &Path) -> Result<Self> {
        Self::configured(binary, home, "")
    }

    /// Makes a safe with a key file and the user's settings in `home`.
    pub(crate) fn configured(binary: &Path, home: &Path, settings: &str) -> Result<Self> {
        Self::with_environment(binary, home, settings, &[])
    }

    /// The same whose commands find these variables as well.
    pub(crate) fn with_environment(
        binary: &Path,
        home: &Path,
        settings: &str,
        environment: &'static [(&'static str, &'static str)],
    ) -> Result<Self> {
        let safe = Self { binary: binary.to_path_buf(), home: home.to_path_buf(), environment };
        std::fs::create_dir_all(home.join("config"))?;
        std::fs::write(home.join("config/config.toml"), settings)?;
        safe.succeed(&["init"], b"")?;
        Ok(safe)
    }

    /// A command with a clean environment: only this safe, no terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .env("SECRETS_HOME", &self.home)
            .env("HOME", &self.home)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(self.environment.iter().copied())
            .arg("--non-interactive")
            .args(arguments)
            .current_dir(&self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the binary with `input` on its standard input.
    pub(crate) fn start(&self, arguments: &[&str], input: &[u8]) -> Result<Child> {
        let mut child = self.command(arguments).spawn().context("cannot start secrets")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that needs no input may have ended before it is written.
            let _ = stdin.write_all(input);
        }
        Ok(child)
    }

    /// Runs the binary with `input` on its standard input.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Output> {
        self.start(arguments, input)?.wait_with_output().context("cannot wait for secrets")
    }

    /// Runs the binary, which must exit with 0, and returns its standard output.
    pub(crate) fn succeed(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let output = self.run(arguments, input)?;
        ensure!(
            output.status.success(),
            "secrets {}: {}: {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(output.stdout)
    }

    /// A file below the safe's home.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// Runs the binary for its machine output.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.succeed(&[arguments, &["--json"]].concat(), b"")?;
        serde_json::from_slice(&output).with_context(|| format!("secrets {}: no JSON", arguments.join(" ")))
    }
}
