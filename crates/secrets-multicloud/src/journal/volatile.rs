//! A journal in memory, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrets_backend::{Error, ErrorKind, NewSecret, Operation, Result, SecretPath, async_trait};

use super::{Journal, Memory, NewRow, Row};

/// A journal that survives nothing, and fails when it is told.
#[derive(Debug, Default)]
pub(crate) struct Volatile {
    kept: Mutex<Kept>,
    pub(crate) fails: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    rows: Vec<Row>,
    memory: BTreeMap<String, Memory>,
    flagged: BTreeSet<SecretPath>,
}

impl Volatile {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn working(&self) -> Result<MutexGuard<'_, Kept>> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, Operation::Put, "journal"));
        }
        Ok(self.kept())
    }
}

fn copy(secret: &NewSecret) -> NewSecret {
    NewSecret::new(secret.value.duplicate()).with_stamp(secret.stamp.clone().unwrap())
}

fn duplicate(row: &Row) -> Row {
    let (path, targets) = (row.path.clone(), row.targets.clone());
    Row {
        id: row.id,
        path,
        secret: copy(&row.secret),
        purges: row.purges,
        targets,
        acknowledged: row.acknowledged,
    }
}

#[async_trait]
impl Journal for Volatile {
    async fn add(&self, rows: &[NewRow<'_>]) -> Result<Vec<u64>> {
        let mut kept = self.working()?;
        let mut ids = Vec::new();
        for row in rows {
            kept.last += 1;
            let targets = row.targets.iter().map(|&name| name.to_owned()).collect();
            let mut new = Row::new(kept.last, row.path.clone(), copy(row.secret), targets);
            new.purges = row.purges;
            kept.rows.push(new);
            ids.push(kept.last);
        }
        Ok(ids)
    }

    async fn abandon(&self, rows: &[u64]) -> Result<()> {
        self.working()?.rows.retain(|row| row.acknowledged || !rows.contains(&row.id));
        Ok(())
    }

    async fn acknowledge(&self, rows: &[u64]) -> Result<Vec<u64>> {
        let mut kept = self.working()?;
        let there = kept.rows.iter_mut().filter(|row| rows.contains(&row.id));
        Ok(there
            .map(|row| {
                row.acknowledged = true;
                row.id
            })
            .collect())
    }

    async fn done(&self, rows: &[u64], replica: &str) -> Result<Vec<u64>> {
        let mut kept = self.working()?;
        let mut there = Vec::new();
        for row in kept.rows.iter_mut().filter(|row| rows.contains(&row.id)) {
            row.targets.retain(|name| name != replica);
            row.acknowledged = true;
            there.push(row.id);
        }
        kept.rows.retain(|row| !row.targets.is_empty());
        Ok(there)
    }

    async fn forget(&self, rows: &[u64]) -> Result<()> {
        self.working()?.rows.retain(|row| !rows.contains(&row.id));
        Ok(())
    }

    async fn rows(&self) -> Result<Vec<Row>> {
        Ok(self.working()?.rows.iter().map(duplicate).collect())
    }

    async fn flag(&self, path: &SecretPath, in_conflict: bool) -> Result<()> {
        let mut kept = self.working()?;
        if in_conflict {
            kept.flagged.insert(path.clone());
        } else {
            kept.flagged.remove(path);
        }
        Ok(())
    }

    fn is_flagged(&self, path: &SecretPath) -> bool {
        self.kept().flagged.contains(path)
    }

    fn memory(&self, replica: &str) -> Memory {
        self.kept().memory.get(replica).copied().unwrap_or_default()
    }

    async fn remember(&self, replica: &str, memory: Memory) -> Result<()> {
        self.kept().memory.insert(replica.to_owned(), memory);
        Ok(())
    }
}
