//! The tokens of one backend: one for all callers, asked for once, and for Key Vault alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration as Wait;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::time::{Duration, OffsetDateTime};
use tokio::time::{Instant, timeout};

use crate::config::AzureConfig;
use crate::credentials::no_token::NoToken;
use crate::credentials::source::Source;
use crate::failure::Failure;
use crate::wire::{Fault, Peer, Wire};

/// A token is replaced so long before it expires.
const AHEAD: Duration = Duration::minutes(5);
/// While no other is to be had, it serves until so long before that.
const LAST: Duration = Duration::seconds(10);
/// How long a caller whose token is good still waits for another one.
const PATIENCE: Wait = Wait::from_secs(2);
/// How long nobody asks again after that was in vain, or gave a token that is to be replaced at once.
const REST: Wait = Wait::from_secs(30);

/// Gives tokens for one resource and no other, whatever a challenge asks for.
#[derive(Debug)]
pub(crate) struct Tokens {
    scope: String,
    source: Source,
    known: Mutex<Known>,
    /// Held while one caller asks for all; holds why the last one got none.
    asking: tokio::sync::Mutex<Option<NoToken>>,
    /// How often the source was asked.
    asked: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// The token that is good, as far as anyone knows.
    token: Option<AccessToken>,
    /// Until then, it need not be replaced.
    rest: Option<Instant>,
}

impl Tokens {
    /// Those of a configuration. Nothing is contacted.
    pub(crate) fn new(config: &AzureConfig, wire: Wire) -> Result<Self, Failure> {
        Ok(Self {
            scope: format!("{}/.default", config.resource()),
            source: Source::new(config, wire)?,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            asked: AtomicU64::new(0),
        })
    }

    /// The token was refused: the next caller gets another.
    pub(crate) fn forget(&self) {
        *self.lock() = Known::default();
    }

    /// Sees to it that there is a token.
    pub(crate) async fn ready(&self) -> Result<(), NoToken> {
        self.token().await.map(drop)
    }

    async fn token(&self) -> Result<AccessToken, NoToken> {
        let asked = self.asked.load(Ordering::Acquire);
        if let Some(token) = self.lock().good() {
            return Ok(token);
        }
        let mut last = self.asking.lock().await;
        if let Some(token) = self.lock().good() {
            return Ok(token);
        }
        // Whoever waited while another asked in vain has the same answer, and does not ask again.
        if let Some(reason) = last.as_ref().filter(|_| self.asked.load(Ordering::Acquire) != asked) {
            return Err(reason.clone());
        }
        let old = self.lock().until(LAST);
        let answer = match old {
            None => self.source.token(&self.scope).await,
            Some(old) => Ok(self.replaced(old).await),
        };
        *last = answer.as_ref().err().cloned();
        self.asked.fetch_add(1, Ordering::AcqRel);
        if let Ok(token) = &answer {
            self.lock().keep(token);
        }
        answer
    }

    /// Another token; the old one, which is good for a while, where there is none.
    async fn replaced(&self, old: AccessToken) -> AccessToken {
        match timeout(PATIENCE, self.source.token(&self.scope)).await {
            Ok(Ok(token)) => token,
            in_vain => {
                tracing::debug!("a token that expires soon is not replaced yet: {:?}", in_vain.map(drop));
                self.lock().rest = Some(Instant::now() + REST);
                old
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// One that expires soon is what the source has: it gives no other for a while, as those do that keep their own.
    fn keep(&mut self, token: &AccessToken) {
        self.token = Some(token.clone());
        if self.good().is_none() {
            self.rest = Some(Instant::now() + REST);
        }
    }

    /// The token, where it need not be replaced.
    fn good(&self) -> Option<AccessToken> {
        let rests = self.rest.is_some_and(|until| Instant::now() < until);
        self.until(if rests { LAST } else { AHEAD })
    }

    /// The token, where it is good for longer than this.
    fn until(&self, time: Duration) -> Option<AccessToken> {
        self.token.clone().filter(|token| OffsetDateTime::now_utc() + time < token.expires_on)
    }
}

#[async_trait::async_trait]
impl TokenCredential for Tokens {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if scopes != [self.scope.as_str()] {
            return Err(azure_core::Error::new(AzureErrorKind::Credential, Fault::elsewhere(Peer::Vault)));
        }
        Ok(self.token().await?)
    }
}
