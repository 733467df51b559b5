//! One server: started once, found again by its state file, stopped by its process id and no other's.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use xshell::Shell;

use super::{Place, Server};
use crate::repository;

const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// A started server, as its state file `run` says: process id, start time of the process, port.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    process: u32,
    started: String,
    port: u16,
}

impl Run {
    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

/// Starts a server unless it runs, waits until it answers, and returns its port.
pub(super) fn up(server: &Server, shell: &Shell, directory: &Path) -> Result<u16> {
    if let Some(run) = running(server, directory) {
        return Ok(run.port);
    }
    let program =
        (server.program)(shell).with_context(|| format!("there is no program of {}", server.name))?;
    let home = home(server, directory);
    if home.exists() {
        fs::remove_dir_all(&home).with_context(|| format!("cannot empty {}", home.display()))?;
    }
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let place = Place { program, directory: home, port };
    launch(server, &place)
        .and_then(|()| write_settings(server, &place))
        .with_context(|| format!("{} does not start; its log is {}", server.name, place.log().display()))
        .inspect_err(|_| drop(down(server, directory)))?;
    Ok(port)
}

fn launch(server: &Server, place: &Place) -> Result<()> {
    let output = File::create(place.log())?;
    let mut command = (server.command)(place)?;
    for variable in repository::personal_variables() {
        command.env_remove(variable);
    }
    let mut child = command
        .current_dir(&place.directory)
        // A server may write into its home; it has none but this.
        .env("HOME", &place.directory)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let started = start_time(child.id()).unwrap_or_default();
    fs::write(place.directory.join("run"), format!("{} {started} {}\n", child.id(), place.port))?;

    let deadline = Instant::now() + START_WITHIN;
    while !(server.ready)(place) {
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status}");
        }
        ensure!(Instant::now() < deadline, "it does not answer");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn write_settings(server: &Server, place: &Place) -> Result<()> {
    let settings = (server.settings)(place)?;
    let lines: String = settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    Ok(fs::write(place.directory.join("settings"), lines)?)
}

/// Stops a server and waits until it is gone; its log stays.
pub(super) fn down(server: &Server, directory: &Path) -> Result<bool> {
    let Some(run) = running(server, directory) else { return Ok(false) };
    for signal in ["-TERM", "-KILL"] {
        let status =
            Command::new("kill").args([signal, &run.process.to_string()]).stderr(Stdio::null()).status();
        status.context("cannot run kill")?;
        let deadline = Instant::now() + STOP_WITHIN;
        while Instant::now() < deadline {
            if running(server, directory).is_none() {
                fs::remove_file(home(server, directory).join("run"))?;
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    bail!("{} (process {}) does not stop", server.name, run.process)
}

/// The settings of every server that runs.
pub(super) fn settings(servers: &[&Server], directory: &Path) -> Vec<(String, String)> {
    let running = servers.iter().filter(|server| running(server, directory).is_some());
    let texts =
        running.filter_map(|server| fs::read_to_string(home(server, directory).join("settings")).ok());
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    texts.flat_map(|text| text.lines().filter_map(pair).collect::<Vec<_>>()).collect()
}

fn home(server: &Server, directory: &Path) -> PathBuf {
    directory.join(server.name)
}

/// The server that the state file names, if that very process still runs.
pub(super) fn running(server: &Server, directory: &Path) -> Option<Run> {
    let text = fs::read_to_string(home(server, directory).join("run")).ok()?;
    let mut words = text.split_whitespace();
    let run = Run {
        process: words.next()?.parse().ok()?,
        started: words.next()?.to_owned(),
        port: words.next()?.parse().ok()?,
    };
    (start_time(run.process)? == run.started).then_some(run)
}

/// When a process started, in clock ticks since boot: so a process id that was given anew is not mistaken.
pub(super) fn start_time(process: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field, the program's name, may hold anything; what follows its parenthesis does not.
    let mut fields = status.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLEEPER: Server = Server {
        name: "sleeper",
        about: "stands for a server",
        at_hand: || true,
        program: |_| Ok("sleep".into()),
        command: |place| {
            let mut command = Command::new(&place.program);
            command.arg("60");
            Ok(command)
        },
        ready: |place| place.directory.join("run").is_file(),
        settings: |place| Ok(vec![("SLEEPER_PORT", place.port.to_string())]),
    };

    const BROKEN: Server = Server {
        name: "broken",
        about: "ends at once",
        program: |_| Ok("false".into()),
        ready: |_| false,
        ..SLEEPER
    };

    fn scratch(name: &str) -> PathBuf {
        let directory = repository::target_dir().join("xtask/tests").join(name);
        let _ = fs::remove_dir_all(&directory);
        directory
    }

    fn shell() -> Shell {
        repository::shell().unwrap()
    }

    #[test]
    fn a_server_starts_once_is_found_and_stops() {
        let directory = scratch("servers");
        let port = up(&SLEEPER, &shell(), &directory).unwrap();
        assert_eq!(up(&SLEEPER, &shell(), &directory).unwrap(), port, "a second `up` finds the first");
        assert_eq!(settings(&[&SLEEPER], &directory), [("SLEEPER_PORT".to_owned(), port.to_string())]);
        assert!(down(&SLEEPER, &directory).unwrap());
        assert!(!down(&SLEEPER, &directory).unwrap());
        assert!(settings(&[&SLEEPER], &directory).is_empty());
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error_that_names_its_log() {
        let error = format!("{:#}", up(&BROKEN, &shell(), &scratch("broken-server")).unwrap_err());
        assert!(error.contains("broken does not start") && error.contains("log"), "{error}");
    }

    #[test]
    fn a_server_whose_settings_are_not_to_be_had_does_not_stay() {
        let directory = scratch("unsettled-server");
        let unsettled = Server { settings: |_| bail!("none"), ..SLEEPER };
        assert!(up(&unsettled, &shell(), &directory).is_err());
        assert_eq!(running(&unsettled, &directory), None);
    }

    #[test]
    fn a_process_id_given_anew_is_not_mistaken_for_the_server() {
        let directory = scratch("stale-server");
        fs::create_dir_all(directory.join("sleeper")).unwrap();
        fs::write(directory.join("sleeper/run"), format!("{} 1 4711\n", std::process::id())).unwrap();
        assert_eq!(running(&SLEEPER, &directory), None);
    }
}
