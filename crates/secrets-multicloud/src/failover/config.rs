//! How long is waited for whom, and what is enough.

use std::time::Duration;

use secrets_backend::{ErrorKind, Level};

use super::write::WhenDown;
use crate::breaker::BreakerConfig;

/// How long is waited for whom, and what is enough.
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
    /// How far a write has to come. With [`Level::All`] it waits for the others. Default: [`Level::Primary`].
    pub ack: Level,
    /// How long such a write waits for them. Default: 5 s.
    pub drain_timeout: Duration,
    /// What becomes of a write while the primary cannot take it. Default: it waits in the journal.
    pub when_down: WhenDown,
    /// On which answers, besides those that are none, the next replica is asked. Default: on none of these.
    pub next_on: NextOn,
    /// Whether nobody but the primary may answer. Default: no.
    pub require_primary: bool,
    /// How long ago another replica may have been seen at most to have all that the primary has, for its answer to
    /// count. Default: however long.
    pub max_staleness: Option<Duration>,
}

impl Default for FailoverConfig {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            hedge_after: Duration::from_millis(300),
            hedge_batch_after: Duration::from_secs(2),
            breaker: BreakerConfig::default(),
            ack: Level::Primary,
            drain_timeout: Duration::from_secs(5),
            when_down: WhenDown::default(),
            next_on: NextOn::default(),
            require_primary: false,
            max_staleness: None,
        }
    }
}

/// Answers that a caller may mistrust: by default each of them is the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NextOn {
    /// The replica has none, and none was seen here.
    pub not_found: bool,
    /// The replica knows the caller, and refuses.
    pub permission_denied: bool,
    /// The replica does not take the credentials.
    pub unauthenticated: bool,
}

impl NextOn {
    /// Whether the next replica is asked after this failure.
    pub(super) const fn includes(self, kind: ErrorKind) -> bool {
        match kind {
            ErrorKind::Unavailable
            | ErrorKind::TimedOut
            | ErrorKind::RateLimited
            | ErrorKind::Tampered
            | ErrorKind::Stale => true,
            ErrorKind::NotFound => self.not_found,
            ErrorKind::PermissionDenied => self.permission_denied,
            ErrorKind::Unauthenticated => self.unauthenticated,
            _ => false,
        }
    }
}
