//! The `secrets` command as a library, so that tests and fuzzers reach its parsers.
#![doc = include_str!("../README.md")]

pub mod args;
pub mod backends;
pub mod commands;
pub mod config;
pub mod environment;
pub mod exit;
pub mod failure;
pub mod formats;
pub mod harden;
pub mod hints;
pub mod input;
mod logging;
pub mod metadata;
pub mod names;
pub mod output;
pub mod places;
pub mod process;
pub mod prompt;
pub mod trust;

/// The examples of the page on embedding, which a test runs: this crate has every dependency that they need.
#[cfg(all(doctest, feature = "local"))]
#[doc = include_str!("../../../docs/embedding.md")]
mod embedding {}
