//! Many backends as one.
#![doc = include_str!("../README.md")]

mod breaker;
mod failover;
mod hedge;
mod known;
mod relation;
mod replica;
mod translate;

pub use breaker::{Breaker, BreakerConfig, Permit};
pub use failover::{FailoverBackend, FailoverConfig};
pub use relation::{Record, Relation, relation};
pub use replica::{Replica, Verify};
