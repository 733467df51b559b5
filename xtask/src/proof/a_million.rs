//! A safe of a million secrets, commands killed in it, and what the next command costs: not a scan of the store.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::random::Random;
use super::secrets::Safe;

const SECRETS: u32 = 1_000_000;
/// Secrets of one import.
const IMPORTED: u32 = 10_000;
const KILLS: u32 = 200;
/// The memory that the next command may take, in KiB.
const MEMORY: u64 = 50 * 1024;

/// Fills a safe, kills commands in it, and measures the command after each.
pub(crate) fn run(bench: &Bench<'_>) -> Result<String> {
    let scratch = Scratch::new(&bench.directory)?;
    let small = Safe::init(bench.binary, &scratch.0.join("small"))?;
    small.succeed(&["set", "usual"], b"as ever")?;
    let usual = Cost::of(&small, &["get", "usual"])?;

    let safe = Safe::init(bench.binary, &scratch.0.join("large"))?;
    let secrets = bench.share.of(SECRETS);
    fill(&safe, secrets)?;
    safe.succeed(&["set", "usual"], b"as ever")?;
    let write = Cost::of(&safe, &["set", "usual", "--description", "again"])?;

    let (mut killed, mut worst) = (0, Cost::default());
    let mut random = Random::new(6);
    for _ in 0..bench.share.of(KILLS) {
        let mut child = safe.start(&["set", "usual"], b"as ever")?;
        thread::sleep(Duration::from_micros(random.below(write.micros().max(1))));
        child.kill()?;
        killed += u32::from(!child.wait_with_output()?.status.success());
        worst = worst.max(Cost::of(&safe, &["get", "usual"])?);
    }
    ensure!(worst.memory < MEMORY, "the command after a kill took {} KiB of memory", worst.memory);
    let store = size(&safe.file("data"))? / 1024;
    ensure!(worst.read * 10 < store, "the command after a kill read {} KiB of {store}", worst.read);
    safe.succeed(&["audit", "verify"], b"")?;
    Ok(format!(
        "{secrets} secrets in {} MiB; after each of {killed} kills `get` took at most {} ms, {} MiB of memory and \
         {} KiB of reading; with one secret and no kill {} ms, {} MiB and {} KiB",
        store / 1024,
        worst.time.as_millis(),
        worst.memory / 1024,
        worst.read,
        usual.time.as_millis(),
        usual.memory / 1024,
        usual.read,
    ))
}

fn fill(safe: &Safe, secrets: u32) -> Result<()> {
    let file = safe.file("import.env");
    for first in (0..secrets).step_by(IMPORTED as usize) {
        let numbers = first..secrets.min(first + IMPORTED);
        fs::write(
            &file,
            numbers.map(|number| format!("KEY_{number}='value {number}'\n")).collect::<String>(),
        )?;
        let prefix = format!("bulk/{}", first / IMPORTED);
        safe.succeed(&["import", &file.to_string_lossy(), "--prefix", &prefix], b"")?;
    }
    Ok(())
}

/// A directory in memory where there is one: filling a million secrets waits for no disk.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new(fallback: &Path) -> Result<Self> {
        let name = format!("secrets-proof-{}", std::process::id());
        let in_memory = Path::new("/dev/shm").join(name);
        if fs::create_dir(&in_memory).is_ok() {
            return Ok(Self(in_memory));
        }
        let on_disk = fallback.join("scratch");
        fs::create_dir_all(&on_disk)?;
        Ok(Self(on_disk))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is found by its name.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What one command took, as the kernel counts it until shortly before its end.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    time: Duration,
    /// The largest resident memory, in KiB
    memory: u64,
    /// What it asked files for, in KiB
    read: u64,
}

impl Cost {
    fn of(safe: &Safe, arguments: &[&str]) -> Result<Self> {
        let started = Instant::now();
        let mut child = safe.start(arguments, b"as ever")?;
        let mut cost = Self::default();
        let files = format!("/proc/{}", child.id());
        while child.try_wait()?.is_none() {
            cost.memory = cost.memory.max(counter(&files, "status", "VmHWM:"));
            cost.read = cost.read.max(counter(&files, "io", "rchar:") / 1024);
            thread::sleep(Duration::from_micros(100));
        }
        cost.time = started.elapsed();
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(cost)
    }

    fn max(self, other: Self) -> Self {
        Self {
            time: self.time.max(other.time),
            memory: self.memory.max(other.memory),
            read: self.read.max(other.read),
        }
    }

    fn micros(self) -> u64 {
        u64::try_from(self.time.as_micros()).unwrap_or(u64::MAX)
    }
}

/// A number of a file of `/proc`, 0 once the process has ended.
fn counter(process: &str, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("{process}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// The bytes of all files below a directory.
fn size(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
