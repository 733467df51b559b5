//! The crate's promises, tested through its public interface.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod aead;
mod damage;
mod envelope;
mod foreign_vectors;
mod golden;
mod header;
mod keyring;
mod rule_vectors;
mod script;
