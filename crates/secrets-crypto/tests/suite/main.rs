//! The crate's promises, tested through its public interface.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests read SECRETS_TEST_*, print figures, and fail where a helper fails"
)]

mod aead;
mod damage;
mod differential;
mod envelope;
mod foreign_vectors;
mod golden;
mod header;
mod keyring;
mod rule_vectors;
mod script;
