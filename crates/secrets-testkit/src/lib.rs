//! What tests of networked backends share.
#![doc = include_str!("../README.md")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a library of tests: it finds servers by variables, prints what it skips, has runtimes of its own"
)]

mod aws;
pub mod azure;
mod background;
mod certificates;
mod evil;
mod fault_proxy;
mod kubernetes;
mod responder;
mod servers;
pub mod simulation;
mod stack;

pub use aws::AwsStandIn;
pub use azure::{KeyVault, KeyVaultAccess, key_vault};
pub use certificates::Certificates;
pub use evil::{EvilBackend, Lie};
pub use fault_proxy::{Fault, FaultProxy};
pub use kubernetes::TokenReviews;
pub use responder::{Answer, Body, Request, Responder};
pub use servers::{
    Directory, Product, Server, Sts, azure_sdk, boto3, openbao, secrets_manager, skip, slapd, sts, vault,
};
pub use stack::{plain, sealed};
