//! Many backends as one.
#![doc = include_str!("../README.md")]

mod breaker;
mod failover;
mod forward;
mod freshness;
mod hedge;
mod journal;
mod known;
mod relation;
mod replica;
mod sync;
mod translate;

pub use breaker::{Breaker, BreakerConfig, Permit};
pub use failover::{Drained, FailoverBackend, FailoverConfig, Health, NextOn, Rival, WhenDown, Write};
pub use freshness::{Freshness, Seen, freshness};
pub use journal::{Journal, Memory, NewRow, Row};
pub use relation::{Relation, relation};
pub use replica::{Replica, Role, Verified, Verify};
pub use sync::{Applied, ApplyConfig, Direction, Plan, Scope, Step, StepKind, apply, plan};
