//! Reading: one replica after the other, until one has an answer that counts.

use std::future::Future;

use futures_util::{StreamExt, stream};
use secrets_backend::{
    Error, ErrorKind, Operation, Result, Secret, SecretBackend, SecretPath, Timestamp, VersionId, VersionMeta,
};
use tokio::time::{Duration, Instant};

use super::route::Route;
use super::{FailoverBackend, again, own, whole};
use crate::breaker::{Breaker, Permit};
use crate::hedge::{Outcome, Patience, Verdict, first};
use crate::journal::{Memory, Row};

/// The answers to a batch, one for each path.
pub(super) type Whole = Vec<Result<Secret>>;

/// What was answered, and by whom.
pub(super) struct Read<T> {
    pub(super) answer: Result<T>,
    pub(super) by: By,
}

/// Who answered.
#[derive(Clone, Copy)]
pub(super) struct By {
    pub(super) replica: usize,
    /// Whether it stepped in for another; the primary steps in for nobody.
    degraded: bool,
}

impl FailoverBackend {
    /// Asks one replica after the other; the answer of the first that has one that counts.
    pub(super) async fn read<T, F>(
        &self,
        route: &Route,
        hedge_after: Duration,
        ask: impl Fn(usize) -> F,
    ) -> Read<T>
    where
        F: Future<Output = Result<T>>,
    {
        let primary = route.primary();
        if route.members.len() == 1 {
            return Read { answer: ask(primary).await, by: By { replica: primary, degraded: false } };
        }
        let wanted = route.order(&self.draw);
        let intended = wanted[0];
        let order = self.permitted(route, wanted).await;
        let patience = Patience { hedge_after, deadline: Instant::now() + self.config.deadline };
        let asked = first(&order, patience, |at| {
            let answer = ask(at);
            async move {
                let answer = answer.await;
                self.note(at, answer.as_ref().err().map(Error::kind)).await;
                self.verdict(answer)
            }
        });
        let (answer, replica, silent) = match asked.await {
            Outcome::Answer(at, answer, silent) => (answer, at, silent),
            Outcome::Failed(failures, silent) => (Err(self.failure(failures)), primary, silent),
        };
        for at in silent {
            // Others were asked because it said nothing: that is remembered, so that the next call does not wait again.
            self.note_silence(at).await;
        }
        Read { answer, by: By { replica, degraded: replica != intended && replica != primary } }
    }

    /// Who is asked, of those who are wanted: those that are left alone not at all, unless there is nobody else; and only
    /// those whose answer may count.
    async fn permitted(&self, route: &Route, wanted: Vec<usize>) -> Vec<usize> {
        let now = self.now();
        let counts: Vec<usize> = wanted.into_iter().filter(|&at| self.may_count(route, at, now)).collect();
        let mut order = Vec::with_capacity(counts.len());
        for &at in &counts {
            let name = self.replicas[at].name();
            let memory = self.memory(name);
            match memory.breaker.permit(&self.config.breaker, now) {
                Permit::Closed => order.push(at),
                Permit::Probe => {
                    self.remember(name, Memory { breaker: memory.breaker.probing(now), ..memory }).await;
                    order.push(at);
                }
                Permit::Open => {}
            }
        }
        if order.is_empty() { counts } else { order }
    }

    /// Whether an answer of this replica may be used, by what the caller requires.
    fn may_count(&self, route: &Route, at: usize, now: Timestamp) -> bool {
        if at == route.primary() {
            return true;
        }
        if self.config.require_primary {
            return false;
        }
        let Some(limit) = self.config.max_staleness else { return true };
        age(&self.memory(self.replicas[at].name()), now).is_some_and(|age| age <= limit)
    }

    pub(super) fn memory(&self, replica: &str) -> Memory {
        self.journal.as_ref().map(|journal| journal.memory(replica)).unwrap_or_default()
    }

    pub(super) async fn remember(&self, replica: &str, memory: Memory) {
        let Some(journal) = &self.journal else { return };
        if let Err(error) = journal.remember(replica, memory).await {
            tracing::debug!(replica, %error, "only this process remembers how a replica answered");
        }
    }

    /// Remembers what an answer says about a replica, and raises an alarm where it cannot be true.
    pub(super) async fn note(&self, at: usize, failure: Option<ErrorKind>) {
        if self.replicas[at].is_blocked() {
            return;
        }
        let replica = self.replicas[at].name();
        if let Some(kind @ (ErrorKind::Tampered | ErrorKind::Stale)) = failure {
            tracing::warn!(replica, %kind, "a replica answered what cannot be true");
        }
        if let Some(kind @ (ErrorKind::PermissionDenied | ErrorKind::Unauthenticated)) = failure {
            tracing::warn!(replica, %kind, "a replica refuses this installation");
        }
        self.note_breaker(replica, |breaker| breaker.after(&self.config.breaker, failure, self.now())).await;
    }

    /// Remembers that others were asked because this one said nothing.
    async fn note_silence(&self, at: usize) {
        if self.replicas[at].is_blocked() {
            return;
        }
        let replica = self.replicas[at].name();
        self.note_breaker(replica, |breaker| breaker.after_silence(&self.config.breaker, self.now())).await;
    }

    async fn note_breaker(&self, replica: &str, change: impl FnOnce(Breaker) -> Breaker) {
        let before = self.memory(replica);
        let breaker = change(before.breaker);
        if breaker != before.breaker {
            let answered = if breaker.failures == 0 { Some(self.now()) } else { before.answered };
            self.remember(replica, Memory { breaker, answered, ..before }).await;
        }
    }

    /// Whether another replica may know better.
    fn verdict<T>(&self, answer: Result<T>) -> Verdict<Result<T>, Error> {
        let next_on = self.config.next_on;
        match answer {
            Err(error) if next_on.includes(error.kind()) => Verdict::Next(error),
            answer => Verdict::Final(answer),
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
            self.error(ErrorKind::TimedOut, Operation::Get).with_detail("no replica answered in time")
        })
    }

    /// One secret: what waits here for the primary, or what a replica has.
    pub(super) async fn read_one(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        let own = if self.config.require_primary { None } else { own::own(&self.waiting().await?, path, at) };
        let own = own.filter(|own| at.is_some() || self.is_newest(path, own));
        let is_contested = self.is_flagged(path);
        match own {
            // The primary may have another by now, which everybody else sees.
            Some(own) if is_contested => Ok(self.ask(path, at).await.unwrap_or_else(|_| contested(own))),
            Some(own) => Ok(own),
            None => self.ask(path, at).await,
        }
    }

    async fn ask(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        let route = self.route(path);
        let ask = |replica: usize| self.replicas[replica].get(path, at);
        let read = self.read(route, self.config.hedge_after, ask).await;
        self.given(path, read.answer?, route, read.by).await
    }

    /// A secret with who gave it, where there are several who could have.
    async fn given(&self, path: &SecretPath, mut secret: Secret, route: &Route, by: By) -> Result<Secret> {
        let is_rival = secret.served.as_ref().is_some_and(|served| served.conflict);
        if !self.has_several() {
            secret.served = None;
            let conflict = || self.error(ErrorKind::Conflict, Operation::Get).with_path(path);
            return if is_rival { Err(conflict()) } else { Ok(secret) };
        }
        if is_rival {
            self.flag(path).await;
        }
        if let Some(served) = &mut secret.served {
            served.degraded = by.degraded;
            served.conflict = is_rival || self.is_flagged(path);
            let memory = self.memory(self.replicas[by.replica].name());
            served.age = if by.replica == route.primary() { None } else { age(&memory, self.now()) };
        }
        Ok(secret)
    }

    /// The versions of a secret, oldest first, those included that wait here for the primary. A replica whose history
    /// ends before version `least`, which was seen, is behind: the next one is asked.
    ///
    /// # Errors
    /// As [`SecretBackend::versions`]; `Stale` where each of them is behind.
    pub async fn history(&self, path: &SecretPath, least: u64) -> Result<Vec<VersionMeta>> {
        let mut own = if self.config.require_primary { Vec::new() } else { self.waiting().await? };
        own.retain(|row| row.path == *path);
        let first_own =
            own.iter().filter_map(|row| row.secret.stamp.as_ref()).map(|stamp| stamp.version).min();
        // What waits is in no replica's history.
        let least = first_own.map_or(least, |first| first - 1).min(least);
        let ask = |replica: usize| self.replicas[replica].history(path, least);
        let read = self.read(self.route(path), self.config.hedge_after, ask).await;
        match read.answer {
            Err(error) if error.kind() == ErrorKind::NotFound && !own.is_empty() => {
                Ok(own::continued(Vec::new(), &own))
            }
            answer => answer.map(|history| own::continued(history, &own)),
        }
    }

    pub(super) async fn read_many(&self, paths: &[SecretPath]) -> Whole {
        let mut answers: Vec<Option<Result<Secret>>> = paths.iter().map(|_| None).collect();
        for route in &self.routes {
            let of_route: Vec<usize> =
                (0..paths.len()).filter(|&at| self.belongs(route, &paths[at])).collect();
            let of_paths: Vec<SecretPath> = of_route.iter().map(|&at| paths[at].clone()).collect();
            if of_paths.is_empty() {
                continue;
            }
            for (at, answer) in of_route.into_iter().zip(self.read_batch(route, &of_paths).await) {
                answers[at] = Some(answer);
            }
        }
        let lost = || Err(self.error(ErrorKind::Unexpected, Operation::Get));
        answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect()
    }

    /// Many secrets of one route. What the replica that answered left open is asked for one by one.
    async fn read_batch(&self, route: &Route, paths: &[SecretPath]) -> Whole {
        let ask = async |replica: usize| whole(self.replicas[replica].get_many(paths).await);
        let read = self.read(route, self.config.hedge_batch_after, ask).await;
        let waiting = self.waiting().await;
        let failure = waiting.as_ref().err().or(read.answer.as_ref().err());
        let failed = failure.is_some();
        let answers = match failure {
            Some(error) => paths.iter().map(|path| Err(again(error).with_path(path))).collect(),
            None => read.answer.unwrap_or_default(),
        };
        let waiting = waiting.unwrap_or_default();
        let is_waiting = |path: &SecretPath| waiting.iter().any(|row: &Row| row.path == *path);
        let is_final = failed || route.members.len() == 1;
        let settle = async |(path, answer): (&SecretPath, Result<Secret>)| match self.verdict(answer) {
            _ if is_waiting(path) => self.read_one(path, None).await,
            Verdict::Final(Ok(secret)) => self.given(path, secret, route, read.by).await,
            Verdict::Final(error) => error,
            Verdict::Next(error) if is_final => Err(error),
            Verdict::Next(_) => self.read_one(path, None).await,
        };
        let gets: Vec<_> = paths.iter().zip(answers).map(settle).collect();
        stream::iter(gets).buffered(AT_ONCE).collect().await
    }
}

/// How long ago a replica was last seen to have all that the primary has.
pub(super) fn age(memory: &Memory, now: Timestamp) -> Option<Duration> {
    let millis = now.as_millis().saturating_sub(memory.in_step?.as_millis());
    Some(Duration::from_millis(millis))
}

fn contested(mut own: Secret) -> Secret {
    if let Some(served) = &mut own.served {
        served.conflict = true;
    }
    own
}

/// How many secrets that a batch left open are asked for at once.
const AT_ONCE: usize = 16;
