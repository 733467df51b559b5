//! What can go wrong, sorted by what the caller should do.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::SecretPath;

/// The result of an operation on a backend.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation: its kind, what was asked of whom, and the cause.
///
/// `Display` is one line without the cause. No text in it came from a value, a response body or a credential.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    operation: Operation,
    backend: Cow<'static, str>,
    path: Option<SecretPath>,
    detail: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of failure, by what the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Someone else created it first. Read it, then decide.
    AlreadyExists,
    /// Someone else wrote it since it was read. Read again, then decide.
    Conflict,
    /// It can never work: a name, a size, metadata. Change the request.
    InvalidInput,
    /// The backend answered: there is none.
    NotFound,
    /// Known, and refused. Ask for the permission.
    PermissionDenied,
    /// The credentials were refused. Log in again.
    Unauthenticated,
    /// Told to slow down. Wait for [`Error::retry_after`], then retry.
    RateLimited,
    /// It did not take effect: connection refused, 5xx, TLS, locked. Retry, or ask another replica.
    Unavailable,
    /// No answer in time: whether it took effect is unknown. Retry reads; read back writes.
    TimedOut,
    /// It failed authentication, or is not what was asked for. Do not use it; ask another replica; raise an alarm.
    Tampered,
    /// Older than what this installation has seen. Retry for a while, or ask another replica.
    Stale,
    /// The audit entry could not be written, so nothing was released. Repair the audit log.
    AuditUnavailable,
    /// This backend cannot do it.
    Unsupported,
    /// A bug.
    Unexpected,
}

/// What was asked of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the method of its name")]
#[non_exhaustive]
pub enum Operation {
    Check,
    Get,
    Put,
    Delete,
    Undelete,
    Purge,
    Versions,
    List,
}

impl Error {
    /// A failure of `operation` on `backend` (its `Display`).
    #[must_use]
    pub fn new(kind: ErrorKind, operation: Operation, backend: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation,
            backend: backend.into(),
            path: None,
            detail: None,
            retry_after: None,
            source: None,
        }))
    }

    /// The same, naming the path.
    #[must_use]
    pub fn with_path(mut self, path: &SecretPath) -> Self {
        self.0.path = Some(path.clone());
        self
    }

    /// The same, with a few words of our own. Never pass text that came from a value, a body or a credential.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The same, with the time after which to try again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The same, with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the caller should do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was asked.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Who was asked.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.0.backend
    }

    /// Which secret it was about.
    #[must_use]
    pub fn path(&self) -> Option<&SecretPath> {
        self.0.path.as_ref()
    }

    /// Our own words on it.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// When to try again, where the backend said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, operation, backend, path, detail, .. } = &*self.0;
        write!(f, "{operation}")?;
        if let Some(path) = path {
            write!(f, " {path}")?;
        }
        write!(f, " on {backend}: {kind}")?;
        if let Some(detail) = detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyExists => "already exists",
            Self::Conflict => "changed by someone else",
            Self::InvalidInput => "invalid input",
            Self::NotFound => "not found",
            Self::PermissionDenied => "permission denied",
            Self::Unauthenticated => "credentials refused",
            Self::RateLimited => "rate limited",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed out",
            Self::Tampered => "failed authentication",
            Self::Stale => "older than already seen",
            Self::AuditUnavailable => "the audit log cannot be written",
            Self::Unsupported => "not supported",
            Self::Unexpected => "unexpected failure",
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "check",
            Self::Get => "get",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Undelete => "undelete",
            Self::Purge => "purge",
            Self::Versions => "versions",
            Self::List => "list",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metadata, NewSecret, Secret, SecretBytes, VersionId};

    const PLANTED: &str = "pl4nted-v4lue";

    #[test]
    fn an_error_is_one_line_that_says_what_was_asked_of_whom() {
        let path = "app/key".parse().unwrap();
        let error = Error::new(ErrorKind::NotFound, Operation::Get, "memory").with_path(&path);
        assert_eq!(error.to_string(), "get app/key on memory: not found");
        let error = error.with_detail("deleted").with_source(std::io::Error::other("cause"));
        assert_eq!(error.to_string(), "get app/key on memory: not found (deleted)");
        assert_eq!(error.source().unwrap().to_string(), "cause");
        let error = Error::new(ErrorKind::Unavailable, Operation::Check, "memory");
        assert_eq!(error.to_string(), "check on memory: unavailable");
    }

    #[test]
    fn what_was_given_is_what_is_answered() {
        let path: SecretPath = "a".parse().unwrap();
        let error = Error::new(ErrorKind::RateLimited, Operation::List, "memory")
            .with_path(&path)
            .with_retry_after(Duration::from_secs(3));
        assert_eq!((error.kind(), error.operation()), (ErrorKind::RateLimited, Operation::List));
        assert_eq!((error.backend(), error.path(), error.detail()), ("memory", Some(&path), None));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn neither_display_nor_debug_shows_a_planted_value() {
        let bytes = SecretBytes::from(PLANTED);
        let new = NewSecret::new(PLANTED).with_metadata(Metadata::default());
        let read = Secret::new(VersionId::from_number(1), PLANTED);
        let not_a_path = PLANTED.replace('-', " ").parse::<SecretPath>().unwrap_err();
        let error = Error::new(ErrorKind::InvalidInput, Operation::Put, "memory").with_source(not_a_path);
        let answer: Result<Secret> = Ok(read);
        let shown = format!(
            "{bytes:?} {bytes:#?} {new:?} {new:#?} {answer:?} {answer:#?} {error} {error:?} {}",
            error.source().unwrap()
        );
        assert!(!shown.contains(PLANTED) && !shown.contains("v4lue"), "{shown}");
        let as_numbers = PLANTED.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        assert!(!shown.contains(&as_numbers) && !shown.contains(&PLANTED.len().to_string()), "{shown}");
    }

    #[test]
    fn an_error_is_small_enough_to_be_returned_everywhere() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
