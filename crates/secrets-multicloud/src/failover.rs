//! Several replicas as one: who is asked, in which order, and whose answer counts.

#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use secrets_backend::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, Served, Timestamp, VersionId, VersionMeta, Written, async_trait,
};
use tokio::time::Instant;

use crate::breaker::{Breaker, BreakerConfig, Permit};
use crate::hedge::{Outcome, Patience, Verdict, first};
use crate::journal::Journal;
use crate::replica::Replica;
pub use write::{Drained, WhenDown};

/// Several replicas of one safe as one backend.
///
/// Reads ask the first replica, and the next where it fails, is slow, or answers what cannot be true. Writes go to the
/// first, and by way of a journal to the others.
///
/// | answer of a replica | then |
/// | --- | --- |
/// | a secret that is verified | it is the answer |
/// | none, and this installation knows of none | `NotFound` |
/// | `Unavailable`, `TimedOut`, `RateLimited` | the next one is asked |
/// | `Tampered`, `Stale` | the next one is asked, with an alarm |
/// | anything else | it is the answer |
pub struct FailoverBackend {
    replicas: Vec<Replica>,
    breakers: Vec<Mutex<Breaker>>,
    journal: Option<Arc<dyn Journal>>,
    config: FailoverConfig,
}

/// How long is waited for whom.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FailoverConfig {
    /// No answer is waited for after this. Default: 10 s.
    pub deadline: Duration,
    /// After this long without an answer the next replica is asked as well. Default: 300 ms.
    pub hedge_after: Duration,
    /// The same of a batch or a page, which takes longer where all is well. Default: 2 s.
    pub hedge_batch_after: Duration,
    /// When a replica is left alone.
    pub breaker: BreakerConfig,
    /// How long a write goes on trying the other replicas after the primary has it. Default: 5 s.
    pub drain_timeout: Duration,
    /// What becomes of a write while the primary cannot take it. Default: it waits in the journal.
    pub when_down: WhenDown,
}

impl Default for FailoverConfig {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            hedge_after: Duration::from_millis(300),
            hedge_batch_after: Duration::from_secs(2),
            breaker: BreakerConfig::default(),
            drain_timeout: Duration::from_secs(5),
            when_down: WhenDown::default(),
        }
    }
}

impl FailoverBackend {
    /// One replica, for which nobody steps in.
    #[must_use]
    pub fn new(only: Replica) -> Self {
        Self {
            replicas: vec![only],
            breakers: vec![Mutex::default()],
            journal: None,
            config: FailoverConfig::default(),
        }
    }

    /// `primary`, and those that are asked where it fails, in this order; what they have not got yet is in the journal.
    #[must_use]
    pub fn over(
        primary: Replica,
        others: Vec<Replica>,
        journal: Arc<dyn Journal>,
        config: FailoverConfig,
    ) -> Self {
        let replicas: Vec<Replica> = std::iter::once(primary).chain(others).collect();
        let breakers = replicas.iter().map(|_| Mutex::default()).collect();
        Self { replicas, breakers, journal: Some(journal), config }
    }

    fn primary(&self) -> &Replica {
        // There is one by construction.
        &self.replicas[0]
    }

    /// Asks one replica after the other; the answer of the first that has one that counts, and which one it was.
    async fn read<T, F>(&self, hedge_after: Duration, ask: impl Fn(usize) -> F) -> (usize, Result<T>)
    where
        F: Future<Output = Result<T>>,
    {
        if self.replicas.len() == 1 {
            return (0, ask(0).await);
        }
        let patience = Patience { hedge_after, deadline: Instant::now() + self.config.deadline };
        let order = self.order();
        let asked = first(&order, patience, |at| {
            let answer = ask(at);
            async move {
                let answer = answer.await;
                self.note(at, &answer);
                verdict(answer)
            }
        });
        match asked.await {
            Outcome::Answer(at, answer) => (at, answer),
            Outcome::Failed(failures) => (0, Err(self.failure(failures))),
        }
    }

    /// Who is asked, in which order: those that are left alone not at all, unless there is nobody else.
    fn order(&self) -> Vec<usize> {
        let now = Timestamp::now();
        let permitted = |&at: &usize| {
            let mut breaker = self.breaker(at);
            let permit = breaker.permit(&self.config.breaker, now);
            if permit == Permit::Probe {
                *breaker = breaker.probing(now);
            }
            permit != Permit::Open
        };
        let all = 0..self.replicas.len();
        let order: Vec<usize> = all.clone().filter(permitted).collect();
        if order.is_empty() { all.collect() } else { order }
    }

    /// Remembers what an answer says about a replica, and raises an alarm where it cannot be true.
    fn note<T>(&self, at: usize, answer: &Result<T>) {
        let kind = answer.as_ref().err().map(Error::kind);
        let mut breaker = self.breaker(at);
        *breaker = breaker.after(&self.config.breaker, kind, Timestamp::now());
        drop(breaker);
        if let Some(kind @ (ErrorKind::Tampered | ErrorKind::Stale)) = kind {
            let replica = self.replicas[at].name();
            tracing::warn!(replica, %kind, "a replica answered what cannot be true");
        }
    }

    /// What is told where no replica had an answer: the worst first, since it is about the data; else the first.
    fn failure(&self, failures: Vec<(usize, Error)>) -> Error {
        let rank = |kind| match kind {
            ErrorKind::Tampered => 0,
            ErrorKind::Stale => 1,
            _ => 2,
        };
        let worst = failures.into_iter().map(|(_, error)| error).min_by_key(|error| rank(error.kind()));
        worst.unwrap_or_else(|| {
            Error::new(ErrorKind::TimedOut, Operation::Get, self.to_string())
                .with_detail("no replica answered in time")
        })
    }

    fn breaker(&self, at: usize) -> MutexGuard<'_, Breaker> {
        self.breakers[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A secret with the replica that gave it, where there are several.
    fn given(&self, mut secret: Secret, replica: usize) -> Secret {
        if self.replicas.len() > 1 {
            secret.served = Some(Served::new(self.replicas[replica].name(), replica > 0));
        }
        secret
    }
}

/// Whether another replica may know better.
fn verdict<T>(answer: Result<T>) -> Verdict<Result<T>, Error> {
    match answer {
        Err(error) => match error.kind() {
            ErrorKind::Unavailable
            | ErrorKind::TimedOut
            | ErrorKind::RateLimited
            | ErrorKind::Tampered
            | ErrorKind::Stale => Verdict::Next(error),
            _ => Verdict::Final(Err(error)),
        },
        answer => Verdict::Final(answer),
    }
}

#[async_trait]
impl SecretBackend for FailoverBackend {
    fn capabilities(&self) -> Capabilities {
        self.primary().capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.primary().check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        if let Some(own) = write::own(&self.waiting().await?, path, at) {
            return Ok(own);
        }
        let ask = |replica: usize| self.replicas[replica].get(path, at);
        let (replica, answer) = self.read(self.config.hedge_after, ask).await;
        answer.map(|secret| self.given(secret, replica))
    }

    /// A replica that answers a part of a batch has answered; the rest is asked for one by one.
    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        if self.replicas.len() == 1 {
            return self.primary().get_many(paths).await;
        }
        let ask = async |replica: usize| whole(self.replicas[replica].get_many(paths).await);
        let (replica, answers) = self.read(self.config.hedge_batch_after, ask).await;
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => return paths.iter().map(|path| Err(again(&error).with_path(path))).collect(),
        };
        let waiting = match self.waiting().await {
            Ok(waiting) => waiting,
            Err(error) => return paths.iter().map(|path| Err(again(&error).with_path(path))).collect(),
        };
        let waiting = &waiting;
        let settle = async |(path, answer): (&SecretPath, Result<Secret>)| match verdict(answer) {
            _ if waiting.iter().any(|row| row.path == *path) => self.get(path, None).await,
            Verdict::Final(answer) => answer.map(|secret| self.given(secret, replica)),
            Verdict::Next(_) => self.get(path, None).await,
        };
        let gets: Vec<_> = paths.iter().zip(answers).map(settle).collect();
        stream::iter(gets).buffered(AT_ONCE).collect().await
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        match &self.journal {
            Some(journal) => self.write(journal, path, secret, mode).await,
            None => self.primary().put(path, secret, mode).await,
        }
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.primary().delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.primary().undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.primary().purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.read(self.config.hedge_after, |replica| self.replicas[replica].versions(path)).await.1
    }

    /// The pages of a listing come from one replica: a token is another's nonsense.
    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let waiting = self.waiting().await?;
        let shown = |page, replica| with_replica(write::with_own(page, &waiting, prefix, false), replica);
        let Some(page) = page else {
            let ask = |replica: usize| self.replicas[replica].list(prefix, None);
            let (replica, answer) = self.read(self.config.hedge_batch_after, ask).await;
            return answer.map(|page| with_replica(write::with_own(page, &waiting, prefix, true), replica));
        };
        let (replica, token) =
            of_replica(page).filter(|(at, _)| *at < self.replicas.len()).ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, Operation::List, self.to_string())
                    .with_detail("a page token of another listing")
            })?;
        let answer = self.replicas[replica].list(prefix, Some(&token)).await;
        self.note(replica, &answer);
        answer.map(|page| shown(page, replica))
    }
}

/// How many secrets that a batch left open are asked for at once.
const AT_ONCE: usize = 16;

/// The answers to a batch; a failure where none of them is one.
fn whole(answers: Vec<Result<Secret>>) -> Result<Vec<Result<Secret>>> {
    let is_down = |answer: &Result<Secret>| {
        let kind = answer.as_ref().err().map(Error::kind);
        matches!(kind, Some(ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::RateLimited))
    };
    if !answers.is_empty() && answers.iter().all(is_down) {
        return answers.into_iter().next().unwrap_or_else(|| unreachable!()).map(|_| Vec::new());
    }
    Ok(answers)
}

fn with_replica(mut page: Page, replica: usize) -> Page {
    page.next = page.next.map(|token| PageToken::new(format!("{replica}.{}", token.as_str())));
    page
}

fn of_replica(token: &PageToken) -> Option<(usize, PageToken)> {
    let (replica, token) = token.as_str().split_once('.')?;
    Some((replica.parse().ok()?, PageToken::new(token)))
}

/// The same failure for another path.
fn again(error: &Error) -> Error {
    let again = Error::new(error.kind(), error.operation(), error.backend().to_owned());
    match error.retry_after() {
        Some(wait) => again.with_retry_after(wait),
        None => again,
    }
}

impl fmt::Debug for FailoverBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverBackend").field("replicas", &self.replicas).finish_non_exhaustive()
    }
}

impl fmt::Display for FailoverBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.primary().name())
    }
}
