//! What a replica has now, fresh or not: for other replicas, and to compare.

use secrets_backend::{ErrorKind, NewSecret, Operation, Result, Secret, SecretPath, Stamp, VersionId};

use super::Replica;

impl Replica {
    /// What the replica has now, however old, under its own id.
    pub(crate) async fn held(&self, path: &SecretPath) -> Result<Option<(VersionId, Stamp)>> {
        match self.backend.get(path, None).await {
            Ok(secret) => Ok(self.judged(path, &secret)?.map(|stamp| (secret.version, stamp))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The current version with its bytes as they are, for another replica.
    pub(crate) async fn envelope(&self, path: &SecretPath) -> Result<(NewSecret, Stamp)> {
        let secret = self.backend.get(path, None).await?;
        let unsealed = || self.error(ErrorKind::Tampered, Operation::Get, path);
        let stamp = self.judged(path, &secret)?.ok_or_else(unsealed)?;
        Ok((NewSecret::new(secret.value).with_stamp(stamp.clone()), stamp))
    }

    /// What it has now of many secrets, however old.
    pub(crate) async fn held_many(&self, paths: &[SecretPath]) -> Vec<Result<Option<Stamp>>> {
        let answers = self.backend.get_many(paths).await;
        let judged = |(path, answer): (&SecretPath, Result<Secret>)| match answer {
            Ok(secret) => self.judged(path, &secret),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        paths.iter().zip(answers).map(judged).collect()
    }

    /// The replica's own id of a current version that fails authentication; none where there is a good one.
    pub(crate) async fn damaged(&self, path: &SecretPath) -> Result<Option<VersionId>> {
        let secret = self.backend.get(path, None).await?;
        match self.judged(path, &secret) {
            Err(error) if error.kind() == ErrorKind::Tampered => Ok(Some(secret.version)),
            judged => judged.map(|_| None),
        }
    }

    /// Deletes what it has, in its own way.
    pub(crate) async fn discard(&self, path: &SecretPath) -> Result<()> {
        self.backend.delete(path).await.map(drop)
    }

    /// The authentic stamp of what was answered, as a version of the history: it may be old.
    pub(super) fn judged(&self, path: &SecretPath, secret: &Secret) -> Result<Option<Stamp>> {
        let number = secret.stamp.as_ref().map(|claim| VersionId::from_number(claim.version));
        Ok((self.verify)(path, number.as_ref(), Some(secret))?.map(|verified| verified.stamp))
    }
}
