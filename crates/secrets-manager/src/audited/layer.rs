//! What lies below the audit wrapper: sealed values, or plain ones.

use secrets_backend::{
    Error, ErrorKind, Operation, Page, PageToken, PutMode, Result, SecretBackend, SecretBytes, SecretPath,
    Stamp, Written,
};

use crate::plain::PlainBackend;
use crate::seal::{ChangeMetadata, SealBackend};

/// The wrapper below the audit wrapper, held by its type: a bulk write is one call here and many below.
#[derive(Debug)]
pub(crate) enum Layer {
    Sealed(SealBackend),
    Plain(PlainBackend),
}

impl Layer {
    pub(crate) fn backend(&self) -> &dyn SecretBackend {
        match self {
            Self::Sealed(sealed) => sealed,
            Self::Plain(plain) => plain,
        }
    }

    pub(crate) const fn is_sealed(&self) -> bool {
        matches!(self, Self::Sealed(_))
    }

    /// Writes a value with the present metadata as `change` leaves it.
    pub(crate) async fn set(
        &self,
        path: &SecretPath,
        value: &SecretBytes,
        mode: &PutMode,
        change: &ChangeMetadata<'_>,
    ) -> Result<Written> {
        match self {
            Self::Sealed(sealed) => sealed.set(path, value, mode, change).await,
            Self::Plain(plain) => plain.set(path, value, mode, change).await,
        }
    }

    /// Whether somebody has to decide between versions of a secret before the next one.
    pub(crate) async fn is_contested(&self, path: &SecretPath) -> bool {
        match self {
            Self::Sealed(sealed) => sealed.is_contested(path).await,
            Self::Plain(_) => false,
        }
    }

    /// One page of what is there, deleted secrets included.
    pub(super) async fn list_with_deleted(
        &self,
        prefix: Option<&SecretPath>,
        page: Option<&PageToken>,
    ) -> Result<Page> {
        match self {
            Self::Sealed(sealed) => sealed.list_with_deleted(prefix, page).await,
            Self::Plain(plain) => {
                let page = plain.list(prefix, page).await?;
                // Only now: some backends know what they can do once the service has answered.
                if plain.capabilities().recoverable_delete {
                    let error = Error::new(ErrorKind::Unsupported, Operation::List, plain.to_string());
                    return Err(
                        error.with_detail("the backend of plain values does not list deleted secrets")
                    );
                }
                Ok(page)
            }
        }
    }

    /// The stamp of the newest version; none of a plain one.
    pub(super) async fn newest(&self, path: &SecretPath) -> Result<Option<Stamp>> {
        match self {
            Self::Sealed(sealed) => sealed.newest(path).await,
            Self::Plain(_) => Ok(None),
        }
    }
}
