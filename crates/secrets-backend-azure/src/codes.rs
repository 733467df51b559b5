//! The codes of the service, and what each means.
//!
//! Sources: the REST reference of Key Vault, "Authentication, requests, and responses" (HTTP status codes),
//! "REST API error codes", and "Azure Key Vault throttling guidance".

use secrets_backend::ErrorKind;
use serde::Deserialize;

use crate::wire::Peer;

/// What the service says with a refusal, as far as it is known: nothing else of it is kept or shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codes {
    /// Whether it was in the form that the service has for refusals.
    pub(crate) is_of_service: bool,
    code: Option<&'static str>,
    inner: Option<&'static str>,
}

/// What a secret is doing that keeps it from being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    /// It is deleted, and can be recovered.
    Deleted,
    /// It is being deleted, or removed.
    Going,
    /// It is being recovered, or changed by somebody else.
    Moving,
    /// The refusal does not say; a vault does, what stands in for one in development may not.
    Untold,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Kind(ErrorKind),
    /// No answer that tells whether the work was done.
    Lost,
}

/// Every code that is shown. What is not here may be anything, a value too.
const KNOWN: [&str; 22] = [
    "AccessDenied",
    "BadParameter",
    "Conflict",
    "Forbidden",
    "ForbiddenByConnection",
    "ForbiddenByFirewall",
    "ForbiddenByPolicy",
    "ForbiddenByRbac",
    "InternalServerError",
    "NotFound",
    "ObjectIsBeingDeleted",
    "ObjectIsBeingPurged",
    "ObjectIsBeingRecovered",
    "ObjectIsDeletedButRecoverable",
    "RequestTooLarge",
    "SecretAlreadyExists",
    "SecretDisabled",
    "SecretNotFound",
    "ServiceUnavailable",
    "Throttled",
    "Unauthorized",
    "VaultNotFound",
];

#[derive(Deserialize)]
struct Refusal {
    error: Named,
}

#[derive(Deserialize)]
struct Named {
    code: Option<String>,
    #[serde(rename = "innererror")]
    inner: Option<Box<Self>>,
}

impl Codes {
    /// Those of a body. The client's own reading of it fails where the message holds an escape.
    pub(crate) fn of(body: &[u8]) -> Self {
        let Ok(Refusal { error }) = serde_json::from_slice(body) else { return Self::default() };
        // The innermost says most.
        let mut inner = None;
        let mut next = error.inner.as_deref();
        while let Some(named) = next {
            inner = known(named).or(inner);
            next = named.inner.as_deref();
        }
        Self { is_of_service: error.code.is_some(), code: known(&error), inner }
    }

    pub(crate) fn has(self, name: &str) -> bool {
        self.code == Some(name) || self.inner == Some(name)
    }

    /// What the secret is doing; none for another refusal.
    pub(crate) fn busy(self, status: u16) -> Option<Busy> {
        match status {
            409 if self.has("ObjectIsDeletedButRecoverable") => Some(Busy::Deleted),
            409 if self.has("ObjectIsBeingDeleted") || self.has("ObjectIsBeingPurged") => Some(Busy::Going),
            409 if self.inner.is_some() || self.has("ObjectIsBeingRecovered") => Some(Busy::Moving),
            409 if self.is_of_service => Some(Busy::Untold),
            _ => None,
        }
    }

    /// What is said of them.
    pub(crate) fn name(self) -> String {
        match (self.code, self.inner) {
            (Some(code), Some(inner)) => format!("{code}: {inner}"),
            (Some(code), None) | (None, Some(code)) => code.to_owned(),
            (None, None) => "no known code".to_owned(),
        }
    }
}

fn known(named: &Named) -> Option<&'static str> {
    let code = named.code.as_deref()?;
    KNOWN.into_iter().find(|known| *known == code)
}

/// By status and code, never by text.
pub(crate) fn meaning(peer: Peer, status: u16, codes: Codes) -> Meaning {
    Meaning::Kind(match (peer, status) {
        (_, 429) => ErrorKind::RateLimited,
        (_, 401) => ErrorKind::Unauthenticated,
        // Whatever it was, no vault was asked.
        (Peer::Source, _) => ErrorKind::Unavailable,
        (Peer::Vault, 403) => ErrorKind::PermissionDenied,
        // Of secrets, versions and deleted secrets alike.
        (Peer::Vault, 404) if codes.has("SecretNotFound") => ErrorKind::NotFound,
        // A proxy's, that of another service, or that of a vault that is not there: nobody looked for the secret.
        (Peer::Vault, 404) => ErrorKind::Unavailable,
        (Peer::Vault, 409 | 503) => ErrorKind::Unavailable,
        (Peer::Vault, 300..=399) => ErrorKind::Unavailable,
        (Peer::Vault, 408) => return Meaning::Lost,
        (Peer::Vault, 400..=499) => ErrorKind::InvalidInput,
        _ => return Meaning::Lost,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn codes(code: &str, inner: Option<&str>) -> Codes {
        let inner = inner.map(|code| json!({"code": code}));
        let body = json!({"error": {"code": code, "message": "\"x\" \\ \u{e9}\n", "innererror": inner}});
        Codes::of(body.to_string().as_bytes())
    }

    #[test]
    fn the_innermost_code_is_found_behind_a_message_with_escapes() {
        let nested = json!({"error": {"code": "Forbidden", "message": "Vault \"x\"\\\n",
            "innererror": {"code": "AccessDenied", "innererror": {"code": "ForbiddenByRbac"}}}});
        let codes = Codes::of(nested.to_string().as_bytes());
        assert_eq!(codes.name(), "Forbidden: ForbiddenByRbac");
    }

    #[test]
    fn a_code_that_is_not_the_services_is_not_shown() {
        let codes = codes("planted-5ecre7-value", Some("planted"));
        assert!(codes.is_of_service);
        assert_eq!(codes.name(), "no known code");
        for body in ["", "<html>", "{", "[]", "{\"error\":\"x\"}", "{\"error\":{\"code\":7}}"] {
            assert_eq!(Codes::of(body.as_bytes()), Codes::default(), "{body}");
        }
    }

    #[test]
    fn a_conflict_says_what_the_secret_is_doing() {
        let deleted = codes("Conflict", Some("ObjectIsDeletedButRecoverable"));
        assert_eq!(deleted.busy(409), Some(Busy::Deleted));
        assert_eq!(codes("Conflict", Some("ObjectIsBeingDeleted")).busy(409), Some(Busy::Going));
        assert_eq!(codes("Conflict", Some("ObjectIsBeingRecovered")).busy(409), Some(Busy::Moving));
        assert_eq!(codes("ObjectIsBeingRecovered", None).busy(409), Some(Busy::Moving));
        assert_eq!(codes("Conflict", None).busy(409), Some(Busy::Untold));
        assert_eq!(deleted.busy(403), None);
        assert_eq!(Codes::default().busy(409), None);
    }
}
