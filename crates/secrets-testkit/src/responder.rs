//! An HTTP/1.1 server that answers what a test tells it to: what is documented, and no real server can be made to
//! answer.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::background::Background;
use crate::certificates::Certificates;

mod answer;
mod body;
mod forward;
mod serve;

pub use answer::{Answer, Body, Request};
pub(crate) use serve::acceptor;

/// A responder on a loopback port, which ends with this value.
#[derive(Debug)]
pub struct Responder {
    address: SocketAddr,
    certificates: Option<Certificates>,
    script: Arc<Script>,
    _thread: Background,
}

/// What was prepared, and what was asked.
#[derive(Debug, Default)]
struct Script(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    rules: Vec<Rule>,
    requests: Vec<Request>,
}

type Answers = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

struct Rule {
    method: String,
    path: String,
    once: bool,
    answer: Answers,
}

impl Responder {
    /// Serves plain HTTP. It needs no runtime of the caller's.
    ///
    /// # Errors
    /// When no loopback port or no thread is to be had.
    pub fn start() -> io::Result<Self> {
        Self::serve(None)
    }

    /// Serves HTTPS with a certificate for `localhost` and 127.0.0.1; [`Self::authority`] issued it.
    ///
    /// # Errors
    /// When no loopback port, thread or key is to be had.
    pub fn start_tls() -> io::Result<Self> {
        Self::serve(Some(Certificates::valid()?))
    }

    /// Serves HTTPS with a certificate that expired.
    ///
    /// # Errors
    /// When no loopback port, thread or key is to be had.
    pub fn start_tls_expired() -> io::Result<Self> {
        Self::serve(Some(Certificates::expired()?))
    }

    /// Serves HTTPS with these certificates.
    ///
    /// # Errors
    /// When no loopback port or thread is to be had, or the key is none.
    pub fn start_tls_with(certificates: Certificates) -> io::Result<Self> {
        Self::serve(Some(certificates))
    }

    fn serve(certificates: Option<Certificates>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let tls = certificates.as_ref().map(serve::acceptor).transpose()?;
        let script = Arc::new(Script::default());
        let thread = {
            let script = Arc::clone(&script);
            Background::start("responder", move || serve::accept(listener, tls, script))?
        };
        Ok(Self { address, certificates, script, _thread: thread })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The address with its scheme, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The PEM of the authority that a client must trust, when this serves HTTPS.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.certificates.as_ref().map(|certificates| certificates.authority.as_str())
    }

    /// Answers one request of this method whose path begins so; several of them in the order of the calls.
    pub fn answer(&self, method: &str, path: &str, answer: Answer) {
        self.rule(method, path, true, move |_| answer.clone());
    }

    /// Answers every request of this method whose path begins so, once those of [`Self::answer`] are used up.
    /// A later call comes before an earlier one.
    pub fn always(&self, method: &str, path: &str, answer: Answer) {
        self.rule(method, path, false, move |_| answer.clone());
    }

    /// As [`Self::always`], with an answer that depends on the request.
    pub fn on(&self, method: &str, path: &str, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        self.rule(method, path, false, answer);
    }

    /// Every request so far, in the order in which they were read.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.script.lines().requests.clone()
    }

    fn rule(
        &self,
        method: &str,
        path: &str,
        once: bool,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) {
        let (method, path) = (method.to_owned(), path.to_owned());
        self.script.lines().rules.push(Rule { method, path, once, answer: Arc::new(answer) });
    }
}

impl Script {
    /// Notes a request and finds its answer.
    fn answer(&self, request: Request) -> Answer {
        let answer = {
            let mut lines = self.lines();
            lines.requests.push(request.clone());
            lines.find(&request)
        };
        // Outside the lock: the closure may look at the responder itself.
        answer.map_or_else(|| Answer::unprepared(&request), |answer| answer(&request))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn find(&mut self, request: &Request) -> Option<Answers> {
        if let Some(first) = self.rules.iter().position(|rule| rule.once && rule.fits(request)) {
            return Some(self.rules.remove(first).answer);
        }
        self.rules.iter().rfind(|rule| rule.fits(request)).map(|rule| Arc::clone(&rule.answer))
    }
}

impl Rule {
    fn fits(&self, request: &Request) -> bool {
        self.method == request.method && request.path.starts_with(&self.path)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.path, if self.once { ", once" } else { "" })
    }
}
