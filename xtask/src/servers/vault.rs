//! Vault, the second opinion: a real core from its Go module, built once for each state of its source.
//!
//! A first build takes up to twenty minutes of a processor, so `cargo xtask ci` begins it before all else, and
//! `cargo xtask test` takes it only if it is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use xshell::{Shell, cmd};

use super::{Place, Server, home, source};
use crate::repository;

pub(super) const SERVER: Server = Server {
    name: "vault",
    about: "Vault 1.14.1: KV, AppRole, AWS, Kubernetes, LDAP, userpass",
    at_hand: is_built,
    program: |shell| {
        if !is_built() {
            Build::begin(shell)?.wait()?;
        }
        binary()
    },
    command: |place| {
        let mut command = Command::new(&place.program);
        command.arg(format!("-listen={}", place.address()));
        Ok(command)
    },
    ready: |place| keys(place).is_ok() && place.listens(),
    settings: |place| {
        let keys = keys(place)?;
        let text = |name: &str| keys[name].as_str().map(str::to_owned).context("it did not say its keys");
        Ok(vec![
            ("SECRETS_TEST_VAULT_ADDR", text("address")?),
            ("SECRETS_TEST_VAULT_TOKEN", text("root_token")?),
            ("SECRETS_TEST_VAULT_UNSEAL_KEY", text("unseal_key")?),
            ("SECRETS_TEST_VAULT_PROGRAM", place.program.display().to_string()),
        ])
    },
};

/// Is the program of this state of its source there?
pub(super) fn is_built() -> bool {
    binary().is_ok_and(|binary| binary.is_file())
}

/// The line of JSON that it prints when it serves.
fn keys(place: &Place) -> Result<Value> {
    let log = fs::read_to_string(place.log())?;
    let line = log.lines().find(|line| line.starts_with("{\"address\""));
    Ok(serde_json::from_str(line.context("it has not said its keys")?)?)
}

/// Where the program is kept, under a hash of all that it is made of.
fn binary() -> Result<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(source("vault"))
        .context("cannot read the source of the Vault server")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update([0]);
        hash.update(Sha256::digest(fs::read(file)?));
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok(programs().join(format!("vaultserver-{hash}")))
}

fn programs() -> PathBuf {
    home().join("programs")
}

/// A build under way, which ends with this value if nobody waits for it.
#[derive(Debug)]
pub(crate) struct Build {
    compiler: Child,
    made: PathBuf,
    log: PathBuf,
}

impl Build {
    /// Begins to build, unless it is built: with low priority, so that what is waited for comes first.
    ///
    /// # Errors
    /// When there is no Go.
    pub(crate) fn begin_unless_built() -> Result<Option<Self>> {
        if is_built() {
            return Ok(None);
        }
        let shell = repository::shell()?;
        repository::isolate(&shell, "vault")?;
        Self::begin(&shell).map(Some)
    }

    fn begin(shell: &Shell) -> Result<Self> {
        fs::create_dir_all(programs())?;
        let (log, made) =
            (programs().join("build.log"), programs().join(format!("new-{}", std::process::id())));
        let output = fs::File::create(&log)?;
        let _back = shell.push_dir(source("vault"));
        let flags = ["-buildvcs=false", "-ldflags=-s -w", "-o"];
        let compiler = Command::from(cmd!(shell, "nice -n 15 go build {flags...} {made} ."))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start Go")?;
        Ok(Self { compiler, made, log })
    }

    /// Waits for its end, and puts the program where it is looked for, in place of older ones.
    ///
    /// # Errors
    /// When it does not compile, or what it needs cannot be downloaded.
    pub(crate) fn wait(mut self) -> Result<()> {
        let status = self.compiler.wait().context("cannot wait for Go")?;
        ensure!(status.success(), "Vault cannot be built; the log is {}", self.log.display());
        remove_programs(&programs())?;
        Ok(fs::rename(&self.made, binary()?)?)
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        // After `wait` there is nothing to end.
        let _ = self.compiler.kill();
        let _ = self.compiler.wait();
    }
}

fn remove_programs(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vaultserver-")) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
