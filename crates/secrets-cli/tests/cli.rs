//! The binary from outside: what it prints, what it leaves behind, how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests fail a test as its own lines would"
)]

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/cases.rs"]
mod cases;
#[path = "cli/configuration.rs"]
mod configuration;
#[path = "cli/dotenv_packages.rs"]
mod dotenv_packages;
#[path = "cli/exchange.rs"]
mod exchange;
#[path = "cli/fail_closed.rs"]
mod fail_closed;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/support.rs"]
mod support;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/tour.rs"]
mod tour;
#[path = "cli/values.rs"]
mod values;
