//! A failure inside the store, before it is known which operation on which path it failed.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;

use secrets_backend::{Error, ErrorKind, Operation, SecretPath};

/// What went wrong, without the operation and the path.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: ErrorKind,
    detail: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    repair: bool,
}

impl Fault {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), source: None, repair: false }
    }

    /// The store's bytes are not what was written.
    pub(crate) fn damaged(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Tampered, detail)
    }

    /// The last stop was unclean: only an open for writing can go on.
    pub(crate) fn needs_repair() -> Self {
        let detail = "the last stop was unclean, and the store has not been repaired";
        Self { repair: true, ..Self::new(ErrorKind::Unavailable, detail) }
    }

    /// A call to the operating system that failed before anything took effect.
    pub(crate) fn io(doing: &'static str, error: io::Error) -> Self {
        let (kind, why) = match error.kind() {
            io::ErrorKind::StorageFull => (ErrorKind::Unavailable, "no space left"),
            io::ErrorKind::QuotaExceeded => (ErrorKind::Unavailable, "no space left: disk quota exceeded"),
            io::ErrorKind::FileTooLarge => (ErrorKind::Unavailable, "no space left: file size limit"),
            io::ErrorKind::ReadOnlyFilesystem => (ErrorKind::Unavailable, "read-only file system"),
            io::ErrorKind::PermissionDenied => (ErrorKind::PermissionDenied, "the operating system refused"),
            io::ErrorKind::InvalidData => (ErrorKind::Tampered, "a file of the store is damaged"),
            io::ErrorKind::UnexpectedEof => (ErrorKind::Tampered, "a file of the store is cut short"),
            _ => (ErrorKind::Unavailable, "input/output error"),
        };
        Self::new(kind, format!("{why}, {doing}")).with_source(error)
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same, met while the commit was under way: unless a write found no room, in which case nothing was
    /// written, the outcome is unknown.
    pub(crate) fn while_committing(self) -> Self {
        let written_nothing =
            self.detail.starts_with("no space left") || self.detail.starts_with("read-only");
        if written_nothing { self } else { self.with_unknown_outcome() }
    }

    /// The same, where the write may have taken effect or not: the caller has to read back.
    pub(crate) fn with_unknown_outcome(mut self) -> Self {
        if self.kind == ErrorKind::Unavailable {
            self.kind = ErrorKind::TimedOut;
            self.detail = format!("{}; whether the write took effect is unknown", self.detail).into();
        }
        self
    }

    /// The same for another operation that it failed; the cause stays with the first.
    pub(crate) fn again(&self) -> Self {
        Self { kind: self.kind, detail: self.detail.clone(), source: None, repair: self.repair }
    }

    pub(crate) fn wants_repair(&self) -> bool {
        self.repair
    }

    #[cfg(test)]
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn into_error(self, operation: Operation, backend: &str, path: Option<&SecretPath>) -> Error {
        let mut error = Error::new(self.kind, operation, backend.to_owned());
        if !self.detail.is_empty() {
            error = error.with_detail(self.detail);
        }
        if let Some(path) = path {
            error = error.with_path(path);
        }
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

impl From<ErrorKind> for Fault {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_and_output_errors_are_sorted_by_what_the_caller_can_do() {
        use io::ErrorKind as Io;
        for (io, kind) in [
            (Io::StorageFull, ErrorKind::Unavailable),
            (Io::QuotaExceeded, ErrorKind::Unavailable),
            (Io::ReadOnlyFilesystem, ErrorKind::Unavailable),
            (Io::Other, ErrorKind::Unavailable),
            (Io::PermissionDenied, ErrorKind::PermissionDenied),
            (Io::UnexpectedEof, ErrorKind::Tampered),
            (Io::InvalidData, ErrorKind::Tampered),
        ] {
            assert_eq!(Fault::io("in a test", io.into()).kind(), kind, "{io:?}");
        }
    }

    #[test]
    fn an_error_during_the_commit_leaves_the_outcome_open_unless_nothing_was_written() {
        let failed = Fault::io("in a test", io::Error::from_raw_os_error(5)).while_committing();
        assert_eq!(failed.kind(), ErrorKind::TimedOut);
        assert!(failed.detail().contains("unknown"));
        let full = Fault::io("in a test", io::ErrorKind::StorageFull.into()).while_committing();
        assert_eq!(full.kind(), ErrorKind::Unavailable);
        assert_eq!(full.detail(), "no space left, in a test");
    }
}
