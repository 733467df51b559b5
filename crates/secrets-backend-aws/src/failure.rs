//! What can go wrong below an operation, and what the service's codes mean.
//!
//! An error of the client is never formatted and never kept: it can hold the request, with its value. What is said is
//! made of its code, its status and the id of the request, each only where it looks like one.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::RequestId;
use aws_smithy_http::endpoint::ResolveEndpointError;
use secrets_backend::{Error, ErrorKind, Operation, SecretPath};

use crate::codes::{Code, Meaning};
use crate::wire;

/// A failure that does not know yet which operation it will be part of.
///
/// No text in it came from a value, a body or a credential.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    /// What the service called it; for decisions, and shown in `detail`.
    pub(crate) code: Option<Code>,
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
        Self { kind, code: None, detail: detail.into(), retry_after: None }
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
        Self::new(effect.lost(), "a reply without what every reply has")
    }

    /// What the service said with this code about one of many.
    pub(crate) fn coded(kind: ErrorKind, code: Code) -> Self {
        Self { code: Some(code), ..Self::new(kind, code.name()) }
    }

    /// The same for another caller.
    pub(crate) fn again(&self) -> Self {
        Self { kind: self.kind, code: self.code, detail: self.detail.clone(), retry_after: self.retry_after }
    }

    /// The same, with the time after which to try again.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same failure as another kind, for a caller who knows better.
    pub(crate) fn or(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == Some(code)
    }

    /// The service took the call for one with credentials that were good once.
    pub(crate) fn is_of_expired_credentials(&self) -> bool {
        self.code.is_some_and(Code::is_of_expired_credentials)
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

    /// What an error of the client means.
    pub(crate) fn of_call<E>(error: &SdkError<E, HttpResponse>, effect: Effect) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => of_answer(answer.err().code(), answer.raw(), effect),
            SdkError::ResponseError(answer) => of_answer(None, answer.raw(), effect),
            SdkError::TimeoutError(_) => Self::new(ErrorKind::TimedOut, "no answer in time"),
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) => of_dispatch(error, failure.is_timeout(), effect),
                None => Self::new(effect.lost(), "the connection failed"),
            },
            // Made before anything is sent: endpoint, region, a parameter.
            SdkError::ConstructionFailure(_) => no_address(),
            _ => Self::new(ErrorKind::Unexpected, "a failure that this client does not know"),
        }
    }
}

/// By code, then by status; the text of an answer decides nothing and is shown nowhere.
fn of_answer(code: Option<&str>, raw: &HttpResponse, effect: Effect) -> Failure {
    let status = raw.status().as_u16();
    let code = code.and_then(Code::of);
    let kind = match code.map_or_else(|| Meaning::of_status(status), Code::meaning) {
        Meaning::Kind(kind) => kind,
        Meaning::Lost => effect.lost(),
    };
    let named = code.map_or_else(|| "no code".into(), Code::name);
    let id = raw.request_id().filter(|id| is_id(id)).map_or_else(String::new, |id| format!(", request {id}"));
    let retry_after = raw.headers().get("retry-after").and_then(|text| text.parse().ok());
    let mut failure = Failure::new(kind, format!("{named}, status {status}{id}"));
    failure.code = code;
    // An hour is as good as never; a hostile answer does not make anyone wait for longer.
    failure.retry_after = retry_after.map(|seconds: u64| Duration::from_secs(seconds.min(3_600)));
    failure
}

/// Whether it may be shown as the id of a request.
fn is_id(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn no_address() -> Failure {
    Failure::invalid("region, endpoint_url, use_fips and use_dual_stack make no address together")
}

fn of_dispatch(error: &(dyn StdError + 'static), timed_out: bool, effect: Effect) -> Failure {
    if let Some(failure) = crate::credentials::failure(error) {
        return failure;
    }
    if wire::find::<ResolveEndpointError>(error).is_some() {
        return no_address();
    }
    if wire::is_too_long(error) {
        return Failure::new(effect.lost(), "a reply that is larger than any of this service");
    }
    if timed_out {
        return Failure::new(ErrorKind::TimedOut, "no answer in time");
    }
    if wire::never_connected(error) {
        return Failure::new(ErrorKind::Unavailable, "no connection: refused, unknown name, or TLS");
    }
    Failure::new(effect.lost(), "the connection broke")
}
