//! Points in time, as backends store them: milliseconds since 1970-01-01 UTC.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A point in time, in milliseconds since 1970-01-01 00:00 UTC.
///
/// Times are for people: nothing in this project orders by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A point in time from milliseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The system clock's present time; a clock before 1970 reads as 0.
    ///
    /// The one place of the workspace that asks the clock.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the clock's home")]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Milliseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}
