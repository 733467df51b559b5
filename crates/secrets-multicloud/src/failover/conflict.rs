//! Versions that were written without each other: each is kept until somebody decides.

use secrets_backend::{Error, ErrorKind, NewSecret, Operation, PutMode, Result, SecretPath, Stamp};

use super::FailoverBackend;
use super::own::JOURNAL;
use crate::forward::descends;
use crate::journal::Row;
use crate::replica::Replica;

/// One of several versions of a secret that were written without each other.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rival {
    /// Who has it as its current version: replicas by name, or the journal of this machine. `NAME#ID`: a replica that
    /// cannot tell which of two came first has it beside its current version, under this id of its own.
    pub holders: Vec<String>,
    /// The envelope
    pub secret: NewSecret,
    /// Its authentic stamp
    pub stamp: Stamp,
}

impl FailoverBackend {
    /// Notes that replicas have versions that were written without each other.
    pub(crate) async fn flag(&self, path: &SecretPath) {
        let Some(journal) = self.journal.as_ref().filter(|journal| !journal.is_flagged(path)) else { return };
        tracing::warn!(%path, "versions were written without each other; both are kept");
        if let Err(error) = journal.flag(path, true).await {
            tracing::warn!(%path, %error, "that could not be noted");
        }
    }

    /// Takes the mark of a conflict away where somebody has decided elsewhere: every replica has the same version, each
    /// opened, none beside it, and nothing waits here.
    pub(crate) async fn unflag_where_settled(&self, path: &SecretPath) {
        let Some(journal) = self.journal.as_ref().filter(|journal| journal.is_flagged(path)) else { return };
        let everybody = self.route(path).members.len();
        let is_settled = |rivals: Vec<Rival>| match rivals.as_slice() {
            [one] => one.holders.len() == everybody && !one.holders.iter().any(|holder| holder == JOURNAL),
            _ => false,
        };
        if self.rivals(path).await.is_ok_and(is_settled)
            && let Err(error) = journal.flag(path, false).await
        {
            tracing::warn!(%path, %error, "that a conflict was ended could not be noted");
        }
    }

    pub(crate) fn is_flagged(&self, path: &SecretPath) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.is_flagged(path))
    }

    /// What replicas and the journal have of a secret, each content once; the primary's first.
    ///
    /// # Errors
    /// Where one of them cannot answer: what it has would be forgotten.
    pub async fn rivals(&self, path: &SecretPath) -> Result<Vec<Rival>> {
        let mut rivals: Vec<Rival> = Vec::new();
        let mut add = |holder: &str, secret: NewSecret, stamp: Stamp| match rivals
            .iter_mut()
            .find(|rival| rival.stamp.content_id.matches(&stamp.content_id))
        {
            Some(known) => known.holders.push(holder.to_owned()),
            None => rivals.push(Rival { holders: vec![holder.to_owned()], secret, stamp }),
        };
        for at in self.route(path).replicas() {
            let replica = &self.replicas[at];
            match replica.envelope(path).await {
                Ok((secret, stamp)) => {
                    let hidden = replica.hidden(path, &stamp).await?;
                    add(replica.name(), secret, stamp);
                    for one in hidden {
                        add(&format!("{}#{}", replica.name(), one.native), one.secret, one.stamp);
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for row in self.rows_of(path).await? {
            if let Some(stamp) = row.secret.stamp.clone() {
                add(JOURNAL, row.secret, stamp);
            }
        }
        Ok(rivals)
    }

    /// Puts a version in the place of all that replicas and the journal have of a secret, and takes the mark of a
    /// conflict away: somebody has decided.
    ///
    /// # Errors
    /// `Conflict` where someone writes at the same moment, or the version is not above every other; those of the
    /// replicas. What has it already keeps it, and it can be done again.
    pub async fn settle(&self, path: &SecretPath, secret: &NewSecret) -> Result<()> {
        let refused = |kind| self.error(kind, Operation::Put).with_path(path);
        let Some(stamp) = secret.stamp.clone() else { return Err(refused(ErrorKind::InvalidInput)) };
        // All are asked before the first is changed.
        let mut places = Vec::new();
        for at in self.route(path).replicas() {
            let replica = &self.replicas[at];
            let held = replica.held(path).await?;
            if held
                .as_ref()
                .is_some_and(|(_, held)| held.version >= stamp.version && !held.agrees_with(&stamp))
            {
                return Err(refused(ErrorKind::Conflict));
            }
            places.push((replica, held));
        }
        for (replica, held) in places {
            let mode = match held {
                Some((_, held)) if held.agrees_with(&stamp) => continue,
                Some((native, _)) => PutMode::Replace(native),
                None => PutMode::Create,
            };
            stored(replica, path, secret, &stamp, &mode).await?;
        }
        let Some(journal) = &self.journal else { return Ok(()) };
        let is_past = |row: &Row| {
            row.path == *path
                && row.secret.stamp.as_ref().is_none_or(|of_row| of_row.version <= stamp.version)
        };
        let rows: Vec<u64> =
            journal.rows().await?.iter().filter(|row| is_past(row)).map(|row| row.id).collect();
        journal.forget(&rows).await?;
        journal.flag(path, false).await
    }
}

/// Writes under a mode of the replica's own ids, and looks whether it is there.
pub(super) async fn stored(
    replica: &Replica,
    path: &SecretPath,
    secret: &NewSecret,
    stamp: &Stamp,
    native: &PutMode,
) -> Result<()> {
    replica.write(path, secret, stamp, native).await?;
    holds(replica, path, stamp, true).await
}

/// Whether a replica has a version that it said to have stored, or one that nobody can show to have come without it.
/// `if_unproven`: what is taken for true where somebody purged the history that would show it.
pub(crate) async fn holds(
    replica: &Replica,
    path: &SecretPath,
    stamp: &Stamp,
    if_unproven: bool,
) -> Result<()> {
    let has = match replica.held(path).await? {
        Some((_, held)) if held.content_id.matches(&stamp.content_id) => true,
        // Someone was quick to write the next one.
        Some((_, held)) if held.version > stamp.version => {
            descends(&[replica], path, &held, stamp).await.unwrap_or(if_unproven)
        }
        _ => false,
    };
    if has {
        return Ok(());
    }
    tracing::warn!(replica = replica.name(), %path, "a replica said that it stored what it does not have");
    Err(Error::new(ErrorKind::Unavailable, Operation::Put, replica.name().to_owned())
        .with_path(path)
        .with_detail("it said that it stored what it does not have"))
}
