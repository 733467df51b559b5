//! redb's errors, by what the caller can do.

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};
use secrets_backend::ErrorKind;

use crate::fault::Fault;

pub(super) fn opening(error: DatabaseError) -> Fault {
    match error {
        DatabaseError::RepairAborted => Fault::needs_repair(),
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            Fault::new(ErrorKind::Unavailable, "another program has store.redb open").with_source(error)
        }
        DatabaseError::UpgradeRequired(_) => {
            Fault::new(ErrorKind::Unsupported, "store.redb has a file format that this build does not read")
                .with_source(error)
        }
        DatabaseError::Storage(error) => storage(error),
        error => Fault::new(ErrorKind::Unexpected, "opening the store").with_source(error),
    }
}

pub(super) fn beginning(error: TransactionError) -> Fault {
    match error {
        TransactionError::Storage(error) => storage(error),
        error => Fault::new(ErrorKind::Unexpected, "beginning a transaction").with_source(error),
    }
}

pub(super) fn table_opening(error: TableError) -> Fault {
    match error {
        TableError::Storage(error) => storage(error),
        TableError::TableTypeMismatch { .. }
        | TableError::TableIsMultimap(_)
        | TableError::TypeDefinitionChanged { .. } => {
            Fault::damaged("a table of the store has another type").with_source(error)
        }
        error => Fault::new(ErrorKind::Unexpected, "opening a table").with_source(error),
    }
}

/// Even one that found no room may have taken effect where it was a sync that failed.
pub(super) fn committing(error: CommitError, sync_failed: bool) -> Fault {
    match error {
        CommitError::Storage(error) if sync_failed => storage(error).with_unknown_outcome(),
        CommitError::Storage(error) => storage(error).while_committing(),
        error => Fault::new(ErrorKind::Unexpected, "committing").with_source(error),
    }
}

pub(super) fn storage(error: StorageError) -> Fault {
    match error {
        StorageError::Io(error) => Fault::io("in store.redb", error),
        StorageError::Corrupted(_) => Fault::damaged("store.redb is damaged").with_source(error),
        StorageError::ValueTooLarge(_) => Fault::new(ErrorKind::InvalidInput, "the value is too large"),
        StorageError::PreviousIo => {
            Fault::new(ErrorKind::Unavailable, "input/output error, in store.redb").with_source(error)
        }
        error => Fault::new(ErrorKind::Unexpected, "in store.redb").with_source(error),
    }
}
