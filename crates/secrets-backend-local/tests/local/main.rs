//! Tests of the local backend from outside: the contract, other processes, kills, hostile and damaged files.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests have runtimes of their own, and second processes with a role"
)]

mod conformance;
mod crash;
mod damage;
mod full_disk;
mod model;
mod ownership;
mod sharing;
mod stores;
mod support;
