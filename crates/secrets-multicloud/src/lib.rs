//! Many backends as one.
#![doc = include_str!("../README.md")]

mod failover;
mod known;
mod translate;

pub use failover::{FailoverBackend, Verify};
