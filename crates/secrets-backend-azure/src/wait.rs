//! Waiting for what the service does in its own time.

use std::time::Duration;

use secrets_backend::ErrorKind;
use tokio::time::Instant;

use crate::config::AzureConfig;
use crate::failure::Failure;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// Pauses that grow, until a deadline.
#[derive(Debug)]
pub(crate) struct Wait {
    deadline: Instant,
    pause: Duration,
    /// What the service asked for since the last pause.
    asked: Duration,
}

impl Wait {
    pub(crate) fn new(config: &AzureConfig) -> Self {
        Self { deadline: Instant::now() + config.settle, pause: FIRST, asked: Duration::ZERO }
    }

    /// Waits for a while; whether there is time to look again.
    pub(crate) async fn pause(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        let pause = self.pause.max(std::mem::take(&mut self.asked));
        tokio::time::sleep_until(self.deadline.min(now + pause)).await;
        self.pause = (self.pause * 3 / 2).min(LONGEST);
        true
    }

    /// What a look at something that was begun has shown; none where it failed for the moment. What was begun goes
    /// on then, and saying that it had no effect would be wrong.
    pub(crate) fn shown<T>(&mut self, look: Result<T, Failure>) -> Result<Option<T>, Failure> {
        match look {
            Err(failure) if self.passes(&failure) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Whether a failure may be over after a pause, which is as long as it says.
    pub(crate) fn passes(&mut self, failure: &Failure) -> bool {
        let passes =
            matches!(failure.kind, ErrorKind::RateLimited | ErrorKind::Unavailable | ErrorKind::TimedOut);
        if passes {
            self.asked = failure.retry_after().unwrap_or_default();
        }
        passes
    }
}
