//! Many backends as one.
#![doc = include_str!("../README.md")]

mod breaker;
mod failover;
mod forward;
mod hedge;
mod journal;
mod known;
mod relation;
mod replica;
mod sync;
mod translate;

pub use breaker::{Breaker, BreakerConfig, Permit};
pub use failover::{Drained, FailoverBackend, FailoverConfig, WhenDown};
pub use journal::{Journal, Row};
pub use relation::{Record, Relation, relation};
pub use replica::{Replica, Role, Verify};
pub use sync::{Applied, Plan, Step, apply, plan};
