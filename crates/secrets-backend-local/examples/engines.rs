//! Measures the two engines side by side, for decision 0001: whole processes, as a command line runs them.
//!
//! `cargo run --release -p secrets-backend-local --features sled --example engines -- DIRECTORY [VALUES] [ROUNDS]`
//!
//! DIRECTORY is made on the disk to be measured and must not be there yet. VALUES (default 300) of 560 bytes
//! are stored; ROUNDS (default 100) is the number of kills. With `strace` on the `PATH`, the system calls that
//! make data durable are counted too.

#![allow(clippy::print_stdout, reason = "a program that prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "a program has a runtime of its own")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use secrets_backend::{NewSecret, PutMode, SecretBackend as _, SecretPath, VersionId};
use secrets_backend_local::{Engine, LocalBackend, LocalConfig};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const VALUE_LEN: usize = 560;
const PROCESSES: usize = 40;
/// The system calls by which data becomes durable, or by which a program tries to.
const SYNCS: &str = "trace=fsync,fdatasync,sync_file_range,msync,syncfs";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["nothing"] => Ok(()),
        ["put", directory, engine, path] => put(&open(directory, engine)?, path).await.map(drop),
        ["get", directory, engine, path] => get(&open(directory, engine)?, path).await,
        ["write", directory, engine] => write_for_ever(&open(directory, engine)?).await,
        [directory] => compare(Path::new(directory), 300, 100).await,
        [directory, values] => compare(Path::new(directory), values.parse()?, 100).await,
        [directory, values, rounds] => compare(Path::new(directory), values.parse()?, rounds.parse()?).await,
        _ => Err("usage: engines DIRECTORY [VALUES] [ROUNDS]".into()),
    }
}

async fn compare(directory: &Path, values: usize, rounds: usize) -> Result<()> {
    std::fs::create_dir(directory)?;
    let floor = median(PROCESSES, |_| run(&["nothing"]))?;
    println!("a process that does nothing: {floor:.1?}");
    println!("a write and an fsync of {VALUE_LEN} bytes: {:.1?}", write_and_fsync(directory)?);
    for engine in ["redb", "sled"] {
        let store = directory.join(engine);
        let store = store.to_str().ok_or("the directory's name is no text")?;
        println!("\n{engine}");
        let backend = open(store, engine)?;
        let started = Instant::now();
        for number in 0..values {
            put(&backend, &format!("app/{number}")).await?;
        }
        println!("  put, within one process: {:.1?}", started.elapsed() / u32::try_from(values)?);
        let started = Instant::now();
        for number in 0..values {
            get(&backend, &format!("app/{number}")).await?;
        }
        println!("  get, within one process: {:.1?}", started.elapsed() / u32::try_from(values)?);
        let path = |number: usize| format!("app/{}", number * 7 % values);
        println!(
            "  put, whole process: {:.1?}",
            median(PROCESSES, |n| run(&["put", store, engine, &path(n)]))?
        );
        println!(
            "  get, whole process: {:.1?}",
            median(PROCESSES, |n| run(&["get", store, engine, &path(n)]))?
        );
        println!("  bytes on disk, {values} values: {}", backend.stats().await?.bytes);
        for verb in ["put", "get"] {
            match syncs(&[verb, store, engine, "app/1"]) {
                Ok(counts) => println!("  durability calls of one {verb}: {counts}"),
                Err(error) => println!("  durability calls of one {verb}: not counted, {error}"),
            }
        }
        let killed = directory.join(format!("{engine}-killed"));
        kills(killed.to_str().ok_or("the directory's name is no text")?, engine, rounds).await?;
    }
    Ok(())
}

fn open(directory: &str, engine: &str) -> Result<LocalBackend> {
    let mut config = LocalConfig::new(directory);
    config.engine = if engine == "sled" { Engine::Sled } else { Engine::Redb };
    config.keep_versions = 1_000_000.try_into()?;
    Ok(LocalBackend::new(config)?)
}

async fn put(backend: &LocalBackend, path: &str) -> Result<VersionId> {
    let path: SecretPath = path.parse()?;
    let written = backend.put(&path, &NewSecret::new(vec![0x5a; VALUE_LEN]), &PutMode::Upsert).await?;
    written.version.ok_or_else(|| "a put names its version".into())
}

async fn get(backend: &LocalBackend, path: &str) -> Result<()> {
    let length = backend.get(&path.parse()?, None).await?.value.len();
    if length == VALUE_LEN { Ok(()) } else { Err("a value of another length".into()) }
}

fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

fn run(arguments: &[&str]) -> Result<()> {
    let status = command(arguments)?.status()?;
    if status.success() { Ok(()) } else { Err(format!("{arguments:?}: {status}").into()) }
}

fn median(times: usize, mut work: impl FnMut(usize) -> Result<()>) -> Result<Duration> {
    let mut taken = Vec::with_capacity(times);
    for number in 0..times {
        let started = Instant::now();
        work(number)?;
        taken.push(started.elapsed());
    }
    taken.sort();
    Ok(taken[times / 2])
}

fn write_and_fsync(directory: &Path) -> Result<Duration> {
    use std::io::Write as _;
    let mut file = std::fs::File::create(directory.join("floor"))?;
    median(PROCESSES, |_| {
        file.write_all(&[0x5a; VALUE_LEN])?;
        Ok(file.sync_all()?)
    })
}

/// How often each of the calls was made, as `strace -c -f` counts them.
fn syncs(arguments: &[&str]) -> Result<String> {
    let program = std::env::current_exe()?;
    let output =
        Command::new("strace").args(["-c", "-f", "-e", SYNCS]).arg(program).args(arguments).output()?;
    if !output.status.success() {
        return Err("strace failed".into());
    }
    let mut counts = Vec::new();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, _, _, calls, .., name] = words[..]
            && let Ok(calls) = calls.parse::<u32>()
            && name != "total"
        {
            counts.push(format!("{calls} {name}"));
        }
    }
    Ok(if counts.is_empty() { "none".to_owned() } else { counts.join(", ") })
}

/// Kills a process that writes, again and again, and looks for what it had acknowledged.
async fn kills(store: &str, engine: &str, rounds: usize) -> Result<()> {
    let mut acknowledged = BTreeMap::new();
    let (mut lost, mut slowest) = (0, Duration::ZERO);
    for round in 0..rounds {
        let mut child = command(&["write", store, engine])?.stdout(Stdio::piped()).spawn()?;
        for line in until_killed(&mut child, Duration::from_millis(40 + (round as u64 * 37) % 160))? {
            if let Some((path, version)) = line.strip_suffix('.').and_then(|line| line.split_once(' ')) {
                acknowledged.insert(path.to_owned(), VersionId::new(version));
            }
        }
        let backend = open(store, engine)?;
        for (path, version) in &acknowledged {
            let started = Instant::now();
            lost += u32::from(backend.get(&path.parse()?, Some(version)).await.is_err());
            slowest = slowest.max(started.elapsed());
        }
    }
    let writes: u64 = acknowledged.values().filter_map(VersionId::number).sum();
    println!(
        "  {rounds} kills: {writes} writes, {lost} acknowledged ones lost, slowest read after one {slowest:.1?}"
    );
    Ok(())
}

fn until_killed(child: &mut Child, after: Duration) -> Result<Vec<String>> {
    let stdout = child.stdout.take().ok_or("no output")?;
    let reader =
        std::thread::spawn(move || BufReader::new(stdout).lines().map_while(|line| line.ok()).collect());
    std::thread::sleep(after);
    child.kill()?;
    child.wait()?;
    reader.join().map_err(|_| "the reader gave up".into())
}

/// The full stop shows that a line is whole.
async fn write_for_ever(backend: &LocalBackend) -> Result<()> {
    for path in ["kill/a", "kill/b", "kill/c"].iter().cycle() {
        println!("{path} {}.", put(backend, path).await?);
    }
    Ok(())
}
