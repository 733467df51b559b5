//! What was asked, and what is answered.

use std::time::Duration;

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// `GET`, `LIST`, …
    pub method: String,
    /// The path with its query
    pub path: String,
    /// Names in lower case, in the order in which they came
    pub headers: Vec<(String, String)>,
    /// The whole body
    pub body: Vec<u8>,
}

impl Request {
    /// A request of a test's own, to be sent by [`forward`](Self::forward).
    #[must_use]
    pub fn new(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let headers = headers.iter().map(owned).collect();
        Self { method: method.to_owned(), path: path.to_owned(), headers, body: body.into() }
    }

    /// The first header of this name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// An answer, given after a pause if it has one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status, such as 200
    pub status: u16,
    /// Headers beside those of the body's length
    pub headers: Vec<(String, String)>,
    /// The body
    pub body: Body,
    /// Before the first byte
    pub delay: Duration,
}

/// A body, well-formed or not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Body {
    /// A text
    Text(String),
    /// Bytes
    Bytes(Vec<u8>),
    /// A JSON text that never ends, as fast as the client takes it
    Endless,
    /// Fewer bytes than the length in the header, then the end of the connection
    Truncated {
        /// What `Content-Length` says
        declared: u64,
        /// What comes
        sent: Vec<u8>,
    },
    /// Pieces of `size` bytes with a pause before each
    Drip {
        /// The whole body
        bytes: Vec<u8>,
        /// Bytes of a piece, at least 1
        size: usize,
        /// The pause
        every: Duration,
    },
}

impl Answer {
    /// An answer with this body, without headers and without a pause.
    #[must_use]
    pub const fn new(status: u16, body: Body) -> Self {
        Self { status, headers: Vec::new(), body, delay: Duration::ZERO }
    }

    /// A text.
    #[must_use]
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, Body::Text(text.into()))
    }

    /// JSON, with the header that says so.
    #[must_use]
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::text(status, value.to_string()).with_header("content-type", "application/json")
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a pause before the first byte.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// For a request that no answer was prepared for: nothing that a client takes for success or for missing.
    pub(super) fn unprepared(request: &Request) -> Self {
        Self::text(500, format!("no answer was prepared for {} {}", request.method, request.path))
    }
}
