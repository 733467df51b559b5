//! A crash, a debugger and the process list: what the system would show of a running `secrets`.

use std::fs;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::memory::wait_for;
use crate::scan::{Scanner, listed};
use crate::support::{Scratch, as_nobody, give_to_nobody, has, skip};

/// A program with unlimited core images, stopped in the middle of writing more than a pipe takes.
fn stopped_in_writing(mut command: Command) -> (Child, ChildStdout) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let out = child.stdout.take().unwrap();
    let is_full = || (rustix::io::ioctl_fionread(out.as_fd()).unwrap() >= 64 * 1024).then_some(());
    wait_for("a full pipe", is_full);
    (child, out)
}

fn with_core_images(scratch: &Scratch, program: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited 2> /dev/null; exec \"$@\"", "sh"]).args(program);
    command.env("SECRETS_HOME", scratch.home()).current_dir(scratch.work()).stdin(Stdio::null());
    command
}

/// Ends the program by a signal that makes core images; says whether the system made one.
fn crash(command: Command, signal: Signal) -> bool {
    let (mut child, out) = stopped_in_writing(command);
    let process = Pid::from_child(&child);
    // Rust's runtime catches some of them once, to tell a full stack from other faults.
    let status = wait_for("the end", || {
        kill_process(process, signal).unwrap();
        child.try_wait().unwrap()
    });
    drop(out);
    assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    status.core_dumped()
}

/// The size of core images that a program allows itself.
fn core_limit(command: Command) -> String {
    let (mut child, out) = stopped_in_writing(command);
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    drop(out);
    child.wait().unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_crash_in_the_middle_of_a_value_leaves_no_core_image() {
    let scratch = Scratch::new();
    let value = "hunter2-in-no-core, ".repeat(10_000);
    scratch.set("a", &value);
    let binary = env!("CARGO_BIN_EXE_secrets");
    // Not QUIT: tests that run in the background of a shell inherit that it is ignored.
    let signals = [Signal::SEGV, Signal::ABORT, Signal::BUS, Signal::ILL, Signal::TRAP, Signal::SYS];
    for signal in signals {
        for arguments in [&[binary, "get", "a"][..], &[binary, "get", "a", "--json"], &[binary, "export"]] {
            assert_eq!(core_limit(with_core_images(&scratch, arguments)), "0");
            assert!(!crash(with_core_images(&scratch, arguments), signal), "{signal:?} dumped core");
        }
    }
    assert_eq!(fs::read_dir(scratch.work()).unwrap().count(), 0, "no file was left");
    let hits = Scanner::new([("value", "hunter2-in-no-core")]).files(&scratch.home());
    assert!(hits.is_empty(), "{}", listed(&hits));
    // The same crash of a program that does not refuse: where the system makes core images, this one has one.
    let control = if crash(with_core_images(&scratch, &["cat", "/dev/zero"]), Signal::SEGV) {
        "1"
    } else {
        "none here"
    };
    let crashes = signals.len() * 3;
    println!(
        "FIGURE: {crashes} crashes in the middle of a value, 0 core images; another program's crash: {control}"
    );
}

#[test]
fn another_process_of_the_user_reads_neither_memory_nor_environment() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2 ".repeat(20_000));
    let mut command = scratch.command(["get", "a"]);
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        // Root reads everything: somebody else, twice, is what has to be kept apart.
        if !has("setpriv") {
            return skip("setpriv (util-linux) is not installed");
        }
        give_to_nobody(scratch.home().parent().unwrap());
        let program = scratch.work().join("secrets");
        fs::copy(env!("CARGO_BIN_EXE_secrets"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        command = as_nobody(&[program.to_str().unwrap(), "get", "a"]);
        command.env("SECRETS_HOME", scratch.home());
    }
    let (mut child, mut out) = stopped_in_writing(command);
    let read = |process: u32, name: &str| -> bool {
        let file = format!("/proc/{process}/{name}");
        let arguments = ["head", "-c", "1", &file];
        let mut reader = if is_root { as_nobody(&arguments) } else { Command::new("head") };
        if !is_root {
            reader.args(&arguments[1..]);
        }
        reader.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    };
    for name in ["environ", "maps", "mem"] {
        assert!(!read(child.id(), name), "{name} can be read");
    }
    // The same user's other programs can be read, or the above would show nothing.
    let mut other = if is_root { as_nobody(&["sleep", "60"]) } else { Command::new("sleep") };
    if !is_root {
        other.arg("60");
    }
    let mut other = other.spawn().unwrap();
    wait_for("the other program", || read(other.id(), "environ").then_some(()));
    other.kill().unwrap();
    other.wait().unwrap();
    out.read_to_end(&mut Vec::new()).unwrap();
    assert!(child.wait().unwrap().success());
}
