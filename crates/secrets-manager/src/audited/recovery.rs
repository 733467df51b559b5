//! What a killed process left behind is brought to an end.

use secrets_audit::{Action, OpId, Outcome};
use secrets_backend::{Error, ErrorKind, Operation, Result, SecretPath, Stamp};
use secrets_crypto::envelope::Envelope;

use super::{AuditBackend, Layer};
use crate::blocking::blocking;
use crate::locks::Held;
use crate::recorder::{Call, Version};
use crate::seal::{Prepared, SealBackend};
use crate::state::{JournalRow, Mark, OperationId};
use crate::tenant::stamp;

impl AuditBackend {
    /// What to leave in the lock while a write runs: sealed, since it names the path. Of many it names none.
    pub(super) fn abandonable(&self, call: Call, paths: &[SecretPath]) -> Result<Vec<u8>> {
        let mut plain = call.op.as_bytes().to_vec();
        let path = match paths {
            [path] => self.recorder.tenant.absolute(path),
            _ => String::new(),
        };
        plain.extend(format!("{}\n{path}", call.action.name()).as_bytes());
        self.recorder.state.seal_note(&plain).map_err(|error| self.state_failed(&error))
    }

    /// Ends the calls whose notes were found in locks now held: outcome unknown, with what is there.
    pub(super) async fn recover(&self, held: &mut Held) -> Result<()> {
        for note in std::mem::take(&mut held.abandoned) {
            // A note that cannot be read was cut short by the kill: its intent was not yet written.
            let Some((call, path)) = self.abandoned(&note) else { continue };
            let (paths, found) = match path {
                Some(path) => {
                    let found = self.inner.newest(&path).await?.as_ref().map(Version::of);
                    (vec![path], vec![found.unwrap_or_default()])
                }
                None => (Vec::new(), Vec::new()),
            };
            self.recorder.end(call, &paths, &found, Outcome::Unknown, Some("killed")).await?;
        }
        Ok(())
    }

    /// The call that left a note, and its path where it has one that is in this environment.
    fn abandoned(&self, note: &[u8]) -> Option<(Call, Option<SecretPath>)> {
        let plain = self.recorder.state.open_note(note).ok()?;
        let (op, text) = plain.split_first_chunk()?;
        let (action, absolute) = std::str::from_utf8(text).ok()?.split_once('\n')?;
        let call = Call { op: OpId::from_bytes(*op), action: Action::from_name(action)? };
        if absolute.is_empty() {
            return Some((call, None));
        }
        let (environment, path) = absolute.split_once('/')?;
        let path = SecretPath::parse(path).ok()?;
        Some((call, (environment == self.recorder.tenant.environment()).then_some(path)))
    }

    /// Carries bulk writes that were cut short to their end. Those that still run, and those of other
    /// environments, are left alone.
    pub(crate) async fn replay_journal(&self) -> Result<()> {
        let Layer::Sealed(sealed) = &self.inner else { return Ok(()) };
        let state = std::sync::Arc::clone(&self.recorder.state);
        let journal = blocking(move || state.journal()).await.map_err(|error| self.state_failed(&error))?;
        for (operation, rows) in journal {
            if !rows.iter().all(|row| self.is_of_this_environment(row)) {
                continue;
            }
            let paths: Vec<_> = rows.iter().map(|row| row.path.clone()).collect();
            let locks = std::sync::Arc::clone(&self.locks);
            let objects = self.recorder.tenant.objects(&paths);
            let Ok(_held) = blocking(move || locks.try_hold(&objects)).await else { continue };
            self.replay(sealed, operation, rows, &paths).await?;
        }
        Ok(())
    }

    /// The environment is sealed into an envelope with its path; a journal does not name it.
    fn is_of_this_environment(&self, row: &JournalRow) -> bool {
        self.recorder.tenant.open(&row.path, None, &row.envelope).is_ok()
    }

    async fn replay(
        &self,
        sealed: &SealBackend,
        operation: OperationId,
        rows: Vec<JournalRow>,
        paths: &[SecretPath],
    ) -> Result<()> {
        let call = Call { op: OpId::from_bytes(operation.0), action: Action::SecretImport };
        let mut stamps = Vec::with_capacity(rows.len());
        for row in rows {
            stamps.push(self.send_again(sealed, row).await?);
        }
        let outcome = if stamps.iter().all(Option::is_some) { Outcome::Ok } else { Outcome::Aborted };
        let versions: Vec<_> =
            stamps.iter().map(|stamp| stamp.as_ref().map(Version::of).unwrap_or_default()).collect();
        self.recorder.end(call, paths, &versions, outcome, Some("replayed")).await?;
        let written = paths.iter().zip(&stamps).filter_map(|(path, stamp)| Some((path, stamp.as_ref()?)));
        self.close(operation, written).await
    }

    /// Sends a journaled version, unless it is there; `None` where someone else wrote meanwhile.
    async fn send_again(&self, sealed: &SealBackend, row: JournalRow) -> Result<Option<Stamp>> {
        let claim = Envelope::parse(&row.envelope).map(|envelope| stamp(&envelope));
        let Ok(claim) = claim else {
            return Err(self.error(ErrorKind::Tampered, Operation::Put).with_detail("a journal row"));
        };
        let found = sealed.newest(&row.path).await?;
        if found.is_some_and(|found| found.content_id.matches(&claim.content_id)) {
            return Ok(Some(claim));
        }
        let prepared = Prepared::new(row.path, row.replaces, row.envelope, claim);
        match sealed.send(&prepared).await {
            Ok(_) => Ok(Some(prepared.stamp)),
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Drops a journal whose writes are done, and notes them as seen.
    pub(super) async fn close<'a>(
        &self,
        operation: OperationId,
        written: impl Iterator<Item = (&'a SecretPath, &'a Stamp)>,
    ) -> Result<()> {
        let marks: Vec<_> =
            written.map(|(path, stamp)| (self.recorder.tenant.object(path), Mark::of(stamp))).collect();
        let state = std::sync::Arc::clone(&self.recorder.state);
        blocking(move || state.close_journal(operation, &marks))
            .await
            .map_err(|error| self.state_failed(&error))
    }

    pub(super) fn state_failed(&self, error: &crate::state::StateError) -> Error {
        self.error(ErrorKind::Unavailable, Operation::Put).with_detail(format!("local state: {error}"))
    }
}
