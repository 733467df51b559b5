//! The servers of one run of tests: started before it, stopped after it, also when it fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};
use xshell::Shell;

use super::process::{down, settings, start_time, up};
use super::{SERVERS, Settings, azure, home};
use crate::repository;
use crate::tally::Tally;

/// The crates with a test that needs a server.
const NEED_SERVERS: [&str; 5] = [
    "secrets-backend-aws",
    "secrets-backend-azure",
    "secrets-backend-hcvault",
    "secrets-cli",
    "secrets-testkit",
];

/// Servers of a run's own, in a directory named after its process, so that runs do not meet.
#[derive(Debug)]
pub(crate) struct Session {
    directory: PathBuf,
    /// What is installed and runs only inside a test
    tools: Settings,
    missing: u64,
}

impl Session {
    /// Starts what the tests of this crate, or of all, need and what is at hand.
    /// A server that does not start is reported; its tests are skipped, or fail where skips are failures.
    ///
    /// # Errors
    /// When the directory of the servers cannot be written.
    pub(crate) fn start(shell: &Shell, package: Option<&str>) -> Result<Self> {
        let directory = home().join(format!("run-{}", process::id()));
        let mut session = Self { directory, tools: Settings::new(), missing: 0 };
        if package.is_some_and(|package| !NEED_SERVERS.contains(&package)) {
            return Ok(session);
        }
        sweep(&home());
        fs::create_dir_all(&session.directory).context("cannot make the directory of the servers")?;
        fs::write(session.directory.join("owner"), start_time(process::id()).unwrap_or_default())?;
        for server in SERVERS.into_iter().filter(|server| (server.at_hand)()) {
            match up(server, shell, &session.directory) {
                Ok(port) => println!("servers: {} on port {port}", server.name),
                Err(error) => {
                    println!("servers: no {}: {error:#}", server.name);
                    session.missing += 1;
                }
            }
        }
        match azure::sdk(shell) {
            Ok(tools) => session.tools = tools,
            Err(error) => {
                println!("servers: no SDK of Azure: {error:#}");
                session.missing += 1;
            }
        }
        Ok(session)
    }

    /// The settings by which tests find them.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let tools = self.tools.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        settings(&SERVERS, &self.directory).into_iter().chain(tools).collect()
    }

    /// Stops them all. The logs stay when something failed, be it only a server that was to be there.
    pub(crate) fn end(self, tests: Tally) -> Tally {
        let missing = if repository::skips_are_failures() { self.missing } else { 0 };
        let tally = Tally { failed: missing, ..Tally::default() };
        stop(&self.directory);
        if self.missing == 0 && tests.failed == 0 {
            // What cannot be removed now is removed by the next run.
            let _ = fs::remove_dir_all(&self.directory);
        } else if self.directory.exists() {
            println!("servers: their logs are in {}", self.directory.display());
        }
        tally
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        stop(&self.directory);
    }
}

fn stop(directory: &Path) {
    for server in SERVERS {
        if let Err(error) = down(server, directory) {
            println!("servers: {error:#}");
        }
    }
}

/// Stops and removes what runs left behind that were killed, and the logs of those that failed.
fn sweep(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let directory = entry.path();
        let owner = entry.file_name().to_str().and_then(|name| name.strip_prefix("run-")?.parse().ok());
        let Some(owner) = owner else { continue };
        let started = fs::read_to_string(directory.join("owner")).ok();
        if started.is_none() || start_time(owner) != started {
            stop(&directory);
            let _ = fs::remove_dir_all(&directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_behind_is_swept_and_a_living_one_is_not() {
        let home = repository::target_dir().join("xtask/tests/sweep");
        let _ = fs::remove_dir_all(&home);
        let own = home.join(format!("run-{}", process::id()));
        let [dead, up] = ["run-1", "up"].map(|name| home.join(name));
        for directory in [&own, &dead, &up] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(own.join("owner"), start_time(process::id()).unwrap()).unwrap();
        fs::write(dead.join("owner"), "4711").unwrap();
        sweep(&home);
        assert!(own.exists() && up.exists() && !dead.exists());
    }

    #[test]
    fn a_crate_that_needs_no_server_starts_none() {
        let session = Session::start(&repository::shell().unwrap(), Some("secrets-crypto")).unwrap();
        assert!(session.settings().is_empty() && !session.directory.exists());
    }
}
