//! The backend against the Key Vault server of the test kit, or another that is given from outside.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests have runtimes of their own, print their figures, and fail by panics"
)]

mod admin;
mod conformance;
mod cost;
mod credentials;
mod leaks;
mod listing;
mod rules;
mod sdk;
mod sharing;
mod slow;
mod tokens;
mod wire;
mod writers;
