//! The default chain: machine, Azure CLI, environment, each until a time of its own.

use std::sync::OnceLock;
use std::time::Duration;

use azure_core::credentials::AccessToken;
use secrets_backend::ErrorKind;
use tokio::time::{Instant, timeout_at};

use crate::credentials::no_token::NoToken;
use crate::credentials::source::Asker;
use crate::credentials::{Credentials, DefaultChain};

/// Until when, from the begin of the search, each may answer: what one leaves of its time is the next one's.
/// A metadata service answers in milliseconds, where there is one.
const MACHINE: Duration = Duration::from_millis(700);
/// The Azure CLI is a program in Python.
const PROGRAM: Duration = Duration::from_millis(3_200);
/// The search ends within 5 s, with what it takes to end it.
const END: Duration = Duration::from_millis(4_600);

/// The members in their order, and who answered first.
#[derive(Debug)]
pub(super) struct Chain {
    members: Vec<(Credentials, Duration)>,
    winner: OnceLock<usize>,
}

impl Chain {
    pub(super) fn new(chain: &DefaultChain) -> Self {
        let mut members = vec![
            (Credentials::ManagedIdentity(chain.managed_identity.clone()), MACHINE),
            (Credentials::AzureCli(chain.azure_cli.clone()), PROGRAM),
        ];
        members.extend(chain.environment.as_deref().map(|named| (named.clone(), END)));
        if let Some((_, last)) = members.last_mut() {
            *last = END;
        }
        Self { members, winner: OnceLock::new() }
    }

    /// A token of the first that has one, and of the same from then on.
    pub(super) async fn token(&self, asker: &Asker, scope: &str) -> Result<AccessToken, NoToken> {
        if let Some((winner, _)) = self.winner.get().and_then(|winner| self.members.get(*winner)) {
            return asker.token(winner, scope).await;
        }
        let begin = Instant::now();
        let mut reasons = Vec::new();
        for (index, (member, until)) in self.members.iter().enumerate() {
            match timeout_at(begin + *until, asker.token(member, scope)).await {
                Ok(Ok(token)) => {
                    tracing::debug!("credentials: {}", member.who());
                    let _ = self.winner.set(index);
                    return Ok(token);
                }
                Ok(Err(reason)) => reasons.push(reason),
                Err(_elapsed) => reasons.push(NoToken::late().of_whom(&member.who())),
            }
        }
        Err(self.summed_up(&reasons))
    }

    /// Who is asked and is not there is no failure of anything; of the others, one that may pass counts most.
    fn summed_up(&self, reasons: &[NoToken]) -> NoToken {
        let mut details: Vec<&str> = reasons.iter().map(|reason| reason.detail.as_str()).collect();
        if self.members.len() == 2 {
            details.push("environment: not set");
        }
        // The first member is asked on every machine, and most have nobody who answers.
        let failed = reasons.iter().skip(1).filter(|reason| !reason.is_absent);
        let passing = failed.clone().find(|reason| reason.kind != ErrorKind::Unauthenticated);
        let kind = passing.map_or(ErrorKind::Unauthenticated, |reason| reason.kind);
        let mut summary = NoToken::new(kind, format!("no credentials: {}", details.join("; ")));
        summary.retry_after = passing.and_then(|reason| reason.retry_after);
        summary
    }
}
