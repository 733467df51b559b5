//! Bulk writes: one call, two entries, all or nothing where values are sealed.

use std::collections::HashSet;
use std::future::Future;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use secrets_audit::Action;
use secrets_backend::{ErrorKind, NewSecret, Operation, PutMode, Result, SecretPath, Written};

use super::{AuditBackend, Layer, ended};
use crate::blocking::blocking;
use crate::locks::Held;
use crate::recorder::{Call, Version};
use crate::seal::{Prepared, SealBackend};
use crate::state::{JournalRow, OperationId};

impl AuditBackend {
    /// Writes many secrets. Each is checked and sealed before the first is written, and all are journaled,
    /// so that a process killed half-way leaves a bulk write that the next one completes.
    ///
    /// # Errors
    /// Before the journal is written: nothing was written. After it: what was sent stays, and the rest is
    /// sent when the safe is next opened, unless someone else wrote it meanwhile. Of plain values what stands
    /// before the first failure is written, and the rest is not.
    pub(crate) async fn put_many(
        &self,
        action: Action,
        secrets: &[(SecretPath, NewSecret)],
        mode: &PutMode,
    ) -> Result<Vec<Result<Written>>> {
        match &self.inner {
            Layer::Sealed(sealed) => {
                let paths: Vec<_> = secrets.iter().map(|(path, _)| path.clone()).collect();
                self.write_many(action, &paths, sealed, sealed.prepare_many(secrets, mode)).await
            }
            Layer::Plain(plain) => self.put_each(action, plain, secrets, mode).await,
        }
    }

    /// Deletes many secrets, all or nothing.
    ///
    /// # Errors
    /// As [`AuditBackend::put_many`].
    pub(crate) async fn delete_many(&self, paths: &[SecretPath]) -> Result<Vec<Result<Written>>> {
        match &self.inner {
            Layer::Sealed(sealed) => {
                let prepare = sealed.prepare_tombstones(paths);
                self.write_many(Action::SecretDelete, paths, sealed, prepare).await
            }
            Layer::Plain(plain) => self.delete_each(plain, paths).await,
        }
    }

    async fn write_many(
        &self,
        action: Action,
        paths: &[SecretPath],
        sealed: &SealBackend,
        prepare: impl Future<Output = Result<Vec<Prepared>>> + Send,
    ) -> Result<Vec<Result<Written>>> {
        let (call, mut held) = self.begin_many(action, paths).await?;
        sealed.load(paths).await?;
        let sent = match prepare.await {
            // Their journal is that of the replicas: what it holds is brought to each of them.
            Ok(prepared) if sealed.replicas().has_several() => sealed.send_many(&prepared).await,
            Ok(prepared) => self.send_all(call, &mut held, sealed, &prepared).await,
            Err(error) => Err(error),
        };
        let version = |written: &Result<Written>| {
            written.as_ref().map(|written| self.written_version(written)).unwrap_or_default()
        };
        let (versions, failure): (Vec<_>, _) = match &sent {
            Ok(all) => (all.iter().map(version).collect(), all.iter().find_map(|one| one.as_ref().err())),
            Err(error) => (vec![Version::default(); paths.len()], Some(error)),
        };
        self.recorder.outcome(call, paths, &versions, failure).await?;
        ended(held);
        sent
    }

    /// Takes the locks of a bulk write and records what it is about to do.
    pub(super) async fn begin_many(&self, action: Action, paths: &[SecretPath]) -> Result<(Call, Held)> {
        if let Some(twice) = first_repeated(paths) {
            let error = self.error(ErrorKind::InvalidInput, Operation::Put).with_path(twice);
            return Err(error.with_detail("named twice"));
        }
        let call = self.recorder.call(action)?;
        let mut held = self.hold(paths).await?;
        self.recover(&mut held).await?;
        self.note(&mut held, call, paths)?;
        self.recorder.intent(call, paths).await?;
        Ok((call, held))
    }

    async fn send_all(
        &self,
        call: Call,
        held: &mut Held,
        sealed: &SealBackend,
        prepared: &[Prepared],
    ) -> Result<Vec<Result<Written>>> {
        let operation = OperationId(*call.op.as_bytes());
        self.journal(operation, prepared).await?;
        // From here on the journal is what ends the call after a kill.
        held.clear().map_err(|error| self.lock_file(&error))?;
        let sent = stream::iter(prepared).map(|one| sealed.send(one)).buffered(AT_ONCE);
        let written: Vec<Written> = sent.try_collect().await?;
        self.close(operation, prepared.iter().map(|one| (&one.path, &one.stamp))).await?;
        Ok(written.into_iter().map(Ok).collect())
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
