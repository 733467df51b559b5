//! Commands killed at random moments, and after each a reader that compares bytes and history.
//!
//! A killed command either took effect wholly or not at all; one that had said so took effect. Readers are killed
//! too, so that the opening and the repair after a kill are themselves cut short.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::random::Random;
use super::secrets::Safe;

mod model;
mod step;

use model::Model;
use step::Step;

/// Commands per engine.
const ROUNDS: u32 = 1_000;
/// How often everything is read, not only what the command touched.
const FULL_CHECK: u32 = 250;

/// Runs the rounds on each engine.
pub(crate) fn run(bench: &Bench<'_>) -> Result<String> {
    let mut figures = Vec::new();
    for engine in ["redb", "sled"] {
        let home = bench.directory.join(engine);
        let safe = Safe::configured(bench.binary, &home, &format!("engine = \"{engine}\"\n"))?;
        let mut rounds = Rounds { safe, model: Model::new(), random: Random::new(4), killed: 0, again: 0 };
        let figure = rounds.run(bench.share.of(ROUNDS)).with_context(|| format!("with {engine}"))?;
        figures.push(format!("{engine}: {figure}"));
    }
    Ok(figures.join("; "))
}

#[derive(Debug)]
struct Rounds {
    safe: Safe,
    model: Model,
    random: Random,
    /// Commands that a kill ended
    killed: u32,
    /// Of these, the ones that came right after another, and so opened or repaired what it had left
    again: u32,
}

impl Rounds {
    fn run(&mut self, rounds: u32) -> Result<String> {
        let usual = self.usual_time()?;
        let mut reopening = Vec::new();
        let mut cut_before = false;
        for round in 1..=rounds {
            let step = Step::choose(&mut self.random, &self.model, round);
            let cut = self.kill(&step, usual).with_context(|| format!("round {round}: {step:?}"))?;
            self.killed += u32::from(cut);
            self.again += u32::from(cut && cut_before);
            cut_before = cut;
            // One kill in four is followed by another before anyone has read.
            if !cut || self.random.below(4) > 0 {
                let started = Instant::now();
                self.safe.succeed(&["get", "usual"], b"").with_context(|| format!("after round {round}"))?;
                reopening.push(started.elapsed());
                self.model.settle(&self.safe).with_context(|| format!("after round {round}: {step:?}"))?;
                cut_before = false;
            }
            if round % FULL_CHECK == 0 || round == rounds {
                self.model.settle(&self.safe)?;
                self.model.check_all(&self.safe).with_context(|| format!("after round {round}"))?;
            }
        }
        let Self { killed, again, .. } = self;
        reopening.sort_unstable();
        let slowest = reopening.last().copied().unwrap_or_default().as_millis();
        let median = reopening.get(reopening.len() / 2).copied().unwrap_or_default().as_millis();
        let (secrets, versions) = self.model.counts();
        Ok(format!(
            "{rounds} commands, {killed} killed before their end, {again} of these right after another kill; \
             {versions} versions of {secrets} secrets compared, chain whole; the command after a kill took {median} ms, \
             at most {slowest} ms"
        ))
    }

    /// How long a write takes here when nothing disturbs it.
    fn usual_time(&self) -> Result<Duration> {
        let started = Instant::now();
        for _ in 0..4 {
            self.safe.succeed(&["set", "usual"], b"as ever")?;
        }
        Ok(started.elapsed() / 4)
    }

    /// Starts the command and kills it at a random moment; says whether the kill came before its end.
    fn kill(&mut self, step: &Step, usual: Duration) -> Result<bool> {
        let (arguments, input) = step.command(&self.safe)?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let most = u64::try_from(usual.as_micros())?.max(1_000) * step.weight() * 5 / 4;
        let mut child = self.safe.start(&arguments, &input)?;
        thread::sleep(Duration::from_micros(self.random.below(most)));
        child.kill()?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() || output.status.code().is_none(), "it failed: {said}");
        let acknowledged = output.status.success() || step.acknowledged(&said);
        self.model.expect(step, acknowledged);
        Ok(!output.status.success())
    }
}
