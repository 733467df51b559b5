//! The codes of the service, and what each means.
//!
//! Sources: the API reference of AWS Secrets Manager, "Errors" of each action and "Common Error Types"; for throttling
//! also the list in the AWS SDK reference, "Retry behavior".

use std::borrow::Cow;

use secrets_backend::ErrorKind;

/// A code that the service gives; those that decide something by name, and any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    ResourceNotFound,
    ResourceExists,
    InvalidRequest,
    InvalidParameter,
    Other(&'static str, ErrorKind),
    /// An internal error: whether the work was done is unknown.
    Internal,
    /// One that is not in the tables.
    Unknown,
}

/// What a code or a status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Kind(ErrorKind),
    /// No answer that tells whether the work was done.
    Lost,
}

const THROTTLED: [&str; 8] = [
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
];
const DENIED: [&str; 5] =
    ["AccessDeniedException", "AccessDenied", "NotAuthorized", "UnauthorizedOperation", "OptInRequired"];
const UNAUTHENTICATED: [&str; 13] = [
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "AuthFailure",
];
/// Those of them that other credentials of the same source may help against.
const EXPIRED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired"];
const INVALID: [&str; 7] = [
    "ValidationException",
    "ValidationError",
    "InvalidNextTokenException",
    "LimitExceededException",
    "MalformedPolicyDocumentException",
    "PreconditionNotMetException",
    "PublicPolicyException",
];
/// Not done: the service, or the key that it encrypts with, cannot work now.
const UNAVAILABLE: [&str; 4] =
    ["ServiceUnavailable", "ServiceUnavailableException", "DecryptionFailure", "EncryptionFailure"];
const INTERNAL: [&str; 5] = [
    "InternalServiceError",
    "InternalServiceErrorException",
    "InternalFailure",
    "InternalServerError",
    "InternalError",
];

const TABLES: [(&[&str], ErrorKind); 5] = [
    (&THROTTLED, ErrorKind::RateLimited),
    (&DENIED, ErrorKind::PermissionDenied),
    (&UNAUTHENTICATED, ErrorKind::Unauthenticated),
    (&INVALID, ErrorKind::InvalidInput),
    (&UNAVAILABLE, ErrorKind::Unavailable),
];

impl Code {
    /// The code of this name. An empty one is none.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "" => return None,
            "ResourceNotFoundException" => Self::ResourceNotFound,
            "ResourceExistsException" => Self::ResourceExists,
            "InvalidRequestException" => Self::InvalidRequest,
            "InvalidParameterException" => Self::InvalidParameter,
            name if INTERNAL.contains(&name) => Self::Internal,
            name => {
                let known = TABLES.iter().find_map(|&(names, kind)| {
                    names.iter().find(|known| **known == name).map(|known| Self::Other(known, kind))
                });
                known.unwrap_or(Self::Unknown)
            }
        })
    }

    pub(crate) const fn meaning(self) -> Meaning {
        match self {
            Self::ResourceNotFound => Meaning::Kind(ErrorKind::NotFound),
            Self::ResourceExists => Meaning::Kind(ErrorKind::AlreadyExists),
            Self::InvalidRequest | Self::InvalidParameter => Meaning::Kind(ErrorKind::InvalidInput),
            Self::Other(_, kind) => Meaning::Kind(kind),
            Self::Internal | Self::Unknown => Meaning::Lost,
        }
    }

    pub(crate) fn is_of_expired_credentials(self) -> bool {
        matches!(self, Self::Other(name, _) if EXPIRED.contains(&name))
    }

    /// Its name. A code that is not in the tables is text from outside, and not shown.
    pub(crate) const fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::ResourceExists => "ResourceExistsException",
            Self::InvalidRequest => "InvalidRequestException",
            Self::InvalidParameter => "InvalidParameterException",
            Self::Other(name, _) => name,
            Self::Internal => "InternalServiceError",
            Self::Unknown => "an unknown code",
        })
    }
}

impl Meaning {
    /// What a status means where there is no code: not an answer of the service, maybe one of a proxy before it.
    ///
    /// So 404 is no absence, and 400 no fault of the request.
    pub(crate) const fn of_status(status: u16) -> Self {
        Self::Kind(match status {
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::PermissionDenied,
            413 => ErrorKind::InvalidInput,
            429 => ErrorKind::RateLimited,
            503 | 300..=499 => ErrorKind::Unavailable,
            _ => return Self::Lost,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_tables_is_found_as_itself() {
        for (names, kind) in TABLES {
            for name in names {
                let code = Code::of(name).unwrap();
                assert_eq!((code.name().as_ref(), code.meaning()), (*name, Meaning::Kind(kind)));
            }
        }
    }

    #[test]
    fn expired_credentials_are_told_from_others() {
        let expired =
            UNAUTHENTICATED.iter().filter(|name| Code::of(name).unwrap().is_of_expired_credentials());
        assert_eq!(expired.count(), EXPIRED.len());
        assert!(EXPIRED.iter().all(|name| UNAUTHENTICATED.contains(name)));
        assert!(!Code::Unknown.is_of_expired_credentials());
    }

    #[test]
    fn a_code_from_outside_is_not_shown() {
        let code = Code::of("planted-5ecre7-value").unwrap();
        assert_eq!((code.name().as_ref(), code.meaning()), ("an unknown code", Meaning::Lost));
        assert_eq!(Code::of(""), None);
    }

    #[test]
    fn a_status_alone_is_never_an_absence_or_a_conflict() {
        for status in 100..600 {
            let meaning = Meaning::of_status(status);
            let wrong = [ErrorKind::NotFound, ErrorKind::AlreadyExists, ErrorKind::Conflict];
            assert!(!wrong.iter().any(|&kind| meaning == Meaning::Kind(kind)), "{status}");
        }
    }
}
