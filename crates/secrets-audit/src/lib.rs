#![doc = include_str!("../README.md")]

mod action;
mod checkpoint;
mod entry;
mod error;
mod frontier;
mod hash;
mod head;
mod hex;
mod key;
mod line;
mod log;
pub mod note;
pub mod proof;
pub mod read;
mod reason;
mod storage;
mod token;
pub mod verify;

pub use action::{Action, Outcome};
pub use checkpoint::Checkpoint;
pub use entry::{MAX_PAYLOAD, NewEntry, ObjectRef, OpId};
pub use error::{Error, Result};
pub use frontier::Frontier;
pub use hash::{TreeHash, empty_root, leaf_hash, node_hash};
pub use key::{SigningKey, VerifyingKey};
pub use line::{open_line, sign_line};
pub use log::{Appended, AuditLog, Durability, LogConfig, Warning};
pub use note::KeyName;
pub use reason::Reason;
pub use storage::{FileStorage, Storage};
pub use token::Token;
pub use verify::{Report, verify_log};
