//! AWS Secrets Manager as a place for secrets.
#![doc = include_str!("../README.md")]

mod api;
mod backend;
mod batch;
mod beside;
mod client;
mod codes;
mod config;
mod credentials;
mod failure;
mod labels;
mod policy;
mod read;
mod recent;
mod remove;
mod replicas;
mod text;
mod token;
mod trust;
mod value;
mod wire;
mod write;

pub use backend::AwsBackend;
pub use config::{AwsConfig, InvalidConfig};
pub use credentials::{Credentials, Keys, Role};
pub use replicas::{Replica, ReplicaState};
