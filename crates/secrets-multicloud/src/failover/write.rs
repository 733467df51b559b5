//! Writing with several replicas: the journal, the primary, the answer; then the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use secrets_backend::{
    ContentId, Error, ErrorKind, Level, NewSecret, Operation, PutMode, Result, SecretBackend, SecretPath,
    Stamp, VersionId, Written,
};

use super::FailoverBackend;
use super::conflict::holds;
use super::route::Route;
use crate::journal::{Journal, NewRow};
use crate::replica::Replica;

/// What becomes of a write while the primary cannot take it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenDown {
    /// It waits in the journal of this machine, at [`Level::Local`].
    #[default]
    Journal,
    /// It fails.
    Deny,
}

/// A version to be written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Write<'a> {
    /// The secret
    pub path: &'a SecretPath,
    /// The envelope with its stamp
    pub secret: &'a NewSecret,
    /// What has to be there
    pub mode: &'a PutMode,
    /// Whether all that there is goes before
    purges: bool,
}

impl<'a> Write<'a> {
    /// A version on top of what `mode` says.
    #[must_use]
    pub const fn new(path: &'a SecretPath, secret: &'a NewSecret, mode: &'a PutMode) -> Self {
        Self { path, secret, mode, purges: false }
    }
}

impl FailoverBackend {
    /// Removes all versions of a secret from every replica, for good, and leaves this tombstone, so that nobody starts
    /// to count anew.
    ///
    /// # Errors
    /// Those of a purge and of a put.
    pub async fn purge_to(&self, path: &SecretPath, tombstone: &NewSecret) -> Result<Written> {
        self.write(Write { purges: true, ..Write::new(path, tombstone, &PutMode::Create) }).await
    }

    /// Writes one version.
    pub(super) async fn write(&self, write: Write<'_>) -> Result<Written> {
        let mut answers = self.write_many(&[write]).await?;
        answers.pop().unwrap_or_else(|| Err(self.error(ErrorKind::Unexpected, Operation::Put)))
    }

    /// Writes many versions, each an answer of its own. All are kept in the journal before the first is sent.
    ///
    /// # Errors
    /// Where they cannot be kept; then nothing was written.
    pub async fn write_many(&self, writes: &[Write<'_>]) -> Result<Vec<Result<Written>>> {
        let Some(journal) = self.journal.as_ref().filter(|_| self.has_several()) else {
            let direct: Vec<_> = writes.iter().map(|write| self.to_primary(self.primary(), write)).collect();
            return Ok(stream::iter(direct).buffered(AT_ONCE).collect().await);
        };
        let stamps: Vec<Stamp> = writes.iter().map(|write| self.stamp(write)).collect::<Result<_>>()?;
        let targets: Vec<Vec<&str>> = writes.iter().map(|write| self.names(self.route(write.path))).collect();
        let rows: Vec<NewRow<'_>> = writes
            .iter()
            .zip(&targets)
            .map(|(write, targets)| NewRow {
                purges: write.purges,
                ..NewRow::new(write.path, write.secret, targets)
            })
            .collect();
        let ids = journal.add(&rows).await?;
        let away = &self.away(writes).await;
        let sent: Vec<_> = writes.iter().map(|write| self.to_primary_in_time(away, write)).collect();
        let sent: Vec<Result<()>> = stream::iter(sent).buffered(AT_ONCE).collect().await;
        let (answers, spreading) = self.answer(journal, writes, &ids, sent).await;
        let mut written: Vec<Result<Written>> = answers
            .into_iter()
            .zip(stamps)
            .map(|(answer, stamp)| {
                let version = VersionId::from_number(stamp.version);
                Ok(Written::version(version).with_stamp(Some(stamp)).at(answer?))
            })
            .collect();
        if self.config.ack == Level::All {
            self.wait_for_all(journal, &ids, &spreading, &mut written).await;
        }
        Ok(written)
    }

    /// What is told of each write, and noted before it is told; and the rows that are noted to be at the primary.
    async fn answer(
        &self,
        journal: &Arc<dyn Journal>,
        writes: &[Write<'_>],
        ids: &[u64],
        sent: Vec<Result<()>>,
    ) -> (Vec<Result<Level>>, Vec<u64>) {
        let mut taken: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        let (mut waiting, mut refused) = (Vec::new(), Vec::new());
        let mut answers = Vec::with_capacity(sent.len());
        for ((write, &id), sent) in writes.iter().zip(ids).zip(sent) {
            answers.push(match sent {
                Ok(()) => {
                    taken.entry(self.replicas[self.route(write.path).primary()].name()).or_default().push(id);
                    Ok(Level::Primary)
                }
                Err(error) if is_down(error.kind()) && self.config.when_down == WhenDown::Journal => {
                    waiting.push(id);
                    Ok(Level::Local)
                }
                Err(error) => {
                    // Where nobody knows whether it took effect, the row stays until that is known.
                    if error.kind() != ErrorKind::TimedOut {
                        refused.push(id);
                    }
                    Err(error)
                }
            });
        }
        let mut spreading = Vec::new();
        for (primary, ids) in &taken {
            spreading.extend(note(journal.done(ids, primary).await).unwrap_or_default());
        }
        // A row that stays spreads to no other replica before the primary has taken it; but then the write takes effect
        // after all, so nobody may be told that it failed.
        if !refused.is_empty()
            && let Err(error) = journal.forget(&refused).await
        {
            tracing::warn!(%error, "a refused write could not be taken out of the journal");
            for (answer, id) in answers.iter_mut().zip(ids) {
                if let Err(refusal) = answer
                    && refused.contains(id)
                {
                    *answer = Err(self.undecided(refusal));
                }
            }
        }
        if !waiting.is_empty() {
            let there = journal.acknowledge(&waiting).await;
            for (answer, id) in answers.iter_mut().zip(ids).filter(|(_, id)| waiting.contains(id)) {
                match &there {
                    Ok(there) if there.contains(id) => {}
                    Ok(_) => *answer = Err(self.decided_elsewhere()),
                    Err(error) => *answer = Err(self.undecided(error)),
                }
            }
        }
        (answers, spreading)
    }

    /// What is told of a write that failed, and that waits in the journal all the same: it may take effect.
    fn undecided(&self, failure: &Error) -> Error {
        self.error(ErrorKind::TimedOut, Operation::Put)
            .with_detail(format!("{}; but it is still in the journal", failure.kind()))
    }

    /// What is told of a write that another process found in the journal, and brought to its end or dropped as too late.
    fn decided_elsewhere(&self) -> Error {
        self.error(ErrorKind::TimedOut, Operation::Put)
            .with_detail("another process took it out of the journal: a read shows what became of it")
    }

    /// Waits until the others have what was written, for as long as that may take. Only a row that was `spreading` is gone
    /// because all have it: any other may have been dropped as too late by a process that did not know of the answer.
    async fn wait_for_all(
        &self,
        journal: &Arc<dyn Journal>,
        ids: &[u64],
        spreading: &[u64],
        written: &mut [Result<Written>],
    ) {
        // However long that takes, the write is acknowledged by what the primary said.
        let _ = tokio::time::timeout(self.config.drain_timeout, self.drain()).await;
        let Ok(left) = journal.rows().await else { return };
        for (written, id) in written.iter_mut().zip(ids) {
            if spreading.contains(id)
                && left.iter().all(|row| row.id != *id)
                && let Ok(written) = written
                && written.level == Level::Primary
            {
                written.level = Level::All;
            }
        }
    }

    /// The primaries of these writes that cannot take any now. Reads leave a primary alone that is merely slow, since others
    /// answer them; a write is the primary's, so whoever is left alone is asked once whether it answers at all.
    async fn away(&self, writes: &[Write<'_>]) -> BTreeSet<usize> {
        let primaries: BTreeSet<usize> =
            writes.iter().map(|write| self.route(write.path).primary()).collect();
        let mut away = BTreeSet::new();
        for at in primaries.into_iter().filter(|at| self.is_left_alone(&self.replicas[*at])) {
            if self.memory(self.replicas[at].name()).breaker.is_down(&self.config.breaker) {
                away.insert(at);
                continue;
            }
            let checked =
                tokio::time::timeout(self.config.hedge_batch_after, self.replicas[at].check()).await;
            let failure = match checked {
                Ok(answer) => answer.err().map(|error| error.kind()).filter(|kind| is_down(*kind)),
                Err(_) => Some(ErrorKind::TimedOut),
            };
            self.note(at, failure).await;
            if failure.is_some() {
                away.insert(at);
            }
        }
        away
    }

    /// Sends it to the primary, unless that is away, and not for longer than a call may take.
    async fn to_primary_in_time(&self, away: &BTreeSet<usize>, write: &Write<'_>) -> Result<()> {
        let at = self.route(write.path).primary();
        let primary = &self.replicas[at];
        if away.contains(&at) {
            let error = Error::new(ErrorKind::Unavailable, Operation::Put, primary.name().to_owned());
            return Err(error.with_path(write.path).with_detail("it did not answer a moment ago"));
        }
        let sent = tokio::time::timeout(self.config.deadline, self.to_primary_and_back(primary, write)).await;
        let sent = sent.unwrap_or_else(|_| {
            let error = Error::new(ErrorKind::TimedOut, Operation::Put, primary.name().to_owned());
            Err(error.with_path(write.path))
        });
        self.note(at, sent.as_ref().err().map(Error::kind)).await;
        if let Err(error) = &sent
            && is_down(error.kind())
        {
            tracing::warn!(path = %write.path, kind = %error.kind(), "the primary cannot take a write now");
        }
        sent
    }

    /// Sends it to the primary, and looks whether it is there.
    async fn to_primary_and_back(&self, primary: &Replica, write: &Write<'_>) -> Result<()> {
        let stamp = self.stamp(write)?;
        match self.to_primary(primary, write).await {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists) => {
                return refused(primary, write, &stamp, error).await;
            }
            // Whatever it lies about, another process may have sent our row.
            Err(error) if matches!(error.kind(), ErrorKind::Tampered | ErrorKind::Stale) => {
                return Err(unread(primary, write, error));
            }
            Err(error) => return Err(error),
        }
        // With conditions, a purge came before our write or after it; without them, ours may have come in between, where
        // nobody looks.
        let if_unproven = !primary.may_hide();
        holds(primary, write.path, &stamp, if_unproven).await.map_err(|error| unread(primary, write, error))
    }

    async fn to_primary(&self, primary: &Replica, write: &Write<'_>) -> Result<Written> {
        let is_purged = write.purges
            && match primary.purge(write.path).await {
                Ok(_) => true,
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            };
        let written = primary.put(write.path, write.secret, write.mode).await;
        if is_purged { written.map_err(|error| half_purged(primary, write, error)) } else { written }
    }

    fn stamp(&self, write: &Write<'_>) -> Result<Stamp> {
        write.secret.stamp.clone().ok_or_else(|| {
            let error = self.error(ErrorKind::InvalidInput, Operation::Put).with_path(write.path);
            error.with_detail("only sealed secrets")
        })
    }

    fn names(&self, route: &Route) -> Vec<&str> {
        route.members.iter().map(|member| self.replicas[member.replica].name()).collect()
    }
}

/// What a refusal means: another process that found our row may have been faster with the same bytes.
async fn refused(primary: &Replica, write: &Write<'_>, stamp: &Stamp, refusal: Error) -> Result<()> {
    let held = primary.held(write.path).await.map_err(|error| unread(primary, write, error))?;
    match held.map(|(_, held)| held) {
        // It is ours, and so is another's that somebody has to decide about.
        Some(held) if held.content_id.matches(&stamp.content_id) => {
            let contested = primary.is_contested(write.path).await;
            let contested = contested.map_err(|error| unread(primary, write, error))?;
            if contested { Err(refusal) } else { Ok(()) }
        }
        // Somebody was quick to write the next one, on top of ours or of another's.
        Some(held) if held.version > stamp.version => {
            let is_below = is_below(primary, write.path, &held, stamp).await;
            if is_below.map_err(|error| unread(primary, write, error))? { Ok(()) } else { Err(refusal) }
        }
        Some(held) if stamp.parent != Some(held.content_id) => Err(refusal),
        // It refuses what would follow what it shows, or shows nothing where even a purge leaves a tombstone: one of its
        // answers is out of date.
        _ => {
            let contradiction = Error::new(ErrorKind::Stale, Operation::Put, primary.name().to_owned());
            Err(unread(primary, write, contradiction))
        }
    }
}

/// Whether a version is in the history of a later one. Where that does not reach back, it is not: whoever sent ours did so a
/// moment ago.
async fn is_below(primary: &Replica, path: &SecretPath, held: &Stamp, stamp: &Stamp) -> Result<bool> {
    let is_ours = |content: &ContentId| content.matches(&stamp.content_id);
    if held.version == stamp.version + 1 {
        return Ok(held.parent.as_ref().is_some_and(is_ours));
    }
    match primary.get(path, Some(&VersionId::from_number(stamp.version))).await {
        Ok(secret) => Ok(secret.stamp.is_some_and(|found| is_ours(&found.content_id))),
        Err(error) if is_down(error.kind()) => Err(error),
        Err(_) => Ok(false),
    }
}

/// What is told where the versions are gone and the tombstone is not there yet: that nothing was done would be wrong.
fn half_purged(primary: &Replica, write: &Write<'_>, error: Error) -> Error {
    if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Conflict | ErrorKind::AlreadyExists) {
        return error;
    }
    Error::new(ErrorKind::TimedOut, Operation::Purge, primary.name().to_owned())
        .with_path(write.path)
        .with_detail("its versions are removed, and the mark of that could not be written")
        .with_source(error)
}

/// The primary may have a write, and cannot be read: a refusal could deny what is there.
fn unread(primary: &Replica, write: &Write<'_>, error: Error) -> Error {
    if is_down(error.kind()) || matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists) {
        return error;
    }
    if matches!(error.kind(), ErrorKind::Tampered | ErrorKind::Stale) {
        let (replica, kind) = (primary.name(), error.kind());
        tracing::warn!(replica, %kind, "a replica answered what cannot be true");
    }
    Error::new(ErrorKind::TimedOut, Operation::Put, primary.name().to_owned())
        .with_path(write.path)
        .with_detail("what became of the write could not be read")
        .with_source(error)
}

pub(super) const fn is_down(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::RateLimited)
}

/// A row that could not be changed is looked at again by the next draining, which finds out that it is done.
pub(super) fn note<T>(changed: Result<T>) -> Option<T> {
    changed.inspect_err(|error| tracing::warn!(%error, "the journal could not be brought up to date")).ok()
}

/// How many writes wait side by side: as many as share a transaction where a backend joins them.
const AT_ONCE: usize = 64;
