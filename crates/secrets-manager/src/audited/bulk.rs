//! Bulk writes: one call, two entries, all or nothing.

use std::collections::HashSet;
use std::future::Future;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use secrets_audit::Action;
use secrets_backend::{ErrorKind, NewSecret, Operation, PutMode, Result, SecretPath, Stamp};

use super::AuditBackend;
use crate::blocking::blocking;
use crate::recorder::Call;
use crate::seal::Prepared;
use crate::state::{JournalRow, OperationId};

impl AuditBackend {
    /// Writes many secrets. Each is checked and sealed before the first is written, and all are journaled,
    /// so that a process killed half-way leaves a bulk write that the next one completes.
    ///
    /// # Errors
    /// Before the journal is written: nothing was written. After it: what was sent stays, and the rest is
    /// sent when the safe is next opened, unless someone else wrote it meanwhile.
    pub(crate) async fn put_many(
        &self,
        action: Action,
        secrets: &[(SecretPath, NewSecret)],
        mode: &PutMode,
    ) -> Result<Vec<Stamp>> {
        let paths: Vec<_> = secrets.iter().map(|(path, _)| path.clone()).collect();
        let prepare = self.inner.prepare_many(secrets, mode);
        self.write_many(action, &paths, prepare).await
    }

    /// Deletes many secrets, all or nothing.
    ///
    /// # Errors
    /// As [`AuditBackend::put_many`].
    pub(crate) async fn delete_many(&self, paths: &[SecretPath]) -> Result<Vec<Stamp>> {
        let prepare = self.inner.prepare_tombstones(paths);
        self.write_many(Action::SecretDelete, paths, prepare).await
    }

    async fn write_many(
        &self,
        action: Action,
        paths: &[SecretPath],
        prepare: impl Future<Output = Result<Vec<Prepared>>> + Send,
    ) -> Result<Vec<Stamp>> {
        if let Some(twice) = first_repeated(paths) {
            let error = self.error(ErrorKind::InvalidInput, Operation::Put).with_path(twice);
            return Err(error.with_detail("named twice"));
        }
        let call = self.recorder.call(action)?;
        let mut held = self.hold(paths).await?;
        self.recover(&mut held).await?;
        self.recorder.intent(call, paths).await?;
        self.inner.load(paths).await?;
        let sent = match prepare.await {
            Ok(prepared) => self.send_all(call, &prepared).await,
            Err(error) => Err(error),
        };
        let stamps: Vec<_> = match &sent {
            Ok(stamps) => stamps.iter().cloned().map(Some).collect(),
            Err(_) => vec![None; paths.len()],
        };
        self.recorder.outcome(call, paths, &stamps, sent.as_ref().err()).await?;
        sent
    }

    async fn send_all(&self, call: Call, prepared: &[Prepared]) -> Result<Vec<Stamp>> {
        let operation = OperationId(*call.op.as_bytes());
        self.journal(operation, prepared).await?;
        stream::iter(prepared)
            .map(|one| self.inner.send(one))
            .buffered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        self.close(operation, prepared.iter().map(|one| (&one.path, &one.stamp))).await?;
        Ok(prepared.iter().map(|one| one.stamp.clone()).collect())
    }

    async fn journal(&self, operation: OperationId, prepared: &[Prepared]) -> Result<()> {
        let rows: Vec<_> = prepared
            .iter()
            .map(|one| JournalRow {
                path: one.path.clone(),
                replaces: one.replaces,
                envelope: one.secret.value.expose().to_vec(),
            })
            .collect();
        let state = std::sync::Arc::clone(&self.recorder.state);
        blocking(move || state.write_journal(operation, &rows))
            .await
            .map_err(|error| self.state_failed(&error))
    }
}

fn first_repeated(paths: &[SecretPath]) -> Option<&SecretPath> {
    let mut seen = HashSet::with_capacity(paths.len());
    paths.iter().find(|path| !seen.insert(*path))
}

/// How many of a bulk's writes wait side by side: as many as share a transaction where the backend joins
/// them.
const AT_ONCE: usize = 64;
