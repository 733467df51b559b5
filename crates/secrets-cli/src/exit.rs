//! Exit codes: a stable contract with scripts.

use secrets_backend::{ErrorKind, Operation};
use secrets_manager::{Error, FileError, ForeignPlace, KeyringsDiffer, LockError, Places, StateError};

use crate::failure::Failure;
use crate::hints;

/// Done.
pub const DONE: u8 = 0;
/// Anything without a code of its own.
pub const OTHER: u8 = 1;
/// Wrong usage or invalid input.
pub const USAGE: u8 = 2;
/// Configuration or trust.
pub const CONFIG: u8 = 3;
/// Not found.
pub const NOT_FOUND: u8 = 10;
/// Tampered with, or cannot be opened.
pub const TAMPERED: u8 = 11;
/// Denied by a backend or by policy.
pub const DENIED: u8 = 12;
/// A backend refused the credentials.
pub const UNAUTHENTICATED: u8 = 13;
/// The audit log is unavailable or broken.
pub const AUDIT: u8 = 14;
/// Someone else wrote.
pub const CONFLICT: u8 = 15;
/// Unavailable, throttled or timed out.
pub const UNAVAILABLE: u8 = 16;
/// Done at a lower level than asked.
pub const DEGRADED: u8 = 17;
/// Older than what was seen already.
pub const STALE: u8 = 18;
/// The safe cannot be unlocked.
pub const LOCKED: u8 = 19;
/// A check failed.
pub const CHECK_FAILED: u8 = 20;
/// `run`: the program was found and could not be started, as shells have it.
pub const NOT_EXECUTABLE: u8 = 126;
/// `run`: the program was not found, as shells have it.
pub const NO_PROGRAM: u8 = 127;

/// The code of a backend's error.
#[must_use]
pub fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::AlreadyExists | ErrorKind::Conflict => CONFLICT,
        ErrorKind::InvalidInput | ErrorKind::Unsupported => USAGE,
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::PermissionDenied => DENIED,
        ErrorKind::Unauthenticated => UNAUTHENTICATED,
        ErrorKind::RateLimited | ErrorKind::Unavailable | ErrorKind::TimedOut => UNAVAILABLE,
        ErrorKind::Tampered => TAMPERED,
        ErrorKind::Stale => STALE,
        ErrorKind::AuditUnavailable => AUDIT,
        // `Unexpected`, and kinds that are younger than this table.
        _ => OTHER,
    }
}

/// The code of a library error.
#[must_use]
pub fn of(error: &Error, places: &Places) -> u8 {
    match error {
        Error::Backend(error) => of_kind(error.kind()),
        Error::Audit(_) | Error::ShortLog { .. } => AUDIT,
        Error::NoSafe(_) | Error::NoSafeThere(_) => NOT_FOUND,
        Error::SafeExists(_) => CONFLICT,
        Error::WrongSecret { .. } | Error::KeyFile { .. } | Error::UnknownInstallation(_) => LOCKED,
        Error::Header { .. } | Error::Keyring { .. } | Error::Stored { .. } => TAMPERED,
        Error::OldHeader { .. } => STALE,
        Error::Slot(_) | Error::InvalidInput(_) | Error::NotShareable(_) => USAGE,
        Error::State(error) => match error {
            StateError::File(error) => of_file(error, places),
            StateError::Held { .. } => UNAVAILABLE,
            StateError::Damaged(_) => TAMPERED,
            _ => OTHER,
        },
        Error::File(error) => of_file(error, places),
        Error::Lock(LockError::File(error)) => of_file(error, places),
        Error::Lock(_) => UNAVAILABLE,
        // `Random`, and errors that are younger than this table.
        _ => OTHER,
    }
}

/// A library error with its code and what to try next.
#[must_use]
pub fn failure(error: Error, places: &Places) -> Failure {
    let code = of(&error, places);
    let hint = match &error {
        Error::Backend(error) if is_caused_by::<ForeignPlace>(error) => Some(hints::FOREIGN_PLACE),
        Error::Backend(error) if is_caused_by::<KeyringsDiffer>(error) => {
            Some("`secrets key rotate` merges both")
        }
        Error::Backend(error)
            if error.kind() == ErrorKind::Conflict && error.operation() == Operation::Get =>
        {
            Some(hints::CONTESTED)
        }
        Error::Backend(error) => hints::of_kind(error.kind()),
        Error::Audit(_) | Error::ShortLog { .. } => hints::of_kind(ErrorKind::AuditUnavailable),
        Error::WrongSecret { .. } => Some("another key file (--key-file) or the recovery phrase"),
        Error::KeyFile { .. } => {
            Some("the key file that `secrets init` made, or a backup of it, with --key-file")
        }
        Error::Header { .. } => Some("put a backup of the header back"),
        Error::SafeExists(_) => Some("`secrets status` shows it; SECRETS_HOME names another place"),
        Error::OldHeader { .. } => {
            Some("put the newer header back: a slot that was removed could open the old one")
        }
        _ if code == AUDIT => hints::of_kind(ErrorKind::AuditUnavailable),
        _ => None,
    };
    let failure = match error {
        // A backend's own line says it all; its cause is for -v.
        Error::Backend(error) => {
            tracing::debug!(?error, "backend");
            Failure::new(code, error.to_string())
        }
        error => Failure::new(code, error.to_string()),
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn is_caused_by<E: std::error::Error + 'static>(error: &secrets_backend::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<E>())
}

/// A file of the audit log that cannot be used means that nothing can be recorded; others are a matter of
/// this machine's set-up.
fn of_file(error: &FileError, places: &Places) -> u8 {
    let path = match error {
        FileError::Io { path, .. }
        | FileError::Symlink(path)
        | FileError::ForeignOwner { path, .. }
        | FileError::Accessible { path, .. }
        | FileError::TooLarge { path, .. } => path,
        _ => return OTHER,
    };
    match error {
        _ if path.starts_with(&places.state) => AUDIT,
        FileError::Io { .. } => OTHER,
        _ => CONFIG,
    }
}

/// What `secrets --exit-codes` prints, in order.
pub const TABLE: &[(u8, &str)] = &[
    (DONE, "done"),
    (OTHER, "other failure"),
    (USAGE, "usage or invalid input"),
    (CONFIG, "configuration or trust"),
    (NOT_FOUND, "not found"),
    (TAMPERED, "tampered with, or cannot be opened"),
    (DENIED, "denied"),
    (UNAUTHENTICATED, "unauthenticated at a backend"),
    (AUDIT, "audit log unavailable or broken"),
    (CONFLICT, "conflict: someone else wrote"),
    (UNAVAILABLE, "unavailable, throttled or timed out"),
    (DEGRADED, "degraded: done at a lower level than asked"),
    (STALE, "stale: older than already seen"),
    (LOCKED, "the safe cannot be unlocked"),
    (CHECK_FAILED, "a check failed"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_answers_that_must_stay_apart_have_four_codes() {
        let codes = [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::Unavailable,
            ErrorKind::Tampered,
            ErrorKind::Stale,
        ]
        .map(of_kind);
        assert_eq!(codes, [10, 12, 16, 11, 18]);
    }

    #[test]
    fn the_table_lists_each_code_once_in_order() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
