//! Why there is no token. Nothing in it came from a body, a file, a program's output or a credential.

use std::error::Error as StdError;
use std::time::Duration;

use azure_core::error::ErrorKind as AzureErrorKind;
use secrets_backend::ErrorKind;

use crate::failure::{Effect, Failure, find};
use crate::wire::Fault;

/// Why there is no token. The vault was not asked for anything.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct NoToken {
    pub(crate) kind: ErrorKind,
    pub(crate) detail: String,
    pub(crate) retry_after: Option<Duration>,
    /// Nobody of this kind was found to be here: no endpoint, no program, no login.
    pub(super) is_absent: bool,
}

impl NoToken {
    /// There is nothing of this kind here.
    pub(super) fn absent(detail: impl Into<String>) -> Self {
        let refused = Self::refused(detail);
        Self { is_absent: true, ..refused }
    }

    /// Somebody said no, or what was given is none.
    pub(super) fn refused(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthenticated, detail)
    }

    pub(super) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None, is_absent: false }
    }

    /// No answer within the time that it has.
    pub(super) fn late() -> Self {
        Self::new(ErrorKind::TimedOut, "no answer in time")
    }

    /// What an error of the Azure clients means where a token was asked for.
    pub(super) fn of(error: &azure_core::Error) -> Self {
        if let Some(known) = find::<Self>(error) {
            return known.clone();
        }
        if let Some(fault) = find::<Fault>(error) {
            let (kind, detail, retry_after) = Failure::of_fault(fault, Effect::None).into_parts();
            return Self { retry_after, ..Self::new(kind, detail) };
        }
        match numbers(error) {
            Some(numbers) => Self::refused(format!("refused, {numbers}")),
            None => Self::refused("refused, or the answer is none"),
        }
    }

    /// The same, said of whom.
    pub(super) fn of_whom(mut self, who: &str) -> Self {
        self.detail = format!("{who}: {}", self.detail);
        self
    }
}

impl From<NoToken> for azure_core::Error {
    fn from(reason: NoToken) -> Self {
        Self::new(AzureErrorKind::Credential, reason)
    }
}

/// The numbers of Microsoft's own for a refusal, as `AADSTS7000215`: "Microsoft Entra authentication error codes".
fn numbers(error: &azure_core::Error) -> Option<String> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<azure_core::Error>().map(azure_core::Error::kind);
        if let Some(AzureErrorKind::HttpResponse { error_code: Some(codes), .. }) = kind {
            let is_number =
                |code: &str| (1..=9).contains(&code.len()) && code.bytes().all(|c| c.is_ascii_digit());
            let known: Vec<String> = codes
                .split(',')
                .filter(|code| is_number(code))
                .take(4)
                .map(|code| format!("AADSTS{code}"))
                .collect();
            return (!known.is_empty()).then(|| known.join(", "));
        }
        next = error.source();
    }
    None
}
