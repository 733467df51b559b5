//! The backend against real servers, and against documented answers that those cannot be made to give.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests have runtimes of their own, and fail by panics"
)]

mod admin;
mod conformance;
mod cost;
mod details;
mod errors;
mod input;
mod kv;
mod logins;
mod matrix;
mod methods;
mod providers;
mod rows;
mod sharing;
mod tokens;
