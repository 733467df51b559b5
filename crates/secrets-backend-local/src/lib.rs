//! An embedded, crash-safe store for secrets in one directory.
#![doc = include_str!("../README.md")]

mod backend;
mod config;
mod engine;
mod fault;
mod files;
mod format;
mod group;
mod lock;
mod operations;
mod rows;
mod store;

pub use backend::{LocalBackend, Stats};
pub use config::{Engine, InvalidConfig, LocalConfig};

/// How many rounds a test runs: a small sample unless the environment asks for more.
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the number of rounds of a test")]
fn test_rounds(sample: u64) -> u64 {
    std::env::var("SECRETS_TEST_ROUNDS").map_or(sample, |rounds| rounds.parse().unwrap())
}
