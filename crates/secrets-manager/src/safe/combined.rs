//! Calls that combine a look with an act, in one entry of the audit log.

use secrets_audit::Action;
use secrets_backend::{
    ErrorKind, Metadata, Operation, PutMode, Secret, SecretBackendExt, SecretBytes, SecretPath, Written,
};

use super::{ATTEMPTS, Purpose, Safe};
use crate::Result;
use crate::seal::someone_else_wrote;

impl Safe {
    /// The current versions of all secrets at and below `prefix` (all, without one), by path: one audit
    /// entry, however many. What is deleted meanwhile is left out.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend), by its kind, also where a single secret cannot be given out: all or
    /// nothing.
    pub async fn get_under(
        &self,
        purpose: Purpose,
        prefix: Option<&SecretPath>,
    ) -> Result<Vec<(SecretPath, Secret)>> {
        let mut paths: Vec<SecretPath> =
            self.stack.below().list_all(prefix).await?.into_iter().map(|listed| listed.path).collect();
        paths.sort();
        let answers = self.stack.read_many(purpose.action(), &paths).await?;
        let mut found = Vec::with_capacity(paths.len());
        for (path, answer) in paths.into_iter().zip(answers) {
            match answer {
                Ok(secret) => found.push((path, secret)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    /// Writes a new version with this value, and with the present metadata as `change` leaves it.
    ///
    /// Of a secret that is not there, `change` starts from nothing. It may run more than once, where someone
    /// else writes at the same moment. On a backend of plain values without conditional writes, metadata that
    /// someone else writes at the same moment is lost.
    ///
    /// # Errors
    /// As [`Safe::put`].
    pub async fn set(
        &self,
        path: &SecretPath,
        value: &SecretBytes,
        mode: &PutMode,
        change: impl Fn(&mut Metadata) + Send + Sync,
    ) -> Result<Written> {
        self.check_mode(mode)?;
        let layer = self.stack.layer();
        let write = async {
            for _ in 0..ATTEMPTS {
                match layer.set(path, value, mode, &change).await {
                    Err(error) if *mode == PutMode::Upsert && someone_else_wrote(&error) => {
                        if layer.is_contested(path).await {
                            return Err(error);
                        }
                    }
                    answer => return answer,
                }
            }
            let busy = secrets_backend::Error::new(
                ErrorKind::Conflict,
                Operation::Put,
                self.stack.below().to_string(),
            );
            Err(busy.with_path(path))
        };
        Ok(self.stack.write(Action::SecretWrite, path, write).await?)
    }
}
