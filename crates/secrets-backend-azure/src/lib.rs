//! Azure Key Vault as a place for secrets.
#![doc = include_str!("../README.md")]

mod api;
mod backend;
mod client;
mod codes;
mod config;
mod credentials;
mod failure;
mod labels;
mod names;
mod packed;
mod policy;
mod read;
mod remove;
mod value;
mod wait;
mod wire;
mod write;

pub use backend::AzureBackend;
pub use config::{AzureConfig, Cloud, InvalidConfig};
pub use credentials::{
    AppService, AzureCli, ClientCertificate, ClientSecret, Credentials, DefaultChain, DeveloperCli,
    IdentityId, ManagedIdentity, Pipelines, WorkloadIdentity,
};
