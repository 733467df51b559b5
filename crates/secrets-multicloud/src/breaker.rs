//! Whether a replica is asked at all: after some failures in a row it is left alone for a while, then tried by one call.
//!
//! A breaker is a small value, so that whoever keeps it can keep it on disk: the next command does not wait again for a
//! replica that is down.

use std::time::Duration;

use secrets_backend::{ErrorKind, Timestamp};

/// What is remembered about the last calls of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breaker {
    /// How many calls in a row found it unable to answer.
    pub failures: u32,
    /// When it was left alone, by the clock of this machine; none while it is asked.
    pub opened: Option<Timestamp>,
}

/// When a replica is left alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerConfig {
    /// How many failures in a row open it. Default: 3.
    pub threshold: u32,
    /// How long it stays open before one call tries. Default: 5 s.
    pub open_for: Duration,
}

/// Whether a call may go to a replica now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Permit {
    /// It is asked like any other.
    Closed,
    /// It was left alone for long enough: this call tries, and others wait for what it finds.
    Probe,
    /// It is left alone.
    Open,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { threshold: 3, open_for: Duration::from_secs(5) }
    }
}

impl Breaker {
    /// The breaker of a replica that failed so often in a row, and was left alone at that time.
    #[must_use]
    pub const fn new(failures: u32, opened: Option<Timestamp>) -> Self {
        Self { failures, opened }
    }

    /// Whether a call may go out at this time.
    #[must_use]
    pub fn permit(&self, config: &BreakerConfig, now: Timestamp) -> Permit {
        let Some(opened) = self.opened else { return Permit::Closed };
        match now.as_millis().checked_sub(opened.as_millis()) {
            Some(millis) if Duration::from_millis(millis) < config.open_for => Permit::Open,
            // Long enough; or the clock was set back, and nobody knows how long.
            _ => Permit::Probe,
        }
    }

    /// After a call has begun to try a replica that was left alone: others wait as long again.
    #[must_use]
    pub const fn probing(self, now: Timestamp) -> Self {
        Self { opened: Some(now), ..self }
    }

    /// After an answer: what it says about the replica, not about the secret.
    #[must_use]
    pub fn after(self, config: &BreakerConfig, failure: Option<ErrorKind>, now: Timestamp) -> Self {
        if !failure.is_some_and(is_about_the_replica) {
            return Self::default();
        }
        // Beyond the threshold: see `is_down`.
        let failures = self.failures.saturating_add(1);
        let failures = if failures == config.threshold { failures.saturating_add(1) } else { failures };
        self.failed(config, failures, now)
    }

    /// After another replica had to answer because this one said nothing for a while: it may be down, or merely slow.
    #[must_use]
    pub fn after_silence(self, config: &BreakerConfig, now: Timestamp) -> Self {
        let failures = self.failures.saturating_add(1).min(config.threshold.max(self.failures));
        self.failed(config, failures, now)
    }

    /// Whether it is left alone since it failed, and not only since it was slow.
    #[must_use]
    pub const fn is_down(&self, config: &BreakerConfig) -> bool {
        self.failures > config.threshold
    }

    fn failed(self, config: &BreakerConfig, failures: u32, now: Timestamp) -> Self {
        Self { failures, opened: (failures >= config.threshold).then_some(now) }
    }
}

/// Whether a failure says that the replica cannot answer now; any other is an answer.
const fn is_about_the_replica(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::RateLimited)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: BreakerConfig = BreakerConfig { threshold: 3, open_for: Duration::from_secs(5) };
    const DOWN: Option<ErrorKind> = Some(ErrorKind::Unavailable);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_900_000_000_000 + millis)
    }

    fn opened() -> Breaker {
        (0..3).fold(Breaker::default(), |breaker, _| breaker.after(&CONFIG, DOWN, at(0)))
    }

    #[test]
    fn who_was_only_silent_is_left_alone_and_is_not_taken_for_down() {
        let silent = |breaker: Breaker| breaker.after_silence(&CONFIG, at(0));
        let slow = (0..9).fold(Breaker::default(), |breaker, _| silent(breaker));
        assert_eq!((slow.permit(&CONFIG, at(1)), slow.is_down(&CONFIG)), (Permit::Open, false));
        assert!(slow.after(&CONFIG, DOWN, at(0)).is_down(&CONFIG), "it was asked, and failed");
        assert!(silent(opened()).is_down(&CONFIG), "silence says nothing new");
        assert!(!slow.after(&CONFIG, None, at(0)).is_down(&CONFIG));
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let twice = Breaker::default().after(&CONFIG, DOWN, at(0)).after(&CONFIG, DOWN, at(1));
        assert_eq!(twice.permit(&CONFIG, at(2)), Permit::Closed);
        assert_eq!(opened().permit(&CONFIG, at(2)), Permit::Open);
        for answer in [None, Some(ErrorKind::NotFound), Some(ErrorKind::Tampered), Some(ErrorKind::Stale)] {
            assert_eq!(twice.after(&CONFIG, answer, at(3)), Breaker::default(), "{answer:?}");
        }
    }

    #[test]
    fn it_is_tried_by_one_call_after_its_time_and_closes_or_opens_again() {
        let breaker = opened();
        assert_eq!(breaker.permit(&CONFIG, at(4_999)), Permit::Open);
        assert_eq!(breaker.permit(&CONFIG, at(5_000)), Permit::Probe);
        let probing = breaker.probing(at(5_000));
        assert_eq!(probing.permit(&CONFIG, at(5_001)), Permit::Open, "one call is enough");
        assert_eq!(probing.after(&CONFIG, None, at(5_100)).permit(&CONFIG, at(5_100)), Permit::Closed);
        let again = probing.after(&CONFIG, DOWN, at(5_100));
        assert_eq!(again.permit(&CONFIG, at(10_099)), Permit::Open);
        assert_eq!(again.permit(&CONFIG, at(10_100)), Permit::Probe);
    }

    #[test]
    fn a_clock_that_is_a_year_off_locks_no_replica_out() {
        let year = 365 * 24 * 3_600 * 1_000;
        assert_eq!(opened().permit(&CONFIG, at(year)), Permit::Probe);
        let of_the_future = Breaker::new(3, Some(at(year)));
        assert_eq!(of_the_future.permit(&CONFIG, at(0)), Permit::Probe);
    }
}
