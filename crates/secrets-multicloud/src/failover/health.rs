//! How the replicas are now.

use std::time::Duration;

use futures_util::future::join_all;
use secrets_backend::{ErrorKind, Result, SecretBackend, Timestamp};
use tokio::time::Instant;

use super::FailoverBackend;
use crate::breaker::Permit;
use crate::journal::Memory;
use crate::replica::Role;

/// How one replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Its name.
    pub name: String,
    /// What it is for; where it is in several routes, in the first.
    pub role: Role,
    /// Whether it answers with these credentials, and if not, how it fails.
    pub failure: Option<ErrorKind>,
    /// How long that took.
    pub latency: Duration,
    /// Whether reads go to it now.
    pub breaker: Permit,
    /// How many versions wait here for it.
    pub waiting: usize,
    /// When it last answered, as far as that was noted.
    pub answered: Option<Timestamp>,
    /// When it was last seen to have all that the primary has; none for the primary.
    pub in_step: Option<Timestamp>,
}

impl FailoverBackend {
    /// Asks each replica whether it answers, side by side, for at most 5 s each.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn health(&self) -> Result<Vec<Health>> {
        let rows = match &self.journal {
            Some(journal) => journal.rows().await?,
            None => Vec::new(),
        };
        let asked = (0..self.replicas.len()).map(|at| async move {
            let began = Instant::now();
            let checked = tokio::time::timeout(CHECK, self.replicas[at].check()).await;
            let failure = match checked {
                Ok(answer) => answer.err().map(|error| error.kind()),
                Err(_) => Some(ErrorKind::TimedOut),
            };
            (failure, began.elapsed())
        });
        let mut all = Vec::with_capacity(self.replicas.len());
        for (at, (failure, latency)) in join_all(asked).await.into_iter().enumerate() {
            let name = self.replicas[at].name();
            self.note(at, failure).await;
            let mut memory = self.memory(name);
            if failure.is_none() {
                memory = Memory { answered: Some(self.now()), ..memory };
                self.remember(name, memory).await;
            }
            all.push(Health {
                name: name.to_owned(),
                role: self.routes.iter().find_map(|route| route.role_of(at)).unwrap_or_default(),
                failure,
                latency,
                breaker: memory.breaker.permit(&self.config.breaker, self.now()),
                waiting: rows.iter().filter(|row| row.targets.iter().any(|target| target == name)).count(),
                answered: memory.answered,
                in_step: memory.in_step,
            });
        }
        Ok(all)
    }
}

/// The longest that one check may take.
const CHECK: Duration = Duration::from_secs(5);
