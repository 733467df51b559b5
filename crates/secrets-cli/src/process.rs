//! The program that `run` starts: its environment, its signals, its exit code.

mod files;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use secrets_backend::SecretBytes;
use tokio::signal::unix::{SignalKind, signal};

use crate::environment::Environment;
use crate::exit;
use crate::failure::Failure;
pub use files::SecretFiles;

/// The longest `NAME=VALUE` that Linux hands to a program, in bytes (`MAX_ARG_STRLEN`, its NUL included).
pub const MAX_VARIABLE: usize = 128 * 1024;

/// A program about to be started.
#[derive(Debug)]
#[non_exhaustive]
pub struct Program {
    command: std::process::Command,
    typed: OsString,
}

impl Program {
    /// Finds the program as a shell would, by the caller's own `PATH`.
    ///
    /// # Errors
    /// Exit 127 where it is not found.
    pub fn find(line: &[OsString], environment: &Environment) -> Result<Self, Failure> {
        let Some((typed, arguments)) = line.split_first() else {
            return Err(Failure::usage("there is no program to run"));
        };
        let found = resolve(typed, environment).ok_or_else(|| {
            Failure::new(exit::NO_PROGRAM, format!("{} is not found", Path::new(typed).display()))
        })?;
        let mut command = std::process::Command::new(found);
        command.arg0(typed).args(arguments);
        Ok(Self { command, typed: typed.clone() })
    }

    /// Starts with an empty environment instead of this one's.
    pub fn forget_environment(&mut self) {
        self.command.env_clear();
    }

    /// Sets a variable.
    ///
    /// # Errors
    /// Exit 2 for a value that no environment can hold: one with a NUL byte, or over [`MAX_VARIABLE`].
    pub fn variable(&mut self, name: &str, value: &SecretBytes) -> Result<(), Failure> {
        let file = format!("hand it over as a file: --file {name}=PATH");
        if value.expose().contains(&0) {
            return Err(Failure::usage(format!(
                "{name} holds a NUL byte, which no environment variable can"
            ))
            .hint(file));
        }
        if name.len() + value.len() + 2 > MAX_VARIABLE {
            return Err(Failure::usage(format!(
                "{name} is over 128 KiB, too large for an environment variable"
            ))
            .hint(file));
        }
        self.command.env(name, OsStr::from_bytes(value.expose()));
        Ok(())
    }

    /// Sets a variable to a file's name.
    pub fn file_name(&mut self, name: &str, file: &Path) {
        self.command.env(name, file);
    }

    /// Becomes the program: comes back only where that fails.
    #[must_use]
    pub fn replace(mut self) -> Failure {
        let error = self.command.exec();
        cannot_start(&self.typed, error)
    }

    /// Starts the program, passes signals on, and answers its exit code: its own, or 128+n for signal n.
    ///
    /// # Errors
    /// Exit 126 or 127 where it cannot be started.
    pub async fn run(self, signals: Signals) -> Result<u8, Failure> {
        let typed = self.typed;
        let mut child = tokio::process::Command::from(self.command)
            .spawn()
            .map_err(|error| cannot_start(&typed, error))?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut signals = signals;
        loop {
            tokio::select! {
                status = child.wait() => {
                    return status.map(code).map_err(|source| Failure::other("the program was lost").caused_by(source));
                }
                received = signals.next() => {
                    if let (Some(id), false) = (id, received.reached_all()) {
                        // It may have ended just now; then there is nobody to tell.
                        let _ = kill_process(id, received.0);
                    }
                }
            }
        }
    }
}

/// The signals that are passed on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Signals(Vec<(Signal, tokio::signal::unix::Signal)>);

#[derive(Clone, Copy, Debug)]
struct Received(Signal);

impl Signals {
    /// Catches them from now on, so that none is lost while the program is being prepared.
    ///
    /// # Errors
    /// Exit 1 where the system refuses.
    pub fn catch() -> Result<Self, Failure> {
        let kinds = [
            (Signal::HUP, SignalKind::hangup()),
            (Signal::INT, SignalKind::interrupt()),
            (Signal::QUIT, SignalKind::quit()),
            (Signal::TERM, SignalKind::terminate()),
            (Signal::USR1, SignalKind::user_defined1()),
            (Signal::USR2, SignalKind::user_defined2()),
        ];
        let caught = kinds.into_iter().map(|(number, kind)| Ok((number, signal(kind)?)));
        caught
            .collect::<io::Result<_>>()
            .map(Self)
            .map_err(|source| Failure::other("signals cannot be caught").caused_by(source))
    }

    async fn next(&mut self) -> Received {
        std::future::poll_fn(|context| {
            for (number, stream) in &mut self.0 {
                if stream.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(Received(*number));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

impl Received {
    /// Whether the program has it already. A terminal sends Ctrl-C and Ctrl-\ to the whole foreground group;
    /// passing them on would make two of one.
    fn reached_all(self) -> bool {
        if self.0 != Signal::INT && self.0 != Signal::QUIT {
            return false;
        }
        File::open("/dev/tty")
            .is_ok_and(|terminal| tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp()))
    }
}

fn resolve(typed: &OsStr, environment: &Environment) -> Option<PathBuf> {
    if typed.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(typed));
    }
    let paths = environment.get("PATH").unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
    let candidates = paths.as_bytes().split(|&byte| byte == b':').map(|directory| {
        let directory = if directory.is_empty() { b"." } else { directory };
        PathBuf::from(OsString::from_vec(directory.to_vec())).join(typed)
    });
    // As shells do: a file that may not be executed is remembered, for a better message than "not found".
    let mut refused = None;
    for candidate in candidates {
        match fs::metadata(&candidate) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {
                return Some(candidate);
            }
            Ok(found) if found.is_file() => refused = refused.or(Some(candidate)),
            _ => {}
        }
    }
    refused
}

fn cannot_start(typed: &OsStr, error: io::Error) -> Failure {
    let name = Path::new(typed).display().to_string();
    match error.kind() {
        io::ErrorKind::NotFound => Failure::new(exit::NO_PROGRAM, format!("{name} is not found")),
        io::ErrorKind::ArgumentListTooLong => {
            Failure::usage(format!("{name} cannot be started: all variables together are too large"))
                .hint("choose fewer secrets with --only, or hand large ones over with --file")
        }
        _ => Failure::new(exit::NOT_EXECUTABLE, format!("{name} cannot be started")).caused_by(error),
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code & 0xff).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_childs_own_or_128_and_the_signal() {
        assert_eq!(code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code(ExitStatus::from_raw(15)), 143);
    }

    #[test]
    fn a_program_is_found_by_path_and_a_missing_one_is_127() {
        let environment: Environment = [("PATH", "/nowhere:/bin:/usr/bin")].into_iter().collect();
        assert!(Program::find(&["sh".into()], &environment).is_ok());
        let failure = Program::find(&["no-such-program".into()], &environment).unwrap_err();
        assert_eq!(failure.code(), exit::NO_PROGRAM);
    }

    #[test]
    fn what_no_variable_can_hold_is_refused_by_name_and_a_file_is_offered() {
        let environment: Environment = [("PATH", "/bin:/usr/bin")].into_iter().collect();
        let mut program = Program::find(&["sh".into()], &environment).unwrap();
        let room = MAX_VARIABLE - 3;
        assert!(program.variable("A", &vec![b'x'; room].into()).is_ok());
        for value in [vec![b'x'; room + 1], vec![0]] {
            let failure = program.variable("A", &value.into()).unwrap_err();
            assert_eq!(failure.code(), exit::USAGE);
            assert!(failure.next().unwrap().contains("--file A="));
        }
    }
}
