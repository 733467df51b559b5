//! `cargo xtask servers`: start and stop the servers that tests need.
//!
//! The table of servers is empty: the local backend needs none.
//! What is here is what each will need: a directory of its own under `target/servers/`, a free loopback port, a log,
//! one start per run, readiness, and the settings that tests read.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::repository;

/// What to do with the servers.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Start what does not run yet
    Up,
    /// Stop what runs
    Down,
    /// Print the settings of what runs, for a shell
    Env,
    /// Say which servers there are, and which run
    List,
}

/// One kind of server.
struct Server {
    name: &'static str,
    about: &'static str,
    /// The program that serves on this loopback port and keeps its files in this directory
    command: fn(directory: &Path, port: u16) -> Command,
    /// Does it answer?
    ready: fn(directory: &Path, port: u16) -> bool,
    /// The settings by which tests find it
    settings: fn(directory: &Path, port: u16) -> Vec<(String, String)>,
}

const SERVERS: &[Server] = &[];
const START_WITHIN: Duration = Duration::from_secs(60);

/// Does what was asked for.
///
/// # Errors
/// A server that does not start or stop; its log is named.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = repository::target_dir().join("servers");
    match arguments.action {
        Action::Up => {
            for server in SERVERS {
                println!("{}: port {}", server.name, up(server, &directory)?);
            }
            say_if_none(SERVERS);
        }
        Action::Down => {
            for server in SERVERS {
                println!(
                    "{}: {}",
                    server.name,
                    if down(server, &directory)? { "stopped" } else { "was not up" }
                );
            }
            say_if_none(SERVERS);
        }
        Action::Env => {
            for (name, value) in settings(SERVERS, &directory) {
                println!("export {name}='{}'", value.replace('\'', r"'\''"));
            }
        }
        Action::List => {
            for server in SERVERS {
                let state =
                    running(server, &directory).map_or("down".to_owned(), |run| format!("port {}", run.port));
                println!("{:<12} {:<12} {}", server.name, state, server.about);
            }
            say_if_none(SERVERS);
        }
    }
    Ok(())
}

fn say_if_none(servers: &[Server]) {
    if servers.is_empty() {
        println!("no test needs a server yet");
    }
}

/// A started server, as its state file `run` says: process id, start time of the process, port.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    process: u32,
    started: String,
    port: u16,
}

/// Starts a server unless it runs, waits until it answers, and returns its port.
fn up(server: &Server, directory: &Path) -> Result<u16> {
    if let Some(run) = running(server, directory) {
        return Ok(run.port);
    }
    let home = home(server, directory);
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let log = home.join("log");
    let output = File::create(&log)?;
    let mut child = (server.command)(&home, port)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start {}", server.name))?;
    let started = start_time(child.id()).unwrap_or_default();
    fs::write(home.join("run"), format!("{} {started} {port}\n", child.id()))?;

    let deadline = Instant::now() + START_WITHIN;
    while !(server.ready)(&home, port) {
        if let Some(status) = child.try_wait()? {
            bail!("{} ended with {status}; its log is {}", server.name, log.display());
        }
        ensure!(Instant::now() < deadline, "{} does not answer; its log is {}", server.name, log.display());
        thread::sleep(Duration::from_millis(50));
    }
    Ok(port)
}

/// Stops a server and waits until it is gone; its log stays.
fn down(server: &Server, directory: &Path) -> Result<bool> {
    let Some(run) = running(server, directory) else { return Ok(false) };
    for signal in ["-TERM", "-KILL"] {
        let status =
            Command::new("kill").args([signal, &run.process.to_string()]).stderr(Stdio::null()).status();
        status.context("cannot run kill")?;
        let deadline = Instant::now() + Duration::from_secs(10);
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
fn settings(servers: &[Server], directory: &Path) -> Vec<(String, String)> {
    servers
        .iter()
        .filter_map(|server| {
            let run = running(server, directory)?;
            Some((server.settings)(&home(server, directory), run.port))
        })
        .flatten()
        .collect()
}

fn home(server: &Server, directory: &Path) -> PathBuf {
    directory.join(server.name)
}

/// The server that the state file names, if that very process still runs.
fn running(server: &Server, directory: &Path) -> Option<Run> {
    let text = fs::read_to_string(home(server, directory).join("run")).ok()?;
    let mut words = text.split_whitespace();
    let run = Run {
        process: words.next()?.parse().ok()?,
        started: words.next()?.to_owned(),
        port: words.next()?.parse().ok()?,
    };
    (start_time(run.process)? == run.started).then_some(run)
}

/// When a process started, in clock ticks since boot: with it, a process id that was given anew is not mistaken.
fn start_time(process: u32) -> Option<String> {
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
        command: |_, _| {
            let mut command = Command::new("sleep");
            command.arg("60");
            command
        },
        ready: |directory, _| directory.join("run").is_file(),
        settings: |_, port| vec![("SLEEPER_PORT".to_owned(), port.to_string())],
    };

    const BROKEN: Server = Server {
        name: "broken",
        about: "ends at once",
        command: |_, _| Command::new("false"),
        ready: |_, _| false,
        ..SLEEPER
    };

    fn scratch(name: &str) -> PathBuf {
        let directory = repository::target_dir().join("xtask/tests").join(name);
        let _ = fs::remove_dir_all(&directory);
        directory
    }

    #[test]
    fn a_server_starts_once_is_found_and_stops() {
        let directory = scratch("servers");
        let port = up(&SLEEPER, &directory).unwrap();
        assert_eq!(up(&SLEEPER, &directory).unwrap(), port, "a second `up` finds the first");
        assert_eq!(settings(&[SLEEPER], &directory), [("SLEEPER_PORT".to_owned(), port.to_string())]);
        assert!(down(&SLEEPER, &directory).unwrap());
        assert!(!down(&SLEEPER, &directory).unwrap());
        assert!(settings(&[SLEEPER], &directory).is_empty());
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error_that_names_its_log() {
        let error = up(&BROKEN, &scratch("broken-server")).unwrap_err().to_string();
        assert!(error.contains("broken ended") && error.contains("log"), "{error}");
    }

    #[test]
    fn a_process_id_given_anew_is_not_mistaken_for_the_server() {
        let directory = scratch("stale-server");
        fs::create_dir_all(directory.join("sleeper")).unwrap();
        fs::write(directory.join("sleeper/run"), format!("{} 1 4711\n", std::process::id())).unwrap();
        assert_eq!(running(&SLEEPER, &directory), None);
    }
}
