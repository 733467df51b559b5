//! Several replicas as one: who is asked, in which order, and whose answer counts.

mod config;
mod conflict;
mod drain;
mod health;
mod own;
mod pages;
mod read;
mod route;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::sync::Arc;

use secrets_backend::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, Timestamp, VersionId, VersionMeta, Written, async_trait,
};

use crate::journal::{Journal, Memory};
use crate::replica::Replica;
use crate::sync::{Group, Plan};
pub use config::{FailoverConfig, NextOn};
pub use conflict::Rival;
pub use drain::Drained;
pub use health::Health;
use read::Whole;
use route::Route;
pub use write::{WhenDown, Write};

/// Several replicas of one safe as one backend.
///
/// Reads ask the first replica, and the next where it fails, is slow, or answers what cannot be true. Writes go to the
/// first, and by way of a journal to the others: [`FailoverBackend::drain`] brings them there.
///
/// | answer of a replica | then |
/// | --- | --- |
/// | a secret that is verified | it is the answer |
/// | none, and this installation knows of none | `NotFound` |
/// | `Unavailable`, `TimedOut`, `RateLimited` | the next one is asked |
/// | `Tampered`, `Stale` | the next one is asked, with an alarm |
/// | anything else | it is the answer; with [`NextOn`], some of it is not |
pub struct FailoverBackend {
    replicas: Vec<Replica>,
    /// Who has which secrets. The first is for all that no other names.
    routes: Vec<Route>,
    journal: Option<Arc<dyn Journal>>,
    config: FailoverConfig,
    clock: Box<Clock>,
    draw: Box<Draw>,
}

type Clock = dyn Fn() -> Timestamp + Send + Sync;
/// A number below the one that is given, each as likely.
type Draw = dyn Fn(u64) -> u64 + Send + Sync;

impl FailoverBackend {
    /// One replica, for which nobody steps in.
    #[must_use]
    pub fn new(only: Replica) -> Self {
        Self::made(only, Vec::new(), None, FailoverConfig::default())
    }

    /// `primary`, and those that are asked where it fails, in this order; what they have not got yet is in the journal.
    #[must_use]
    pub fn over(
        primary: Replica,
        others: Vec<Replica>,
        journal: Arc<dyn Journal>,
        config: FailoverConfig,
    ) -> Self {
        Self::made(primary, others, Some(journal), config)
    }

    fn made(
        primary: Replica,
        others: Vec<Replica>,
        journal: Option<Arc<dyn Journal>>,
        config: FailoverConfig,
    ) -> Self {
        let (clock, draw) = (Box::new(Timestamp::now), Box::new(route::drawn));
        let mut made = Self { replicas: Vec::new(), routes: Vec::new(), journal, config, clock, draw };
        made.add_route(None, primary, others);
        made
    }

    /// The same, with the secrets at and below `prefix` on these replicas instead. Of several prefixes the longest that
    /// fits is taken. A replica of a name that is there already is that one.
    #[must_use]
    pub fn with_route(mut self, prefix: SecretPath, primary: Replica, others: Vec<Replica>) -> Self {
        self.add_route(Some(prefix), primary, others);
        self
    }

    /// The same by another clock than the system's: what is remembered of replicas has times.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The same with other draws than the system's: given a number, one below it.
    #[must_use]
    pub fn with_draw(mut self, draw: impl Fn(u64) -> u64 + Send + Sync + 'static) -> Self {
        self.draw = Box::new(draw);
        self
    }

    /// Every replica, the primary first.
    #[must_use]
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Whether there is more than one, so that a journal is kept.
    #[must_use]
    pub fn has_several(&self) -> bool {
        self.replicas.len() > 1
    }

    /// The replica that takes the writes of all secrets that no route names.
    #[must_use]
    pub fn primary(&self) -> &Replica {
        // There is a first route by construction.
        &self.replicas[self.routes[0].primary()]
    }

    /// The replica that takes the writes of a secret.
    #[must_use]
    pub fn primary_of(&self, path: &SecretPath) -> &Replica {
        &self.replicas[self.route(path).primary()]
    }

    /// The routes that have secrets at and below a path, each with its replicas.
    pub(crate) fn groups(&self, prefix: Option<&SecretPath>) -> Vec<Group<'_>> {
        let met = self.routes.iter().enumerate().filter(|(_, route)| route.meets(prefix));
        met.map(|(at, route)| Group {
            replicas: route.replicas().map(|at| &self.replicas[at]).collect(),
            route: at,
        })
        .collect()
    }

    pub(crate) fn is_of_route(&self, route: usize, path: &SecretPath) -> bool {
        self.belongs(&self.routes[route], path)
    }

    /// How many versions wait in the journal.
    pub(crate) async fn rows_in(&self, prefix: Option<&SecretPath>) -> Result<usize> {
        let Some(journal) = &self.journal else { return Ok(0) };
        let rows = journal.rows().await?;
        Ok(rows.iter().filter(|row| prefix.is_none_or(|prefix| row.path.is_under(prefix))).count())
    }

    /// Remembers which replicas have all that their primary has, by a comparison.
    pub(crate) async fn note_in_step(&self, plan: &Plan, is_in_step: impl Fn(&str) -> bool) {
        for replica in self.replicas.iter().filter(|replica| is_in_step(replica.name())) {
            let memory = self.memory(replica.name());
            if memory.in_step.is_none_or(|known| known < plan.began) {
                self.remember(replica.name(), Memory { in_step: Some(plan.began), ..memory }).await;
            }
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn error(&self, kind: ErrorKind, operation: Operation) -> Error {
        Error::new(kind, operation, self.to_string())
    }
}

#[async_trait]
impl SecretBackend for FailoverBackend {
    /// What every primary can do, and what every replica has room for.
    fn capabilities(&self) -> Capabilities {
        let mut all = self.primary().capabilities();
        for one in self.routes.iter().map(|route| self.replicas[route.primary()].capabilities()) {
            all.atomic_create &= one.atomic_create;
            all.atomic_replace &= one.atomic_replace;
            all.versions &= one.versions;
            all.recoverable_delete &= one.recoverable_delete;
        }
        for one in self.replicas.iter().map(SecretBackend::capabilities) {
            all.max_value = all.max_value.min(one.max_value);
            all.max_path = all.max_path.min(one.max_path);
        }
        all
    }

    async fn check(&self) -> Result<()> {
        for route in &self.routes {
            self.replicas[route.primary()].check().await?;
        }
        Ok(())
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.read_one(path, at).await
    }

    /// A replica that answers a part of a batch has answered; the rest is asked for one by one.
    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        self.read_many(paths).await
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.write(Write::new(path, secret, mode)).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.primary().delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.primary().undelete(path).await
    }

    /// Of several replicas only [`FailoverBackend::purge_to`] purges: it leaves the tombstone that they need.
    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        if self.has_several() {
            let error = self.error(ErrorKind::Unsupported, Operation::Purge).with_path(path);
            return Err(error.with_detail("several replicas are purged with a tombstone"));
        }
        self.primary().purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.history(path, 0).await
    }

    /// The pages of a listing come from one replica of each route: a token is another's nonsense.
    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.list_page(prefix, page).await
    }
}

/// The answers to a batch; a failure where none of them is one.
fn whole(answers: Vec<Result<Secret>>) -> Result<Whole> {
    let is_down = |answer: &Result<Secret>| {
        let kind = answer.as_ref().err().map(Error::kind);
        matches!(kind, Some(ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::RateLimited))
    };
    if answers.iter().all(is_down)
        && let Some(Err(error)) = answers.first()
    {
        return Err(again(error));
    }
    Ok(answers)
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
