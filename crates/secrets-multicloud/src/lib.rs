//! Many backends as one.
#![doc = include_str!("../README.md")]

mod failover;
mod translate;

pub use failover::{FailoverBackend, Verify};
