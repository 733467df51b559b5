//! What is in the memory of `secrets` while it waits: looked for from outside, as a debugger would.

use std::fs;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::keys::{keys_of, signing_key};
use crate::scan::{Hit, Scanner, listed, pieces};
use crate::support::{Scratch, has, skip};

const VALUE: &str = "VqWnXbYcZdVeWfXgYhZjVkWmXnYpZq-7";
const PASSPHRASE: &str = "kHjGfDsAqWeRtYuIoPzXcVbNmLkJhGfD";

/// Waits for a condition, a minute at most: the machine may be busy, and a wrong state never gets right.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// For this value, the passphrase, and every key of the safe, in pieces.
fn scanner(scratch: &Scratch, value: &str) -> Scanner {
    let data = scratch.home().join("data");
    let key_file = if scratch.key().exists() { scratch.key() } else { scratch.work().join("aside") };
    let keys = keys_of(&key_file, &scratch.header(), &data.join("keyrings"));
    let mut secrets: Vec<_> = keys.into_iter().collect();
    secrets.push(("value", value.as_bytes().to_vec()));
    secrets.push(("signing key", signing_key(&scratch.home().join("state/installation.key"))));
    secrets.push(("passphrase", PASSPHRASE.as_bytes().to_vec()));
    Scanner::new(secrets.iter().flat_map(|(name, bytes)| pieces(name, bytes)))
}

/// What a waiting `run` leaves: a shell that tells its parent's process id, and waits for a FIFO.
struct Waiting {
    child: Child,
    fifo: PathBuf,
    process: u32,
}

impl Waiting {
    /// Starts `secrets … run -- sh` by `start`, which is given the shell's script.
    fn start(scratch: &Scratch, start: impl FnOnce(&str) -> Child) -> Self {
        let (fifo, told) = (scratch.work().join("fifo"), scratch.work().join("told"));
        let _ = fs::remove_file(&told);
        if !fifo.exists() {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        }
        scratch.write("wait.sh", "echo $PPID > told.new; mv told.new told; read go < fifo");
        let child = start("run -- sh wait.sh");
        let process = wait_for("the program", || fs::read_to_string(&told).ok()?.trim().parse().ok());
        Self { child, fifo, process }
    }

    fn end(mut self) {
        fs::write(&self.fifo, "go\n").unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// `secrets` with the words of a line, as a process that waits.
fn plain(scratch: &Scratch, flags: &[&str], line: &str) -> Child {
    let words = flags.iter().copied().chain(line.split(' '));
    scratch.command(words).stdout(Stdio::null()).spawn().unwrap()
}

/// The same at a terminal, where `typed` is typed.
fn at_terminal(scratch: &Scratch, line: &str, typed: &str) -> Child {
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--echo", "never", "--command"])
        .arg(format!("{} {line}", env!("CARGO_BIN_EXE_secrets")))
        .arg("/dev/null")
        .env("SECRETS_HOME", scratch.home())
        .current_dir(scratch.work())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), typed.as_bytes()).unwrap();
    child
}

#[test]
fn nothing_secret_is_in_memory_while_run_waits_for_its_program() {
    let scratch = Scratch::new();
    scratch.set("app/key", VALUE);
    scratch.write("pass", PASSPHRASE);
    let add = ["key", "add", "passphrase", "--new-passphrase-file", "pass"];
    assert_eq!(scratch.call(add).code, 0);
    let scanner = scanner(&scratch, VALUE);
    let look = |waiting: Waiting| -> Vec<Hit> {
        // The program may say that it waits before `secrets` itself does: then it is looked again.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut hits = scanner.memory(waiting.process).unwrap();
        while !hits.is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
            hits = scanner.memory(waiting.process).unwrap();
        }
        waiting.end();
        hits
    };
    let mut hits = look(Waiting::start(&scratch, |line| plain(&scratch, &[], line)));
    hits.extend(look(Waiting::start(&scratch, |line| plain(&scratch, &["--passphrase-file", "pass"], line))));
    if has("script") {
        fs::rename(scratch.key(), scratch.work().join("aside")).unwrap();
        let typed = format!("{PASSPHRASE}\n");
        hits.extend(look(Waiting::start(&scratch, |line| at_terminal(&scratch, line, &typed))));
    } else {
        skip("script (util-linux) is not installed");
    }
    assert!(hits.is_empty(), "{} hits:{}", hits.len(), listed(&hits));
    println!("FIGURE: 0 hits in the memory of a waiting `run`, however it was unlocked");
}

#[test]
fn a_value_on_its_way_out_is_in_memory_once_and_what_unlocked_the_safe_is_not() {
    let scratch = Scratch::new();
    let value: String = (0..25_000).map(|number| format!("{number:06}, ")).collect();
    scratch.set("app/large", &value);
    let scanner = scanner(&scratch, &value[150_000..150_032]);
    for (arguments, copies) in [
        (&["get", "app/large"][..], 1),
        // The value, the document made of it, and the text made of that.
        (&["get", "app/large", "--json"], 3),
        (&["export"], 2),
        (&["export", "--format", "yaml"], 2),
    ] {
        let mut child = scratch.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let is_full = || (rustix::io::ioctl_fionread(out.as_fd()).unwrap() >= 64 * 1024).then_some(());
        wait_for("a full pipe", is_full);
        let hits = scanner.memory(child.id()).unwrap();
        out.read_to_end(&mut Vec::new()).unwrap();
        assert!(child.wait().unwrap().success());
        let of = |name: &str| hits.iter().filter(|hit| hit.what.starts_with(name)).count();
        let found = of("value") / 2;
        assert!((1..=copies).contains(&found), "{arguments:?}: {found} copies:{}", listed(&hits));
        assert!(of("epoch key") > 0, "an open safe has its keys: {}", listed(&hits));
        for gone in ["root key", "slot key", "key file", "header MAC key"] {
            assert_eq!(of(gone), 0, "{gone} during {arguments:?}: {}", listed(&hits));
        }
    }
}
