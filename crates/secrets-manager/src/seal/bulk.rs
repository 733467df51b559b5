//! Many versions sealed in one call, on top of what is read a batch at a time.

use secrets_backend::{NewSecret, PutMode, Result, SecretBackend as _, SecretPath, Written};
use secrets_multicloud::Write;

use super::SealBackend;
use super::write::{Content, Current, Prepared};
use crate::state::Mark;

/// How many secrets are read at once: their values are in memory together.
const READ_AT_ONCE: usize = 64;

impl SealBackend {
    /// Seals what follows the newest version of each, if `mode` allows it on top of that.
    pub(crate) async fn prepare_many(
        &self,
        secrets: &[(SecretPath, NewSecret)],
        mode: &PutMode,
    ) -> Result<Vec<Prepared>> {
        secrets.iter().try_for_each(|(path, secret)| self.check_limits(path, secret.value.expose()))?;
        let paths: Vec<_> = secrets.iter().map(|(path, _)| path.clone()).collect();
        let mut prepared = Vec::with_capacity(secrets.len());
        for (batch, paths) in secrets.chunks(READ_AT_ONCE).zip(paths.chunks(READ_AT_ONCE)) {
            for ((path, secret), current) in batch.iter().zip(self.current_many(paths).await) {
                prepared.push(self.on_top_of(current?.as_ref(), path, Content::of(secret), mode)?);
            }
        }
        Ok(prepared)
    }

    /// Seals the deletion of what is there.
    pub(crate) async fn prepare_tombstones(&self, paths: &[SecretPath]) -> Result<Vec<Prepared>> {
        let mut prepared = Vec::with_capacity(paths.len());
        for paths in paths.chunks(READ_AT_ONCE) {
            for (path, current) in paths.iter().zip(self.current_many(paths).await) {
                prepared.push(self.tombstone(path, current?)?);
            }
        }
        Ok(prepared)
    }

    /// Sends many sealed versions to several replicas. All are in their journal before the first is sent.
    pub(crate) async fn send_many(&self, prepared: &[Prepared]) -> Result<Vec<Result<Written>>> {
        let modes: Vec<PutMode> = prepared.iter().map(Prepared::mode).collect();
        let writes: Vec<Write<'_>> =
            prepared.iter().zip(&modes).map(|(one, mode)| Write::new(&one.path, &one.secret, mode)).collect();
        let written = self.inner.write_many(&writes).await?;
        let done = prepared.iter().zip(&written).filter(|(_, written)| written.is_ok());
        let marks = done.map(|(one, _)| (self.tenant.object(&one.path), Mark::of(&one.stamp)));
        self.record(marks.collect()).await;
        Ok(written)
    }

    async fn current_many(&self, paths: &[SecretPath]) -> Vec<Result<Option<Current>>> {
        let answers = self.inner.get_many(paths).await;
        paths.iter().zip(answers).map(|(path, answer)| self.current_as(path, answer)).collect()
    }
}
