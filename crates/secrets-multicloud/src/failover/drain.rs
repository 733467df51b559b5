//! Bringing what waits in the journal to the replicas that lack it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, stream};
use secrets_backend::{Error, ErrorKind, PutMode, Result, SecretBackend, SecretPath, Stamp, VersionMeta};

use super::FailoverBackend;
use super::conflict::{holds, stored};
use super::write::note;
use crate::breaker::Permit;
use crate::forward::{Forwarded, Others, follows, forward};
use crate::journal::{Journal, Row};
use crate::replica::Replica;

/// What draining the journal has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many versions are left.
    pub left: usize,
    /// Replicas that could not take what they lack, by name.
    pub behind: BTreeSet<String>,
    /// Secrets of which a replica has a version that was written without the one of the journal.
    pub diverged: BTreeSet<SecretPath>,
}

/// What was found out so far, by all that drain side by side.
#[derive(Debug, Default)]
struct Found(Mutex<Drained>);

impl Found {
    fn now(&self) -> MutexGuard<'_, Drained> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_behind(&self, replica: &str) -> bool {
        self.now().behind.contains(replica)
    }
}

impl FailoverBackend {
    /// Brings what waits in the journal to the replicas that lack it: of each secret the oldest version first, and first
    /// to the primary. It can be dropped at any time and begun again.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn drain(&self) -> Result<Drained> {
        let Some(journal) = &self.journal else { return Ok(Drained::default()) };
        let mut by_path: BTreeMap<SecretPath, Vec<Row>> = BTreeMap::new();
        for row in journal.rows().await? {
            by_path.entry(row.path.clone()).or_default().push(row);
        }
        let found = Found::default();
        for replica in self.replicas.iter().filter(|replica| self.is_left_alone(replica)) {
            found.now().behind.insert(replica.name().to_owned());
        }
        let work: Vec<_> = by_path.values().map(|rows| self.drain_secret(journal, rows, &found)).collect();
        stream::iter(work).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        let mut drained = found.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if drained.left == 0 {
            // Who is left alone lacks nothing.
            drained.behind.clear();
        }
        Ok(drained)
    }

    pub(super) fn is_left_alone(&self, replica: &Replica) -> bool {
        self.memory(replica.name()).breaker.permit(&self.config.breaker, self.now()) == Permit::Open
    }

    async fn drain_secret(&self, journal: &Arc<dyn Journal>, rows: &[Row], found: &Found) {
        for row in rows {
            let is_left = self.drain_row(journal, row, found).await;
            found.now().left += usize::from(is_left);
        }
    }

    /// Whether something of the row is left.
    async fn drain_row(&self, journal: &Arc<dyn Journal>, row: &Row, found: &Found) -> bool {
        let Some(stamp) = &row.secret.stamp else { return true };
        let route = self.route(&row.path);
        let mut left: BTreeSet<&str> = row.targets.iter().map(String::as_str).collect();
        // The primary is the first: what it does not have, nobody gets.
        for at in route.replicas() {
            let replica = &self.replicas[at];
            if !left.contains(replica.name()) {
                continue;
            }
            let source = Some(&self.replicas[route.primary()]).filter(|_| at != route.primary());
            match self.bring(at, source, row, stamp, found).await {
                Brought::Has => {
                    note(journal.done(&[row.id], replica.name()).await);
                    left.remove(replica.name());
                }
                Brought::Diverged if source.is_none() && !row.acknowledged => {
                    tracing::warn!(path = %row.path, "a write that nobody was told of came too late, and is dropped");
                    // Unless somebody is told of it at this moment: then the next draining finds a conflict.
                    note(journal.abandon(&[row.id]).await);
                    return false;
                }
                Brought::Diverged => {
                    found.now().diverged.insert(row.path.clone());
                    self.flag(&row.path).await;
                }
                Brought::Not => {}
            }
            if source.is_none() && left.contains(replica.name()) {
                return true;
            }
        }
        // A replica that the configuration no longer names waits for nothing.
        let is_named =
            |name: &&str| route.members.iter().any(|member| self.replicas[member.replica].name() == *name);
        let unnamed: Vec<&str> = left.iter().copied().filter(|name| !is_named(name)).collect();
        for name in unnamed {
            note(journal.done(&[row.id], name).await);
            left.remove(name);
        }
        !left.is_empty()
    }

    async fn bring(
        &self,
        at: usize,
        source: Option<&Replica>,
        row: &Row,
        stamp: &Stamp,
        found: &Found,
    ) -> Brought {
        let replica = &self.replicas[at];
        if found.is_behind(replica.name()) {
            return Brought::Not;
        }
        let witnesses = self.route(&row.path).replicas().filter(|other| *other != at);
        let witnesses = witnesses.map(|other| &self.replicas[other]);
        let witnesses: Vec<&Replica> = witnesses.filter(|other| !found.is_behind(other.name())).collect();
        let others = Others { source, witnesses: &witnesses };
        let brought = if row.purges {
            purged(replica, others, row, stamp).await
        } else {
            brought(replica, others, row, stamp).await
        };
        self.note(at, brought.as_ref().err().map(Error::kind)).await;
        match brought {
            Ok(Forwarded::Has) => Brought::Has,
            Ok(Forwarded::Diverged) => Brought::Diverged,
            Ok(Forwarded::Unproven) => {
                found.now().behind.insert(replica.name().to_owned());
                Brought::Not
            }
            Err(error) => {
                tracing::debug!(replica = replica.name(), kind = %error.kind(), "a replica stays behind");
                found.now().behind.insert(replica.name().to_owned());
                Brought::Not
            }
        }
    }
}

/// What became of a version on its way to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brought {
    Has,
    Not,
    Diverged,
}

/// Brings a version to a replica, and reads it back.
async fn brought(replica: &Replica, others: Others<'_>, row: &Row, stamp: &Stamp) -> Result<Forwarded> {
    let forwarded = forward(replica, others, &row.path, &row.secret, stamp).await?;
    if forwarded == Forwarded::Has {
        holds(replica, &row.path, stamp, true).await?;
    }
    Ok(forwarded)
}

/// Removes all that a replica has of a secret below the tombstone, which it leaves there. Below it the number alone
/// decides: who purges means every version.
async fn purged(replica: &Replica, others: Others<'_>, row: &Row, stamp: &Stamp) -> Result<Forwarded> {
    match replica.held(&row.path).await? {
        Some((_, held)) if held.content_id.matches(&stamp.content_id) => {
            return without_history(replica, row, stamp).await;
        }
        Some((_, held)) if held.version == stamp.version => return Ok(Forwarded::Diverged),
        Some((_, held)) if held.version > stamp.version => {
            return match follows(replica, others, &row.path, &held, stamp).await? {
                // What is the newest goes for a moment: where it is the primary's, another replica has to have it.
                Forwarded::Has
                    if others.source.is_some() || is_elsewhere(others.witnesses, row, &held).await =>
                {
                    without_history(replica, row, stamp).await
                }
                Forwarded::Has if has_history(replica, row, stamp).await? => Ok(Forwarded::Unproven),
                follows => Ok(follows),
            };
        }
        _ => {}
    }
    match replica.purge(&row.path).await {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    stored(replica, &row.path, &row.secret, stamp, &PutMode::Create).await?;
    Ok(Forwarded::Has)
}

/// Removes what a replica still has from before a purge, whose tombstone or a later version came there as a copy: what is
/// the newest is put back.
async fn without_history(replica: &Replica, row: &Row, tombstone: &Stamp) -> Result<Forwarded> {
    if has_history(replica, row, tombstone).await? {
        let (newest, stamp) = replica.envelope(&row.path).await?;
        replica.purge(&row.path).await?;
        stored(replica, &row.path, &newest, &stamp, &PutMode::Create).await?;
    }
    Ok(Forwarded::Has)
}

/// Whether a replica has versions from before a purge.
async fn has_history(replica: &Replica, row: &Row, tombstone: &Stamp) -> Result<bool> {
    let is_before = |meta: &VersionMeta| meta.id.number().is_some_and(|number| number < tombstone.version);
    Ok(replica.versions(&row.path).await?.iter().any(is_before))
}

/// Whether another replica has this version, too.
async fn is_elsewhere(others: &[&Replica], row: &Row, stamp: &Stamp) -> bool {
    for other in others {
        if other.held(&row.path).await.is_ok_and(|held| held.is_some_and(|(_, held)| held.agrees_with(stamp)))
        {
            return true;
        }
    }
    false
}

/// How many secrets are brought forward side by side.
const AT_ONCE: usize = 16;
