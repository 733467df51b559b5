//! `az` and `azd` as real programs: scripts in a directory of their own.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use secrets_testkit::{KeyVault, KeyVaultAccess};
use tempfile::TempDir;

/// A program, what it prints, and what it was asked.
pub(super) struct Program {
    directory: TempDir,
    name: &'static str,
}

impl Program {
    /// A program of this name that does this; `$dir` is its directory.
    pub(super) fn new(name: &'static str, does: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join(name);
        let here = directory.path().display();
        // Written under another name first: a program that is open for writing cannot be run.
        let script = format!("#!/bin/sh\ndir='{here}'\necho \"$*\" >> \"$dir/asked\"\n{does}\n");
        let draft = directory.path().join("draft");
        fs::write(&draft, script).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(draft, path).unwrap();
        Self { directory, name }
    }

    /// One that prints what [`Self::login`] left there, and refuses what the real one refuses.
    pub(super) fn printing(name: &'static str) -> Self {
        let both = "case \"$*\" in *--tenant*--subscription* | *--subscription*--tenant*)\n\
                    echo 'Please specify only one of subscription and tenant, not both' >&2\nexit 1\nesac\n";
        Self::new(name, &format!("{both}exec /bin/cat \"$dir/login\""))
    }

    /// One that never ends by itself, and neither does what it started.
    pub(super) fn hanging(name: &'static str) -> Self {
        Self::new(name, "echo $$ > \"$dir/shell\"\n/bin/sleep 60 &\necho $! > \"$dir/child\"\nwait")
    }

    /// Where it is, for `path`.
    pub(super) fn path(&self) -> Option<OsString> {
        Some(self.directory.path().as_os_str().to_owned())
    }

    /// From now on, it prints a token of this access.
    pub(super) fn login(&self, server: &KeyVault, access: &KeyVaultAccess) {
        let token = server.token(access, "https://vault.azure.net");
        let printed = if self.name == "az" {
            format!("{{\"accessToken\":\"{token}\",\"expires_on\":4000000000,\"tokenType\":\"Bearer\"}}")
        } else {
            format!("{{\"token\":\"{token}\",\"expiresOn\":\"2096-10-02T07:06:40Z\"}}")
        };
        fs::write(self.directory.path().join("login"), printed).unwrap();
    }

    /// What it was asked, one command line each.
    pub(super) fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.directory.path().join("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    /// Waits until nothing of one that hangs is left.
    pub(super) fn is_gone(&self) {
        for name in ["shell", "child"] {
            let id = fs::read_to_string(self.directory.path().join(name)).unwrap();
            let process = format!("/proc/{}", id.trim());
            let started = Instant::now();
            while is_running(&process) {
                assert!(started.elapsed() < Duration::from_secs(5), "{name} still runs");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// One that ended and that nobody has asked for its status is there still.
fn is_running(process: &str) -> bool {
    let status = fs::read_to_string(Path::new(process).join("stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
