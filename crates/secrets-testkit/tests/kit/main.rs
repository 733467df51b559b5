//! The test kit, shown on clients that know nothing of it: each fault, each kind of body, each way to a server.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail a test as its own lines would"
)]
#![allow(clippy::disallowed_methods, reason = "tests read variables, and a TLS client has a runtime")]

mod answers;
mod azure;
mod client;
mod evil;
mod faults;
mod logins;
mod lost_answers;
mod servers;
mod simulation;
mod tls;
