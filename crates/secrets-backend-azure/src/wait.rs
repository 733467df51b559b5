//! Waiting for what the service does in its own time.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::AzureConfig;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// Pauses that grow, until a deadline.
#[derive(Debug)]
pub(crate) struct Wait {
    deadline: Instant,
    pause: Duration,
}

impl Wait {
    pub(crate) fn new(config: &AzureConfig) -> Self {
        Self { deadline: Instant::now() + config.settle, pause: FIRST }
    }

    /// Waits for a while; whether there is time to look again.
    pub(crate) async fn pause(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        tokio::time::sleep_until(self.deadline.min(now + self.pause)).await;
        self.pause = (self.pause * 3 / 2).min(LONGEST);
        true
    }
}
