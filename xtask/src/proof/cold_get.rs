//! `secrets get` as a whole process on AWS behind 50 ms of latency, beside a bare program that makes the same call.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::secrets::Safe;
use super::{Bench, Share};
use crate::repository;
use crate::servers::Session;
use crate::tally::Tally;

/// Whose examples it runs: one makes the call alone, one makes the latency.
pub(super) const PACKAGES: &[&str] = &[AWS, TESTKIT];
const AWS: &str = "secrets-backend-aws";
const TESTKIT: &str = "secrets-testkit";
const LATENCY: &str = "50";
/// Runs of each, in turns.
const ROUNDS: u32 = 50;
/// What a whole proof takes for too slow.
const MOST: f64 = 1.3;
const SECRET: &str = "app/password";
/// moto takes any keys.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "of-a-test"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// Starts the server, takes the times, and stops it.
pub(crate) fn run(bench: &Bench<'_>) -> Result<String> {
    let shell = repository::shell()?;
    repository::isolate(&shell, "proof")?;
    let servers = Session::start(&shell, Some(AWS))?;
    let outcome = measure(bench, &servers.settings());
    let ran = if outcome.is_ok() { Tally::PASS } else { Tally::FAIL };
    ensure!(servers.end(ran).failed == 0 || outcome.is_err(), "a server did not start");
    outcome
}

fn measure(bench: &Bench<'_>, settings: &[(String, String)]) -> Result<String> {
    let url = settings.iter().find(|(name, _)| name == "SECRETS_TEST_SECRETS_MANAGER_URL");
    let (_, url) = url.context("the server that stands for AWS was not started")?;
    let latency = bench.programs.example(TESTKIT, "latency")?;
    let bare = bench.programs.example(AWS, "bare_get")?;
    let far = Far::start(&latency, url)?;
    let commands = Commands::prepare(bench, bare, &far)?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // In turns, so that what else the machine does falls on both.
    for _ in 0..bench.share.of(ROUNDS) {
        ours.push(time(commands.ours())?);
        bare.push(time(commands.bare())?);
    }
    let (ours, bare) = (median(ours), median(bare));
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    ensure!(bench.share == Share::Tenth || ratio <= MOST, "{ratio:.2} times the bare program");
    Ok(format!(
        "a cold `secrets get` of a sealed secret behind {LATENCY} ms took {} ms, a bare program with the same \
         call {} ms: {ratio:.2} times; medians of {} in turns",
        ours.as_millis(),
        bare.as_millis(),
        bench.share.of(ROUNDS),
    ))
}

/// The server behind the latency.
#[derive(Debug)]
struct Far {
    proxy: Child,
    url: String,
    /// The proxy ends with it.
    _input: Option<ChildStdin>,
}

impl Far {
    fn start(program: &Path, url: &str) -> Result<Self> {
        let address = url.strip_prefix("http://").context("the server has no plain address")?;
        let mut command = Command::new(program);
        command.args([address, LATENCY]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut proxy = command.spawn().context("cannot start the latency")?;
        let mut line = String::new();
        BufReader::new(proxy.stdout.take().context("no output")?).read_line(&mut line)?;
        let input = proxy.stdin.take();
        Ok(Self { proxy, url: format!("http://{}", line.trim()), _input: input })
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = (self.proxy.kill(), self.proxy.wait());
    }
}

/// The two commands, and the one secret that both read.
#[derive(Debug)]
struct Commands {
    safe: Safe,
    bare: PathBuf,
    url: String,
    name: String,
}

impl Commands {
    fn prepare(bench: &Bench<'_>, bare: PathBuf, far: &Far) -> Result<Self> {
        let (url, prefix) = (&far.url, format!("cold-{}/", std::process::id()));
        let config = format!(
            "[backends.cloud]\ntype = \"aws\"\nendpoint_url = \"{url}\"\nprefix = \"{prefix}\"\n\
             region = \"us-east-1\"\n[environments.default]\nprimary = \"cloud\"\n"
        );
        let home = bench.directory.join("home");
        let safe = Safe::with_environment(bench.binary, &home, &config, &ENVIRONMENT)?;
        safe.succeed(&["set", SECRET], b"hunter2")?;
        ensure!(safe.succeed(&["get", SECRET], b"")? == b"hunter2", "another value was read");
        Ok(Self { safe, bare, url: url.clone(), name: format!("{prefix}{SECRET}") })
    }

    fn ours(&self) -> Command {
        self.safe.command(&["get", SECRET])
    }

    fn bare(&self) -> Command {
        let mut command = Command::new(&self.bare);
        command.env_clear().envs(ENVIRONMENT).env("AWS_ENDPOINT_URL", &self.url).arg(&self.name);
        command
    }
}

/// How long a process takes, which must succeed.
fn time(mut command: Command) -> Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let output = command.output()?;
    let took = started.elapsed();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(took)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
