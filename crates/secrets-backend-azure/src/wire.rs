//! HTTP: one client of ours under Microsoft's, that goes nowhere else, caps what it reads and keeps no
//! refusal's text.
//!
//! Their own transport has no limit for a reply, and their pager follows a link to any host with the token;
//! here a request to any host but the one it is for is refused before it is sent
//! (`docs/decisions/0009-azure-own-transport.md`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::http::headers::{AUTHORIZATION, HeaderName, HeaderValue, Headers, WWW_AUTHENTICATE};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Method, Request, StatusCode, Transport};
use bytes::Bytes;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, Url};
use zeroize::{Zeroize, Zeroizing};

use crate::codes::Codes;
use crate::config::AzureConfig;
use crate::failure::{Failure, find};

pub(crate) mod tls;

/// The largest reply that is read. A page has 25 secrets with 15 tags of at most 512 characters each.
const MAX_REPLY: usize = 4 * 1024 * 1024;
/// The largest refusal that is read.
const MAX_REFUSAL: usize = 64 * 1024;

/// Who is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Vault,
    /// Where tokens come from.
    Source,
}

/// The connections of one backend.
#[derive(Clone)]
pub(crate) struct Wire {
    http: reqwest::Client,
}

/// The part of the wire that leads to one peer.
struct Line {
    http: reqwest::Client,
    peer: Peer,
    /// Where it may go: scheme, host and port of each.
    to: Vec<Url>,
    /// For whom the vault wants tokens.
    resource: String,
}

/// Why there is no reply. Nothing in it came from a body or a credential.
#[derive(Debug, thiserror::Error)]
#[error("{trouble:?}")]
pub(crate) struct Fault {
    pub(crate) peer: Peer,
    pub(crate) trouble: Trouble,
}

#[derive(Debug)]
pub(crate) enum Trouble {
    /// It would have gone to another host than it may.
    Elsewhere,
    /// No connection was made.
    Tls,
    NoConnection,
    TimedOut,
    Broken,
    TooLarge,
    /// A status that is no success; a 401 of the vault apart, which Microsoft's client passes on.
    Refused {
        status: u16,
        codes: Codes,
        request: Option<String>,
        retry_after: Option<Duration>,
    },
}

impl Wire {
    /// A client for the hosts of `config`. Nothing is contacted; the system's authorities may be read.
    pub(crate) fn new(config: &AzureConfig) -> Result<Self, Failure> {
        let unusable = || Failure::invalid("ca_pem: with it no client can be made");
        let tls = tls::client(config.ca_pem.as_deref()).ok_or_else(unusable)?;
        let mut builder = reqwest::Client::builder()
            // A redirect would take the token to another address.
            .redirect(reqwest::redirect::Policy::none())
            // Nothing of the environment decides where tokens go.
            .no_proxy()
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            .pool_max_idle_per_host(config.concurrency)
            .retry(reqwest::retry::never())
            .tls_backend_preconfigured(tls);
        for (host, address) in &config.addresses {
            builder = builder.resolve(host, *address);
        }
        Ok(Self { http: builder.build().map_err(|_| unusable())? })
    }

    /// The transport to a peer, which is at these addresses and no other.
    pub(crate) fn transport(&self, peer: Peer, to: Vec<Url>, resource: String) -> Transport {
        Transport::new(self.line(peer, to, resource))
    }

    /// The same, for requests that are made here.
    pub(crate) fn line(&self, peer: Peer, to: Vec<Url>, resource: String) -> Arc<dyn HttpClient> {
        Arc::new(Line { http: self.http.clone(), peer, to, resource })
    }
}

impl Fault {
    pub(crate) const fn elsewhere(peer: Peer) -> Self {
        Self { peer, trouble: Trouble::Elsewhere }
    }
}

#[async_trait]
impl HttpClient for Line {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        if self.peer == Peer::Vault && request.headers().get_optional_str(&AUTHORIZATION).is_none() {
            return Ok(self.challenge());
        }
        // `Other`: no policy of theirs repeats it.
        self.exchange(request).await.map_err(|trouble| {
            azure_core::Error::new(AzureErrorKind::Other, Fault { peer: self.peer, trouble })
        })
    }
}

impl Line {
    /// What a vault answers to a request without token, which their client sends first to learn for whom
    /// tokens are.
    ///
    /// That is known here, so no vault is asked, and none can name another.
    fn challenge(&self) -> AsyncRawResponse {
        let mut headers = Headers::new();
        let text = format!("Bearer resource=\"{}\"", self.resource);
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from(text));
        AsyncRawResponse::from_bytes(StatusCode::Unauthorized, headers, Bytes::new())
    }

    async fn exchange(&self, request: &Request) -> Result<AsyncRawResponse, Trouble> {
        let url = request.url();
        if !self.to.iter().any(|to| is_at(url, to)) {
            return Err(Trouble::Elsewhere);
        }
        let (Body::Bytes(body), Some(method)) = (request.body(), method(request.method())) else {
            return Err(Trouble::Elsewhere);
        };
        let mut call = self.http.request(method, url.clone()).body(body.clone());
        for (name, value) in request.headers().iter() {
            call = call.header(name.as_str(), value.as_str());
        }
        let response = call.send().await.map_err(|error| unsent(&error))?;
        let status = response.status().as_u16();
        // What a source refuses is for their client to read, and of a 401 of the vault it tells us.
        let is_theirs = match self.peer {
            Peer::Vault => status == 401,
            Peer::Source => (400..500).contains(&status) && status != 429,
        };
        if !(200..300).contains(&status) && !is_theirs {
            return Err(refused(response).await);
        }
        let mut headers = headers(response.headers());
        if self.peer == Peer::Vault {
            // Their client would take it for the first answer of a vault: it would send the refused token once more, and
            // ask for tokens for whomever it names from then on.
            headers.remove(WWW_AUTHENTICATE);
        }
        let body = read(response, MAX_REPLY).await?;
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), headers, Bytes::from_owner(body)))
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

/// Whether two addresses have scheme, host and port in common.
pub(crate) fn is_at(url: &Url, place: &Url) -> bool {
    url.origin() == place.origin()
}

async fn refused(response: Response) -> Trouble {
    let status = response.status().as_u16();
    let id =
        |name: &str| response.headers().get(name)?.to_str().ok().filter(|id| is_id(id)).map(str::to_owned);
    let request = id("x-ms-request-id");
    let retry_after = retry_after(response.headers());
    let codes = match read(response, MAX_REFUSAL).await {
        Ok(body) => Codes::of(&body),
        Err(_) => Codes::default(),
    };
    Trouble::Refused { status, codes, request, retry_after }
}

async fn read(mut response: Response, limit: usize) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let expected = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    if expected > limit {
        return Err(Trouble::TooLarge);
    }
    // Room for the whole: a buffer that grows leaves copies of what it held behind.
    let mut body = Zeroizing::new(Vec::with_capacity(expected.max(1024)));
    while let Some(chunk) = response.chunk().await.map_err(|error| unsent(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(Trouble::TooLarge);
        }
        append(&mut body, &chunk);
    }
    Ok(body)
}

/// Appends, and where there is no room moves to a larger buffer and wipes the old one.
fn append(buffer: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    if buffer.capacity() - buffer.len() < bytes.len() {
        let mut larger = Vec::with_capacity((buffer.len() + bytes.len()).next_power_of_two());
        larger.extend_from_slice(buffer);
        buffer.zeroize();
        **buffer = larger;
    }
    buffer.extend_from_slice(bytes);
}

/// Seconds; an hour is as good as never, and a hostile answer does not make anyone wait for longer.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3_600)))
}

/// Whether it may be shown as the id of a request.
fn is_id(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn headers(map: &HeaderMap) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in map {
        if let Ok(text) = value.to_str() {
            headers.insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(text.to_owned()));
        }
    }
    headers
}

/// Those that the calls here have.
const fn method(method: Method) -> Option<reqwest::Method> {
    match method {
        Method::Delete => Some(reqwest::Method::DELETE),
        Method::Get => Some(reqwest::Method::GET),
        Method::Post => Some(reqwest::Method::POST),
        Method::Put => Some(reqwest::Method::PUT),
        _ => None,
    }
}

/// A request without a (whole) reply.
fn unsent(error: &reqwest::Error) -> Trouble {
    // On a connection that was there, TLS fails after the request was sent: the vault may have done it.
    let is_tls = || find::<rustls::Error>(error).is_some();
    match (error.is_connect(), error.is_timeout()) {
        (true, _) if is_tls() => Trouble::Tls,
        (true, _) => Trouble::NoConnection,
        (_, true) => Trouble::TimedOut,
        _ => Trouble::Broken,
    }
}
