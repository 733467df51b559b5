//! HTTP: one client, configured here alone, that sends what it is given and caps what it reads.
//!
//! The requests are those of `vaultrs` where it has them, as values that know their method, path and body.
//! Its own client is not used: it follows redirects with the token, reads TLS settings from the environment, has no
//! limit for a reply and drops the headers (`docs/decisions/0005-vaultrs-requests-own-client.md`).

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use rustify::endpoint::Endpoint;
use rustify::enums::RequestMethod;
use secrets_backend::ErrorKind;
use serde::de::DeserializeOwned;
use zeroize::{Zeroize, Zeroizing};

use crate::config::{HcVaultConfig, InvalidConfig};
use crate::failure::{Effect, Failure};

mod tls;

/// The largest reply that is read: a listing of a folder with some 100,000 names.
const MAX_REPLY: usize = 16 * 1024 * 1024;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Keeps a browser from being tricked into calling the server; the server may require it.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// The connection to one server.
pub(crate) struct Wire {
    http: reqwest::Client,
    base: Url,
    namespace: Option<HeaderValue>,
}

/// A request, ready to be sent any number of times.
pub(crate) struct Ask {
    method: Method,
    /// Below `/v1/`; every part of it has been checked.
    path: String,
    query: Option<String>,
    body: Bytes,
    pub(crate) effect: Effect,
}

/// What the server answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    body: Zeroizing<Vec<u8>>,
}

/// A token, as it is sent. `Debug` does not show it.
#[derive(Clone)]
pub(crate) struct Token(HeaderValue);

/// The result of `E`, as the server wraps it.
pub(crate) type Wrapped<T> = vaultrs::api::EndpointResult<T>;

impl Wire {
    /// A client for the server of `config`. Nothing is contacted.
    pub(crate) fn new(config: &HcVaultConfig) -> Result<Self, InvalidConfig> {
        let base = base(&config.address)?;
        let client = reqwest::Client::builder()
            // A redirect would take the token to another address.
            .redirect(reqwest::redirect::Policy::none())
            // A proxy of the environment would see what a plain `http` address sends.
            .no_proxy()
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            .pool_max_idle_per_host(config.concurrency)
            .retry(reqwest::retry::never())
            .tls_backend_preconfigured(tls::client(&config.tls, base.scheme() == "https")?);
        let http = client.build().map_err(|_| InvalidConfig::new("tls", "the client cannot be made"))?;
        let namespace = config.namespace.as_deref().map(HeaderValue::from_str).transpose();
        let namespace = namespace.map_err(|_| InvalidConfig::new("namespace", "not a header's text"))?;
        Ok(Self { http, base, namespace })
    }

    /// The address, as it was understood; it holds no credentials.
    pub(crate) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Sends a request, in our namespace, and reads the reply, whatever its status.
    pub(crate) async fn send(&self, ask: &Ask, token: Option<&Token>) -> Result<Reply, Failure> {
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        headers.extend(self.namespace.clone().map(|namespace| (NAMESPACE, namespace)));
        headers.extend(token.map(|token| (TOKEN, token.0.clone())));
        self.exchange(ask, headers).await
    }

    /// The same outside every namespace and without a token: for the server's own health.
    pub(crate) async fn send_bare(&self, ask: &Ask) -> Result<Reply, Failure> {
        self.exchange(ask, HeaderMap::new()).await
    }

    async fn exchange(&self, ask: &Ask, headers: HeaderMap) -> Result<Reply, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(ask.path.split('/'));
        }
        url.set_query(ask.query.as_deref());
        let request = self.http.request(ask.method.clone(), url).headers(headers).body(ask.body.clone());
        let mut response = request.send().await.map_err(|error| unsent(error, ask.effect))?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let expected = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let too_large = || Failure::damaged(ask.effect, "the reply is larger than any that is expected");
        if expected > MAX_REPLY {
            return Err(too_large());
        }
        // Room for the whole: a buffer that grows leaves copies of what it held behind.
        let mut body = Zeroizing::new(Vec::with_capacity(expected.max(1024)));
        while let Some(chunk) = response.chunk().await.map_err(|error| unsent(error, ask.effect))? {
            if body.len() + chunk.len() > MAX_REPLY {
                return Err(too_large());
            }
            append(&mut body, &chunk);
        }
        Ok(Reply { status, retry_after, body })
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Ask {
    /// A request of `vaultrs`.
    pub(crate) fn of<E: Endpoint>(endpoint: &E, effect: Effect) -> Self {
        Self {
            method: method(&endpoint.method()),
            // Some paths start with a slash, and that of a renewal with a tab.
            path: endpoint.path().trim_start().trim_start_matches('/').to_owned(),
            query: endpoint.query().ok().flatten().filter(|query| !query.is_empty()),
            body: Bytes::from_owner(Zeroizing::new(endpoint.body().ok().flatten().unwrap_or_default())),
            effect,
        }
    }

    /// A reading request that `vaultrs` does not have.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), query: None, body: Bytes::new(), effect: Effect::None }
    }

    /// A listing that `vaultrs` does not have.
    pub(crate) fn list(path: impl Into<String>) -> Self {
        Self { method: method(&RequestMethod::LIST), ..Self::get(path) }
    }

    /// A request with a body that `vaultrs` does not have.
    pub(crate) fn post(path: impl Into<String>, body: &serde_json::Value, effect: Effect) -> Self {
        let body = Bytes::from_owner(Zeroizing::new(body.to_string().into_bytes()));
        Self { method: Method::POST, path: path.into(), query: None, body, effect }
    }

    pub(crate) fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }
}

impl Reply {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a successful reply.
    pub(crate) fn json<T: DeserializeOwned>(&self, effect: Effect) -> Result<T, Failure> {
        // The parser's own message can quote what it read.
        serde_json::from_slice(&self.body).map_err(|_| {
            Failure::damaged(effect, "the reply is not what a server of this kind answers: check `address`")
        })
    }

    /// The body of any reply, where it is JSON.
    pub(crate) fn value(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(crate) fn is_json(&self) -> bool {
        self.body.is_empty() || self.value().is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Token {
    /// A token; `setting` says where it came from, should it be none.
    pub(crate) fn new(text: &str, setting: &'static str) -> Result<Self, Failure> {
        let invalid = || Failure::invalid(format!("{setting}: not a token, which is one word of ASCII"));
        let word = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
        let mut value = HeaderValue::from_str(word.ok_or_else(invalid)?).map_err(|_| invalid())?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Checks the address, and the files of TLS that are named.
pub(crate) fn check(config: &HcVaultConfig) -> Result<(), InvalidConfig> {
    base(&config.address)?;
    tls::client(&config.tls, false).map(drop)
}

/// The address as a base of requests: scheme, host, port, maybe a path; nothing secret, nothing else.
fn base(address: &str) -> Result<Url, InvalidConfig> {
    let invalid = |problem: &str| InvalidConfig::new("address", problem);
    let url = Url::parse(address).map_err(|_| {
        invalid("no URL: it starts with `https://` or `http://`, like `https://vault.example.org:8200`")
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid("it starts with `https://` or `http://` and names a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it holds a name or a password; those belong into `auth`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("it ends with host, port and path"));
    }
    Ok(url)
}

fn method(method: &RequestMethod) -> Method {
    match method {
        RequestMethod::CONNECT => Method::CONNECT,
        RequestMethod::DELETE => Method::DELETE,
        RequestMethod::GET => Method::GET,
        RequestMethod::HEAD => Method::HEAD,
        // A listing by GET, which every proxy lets through, is asked for with `?list=true`; LIST is the documented one.
        RequestMethod::LIST => Method::from_bytes(b"LIST").unwrap_or(Method::GET),
        RequestMethod::OPTIONS => Method::OPTIONS,
        RequestMethod::PATCH => Method::PATCH,
        RequestMethod::POST => Method::POST,
        RequestMethod::PUT => Method::PUT,
        RequestMethod::TRACE => Method::TRACE,
    }
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

/// Seconds; the other form of the header, a date, is not sent by these servers.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// A request without a (whole) reply. The client's own error names the address, so it is no source.
fn unsent(error: reqwest::Error, effect: Effect) -> Failure {
    if let Some(tls) = cause::<rustls::Error>(&error) {
        let detail =
            "TLS failed: check `address` (its scheme, its host name), `tls.ca_file` and the certificate";
        // On a connection that was there, it fails after the request was sent: the server may have done it.
        let failure = if error.is_connect() {
            Failure::new(ErrorKind::Unavailable, detail)
        } else {
            Failure::damaged(effect, detail)
        };
        return failure.caused_by(tls.clone());
    }
    if error.is_connect() {
        return Failure::new(ErrorKind::Unavailable, "cannot connect: check `address`");
    }
    if error.is_timeout() {
        return Failure::new(ErrorKind::TimedOut, "no answer in time");
    }
    Failure::damaged(effect, "the connection broke off")
}

/// An error of type `T` among the causes.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An I/O error hides what it was made of from `source`.
        let io = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = io.and_then(|inner| cause::<T>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
