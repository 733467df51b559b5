//! An embedded, crash-safe store for secrets in one directory.
#![doc = include_str!("../README.md")]

mod backend;
mod config;
mod engine;
mod fault;
mod files;
mod format;
mod lock;
mod operations;
mod rows;
mod store;

pub use backend::{LocalBackend, Stats};
pub use config::{Engine, InvalidConfig, LocalConfig};
