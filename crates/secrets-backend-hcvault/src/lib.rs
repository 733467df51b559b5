//! HashiCorp Vault and OpenBao as a place for secrets.
#![doc = include_str!("../README.md")]

mod api;
mod auth;
mod backend;
mod config;
mod failure;
mod kv1;
mod kv2;
mod labels;
mod listing;
mod login;
mod mount;
mod policy;
mod session;
mod store;
mod value;
mod wire;

pub use auth::{Auth, Credential};
#[cfg(feature = "aws-iam")]
pub use auth::{AwsCredentials, AwsIam};
pub use backend::HcVaultBackend;
pub use config::{Engine, HcVaultConfig, InvalidConfig, Tls};
pub use session::TokenCache;
