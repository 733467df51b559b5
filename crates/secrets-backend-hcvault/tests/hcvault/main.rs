//! The backend against real servers, and against documented answers that those cannot be made to give.
#![allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]

mod admin;
mod conformance;
mod errors;
mod input;
mod kv;
mod logins;
mod tokens;
