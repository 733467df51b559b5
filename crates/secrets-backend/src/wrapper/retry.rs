//! Repeats what failed for the moment, and never what may have taken effect twice.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, VersionId, VersionMeta, Written,
};

/// Repeats failed calls with full-jitter exponential backoff, within a deadline and a budget.
///
/// | failure | repeated |
/// | --- | --- |
/// | `Unavailable`, `RateLimited` | every operation: it took no effect |
/// | `TimedOut` | reads, `delete` and `purge`; never `put` and `undelete`, which might take effect twice |
/// | `Stale` | reads |
/// | any other | never |
///
/// Pause number *n* is uniform between zero and `base × 2ⁿ⁻¹`, at most `cap`; a longer `retry_after` of the
/// backend is waited for instead, where it ends before the deadline, and is answered at once where it does
/// not. A `delete` or `purge` that is repeated after a `TimedOut` and finds nothing has succeeded.
///
/// The budget is shared by all calls: each retry takes a token, each success gives a tenth of one back. So
/// a backend that is down gets little more than the calls of its users, not a multiple.
///
/// Time is tokio's and the jitter a parameter, so tests can decide both.
pub struct RetryBackend<B> {
    inner: B,
    config: RetryConfig,
    jitter: Box<Jitter>,
    budget: Budget,
}

/// How long and how often a [`RetryBackend`] tries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetryConfig {
    /// How often a call is made at most, the first time included. Default: 4.
    pub attempts: u32,
    /// The longest pause before the second attempt; it doubles from attempt to attempt. Default: 100 ms.
    pub base: Duration,
    /// The longest pause of all that the backend did not ask for. Default: 5 s.
    pub cap: Duration,
    /// No attempt starts later than this after the call. Default: 10 s.
    pub deadline: Duration,
    /// How many retries all calls have together before successes earn new ones. Default: 20.
    pub budget: u32,
}

/// Draws a pause between zero and the one given.
type Jitter = dyn Fn(Duration) -> Duration + Send + Sync;

impl<B: SecretBackend> RetryBackend<B> {
    /// `inner` with retries; jitter comes from the operating system.
    pub fn new(inner: B, config: RetryConfig) -> Self {
        Self::with_jitter(inner, config, system_jitter)
    }

    /// The same with a jitter of the caller's: given the longest pause, it answers the one to make.
    pub fn with_jitter(
        inner: B,
        config: RetryConfig,
        jitter: impl Fn(Duration) -> Duration + Send + Sync + 'static,
    ) -> Self {
        let budget = Budget::new(config.budget);
        Self { inner, config, jitter: Box::new(jitter), budget }
    }

    async fn retrying<T, F>(&self, operation: Operation, call: impl Fn() -> F + Send) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let mut course = Course::new();
        loop {
            match call().await {
                Ok(answer) => {
                    self.budget.earn();
                    return Ok(answer);
                }
                Err(error) => match self.pause(&mut course, operation, &error) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
            }
        }
    }

    /// Like `retrying`, for a deletion: what is gone after an attempt of unknown outcome is deleted.
    async fn deleting<F>(&self, operation: Operation, call: impl Fn() -> F + Send) -> Result<Written>
    where
        F: Future<Output = Result<Written>> + Send,
    {
        let mut course = Course::new();
        loop {
            match call().await {
                Err(error) if course.doubtful && error.kind() == ErrorKind::NotFound => {
                    self.budget.earn();
                    return Ok(Written::default());
                }
                Ok(written) => {
                    self.budget.earn();
                    return Ok(written);
                }
                Err(error) => match self.pause(&mut course, operation, &error) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
            }
        }
    }

    /// How long to wait before the next attempt; `None` where there is to be none.
    ///
    /// The operation is that of the call, not of the error: what is below may have failed in a part of it.
    fn pause(&self, course: &mut Course, operation: Operation, error: &Error) -> Option<Duration> {
        course.attempts = course.attempts.saturating_add(1);
        course.doubtful |= error.kind() == ErrorKind::TimedOut;
        if !is_repeated(error.kind(), operation) || course.attempts >= self.config.attempts {
            return None;
        }
        let doubled = 2_u32.saturating_pow(course.attempts - 1);
        let drawn = (self.jitter)(self.config.base.saturating_mul(doubled).min(self.config.cap));
        let pause = error.retry_after().map_or(drawn, |asked| asked.max(drawn));
        let in_time = course.start.elapsed().saturating_add(pause) <= self.config.deadline;
        (in_time && self.budget.spend()).then_some(pause)
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_millis(100),
            cap: Duration::from_secs(5),
            deadline: Duration::from_secs(10),
            budget: 20,
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for RetryBackend<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBackend")
            .field("inner", &self.inner)
            .field("config", &self.config)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

impl<B: fmt::Display> fmt::Display for RetryBackend<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "retry({})", self.inner)
    }
}

#[async_trait]
impl<B: SecretBackend> SecretBackend for RetryBackend<B> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.retrying(Operation::Check, || self.inner.check()).await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.retrying(Operation::Get, || self.inner.get(path, at)).await
    }

    /// Asks again only for those that failed.
    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        let mut answers = self.inner.get_many(paths).await;
        let mut course = Course::new();
        loop {
            let failed = |answer: &Result<Secret>| {
                answer.as_ref().err().is_some_and(|error| is_repeated(error.kind(), Operation::Get))
            };
            let again: Vec<usize> = (0..answers.len()).filter(|&at| failed(&answers[at])).collect();
            // The one that asks for the longest pause decides for all.
            let slowest = again
                .iter()
                .filter_map(|&at| answers[at].as_ref().err())
                .max_by_key(|error| error.retry_after());
            let Some(slowest) = slowest else {
                self.budget.earn();
                return answers;
            };
            let Some(pause) = self.pause(&mut course, Operation::Get, slowest) else { return answers };
            tokio::time::sleep(pause).await;
            let subset: Vec<SecretPath> = again.iter().filter_map(|&at| paths.get(at).cloned()).collect();
            for (at, answer) in again.into_iter().zip(self.inner.get_many(&subset).await) {
                answers[at] = answer;
            }
        }
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.retrying(Operation::Put, || self.inner.put(path, secret, mode)).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.deleting(Operation::Delete, || self.inner.delete(path)).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.retrying(Operation::Undelete, || self.inner.undelete(path)).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.deleting(Operation::Purge, || self.inner.purge(path)).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.retrying(Operation::Versions, || self.inner.versions(path)).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.retrying(Operation::List, || self.inner.list(prefix, page)).await
    }
}

/// One call and its attempts so far.
struct Course {
    start: Instant,
    attempts: u32,
    /// Whether one of them may have taken effect without an answer.
    doubtful: bool,
}

impl Course {
    fn new() -> Self {
        Self { start: Instant::now(), attempts: 0, doubtful: false }
    }
}

/// Tokens in tenths.
#[derive(Debug)]
struct Budget {
    capacity: u32,
    tenths: AtomicU32,
}

impl Budget {
    fn new(tokens: u32) -> Self {
        let capacity = tokens.saturating_mul(10);
        Self { capacity, tenths: AtomicU32::new(capacity) }
    }

    /// Takes a token, if there is one.
    fn spend(&self) -> bool {
        let spent =
            self.tenths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tenths| tenths.checked_sub(10));
        spent.is_ok()
    }

    /// Gives a tenth of a token back.
    fn earn(&self) {
        let full = |tenths: u32| (tenths < self.capacity).then_some(tenths + 1);
        // An error says that it is full already.
        let _ = self.tenths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, full);
    }
}

fn is_repeated(kind: ErrorKind, operation: Operation) -> bool {
    use Operation::{Check, Delete, Get, List, Purge, Versions};
    match kind {
        ErrorKind::Unavailable | ErrorKind::RateLimited => true,
        ErrorKind::TimedOut => matches!(operation, Check | Get | Versions | List | Delete | Purge),
        ErrorKind::Stale => matches!(operation, Check | Get | Versions | List),
        _ => false,
    }
}

/// Uniform between zero and `longest`; `longest` where the system has no randomness.
fn system_jitter(longest: Duration) -> Duration {
    let fraction = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    longest.mul_f64(fraction)
}
