//! What can go wrong below an operation.
//!
//! An error of the Azure clients is never formatted and never kept: it can hold the reply, with its value, or
//! what the token issuer said. What is said is made of known codes, the status and the id of the request.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

use azure_core::error::ErrorKind as AzureErrorKind;
use secrets_backend::{Error, ErrorKind, Operation, SecretPath};

use crate::codes::{self, Busy, Meaning};
use crate::credentials::NoToken;
use crate::wire::{Fault, Peer, Trouble};

/// A failure that does not know yet which operation it will be part of.
///
/// No text in it came from a value, a body or a credential.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    /// What keeps the secret from being written, where that is what the service said.
    pub(crate) busy: Option<Busy>,
    /// The vault refused the token.
    pub(crate) is_of_token: bool,
    /// It failed before anything was sent to the vault: nothing was changed there, whatever the kind.
    pub(crate) is_unsent: bool,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
}

/// Whether a call may have changed something when its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It reads: a lost answer is `Unavailable`.
    None,
    /// It writes: a lost answer leaves the outcome unknown, `TimedOut`.
    Write,
}

impl Effect {
    /// The kind of an answer that is lost or makes no sense.
    const fn lost(self) -> ErrorKind {
        match self {
            Self::None => ErrorKind::Unavailable,
            Self::Write => ErrorKind::TimedOut,
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self { kind, busy: None, is_of_token: false, is_unsent: false, detail, retry_after: None }
    }

    pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, detail)
    }

    /// No such secret or version.
    pub(crate) fn missing() -> Self {
        Self::new(ErrorKind::NotFound, "")
    }

    /// A reply without what every reply has.
    pub(crate) fn damaged(effect: Effect) -> Self {
        Self::new(effect.lost(), "a reply without what every reply of Key Vault has")
    }

    /// No answer within the time of a call.
    pub(crate) fn late() -> Self {
        Self::new(ErrorKind::TimedOut, "no answer in time")
    }

    /// A reply about another secret than the one that was asked for.
    pub(crate) fn elsewhere() -> Self {
        Self::new(ErrorKind::Tampered, "the vault answered for another secret, or sent us to another host")
    }

    /// The same failure as another kind, for a caller who knows better.
    pub(crate) fn or(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same failure, and what was done before it.
    pub(crate) fn after(mut self, what: &str) -> Self {
        self.detail = format!("{}; {what}", self.detail).into();
        self
    }

    /// The same failure, before anything was sent to the vault.
    pub(crate) fn unsent(self) -> Self {
        Self { is_unsent: true, ..self }
    }

    /// When to ask again, where that was said.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
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
        match self.retry_after {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }

    /// What it means that there is no token.
    pub(crate) fn of_source(reason: &NoToken) -> Self {
        let failure = Self::new(reason.kind, reason.detail.clone());
        Self { retry_after: reason.retry_after, ..failure }.unsent()
    }

    /// What a request without a reply means.
    pub(crate) fn of_fault(fault: &Fault, effect: Effect) -> Self {
        let failure = of_fault(fault, effect);
        if fault.peer == Peer::Source { failure.unsent() } else { failure }
    }

    /// Kind, text, and how long to wait.
    pub(crate) fn into_parts(self) -> (ErrorKind, String, Option<Duration>) {
        (self.kind, self.detail.into_owned(), self.retry_after)
    }

    /// What an error of the Azure clients means.
    pub(crate) fn of_call(error: &azure_core::Error, effect: Effect) -> Self {
        if let Some(reason) = find::<NoToken>(error) {
            return Self::of_source(reason);
        }
        if let Some(fault) = find::<Fault>(error) {
            return Self::of_fault(fault, effect);
        }
        match error.kind() {
            AzureErrorKind::HttpResponse { status, .. } if u16::from(*status) == 401 => {
                let refused =
                    Self::new(ErrorKind::Unauthenticated, "the vault refused the token, status 401");
                Self { is_of_token: true, ..refused }
            }
            AzureErrorKind::Credential => Self::new(
                ErrorKind::Unauthenticated,
                "no token: the credentials were refused, or there are none",
            ),
            // A body that is not what it should be.
            AzureErrorKind::DataConversion => Self::damaged(effect),
            _ => Self::new(ErrorKind::Unexpected, "a failure of the client that this backend does not know"),
        }
    }
}

fn of_fault(fault: &Fault, effect: Effect) -> Failure {
    // Before there is a token, nothing was asked of the vault.
    let effect = if fault.peer == Peer::Source { Effect::None } else { effect };
    let whose = match fault.peer {
        Peer::Vault => "",
        Peer::Source => ", asking for a token",
    };
    let said = |kind, text: &str| Failure::new(kind, format!("{text}{whose}"));
    match &fault.trouble {
        Trouble::Elsewhere => Failure::elsewhere(),
        Trouble::Tls => said(
            ErrorKind::Unavailable,
            "no connection: TLS failed; check `vault_url`, `authority`, `ca_pem`",
        ),
        Trouble::NoConnection => said(ErrorKind::Unavailable, "no connection: refused, or an unknown name"),
        Trouble::TimedOut => said(ErrorKind::TimedOut, "no answer in time"),
        Trouble::Broken => said(effect.lost(), "the connection broke"),
        Trouble::TooLarge => said(effect.lost(), "a reply that is larger than any of this service"),
        Trouble::Refused { status, codes, request, retry_after } => {
            let kind = match codes::meaning(fault.peer, *status, *codes) {
                Meaning::Kind(kind) => kind,
                Meaning::Lost => effect.lost(),
            };
            let id = request.as_ref().map(|id| format!(", request {id}")).unwrap_or_default();
            let mut failure = said(kind, &format!("{}, status {status}{id}", codes.name()));
            failure.busy = codes.busy(*status);
            failure.retry_after = *retry_after;
            failure
        }
    }
}

/// An error of type `T` among the causes.
pub(crate) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An I/O error hides what it was made of from `source`.
        let io = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = io.and_then(|inner| find::<T>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
