//! Eight writers at once on one safe, each command a process of its own.
//!
//! Each writer has paths of its own, and every 25th write of each goes to one shared path, where they compete.
//! No path gets more versions than the backend keeps, so that every write is still there to be counted.

use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Bench;
use super::secrets::Safe;

const WRITERS: u32 = 8;
const WRITES: u32 = 125;
const SHARED: &str = "shared/counter";

/// Writes, then counts what is there: every acknowledged write is one version, and the audit log verifies.
pub(crate) fn run(bench: &Bench<'_>) -> Result<String> {
    let safe = Safe::init(bench.binary, &bench.directory.join("safe"))?;
    let writes = bench.share.of(WRITES);
    let started = Instant::now();
    let outcomes: Vec<Result<()>> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let safe = &safe;
                scope.spawn(move || write(safe, writer, writes))
            })
            .collect();
        writers.into_iter().filter_map(|writer| writer.join().ok()).collect()
    });
    let seconds = started.elapsed().as_secs_f64();
    ensure!(outcomes.len() == WRITERS as usize, "a writer panicked");
    outcomes.into_iter().collect::<Result<Vec<()>>>()?;

    let expected = WRITERS * writes;
    let mut versions = 0;
    for path in paths(&safe.json(&["list"])?)? {
        versions += history(&safe, &path)?;
    }
    ensure!(versions == expected, "{versions} of {expected} writes are there");
    safe.succeed(&["audit", "verify"], b"")?;
    if writes == WRITES {
        ensure!(seconds <= 60.0, "{versions} writes took {seconds:.1} s, more than 60 s");
    }
    Ok(format!("{versions} of {expected} writes by {WRITERS} processes in {seconds:.1} s, chain verified"))
}

fn write(safe: &Safe, writer: u32, writes: u32) -> Result<()> {
    for number in 0..writes {
        let path = if number % 25 == 0 {
            SHARED.to_owned()
        } else {
            format!("writer-{writer}/secret-{}", number % 20)
        };
        safe.succeed(&["set", &path], format!("value {number} of writer {writer}").as_bytes())
            .with_context(|| format!("write {number} of writer {writer}"))?;
    }
    Ok(())
}

/// The number of versions of a secret, which must be 1, 2, 3 … without a gap.
fn history(safe: &Safe, path: &str) -> Result<u32> {
    let history = safe.json(&["history", path])?;
    let mut numbers: Vec<u64> = rows(&history).iter().filter_map(|row| row["version"].as_u64()).collect();
    numbers.sort_unstable();
    let count = numbers.len() as u64;
    ensure!(count > 0 && numbers.iter().copied().eq(1..=count), "the history of {path} is {numbers:?}");
    Ok(u32::try_from(count)?)
}

fn paths(list: &Value) -> Result<Vec<String>> {
    let paths: Option<Vec<String>> =
        rows(list).iter().map(|row| row["path"].as_str().or(row.as_str()).map(str::to_owned)).collect();
    paths.with_context(|| format!("no paths in {list}"))
}

/// The one array of a JSON answer.
fn rows(answer: &Value) -> &[Value] {
    answer
        .as_array()
        .or_else(|| answer.as_object()?.values().find_map(Value::as_array))
        .map(Vec::as_slice)
        .unwrap_or_default()
}
