//! The tokens of one backend: one for all callers, asked for once, and for Key Vault alone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::time::{Duration, OffsetDateTime};

use crate::config::AzureConfig;
use crate::credentials::no_token::NoToken;
use crate::credentials::source::Source;
use crate::failure::Failure;
use crate::wire::{Fault, Peer, Wire};

/// A token is replaced so long before it expires.
const AHEAD: Duration = Duration::minutes(5);

/// Gives tokens for one resource and no other, whatever a challenge asks for.
#[derive(Debug)]
pub(crate) struct Tokens {
    scope: String,
    source: Source,
    /// The token that is good, as far as anyone knows.
    known: Mutex<Option<AccessToken>>,
    /// Held while one caller asks for all; holds why the last one got none.
    asking: tokio::sync::Mutex<Option<NoToken>>,
    /// How often the source was asked.
    asked: AtomicU64,
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
        *self.lock() = None;
    }

    /// Sees to it that there is a token.
    pub(crate) async fn ready(&self) -> Result<(), NoToken> {
        self.token().await.map(drop)
    }

    async fn token(&self) -> Result<AccessToken, NoToken> {
        let asked = self.asked.load(Ordering::Acquire);
        if let Some(token) = self.good() {
            return Ok(token);
        }
        let mut last = self.asking.lock().await;
        if let Some(token) = self.good() {
            return Ok(token);
        }
        // Whoever waited while another asked in vain has the same answer, and does not ask again.
        if let Some(reason) = last.as_ref().filter(|_| self.asked.load(Ordering::Acquire) != asked) {
            return Err(reason.clone());
        }
        let answer = self.source.token(&self.scope).await;
        *last = answer.as_ref().err().cloned();
        self.asked.fetch_add(1, Ordering::AcqRel);
        if let Ok(token) = &answer {
            *self.lock() = Some(token.clone());
        }
        answer
    }

    fn good(&self) -> Option<AccessToken> {
        let known = self.lock().clone();
        known.filter(|token| OffsetDateTime::now_utc() + AHEAD < token.expires_on)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<AccessToken>> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
