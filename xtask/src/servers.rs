//! `cargo xtask servers`: start and stop the servers that tests need.
//!
//! This says which servers there are. `process` starts and stops one, `session` those of a run of tests.
//! Each keeps its files and its log in a directory of its own, listens on a free loopback port, and is known by
//! the settings that tests read.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use xshell::Shell;

use crate::repository;

mod aws;
mod azure;
mod moto;
mod openbao;
mod process;
mod python;
mod session;
mod slapd;
pub(crate) mod vault;

pub(crate) use session::Session;

/// What to do with the servers.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Install or build what is missing, and start what does not run yet
    Up,
    /// Stop what runs
    Down,
    /// Print the settings of what runs, for a shell
    Env,
    /// Say which servers there are, and which run
    List,
}

/// One kind of server.
#[derive(Debug)]
struct Server {
    name: &'static str,
    about: &'static str,
    /// Do tests get it without being asked for, because it is here or quick to install?
    at_hand: fn() -> bool,
    /// Installs, builds or finds its program
    program: fn(&Shell) -> Result<PathBuf>,
    /// What serves
    command: fn(&Place) -> Result<Command>,
    /// Does it answer?
    ready: fn(&Place) -> bool,
    /// The settings by which tests find it, asked for once, when it answers
    settings: fn(&Place) -> Result<Settings>,
}

type Settings = Vec<(&'static str, String)>;

/// Where a server runs.
#[derive(Debug)]
struct Place {
    program: PathBuf,
    /// Its files and its log
    directory: PathBuf,
    /// A free port of the loopback address
    port: u16,
}

impl Place {
    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn listens(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }
}

const SERVERS: [&Server; 5] = [&openbao::SERVER, &vault::SERVER, &slapd::SERVER, &moto::SERVER, &aws::SERVER];

/// Everything about servers that outlives a run.
fn home() -> PathBuf {
    repository::target_dir().join("servers")
}

/// What the repository holds for this server.
fn source(name: &str) -> PathBuf {
    repository::root().join("xtask/servers").join(name)
}

/// Does what was asked for.
///
/// # Errors
/// A server that does not start or stop; its log is named.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = home().join("up");
    match arguments.action {
        Action::Up => {
            let shell = repository::shell()?;
            repository::isolate(&shell, "servers")?;
            for server in SERVERS {
                println!("{}: port {}", server.name, process::up(server, &shell, &directory)?);
            }
            azure::sdk(&shell)?;
        }
        Action::Down => {
            for server in SERVERS {
                let was_up = process::down(server, &directory)?;
                println!("{}: {}", server.name, if was_up { "stopped" } else { "was not up" });
            }
        }
        Action::Env => {
            let sdk = azure::settings().into_iter().map(|(name, value)| (name.to_owned(), value));
            for (name, value) in process::settings(&SERVERS, &directory).into_iter().chain(sdk) {
                println!("export {name}='{}'", value.replace('\'', r"'\''"));
            }
        }
        Action::List => {
            for server in SERVERS {
                let run = process::running(server, &directory);
                let state = run.map_or("down".to_owned(), |run| format!("port {}", run.port()));
                println!("{:<12} {:<12} {}", server.name, state, server.about);
            }
        }
    }
    Ok(())
}

/// Where a program is: on `PATH`, or where systems keep what only the administrator starts.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|file: &PathBuf| Path::is_file(file))
}
