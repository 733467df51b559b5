//! The default chain: machine, Azure CLI, environment, each until a time of its own.

use std::sync::OnceLock;
use std::time::Duration;

use azure_core::credentials::AccessToken;
use secrets_backend::ErrorKind;
use tokio::time::{Instant, timeout_at};

use crate::credentials::no_token::NoToken;
use crate::credentials::source::Asker;
use crate::credentials::{Credentials, DefaultChain, machine};

/// How long a metadata service has to show that it is there, which takes it milliseconds. For a token it may take
/// longer: a slow one must not change who this process is.
const PRESENCE: Duration = Duration::from_millis(700);
/// Until when, from the begin of the search, the Azure CLI may answer, which is a program in Python.
const PROGRAM: Duration = Duration::from_millis(3_200);
/// The search ends within 5 s, with what it takes to end it.
const END: Duration = Duration::from_millis(4_600);

/// The members in their order, and who answered first.
#[derive(Debug)]
pub(super) struct Chain {
    members: Vec<Member>,
    winner: OnceLock<usize>,
}

#[derive(Debug)]
struct Member {
    credentials: Credentials,
    /// Until when it may answer: what one leaves of its time is the next one's.
    until: Duration,
}

impl Chain {
    pub(super) fn new(chain: &DefaultChain) -> Self {
        let member = |credentials, until| Member { credentials, until };
        let mut members = vec![
            member(Credentials::ManagedIdentity(chain.managed_identity.clone()), END),
            member(Credentials::AzureCli(chain.azure_cli.clone()), PROGRAM),
        ];
        members.extend(chain.environment.as_deref().map(|named| member(named.clone(), END)));
        if let Some(last) = members.last_mut() {
            last.until = END;
        }
        Self { members, winner: OnceLock::new() }
    }

    /// A token of the first that has one, and of the same from then on.
    pub(super) async fn token(&self, asker: &Asker, scope: &str) -> Result<AccessToken, NoToken> {
        if let Some(winner) = self.winner.get().and_then(|winner| self.members.get(*winner)) {
            return asker.token(&winner.credentials, scope).await;
        }
        let begin = Instant::now();
        let mut reasons = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            match member.token(asker, scope, begin).await {
                Ok(token) => {
                    tracing::debug!("credentials: {}", member.credentials.who());
                    let _ = self.winner.set(index);
                    return Ok(token);
                }
                Err(reason) => reasons.push(reason),
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
        let mut failed = reasons.iter().filter(|reason| !reason.is_absent);
        let passing = failed.find(|reason| reason.kind != ErrorKind::Unauthenticated);
        let kind = passing.map_or(ErrorKind::Unauthenticated, |reason| reason.kind);
        let mut summary = NoToken::new(kind, format!("no credentials: {}", details.join("; ")));
        summary.retry_after = passing.and_then(|reason| reason.retry_after);
        summary
    }
}

impl Member {
    /// Its token, within its time of a search that began then.
    async fn token(&self, asker: &Asker, scope: &str, begin: Instant) -> Result<AccessToken, NoToken> {
        let (who, until) = (self.credentials.who(), begin + self.until);
        let late = || NoToken::late().of_whom(&who);
        if Instant::now() >= until {
            return Err(NoToken::absent("no time was left to ask").of_whom(&who));
        }
        // Most machines have no such service, and whether this one has is soon known.
        if let Credentials::ManagedIdentity(given) = &self.credentials {
            let there = machine::is_there(given, &asker.wire, &asker.resource);
            match timeout_at(until.min(Instant::now() + PRESENCE), there).await {
                Ok(there) => there.map_err(|reason| reason.of_whom("managed identity"))?,
                Err(_elapsed) => return Err(NoToken { is_absent: true, ..late() }),
            }
        }
        timeout_at(until, asker.token(&self.credentials, scope)).await.unwrap_or_else(|_elapsed| Err(late()))
    }
}
