//! From a value to the sealed version that follows what is there, as the manager does it.

use secrets_audit::{Action, Durability, Outcome};
use secrets_backend::{
    ErrorKind, Level, NewSecret, PutMode, Result, SecretBackend, SecretPath, Stamp, StampKind, VersionId,
    Written,
};

use super::super::keys::Draft;
use super::super::oracle::Fate;
use super::{Installation, Shared, missing, someone_else_wrote};

/// How a version is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent {
    Put,
    /// After everything that is there is gone.
    Purge,
}

/// Where the next version goes on from.
pub(super) struct Current {
    pub(super) stamp: Stamp,
    pub(super) stored: bool,
}

impl Installation {
    /// Writes between the two entries of the audit log.
    pub(super) async fn audited(
        &self,
        action: Action,
        write: impl Future<Output = Result<Written>>,
    ) -> Result<Written> {
        let op = self.op();
        self.audit.append(op, action, Outcome::Intent, None, Durability::Synced).await?;
        let answer = write.await;
        let outcome = if answer.is_ok() { Outcome::Ok } else { Outcome::Error };
        let stamp = answer.as_ref().ok().and_then(|written| written.stamp.as_ref());
        self.audit.append(op, action, outcome, stamp, Durability::Deferred).await?;
        answer
    }

    /// The version that a path is at; after a purge that was cut short only the mark is left.
    pub(super) async fn current(&self, path: &SecretPath) -> Result<Option<Current>> {
        match self.failover.get(path, None).await {
            Ok(secret) => Ok(secret.stamp.map(|stamp| Current { stamp, stored: true })),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mark = self.state.mark(path)?;
                Ok(mark.map(|mark| Current { stamp: mark.stamp(), stored: false }))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn write(
        &self,
        path: &SecretPath,
        kind: StampKind,
        current: Option<&Current>,
        value: &[u8],
    ) -> Result<Written> {
        self.write_as(Sent::Put, path, kind, current, value).await
    }

    /// Seals what follows `current`, sends it, and notes it as seen.
    pub(super) async fn write_as(
        &self,
        sent: Sent,
        path: &SecretPath,
        kind: StampKind,
        current: Option<&Current>,
        value: &[u8],
    ) -> Result<Written> {
        let Shared { scene, oracle, keys, .. } = &self.shared;
        let draft = Draft {
            kind,
            version: current.map_or(1, |current| current.stamp.version + 1),
            parent: current.map(|current| current.stamp.content_id),
            writer: self.index,
            created: scene.now(self.index),
            value,
        };
        let (envelope, stamp) = keys.seal(path, &draft);
        oracle.sealed(path, &stamp, value, self.index, matches!(sent, Sent::Purge));
        let stored = current.filter(|current| current.stored);
        let mode = stored.map_or(PutMode::Create, |current| {
            PutMode::Replace(VersionId::from_number(current.stamp.version))
        });
        let secret = NewSecret::new(envelope).with_stamp(stamp.clone());
        let answer = match sent {
            Sent::Put => self.failover.put(path, &secret, &mode).await,
            Sent::Purge => self.failover.purge_to(path, &secret).await,
        };
        let fate = self.fate(&answer);
        oracle.told(path, &stamp.content_id, fate);
        scene.tell(|| format!("{}: {stamp}: {fate:?}", self.index));
        if answer.is_ok() {
            self.note(path, &stamp).await;
        }
        answer
    }

    /// What the writer of a version knows of it after this answer.
    fn fate(&self, answer: &Result<Written>) -> Fate {
        match answer {
            Ok(written) => Fate::Acknowledged(written.level),
            Err(error) if error.kind() == ErrorKind::TimedOut => Fate::Unknown,
            // Both are kept, and every read tells.
            Err(error) if someone_else_wrote(error) && !self.failover.capabilities().atomic_create => {
                Fate::Unknown
            }
            Err(_) => Fate::Failed,
        }
    }

    /// What a person does about a conflict: looks at what there is, and puts the one that is chosen above all.
    pub(in crate::simulation) async fn resolve(&self, path: &SecretPath) -> Result<()> {
        let Shared { oracle, keys, scene, .. } = &self.shared;
        let rivals = self.failover.rivals(path).await?;
        rivals.iter().for_each(|rival| oracle.decided(path, &rival.stamp.content_id));
        let Some(chosen) = rivals.iter().max_by_key(|rival| rival.stamp.version) else { return Ok(()) };
        let (_, value) = keys.open(path, None, chosen.secret.value.expose()).ok_or_else(|| missing(path))?;
        let draft = Draft {
            kind: chosen.stamp.kind,
            version: chosen.stamp.version + 1,
            parent: Some(chosen.stamp.content_id),
            writer: self.index,
            created: scene.now(self.index),
            value: &value,
        };
        let (envelope, stamp) = keys.seal(path, &draft);
        oracle.sealed(path, &stamp, &value, self.index, false);
        self.failover.settle(path, &NewSecret::new(envelope).with_stamp(stamp.clone())).await?;
        oracle.told(path, &stamp.content_id, Fate::Acknowledged(Level::All));
        self.note(path, &stamp).await;
        Ok(())
    }
}
