//! What the service answers when it refuses: "Authentication, requests and responses", section "Error responses",
//! and the model `KeyVaultError` of the reference.

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal: status, code, message, and the code within where the reference or the service has one.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    inner: Option<&'static str>,
    header: Option<(HeaderName, String)>,
}

pub(super) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    const fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self { status, code, message, inner: None, header: None }
    }

    /// A name, a value, a parameter or a body that can never be accepted.
    pub(super) fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadParameter", message.into())
    }

    /// "REST API error codes", HTTP 401: without a token, or with one that is not accepted.
    pub(super) fn unauthorized(message: &str, authority: &str, resource: &str) -> Self {
        let challenge = format!("Bearer authorization=\"{authority}\", resource=\"{resource}\"");
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message.to_owned())
            .with(header::WWW_AUTHENTICATE, challenge)
    }

    /// "REST API error codes", HTTP 403.
    pub(super) fn forbidden(message: impl Into<String>, inner: Option<&'static str>) -> Self {
        Self { inner, ..Self::new(StatusCode::FORBIDDEN, "Forbidden", message.into()) }
    }

    /// There is no such secret, version or deleted secret.
    pub(super) fn not_found(name: &str) -> Self {
        let message = format!("A secret with (name/id) {name} was not found in this key vault.");
        Self::new(StatusCode::NOT_FOUND, "SecretNotFound", message)
    }

    /// Another operation on the same secret is not over, or went before.
    pub(super) fn conflict(message: String, inner: &'static str) -> Self {
        Self { inner: Some(inner), ..Self::new(StatusCode::CONFLICT, "Conflict", message) }
    }

    /// "Azure Key Vault throttling guidance".
    pub(super) fn throttled(retry_after: u64) -> Self {
        let message = "Request was not processed because too many requests were received.".to_owned();
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Throttled", message)
            .with(header::RETRY_AFTER, retry_after.to_string())
    }

    /// There is nothing at this path, or it does not know this method.
    pub(super) fn of_route(status: StatusCode, code: &'static str) -> Self {
        Self::new(status, code, "The request URI or its method is not one of this service.".to_owned())
    }

    fn with(self, name: HeaderName, value: String) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(inner) = self.inner {
            error["innererror"] = json!({ "code": inner });
        }
        let body = Json(json!({ "error": error }));
        match self.header {
            Some(header) => (self.status, [header], body).into_response(),
            None => (self.status, body).into_response(),
        }
    }
}
