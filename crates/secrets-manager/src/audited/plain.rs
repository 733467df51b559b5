//! Bulk writes of plain values: checked as a whole, then written one after another.
//!
//! There is no journal: it would hold the values, and nothing tells a plain value that was written from one that
//! someone else wrote since.

use std::future::Future;

use secrets_audit::Action;
use secrets_backend::{
    Error, ErrorKind, NewSecret, Operation, PutMode, Result, SecretBackend, SecretPath, Written,
};

use super::{AuditBackend, ended};
use crate::plain::PlainBackend;
use crate::recorder::Version;

impl AuditBackend {
    /// Writes many plain secrets in their order, up to the first that fails.
    ///
    /// # Errors
    /// That of the first that fails; it says how many were written before.
    pub(super) async fn put_each(
        &self,
        action: Action,
        plain: &PlainBackend,
        secrets: &[(SecretPath, NewSecret)],
        mode: &PutMode,
    ) -> Result<Vec<Result<Written>>> {
        let paths: Vec<_> = secrets.iter().map(|(path, _)| path.clone()).collect();
        let check = async {
            secrets.iter().try_for_each(|(path, secret)| plain.check(path, secret, mode))?;
            let refused = *mode == PutMode::Create;
            self.check_present(plain, &paths, |is_there| {
                (refused && is_there).then_some(ErrorKind::AlreadyExists)
            })
            .await
        };
        let writes = secrets.iter().map(|(path, secret)| plain.put(path, secret, mode)).collect();
        self.one_by_one(action, &paths, check, writes).await
    }

    /// Deletes many plain secrets in their order, up to the first that fails.
    ///
    /// # Errors
    /// As [`AuditBackend::put_each`]; `NotFound`, with none deleted, where one is missing.
    pub(super) async fn delete_each(
        &self,
        plain: &PlainBackend,
        paths: &[SecretPath],
    ) -> Result<Vec<Result<Written>>> {
        let check = self.check_present(plain, paths, |is_there| (!is_there).then_some(ErrorKind::NotFound));
        let writes = paths.iter().map(|path| plain.delete(path)).collect();
        self.one_by_one(Action::SecretDelete, paths, check, writes).await
    }

    async fn one_by_one(
        &self,
        action: Action,
        paths: &[SecretPath],
        check: impl Future<Output = Result<()>> + Send,
        writes: Vec<impl Future<Output = Result<Written>> + Send>,
    ) -> Result<Vec<Result<Written>>> {
        let (call, held) = self.begin_many(action, paths).await?;
        let mut versions = Vec::with_capacity(paths.len());
        let mut all = Vec::with_capacity(paths.len());
        let mut outcome = check.await;
        if outcome.is_ok() {
            for write in writes {
                match write.await {
                    Ok(written) => {
                        versions.push(self.written_version(&written));
                        all.push(Ok(written));
                    }
                    Err(error) => {
                        outcome = Err(cut_short(error, versions.len(), paths.len()));
                        break;
                    }
                }
            }
        }
        versions.resize(paths.len(), Version::default());
        self.recorder.outcome(call, paths, &versions, outcome.as_ref().err()).await?;
        ended(held);
        outcome.map(|()| all)
    }

    /// Reads what is at every path, a batch at a time; `refuse` says what is wrong with what is there or is not.
    async fn check_present(
        &self,
        plain: &PlainBackend,
        paths: &[SecretPath],
        refuse: impl Fn(bool) -> Option<ErrorKind> + Send + Sync,
    ) -> Result<()> {
        for batch in paths.chunks(READ_AT_ONCE) {
            for (path, answer) in batch.iter().zip(plain.get_many(batch).await) {
                let is_there = match answer {
                    Ok(_) => true,
                    Err(error) if error.kind() == ErrorKind::NotFound => false,
                    Err(error) => return Err(error),
                };
                if let Some(kind) = refuse(is_there) {
                    return Err(self.error(kind, Operation::Put).with_path(path));
                }
            }
        }
        Ok(())
    }
}

/// The failure of one of many, with how far it came.
fn cut_short(first: Error, done: usize, all: usize) -> Error {
    let mut error = Error::new(first.kind(), first.operation(), first.backend().to_owned());
    if let Some(path) = first.path() {
        error = error.with_path(path);
    }
    if let Some(after) = first.retry_after() {
        error = error.with_retry_after(after);
    }
    let reason = first.detail().map(|detail| format!("; {detail}")).unwrap_or_default();
    error.with_detail(format!("{done} of {all} were done before it{reason}")).with_source(first)
}

/// How many secrets are read at once: their values are in memory together.
const READ_AT_ONCE: usize = 64;
