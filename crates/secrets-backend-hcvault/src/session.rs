//! The life of a token: got when it is first needed, renewed in time, replaced when it dies.
//!
//! Nothing runs in the background. A call that finds the token past two thirds of its lease renews it; the calls beside
//! it go on with the old one. A token that has ended, or that the server refuses, is replaced by one caller while the
//! others wait.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use secrets_backend::{ErrorKind, NewSecret, PutMode, SecretBackend, SecretPath, Timestamp};
use tokio::sync::Mutex;
use tokio::time::Instant;
use vaultrs::api::AuthInfo;
use vaultrs::api::token::requests::{LookupTokenSelfRequest, RenewTokenSelfRequest};
use vaultrs::api::token::responses::LookupTokenResponse;
use zeroize::Zeroizing;

use crate::auth::{Auth, Credential};
use crate::failure::{Effect, Failure};
use crate::login::{self, Login};
use crate::wire::{Ask, Reply, Token, Wire, Wrapped};

/// Where to keep a token for the next process: a sealing backend, and a path that nothing else uses.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a place has these two parts")]
pub struct TokenCache {
    /// A backend that encrypts what it stores.
    pub backend: Arc<dyn SecretBackend>,
    /// The path of the token, one for each identity on each server.
    pub path: SecretPath,
}

/// Tokens for one server.
pub(crate) struct Session {
    wire: Arc<Wire>,
    login: Login,
    /// The token that was given, where no login makes one.
    given: Option<Credential>,
    cache: Option<TokenCache>,
    current: RwLock<Option<Arc<Lease>>>,
    /// Held by the one caller that renews or logs in.
    gate: Mutex<()>,
}

/// A token and how long it lives.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) token: Token,
    since: Instant,
    /// `None`: for ever, or not known.
    ttl: Option<Duration>,
    renewable: bool,
    /// Whether the server was asked, or told, how long it lives.
    known: bool,
    /// Renewals failed, or shortened it: the next is a login.
    last: bool,
}

/// From this age on, a token of unknown life is looked up once: until then, a short program has ended.
const LOOK_UP_AFTER: Duration = Duration::from_secs(30);
/// A token that ends sooner than this is not taken from the cache.
const WORTH_TAKING: Duration = Duration::from_secs(10);

impl Session {
    pub(crate) fn new(wire: Arc<Wire>, auth: Auth, cache: Option<TokenCache>) -> Self {
        let given = match &auth {
            Auth::Token(credential) => Some(credential.clone()),
            _ => None,
        };
        let login = Login::new(auth);
        Self { wire, login, given, cache, current: RwLock::new(None), gate: Mutex::new(()) }
    }

    /// A token that should work now.
    pub(crate) async fn lease(&self) -> Result<Arc<Lease>, Failure> {
        if let Some(lease) = self.current() {
            if !lease.is_due() {
                return Ok(lease);
            }
            if !lease.has_ended() {
                // One caller renews; the others go on with what they have.
                let Ok(_gate) = self.gate.try_lock() else { return Ok(lease) };
                return Ok(self.prolonged(lease).await);
            }
        }
        let _gate = self.gate.lock().await;
        match self.current().filter(|lease| !lease.has_ended()) {
            Some(lease) => Ok(lease),
            None => self.first().await,
        }
    }

    /// Another token than this one, which the server refused; `Unauthenticated` where there is none.
    pub(crate) async fn replaced(&self, dead: &Arc<Lease>) -> Result<Arc<Lease>, Failure> {
        let _gate = self.gate.lock().await;
        if let Some(lease) = self.current().filter(|lease| !Arc::ptr_eq(lease, dead)) {
            return Ok(lease);
        }
        match &self.given {
            None => self.log_in().await,
            Some(given) => {
                let lease = self.given_lease(given).await?;
                if !given.may_change() || lease.token.expose() == dead.token.expose() {
                    return Err(Failure::new(
                        ErrorKind::Unauthenticated,
                        "auth.token: the server does not know it, or it has ended",
                    ));
                }
                Ok(self.set(lease))
            }
        }
    }

    /// Whether the server still knows this token. A refused call alone does not tell: a policy refuses in the same way.
    pub(crate) async fn is_alive(&self, lease: &Lease) -> Result<bool, Failure> {
        let reply = self.look_up(lease).await?;
        match reply.status {
            200..=299 => Ok(true),
            403 => Ok(false),
            _ => Err(Failure::of_status(&reply, Effect::None)),
        }
    }

    /// Asks the server about a token of ours.
    pub(crate) async fn look_up(&self, lease: &Lease) -> Result<Reply, Failure> {
        self.wire.send(&Ask::of(&LookupTokenSelfRequest {}, Effect::None), Some(&lease.token)).await
    }

    /// The first token: given, kept by an earlier process, or from a login.
    async fn first(&self) -> Result<Arc<Lease>, Failure> {
        if let Some(given) = &self.given {
            let lease = self.given_lease(given).await?;
            return Ok(self.set(lease));
        }
        match self.kept().await {
            Some(lease) => Ok(self.set(lease)),
            None => self.log_in().await,
        }
    }

    async fn given_lease(&self, given: &Credential) -> Result<Lease, Failure> {
        let text = given.read("auth.token").await?;
        Ok(Lease::unknown(Token::new(&text, "auth.token")?))
    }

    async fn log_in(&self) -> Result<Arc<Lease>, Failure> {
        let info = self.login.run(&self.wire).await?;
        let lease = Lease::of(&info, None)?;
        drop(login::wiped(info));
        self.keep(&lease).await;
        Ok(self.set(lease))
    }

    /// A token after its renewal. What fails is tried again later: this one still works.
    async fn prolonged(&self, lease: Arc<Lease>) -> Arc<Lease> {
        // Someone else may have been faster.
        if let Some(newer) = self.current().filter(|newer| !Arc::ptr_eq(newer, &lease)) {
            return newer;
        }
        if !lease.known {
            return self.looked_up(lease).await;
        }
        if lease.renewable && !lease.last {
            match self.renewed(&lease).await {
                Ok(renewed) => {
                    self.keep(&renewed).await;
                    return self.set(renewed);
                }
                Err(failure) => tracing::debug!(kind = ?failure.kind, "a token could not be renewed"),
            }
        }
        if self.given.is_none()
            && let Ok(fresh) = self.log_in().await
        {
            return fresh;
        }
        self.set(lease.postponed())
    }

    async fn looked_up(&self, lease: Arc<Lease>) -> Arc<Lease> {
        let asked = async {
            let reply = self.look_up(&lease).await?;
            if !reply.is_success() {
                return Err(Failure::of_status(&reply, Effect::None));
            }
            let found: Wrapped<LookupTokenResponse> = reply.json(Effect::None)?;
            found.data.ok_or_else(|| Failure::damaged(Effect::None, ""))
        };
        match asked.await {
            Ok(found) => {
                drop(Zeroizing::new(found.id));
                let ttl = (found.ttl > 0).then(|| Duration::from_secs(found.ttl));
                self.set(Lease {
                    token: lease.token.clone(),
                    since: Instant::now(),
                    ttl,
                    renewable: found.renewable.unwrap_or(false),
                    known: true,
                    last: false,
                })
            }
            // A policy may deny even this: then the token is used until it is refused.
            Err(_) => self.set(Lease { known: true, ..Lease::unknown(lease.token.clone()) }),
        }
    }

    async fn renewed(&self, lease: &Lease) -> Result<Lease, Failure> {
        let ask = Ask::of(&RenewTokenSelfRequest { increment: None }, Effect::None);
        let reply = self.wire.send(&ask, Some(&lease.token)).await?;
        if !reply.is_success() {
            return Err(Failure::of_status(&reply, Effect::None));
        }
        let wrapped: Wrapped<()> = reply.json(Effect::None)?;
        let info = wrapped.auth.ok_or_else(|| Failure::damaged(Effect::None, ""))?;
        let renewed = Lease::of(&info, lease.ttl);
        drop(login::wiped(info));
        renewed
    }

    /// The token that an earlier process kept, if it is worth taking.
    async fn kept(&self) -> Option<Lease> {
        let TokenCache { backend, path } = self.cache.as_ref()?;
        let secret = backend.get(path, None).await.ok()?;
        let text = secret.value.expose_str()?;
        let (ends, renewable, token) = kept_fields(text)?;
        let left = Duration::from_millis(ends.checked_sub(Timestamp::now().as_millis())?);
        let lease = Lease {
            token: Token::new(token, "cache").ok()?,
            since: Instant::now(),
            ttl: Some(left),
            renewable,
            known: true,
            last: false,
        };
        (left > WORTH_TAKING).then_some(lease)
    }

    /// Keeps a token for the next process. A cache that fails costs that process a login, and this one nothing.
    async fn keep(&self, lease: &Lease) {
        let (Some(TokenCache { backend, path }), Some(ttl)) = (&self.cache, lease.ttl) else { return };
        let ends =
            Timestamp::now().as_millis().saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        let text = format!("{ends} {} {}", u8::from(lease.renewable), lease.token.expose());
        if let Err(error) = backend.put(path, &NewSecret::new(text), &PutMode::Upsert).await {
            tracing::warn!(kind = ?error.kind(), "a token could not be kept for the next process");
        }
    }

    fn current(&self) -> Option<Arc<Lease>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, lease: Lease) -> Arc<Lease> {
        let lease = Arc::new(lease);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&lease));
        lease
    }
}

/// What `keep` wrote: end in milliseconds, renewable, token.
fn kept_fields(text: &str) -> Option<(u64, bool, &str)> {
    let mut fields = text.splitn(3, ' ');
    Some((fields.next()?.parse().ok()?, fields.next()? == "1", fields.next()?))
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("login", &self.login).finish_non_exhaustive()
    }
}

impl Lease {
    /// A token of which nothing is known but itself.
    fn unknown(token: Token) -> Self {
        Self { token, since: Instant::now(), ttl: None, renewable: false, known: false, last: false }
    }

    /// What a login or a renewal answered. A renewal that gives less than was there before has met the token's maximum.
    fn of(info: &AuthInfo, before: Option<Duration>) -> Result<Self, Failure> {
        let ttl = (info.lease_duration > 0).then(|| Duration::from_secs(info.lease_duration));
        Ok(Self {
            token: Token::new(&info.client_token, "auth")?,
            since: Instant::now(),
            ttl,
            renewable: info.renewable,
            known: true,
            last: before.zip(ttl).is_some_and(|(before, ttl)| ttl < before),
        })
    }

    /// The same, to be renewed again after a part of what is left of it.
    fn postponed(&self) -> Self {
        let left = self.ttl.map(|ttl| ttl.saturating_sub(self.since.elapsed()));
        Self { token: self.token.clone(), since: Instant::now(), ttl: left, known: true, ..*self }
    }

    fn is_due(&self) -> bool {
        let age = self.since.elapsed();
        match self.ttl {
            Some(ttl) => age >= ttl * 2 / 3,
            None => !self.known && age >= LOOK_UP_AFTER,
        }
    }

    fn has_ended(&self) -> bool {
        self.ttl.is_some_and(|ttl| self.since.elapsed() >= ttl)
    }
}
