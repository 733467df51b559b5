//! A safe: sealed secrets on any backend, with every access audited.
#![doc = include_str!("../README.md")]

mod audited;
mod blocking;
mod control;
mod error;
mod files;
mod header;
mod init;
mod join;
mod locks;
mod outbox;
mod places;
mod plain;
mod recorder;
mod replica;
mod rotate;
mod safe;
mod seal;
mod slots;
mod stack;
mod state;
mod status;
mod tenant;
mod term;
mod unlock;
mod verify;

pub use error::{Error, ForeignPlace, KeyringsDiffer, Result};
pub use files::FileError;
pub use init::{InitOptions, Initialised, init};
pub use join::{FoundSafe, JoinOptions, Joined, UnlockedSafe, find};
pub use locks::LockError;
pub use places::Places;
pub use recorder::Caller;
pub use rotate::Rotated;
pub use safe::{
    Contender, Description, ListScope, Options, Place, PromoteConfig, Promoted, Purpose, Route, Safe,
    Sealing, Standby, Summary,
};
pub use secrets_multicloud::{
    Applied, ApplyConfig, BreakerConfig, Direction, Drained, FailoverConfig, Health, NextOn, Permit, Plan,
    Role, Scope, Step, StepKind, WhenDown,
};
pub use slots::{AddedSlot, NewSlot, SlotInfo, SlotKind, Slots};
pub use state::StateError;
pub use status::{Status, status};
pub use unlock::Unlock;

/// How many rounds a test runs: a small sample unless the environment asks for more.
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the number of rounds of a test")]
fn test_rounds(sample: u64) -> u64 {
    std::env::var("SECRETS_TEST_ROUNDS").map_or(sample, |rounds| rounds.parse().unwrap())
}
