//! The safe as an application uses it, and its whole stack as a backend.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::missing_errors_doc,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests"
)]

mod audit;
mod bulk;
mod conformance;
mod environments;
mod freshness;
mod growth;
mod harness;
mod interrupted;
mod keys;
mod lifecycle;
mod lossy;
mod memory;
mod old_states;
mod plain;
mod plain_writes;
mod scan;
mod sharing;
mod slots;
mod standby;
mod unconditional;
