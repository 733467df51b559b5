//! What wrappers and helpers do when the backend below them fails, in virtual time; and the simulated disk.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]
#![allow(clippy::disallowed_methods, reason = "`#[tokio::test]` expands to a runtime of the test's own")]

#[cfg(feature = "conformance")]
mod disk;
mod ext;
mod faulty;
mod limit;
mod metrics;
mod prefix;
mod read_back;
mod retry;
mod timeout;

use secrets_backend::{NewSecret, SecretPath};

fn path(text: &str) -> SecretPath {
    text.parse().expect("a path")
}

fn value(text: &str) -> NewSecret {
    NewSecret::new(text)
}
