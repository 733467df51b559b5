//! What must be in the safe: every acknowledged version, byte for byte, and of the others all or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use super::step::{Step, Write};
use crate::proof::secrets::Safe;

/// The versions of a secret from 1 on: a value, or `None` for a deletion.
type History = Vec<Option<Arc<[u8]>>>;

/// All secrets by their paths.
type World = BTreeMap<String, History>;

/// The states in which the safe may be: one, and after a kill those with and without what was killed.
#[derive(Debug)]
pub(crate) struct Model {
    worlds: Vec<World>,
    /// What was touched since the safe was last read
    touched: BTreeSet<String>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { worlds: vec![World::new()], touched: BTreeSet::new() }
    }

    /// Whether a secret can be read; `None` where there never was one, or it is not known.
    pub(crate) fn is_live(&self, path: &str) -> Option<bool> {
        let live = |world: &World| Some(world.get(path)?.last()?.is_some());
        let first = live(self.worlds.first()?);
        first.filter(|_| self.worlds.iter().all(|world| live(world) == first))
    }

    /// How many secrets there are, and how many versions in all.
    pub(crate) fn counts(&self) -> (usize, usize) {
        self.worlds.first().map_or((0, 0), |world| (world.len(), world.values().map(Vec::len).sum()))
    }

    /// Takes note of a step that was made, or may have been.
    pub(crate) fn expect(&mut self, step: &Step, acknowledged: bool) {
        let writes = step.writes();
        self.touched.extend(writes.iter().map(|(path, _)| path.clone()));
        let without = if acknowledged || writes.is_empty() { Vec::new() } else { self.worlds.clone() };
        for world in &mut self.worlds {
            for (path, write) in &writes {
                apply(world.entry(path.clone()).or_default(), write);
            }
        }
        self.worlds.extend(without);
    }

    /// Reads what was touched; what is there must be one of the possible states, and is the state from now on.
    pub(crate) fn settle(&mut self, safe: &Safe) -> Result<()> {
        for path in std::mem::take(&mut self.touched) {
            let known =
                self.worlds.iter().map(|world| world.get(&path).map_or(0, Vec::len)).min().unwrap_or(0);
            let found = read(safe, &path, known.saturating_sub(1))?;
            let fits = |world: &World| {
                let expected = world.get(&path).map_or(&[][..], Vec::as_slice);
                expected.len() == found.len()
                    && expected.iter().zip(&found).all(|(expected, found)| found.fits(expected.as_deref()))
            };
            let possible = self.worlds.len();
            self.worlds.retain(fits);
            ensure!(!self.worlds.is_empty(), "{path} has {found:?}: none of {possible} possible states");
        }
        self.worlds.dedup();
        ensure!(self.worlds.len() == 1, "what is there fits {} states", self.worlds.len());
        Ok(())
    }

    /// Reads every version of every secret, and verifies the audit log.
    pub(crate) fn check_all(&self, safe: &Safe) -> Result<()> {
        let [world] = &self.worlds[..] else { bail!("the state is not settled") };
        for (path, expected) in world {
            let found = read(safe, path, 0)?;
            let same = expected.len() == found.len()
                && expected.iter().zip(&found).all(|(expected, found)| found.fits(expected.as_deref()));
            ensure!(same, "{path} has {found:?}");
        }
        safe.succeed(&["audit", "verify"], b"").map(drop)
    }
}

fn apply(history: &mut History, write: &Write) {
    let new = match write {
        Write::Value(value) => Some(Arc::clone(value)),
        Write::Deletion => None,
        Write::Last => history.iter().rev().flatten().next().cloned(),
    };
    history.push(new);
}

/// What a version was found to be.
#[derive(Debug)]
enum Found {
    Deletion,
    Value(Vec<u8>),
    /// A value that was compared before, and was not read again
    Unread,
}

impl Found {
    fn fits(&self, expected: Option<&[u8]>) -> bool {
        match self {
            Self::Deletion => expected.is_none(),
            Self::Value(bytes) => expected == Some(bytes),
            Self::Unread => expected.is_some(),
        }
    }
}

/// The history of a secret, with the bytes of all but its first `skip` versions; empty where there is none.
fn read(safe: &Safe, path: &str, skip: usize) -> Result<Vec<Found>> {
    /// The exit code of what is not found.
    const NOT_FOUND: i32 = 10;
    let output = safe.run(&["history", path, "--json"], b"")?;
    if output.status.code() == Some(NOT_FOUND) {
        return Ok(Vec::new());
    }
    ensure!(output.status.success(), "history {path}: {}", String::from_utf8_lossy(&output.stderr));
    let history: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let versions = history["versions"].as_array().context("a history without versions")?;
    let mut found = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let number = version["version"].as_u64().context("a version without its number")?;
        ensure!(number == index as u64 + 1, "the history of {path} has a hole: {history}");
        found.push(match version["state"].as_str() {
            Some("deletion") => Found::Deletion,
            _ if index < skip => Found::Unread,
            _ => Found::Value(safe.succeed(&["get", path, "--version", &number.to_string()], b"")?),
        });
    }
    Ok(found)
}
