//! Wrappers: backends that hold another backend and do one job for it.
//!
//! Each is a [`SecretBackend`](crate::SecretBackend) itself, so they nest in any number; the order that the
//! production stack uses is decided once, in `secrets-manager`. The `Display` of each nests too:
//! `prefix(prod/, retry(timeout(10s, memory)))`.

mod limit;
mod metrics;
mod prefix;
mod retry;
mod timeout;

pub use limit::LimitBackend;
pub use metrics::{Metrics, MetricsBackend};
pub use prefix::PrefixBackend;
pub use retry::{RetryBackend, RetryConfig};
pub use timeout::TimeoutBackend;
