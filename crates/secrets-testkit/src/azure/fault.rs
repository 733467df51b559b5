//! What goes wrong on purpose, and what of it is done around a request.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::refusal::Refusal;

/// What a vault does instead of answering a request that it would have answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VaultFault {
    /// 429 with this many seconds of `Retry-After`; without effect
    Throttled(u64),
    /// This status with this body; without effect
    Status(u16, String),
    /// 401 with this `WWW-Authenticate`; without effect
    Challenge(String),
    /// 500, and the request's body in its message; without effect
    Echo,
    /// A redirect to this address; without effect
    Redirect(String),
    /// No answer for as long as the client waits; without effect
    Hang,
    /// The connection ends; without effect
    Dropped,
    /// The request takes effect, and the connection ends without an answer
    LostAnswer,
    /// The request takes effect, and the last half of the answer is missing
    BrokenJson,
    /// The request takes effect, and the answer never ends
    Endless,
    /// The request takes effect, and the answer has this next link
    NextLink(String),
}

/// What the token issuer or an identity endpoint does instead of answering.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssuerFault {
    /// 429 with this many seconds of `Retry-After`
    Throttled(u64),
    /// This status with this body
    Status(u16, String),
    /// No answer for as long as the client waits
    Hang,
    /// An answer after this time; without its header, the metadata service refuses at once all the same
    Slow(Duration),
}

/// Marks a response that is not sent: the connection ends instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotSent;

impl VaultFault {
    /// The answer, where the request has no effect.
    pub(super) async fn instead(&self, body: &Bytes) -> Option<Response> {
        Some(match self {
            Self::Throttled(seconds) => Refusal::throttled(*seconds).into_response(),
            Self::Status(status, body) => with_status(*status, body),
            Self::Challenge(text) => with_header(401, header::WWW_AUTHENTICATE, text),
            Self::Echo => {
                let message = format!("An error occurred: {}", String::from_utf8_lossy(body));
                let body = json!({ "error": { "code": "InternalServerError", "message": message } });
                (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(body)).into_response()
            }
            Self::Redirect(to) => with_header(307, header::LOCATION, to),
            Self::Hang => std::future::pending().await,
            Self::Dropped => not_sent(),
            Self::LostAnswer | Self::BrokenJson | Self::Endless | Self::NextLink(_) => return None,
        })
    }

    /// What becomes of the answer, where the request had its effect.
    pub(super) async fn after(&self, response: Response) -> Response {
        match self {
            Self::LostAnswer => not_sent(),
            Self::BrokenJson => {
                let body = to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
                json_text(body.slice(..body.len() / 2))
            }
            Self::Endless => json_text(endless()),
            Self::NextLink(to) => {
                let body = to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
                let mut page: Value = serde_json::from_slice(&body).unwrap_or_default();
                page["nextLink"] = json!(to);
                axum::Json(page).into_response()
            }
            _ => response,
        }
    }
}

impl IssuerFault {
    /// The answer; none where it only comes late.
    pub(super) async fn instead(&self) -> Option<Response> {
        match self {
            Self::Throttled(seconds) => {
                let mut response = with_status(429, "too many requests");
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
                Some(response)
            }
            Self::Status(status, body) => Some(with_status(*status, body)),
            Self::Hang => std::future::pending().await,
            Self::Slow(time) => {
                tokio::time::sleep(*time).await;
                None
            }
        }
    }
}

fn with_status(status: u16, body: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, body.to_owned()).into_response()
}

/// One with this header and nothing in it.
fn with_header(status: u16, name: HeaderName, text: &str) -> Response {
    let mut response = with_status(status, "");
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
    response
}

fn not_sent() -> Response {
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(NotSent);
    response
}

fn json_text(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// A JSON text that never ends, as fast as the client takes it.
fn endless() -> Body {
    use futures_util::StreamExt as _;
    use futures_util::stream::{once, repeat};

    let begin = once(async { Bytes::from_static(b"{\"value\":\"") });
    let rest = repeat(Bytes::from_static(&[b'a'; 16 * 1024]));
    Body::from_stream(begin.chain(rest).map(Ok::<_, std::io::Error>))
}
