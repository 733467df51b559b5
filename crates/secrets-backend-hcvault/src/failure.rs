//! What can go wrong below an operation, and what a status means.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

use secrets_backend::{Error, ErrorKind, Operation, SecretPath};

use crate::wire::Reply;

/// A failure that does not know yet which operation it will be part of.
///
/// No text in it came from a value, a reply or a credential.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Whether a call may have changed something when its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It reads, or repeating it changes nothing: a lost answer is `Unavailable`.
    None,
    /// It writes: a lost answer leaves the outcome unknown, `TimedOut`.
    Write,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None, source: None }
    }

    pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, detail)
    }

    /// The same, without its source, for another caller.
    pub(crate) fn again(&self) -> Self {
        Self { kind: self.kind, detail: self.detail.clone(), retry_after: self.retry_after, source: None }
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// The error of an operation.
    pub(crate) fn of(self, operation: Operation, backend: &str, path: Option<&SecretPath>) -> Error {
        let mut error = Error::new(self.kind, operation, backend.to_owned());
        if let Some(path) = path {
            error = error.with_path(path);
        }
        if !self.detail.is_empty() {
            error = error.with_detail(self.detail);
        }
        if let Some(wait) = self.retry_after {
            error = error.with_retry_after(wait);
        }
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    /// What a status means that no caller knows better.
    ///
    /// Sources: the server's API documentation, section "HTTP status codes"; what its releases answer was tried, see
    /// `README.md`. 403 and 404 mean different things in different calls: callers look at them first.
    pub(crate) fn of_status(reply: &Reply, effect: Effect) -> Self {
        let kind = match (reply.status, effect) {
            (404, _) => ErrorKind::NotFound,
            (403, _) => ErrorKind::PermissionDenied,
            (401, _) => ErrorKind::Unauthenticated,
            (429, _) => ErrorKind::RateLimited,
            // Not served, so without effect: a replica that lags (412), a standby (472, 473), sealed (503).
            (412 | 472 | 473 | 503, _) => ErrorKind::Unavailable,
            (300..=399, _) => ErrorKind::Unavailable,
            (500.., Effect::None) => ErrorKind::Unavailable,
            (500.., Effect::Write) => ErrorKind::TimedOut,
            (400..=499, _) => ErrorKind::InvalidInput,
            _ => ErrorKind::Unexpected,
        };
        Self::new(kind, status_detail(reply)).after(reply.retry_after)
    }

    /// A reply that says nothing that we understand.
    pub(crate) fn damaged(effect: Effect, detail: impl Into<Cow<'static, str>>) -> Self {
        let kind = match effect {
            Effect::None => ErrorKind::Unavailable,
            Effect::Write => ErrorKind::TimedOut,
        };
        Self::new(kind, detail)
    }
}

fn status_detail(reply: &Reply) -> Cow<'static, str> {
    match reply.status {
        400 if !reply.is_json() => {
            "status 400, not in the server's own form: does `address` have the right scheme and port?".into()
        }
        300..=399 => {
            "the server redirects, which is not followed: set `address` to the node that answers".into()
        }
        412 => "status 412: the node has not caught up yet".into(),
        413 => "status 413: larger than the server takes".into(),
        472 => "status 472: a disaster recovery secondary answers no requests".into(),
        473 => "status 473: a standby that does not answer".into(),
        503 => "status 503: sealed, or in maintenance".into(),
        status => format!("status {status}").into(),
    }
}
