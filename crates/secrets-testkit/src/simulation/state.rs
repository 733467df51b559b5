//! What an installation keeps on its disk: what it has seen, and what replicas do not have yet.

use std::sync::Arc;

use secrets_backend::{
    ContentId, Error, ErrorKind, NewSecret, Operation, Result, SecretPath, Stamp, StampKind, Timestamp,
    async_trait,
};
use secrets_multicloud::{Breaker, Journal, Memory, NewRow, Row};

use super::fault::Phase;
use super::keys::Keys;
use super::log::{Failed, Log, fields, record};
use super::oracle::Oracle;
use super::scene::Scene;

/// The state of one process of an installation.
#[derive(Debug)]
pub(super) struct State {
    log: Log,
    installation: usize,
    scene: Arc<Scene>,
    oracle: Arc<Oracle>,
    keys: Arc<Keys>,
}

/// The newest version of a secret that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) kind: MarkKind,
    pub(super) version: u64,
    pub(super) content: ContentId,
}

/// What that version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MarkKind {
    Live,
    Tombstone,
    /// A value whose purge was begun.
    Purging,
}

impl Mark {
    pub(super) const fn of(stamp: &Stamp) -> Self {
        let kind = match stamp.kind {
            StampKind::Secret => MarkKind::Live,
            StampKind::Tombstone => MarkKind::Tombstone,
        };
        Self { kind, version: stamp.version, content: stamp.content_id }
    }

    /// For the next version to go on from.
    pub(super) const fn stamp(&self) -> Stamp {
        Stamp::new(StampKind::Tombstone, self.version, Some(1), 0, self.content, None)
    }
}

impl State {
    pub(super) fn new(installation: usize, scene: Arc<Scene>, oracle: Arc<Oracle>, keys: Arc<Keys>) -> Self {
        Self { log: Log::new(scene.disks(installation).state), installation, scene, oracle, keys }
    }

    /// The newest version of a secret that was seen.
    pub(super) fn mark(&self, path: &SecretPath) -> Result<Option<Mark>> {
        self.read(|records| {
            let marks = records.iter().filter_map(|one| mark(&fields(one), path));
            marks.max_by_key(|mark| (mark.version, mark.kind == MarkKind::Purging))
        })
    }

    /// Whether what was seen could be noted.
    pub(super) async fn note(&self, path: &SecretPath, mark: &Mark) -> bool {
        if let Ok(Some(known)) = self.mark(path)
            && (known.version, known.kind == MarkKind::Purging)
                >= (mark.version, mark.kind == MarkKind::Purging)
        {
            return true;
        }
        let kind = [mark.kind as u8];
        let (version, content) = (mark.version.to_be_bytes(), mark.content.as_bytes());
        self.append(&[b"mark", path.as_str().as_bytes(), &kind, &version, content]).await.is_ok()
    }

    async fn append(&self, of: &[&[u8]]) -> Result<(), Failed> {
        self.scene.may_write(self.installation).map_err(|_| Failed::NotThere)?;
        let appended = self.log.append(&record(of), self.scene.disk_lies(self.installation));
        if appended.is_err() {
            self.scene.survive(self.installation).await;
        }
        appended
    }

    fn read<T>(&self, look: impl FnOnce(&[Vec<u8>]) -> T) -> Result<T> {
        self.log.with_records(look).map_err(|_| failure(&Failed::NotThere))
    }

    fn rows_of(&self, records: &[Vec<u8>]) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = Vec::new();
        for one in records {
            let of = fields(one);
            match of.as_slice() {
                [b"row", ..] => rows.push(self.row(&of)?),
                [b"done", id, replica] => {
                    rows.iter_mut().filter(|row| row.id == number(id)).for_each(|row| {
                        row.targets.retain(|name| *name != text(replica));
                        row.acknowledged = true;
                    })
                }
                [b"told", id, _] => {
                    rows.iter_mut()
                        .filter(|row| row.id == number(id))
                        .for_each(|row| row.acknowledged = true);
                }
                [b"gone", id, _] => rows.retain(|row| row.id != number(id)),
                [b"late", id, _] => rows.retain(|row| row.id != number(id) || row.acknowledged),
                _ => {}
            }
            rows.retain(|row| !row.targets.is_empty());
        }
        Ok(rows)
    }

    fn row(&self, of: &[&[u8]]) -> Result<Row> {
        let damaged = || Error::new(ErrorKind::Tampered, Operation::Put, "local state");
        let [_, id, purges, path, targets, envelope] = of else { return Err(damaged()) };
        let path: SecretPath = text(path).parse().map_err(|_| damaged())?;
        let (stamp, _) = self.keys.open(&path, None, envelope).ok_or_else(damaged)?;
        let secret = NewSecret::new(envelope.to_vec()).with_stamp(stamp);
        let targets = text(targets).split('\n').map(str::to_owned).collect();
        let mut row = Row::new(number(id), path, secret, targets);
        row.purges = **purges == [1];
        Ok(row)
    }

    async fn change_each(&self, what: &[u8], rows: &[u64], more: &[u8]) -> Result<()> {
        for id in rows {
            self.change(&[what, &id.to_be_bytes(), more]).await?;
        }
        Ok(())
    }

    async fn change(&self, of: &[&[u8]]) -> Result<()> {
        self.append(of).await.map_err(|failed| failure(&failed))
    }
}

#[async_trait]
impl Journal for State {
    async fn add(&self, rows: &[NewRow<'_>]) -> Result<Vec<u64>> {
        self.scene.reach(Phase::BeforeJournal, self.installation).await;
        let mut ids = Vec::new();
        for row in rows {
            let id = self.read(<[_]>::len)? as u64 + 1;
            let (targets, envelope) = (row.targets.join("\n"), row.secret.value.expose());
            let (path, targets) = (row.path.as_str().as_bytes(), targets.as_bytes());
            self.change(&[b"row", &id.to_be_bytes(), &[row.purges.into()], path, targets, envelope]).await?;
            ids.push(id);
        }
        self.scene.reach(Phase::AfterJournal, self.installation).await;
        Ok(ids)
    }

    async fn acknowledge(&self, rows: &[u64]) -> Result<Vec<u64>> {
        self.scene.reach(Phase::BeforeAnswer, self.installation).await;
        self.change_each(b"told", rows, b"").await?;
        let there = self.rows().await?;
        Ok(rows.iter().copied().filter(|id| there.iter().any(|row| row.id == *id)).collect())
    }

    async fn done(&self, rows: &[u64], replica: &str) -> Result<Vec<u64>> {
        if replica == self.scene.primary_name() {
            self.scene.reach(Phase::BeforeAnswer, self.installation).await;
        }
        self.change_each(b"done", rows, replica.as_bytes()).await?;
        // A row that another process took away before is not there any more.
        let was_there = |records: &[Vec<u8>], id: u64| {
            let note = [b"done".as_slice(), &id.to_be_bytes(), replica.as_bytes()];
            let noted = records.iter().rposition(|one| fields(one) == note).unwrap_or_default();
            self.rows_of(&records[..noted]).is_ok_and(|rows| rows.iter().any(|row| row.id == id))
        };
        self.read(|records| rows.iter().copied().filter(|id| was_there(records, *id)).collect())
    }

    async fn abandon(&self, rows: &[u64]) -> Result<()> {
        self.change_each(b"late", rows, b"").await
    }

    async fn forget(&self, rows: &[u64]) -> Result<()> {
        self.change_each(b"gone", rows, b"").await
    }

    async fn rows(&self) -> Result<Vec<Row>> {
        self.read(|records| self.rows_of(records))?
    }

    async fn flag(&self, path: &SecretPath, in_conflict: bool) -> Result<()> {
        if in_conflict {
            self.oracle.report(path);
        }
        self.change(&[b"flag", path.as_str().as_bytes(), &[in_conflict.into()]]).await
    }

    fn is_flagged(&self, path: &SecretPath) -> bool {
        let is_flagged = |records: &[Vec<u8>]| {
            let mut flags = records.iter().rev().filter_map(|one| match fields(one).as_slice() {
                [b"flag", of, is_set] if text(of) == path.as_str() => Some(**is_set == [1]),
                _ => None,
            });
            flags.next().unwrap_or_default()
        };
        self.read(is_flagged).unwrap_or_default()
    }

    fn memory(&self, replica: &str) -> Memory {
        let last = |records: &[Vec<u8>]| records.iter().rev().find_map(|one| memory(&fields(one), replica));
        self.read(last).ok().flatten().unwrap_or_default()
    }

    async fn remember(&self, replica: &str, memory: Memory) -> Result<()> {
        let time = |time: Option<Timestamp>| time.map_or(0, Timestamp::as_millis).to_be_bytes();
        let failures = u64::from(memory.breaker.failures).to_be_bytes();
        let [opened, answered, in_step] = [memory.breaker.opened, memory.answered, memory.in_step].map(time);
        self.change(&[b"memo", replica.as_bytes(), &failures, &opened, &answered, &in_step]).await
    }
}

fn memory(of: &[&[u8]], replica: &str) -> Option<Memory> {
    let [b"memo", name, failures, times @ ..] = of else { return None };
    let time = |bytes: &&[u8]| Some(number(bytes)).filter(|millis| *millis > 0).map(Timestamp::from_millis);
    let [opened, answered, in_step] = times else { return None };
    let breaker = Breaker::new(u32::try_from(number(failures)).ok()?, time(opened));
    let mut memory = Memory::default();
    (memory.breaker, memory.answered, memory.in_step) = (breaker, time(answered), time(in_step));
    (text(name) == replica).then_some(memory)
}

fn mark(of: &[&[u8]], wanted: &SecretPath) -> Option<Mark> {
    let [b"mark", path, kind, version, content] = of else { return None };
    let kinds = [MarkKind::Live, MarkKind::Tombstone, MarkKind::Purging];
    let kind = *kinds.get(usize::from(*kind.first()?))?;
    let mark = Mark { kind, version: number(version), content: ContentId::from_slice(content)? };
    (text(path) == wanted.as_str()).then_some(mark)
}

fn failure(failed: &Failed) -> Error {
    let kind = match failed {
        Failed::NotThere => ErrorKind::Unavailable,
        Failed::Unknown => ErrorKind::TimedOut,
    };
    Error::new(kind, Operation::Put, "local state")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map(u64::from_be_bytes).unwrap_or_default()
}
