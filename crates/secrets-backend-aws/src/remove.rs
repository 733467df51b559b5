//! Deleting, bringing back, removing for good.

use secrets_backend::SecretPath;

use crate::api::Api;
use crate::codes::Code;
use crate::failure::Failure;

/// Deletes a secret, recoverably for the time that is configured.
pub(crate) async fn delete(api: &Api, path: &SecretPath) -> Result<(), Failure> {
    match api.delete(path).await {
        // Deleted already: to the service a secret that is there.
        Err(failure) => Err(api.deleted_is_missing(path, failure).await),
        Ok(()) => Ok(()),
    }
}

/// Brings a deleted secret back; one that is there stays as it is.
pub(crate) async fn undelete(api: &Api, path: &SecretPath) -> Result<(), Failure> {
    match api.restore(path).await {
        Err(failure) if failure.is(Code::InvalidRequest) => match api.describe(path).await? {
            Some(found) if !found.is_deleted => Ok(()),
            Some(_) => Err(failure),
            None => Err(Failure::missing()),
        },
        answer => answer,
    }
}

/// Removes a secret, deleted or not, for good.
pub(crate) async fn purge(api: &Api, path: &SecretPath) -> Result<(), Failure> {
    // The service removes what never was without a word.
    api.describe(path).await?.ok_or_else(Failure::missing)?;
    api.remove(path).await
}
