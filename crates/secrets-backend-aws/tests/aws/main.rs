//! The backend against moto, and against documented answers that moto cannot be made to give.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests have runtimes of their own, print their figures, and fail by panics"
)]

mod admin;
mod beside;
mod boto3;
mod conformance;
mod cost;
mod credentials;
mod errors;
mod faults;
mod least;
mod replicas;
mod writes;
