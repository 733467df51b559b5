//! The contract, directly and under the production stack, and on backends that have a fault.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use secrets_backend::conformance::{PLANTED, Target};
use secrets_backend::{PrefixBackend, SecretBackend};
use secrets_backend_azure::{AzureBackend, AzureConfig};
use secrets_testkit::azure::{IssuerFault, Operation, VaultFault};
use secrets_testkit::{KeyVault, key_vault};

use crate::admin::{VAULT, backend, config, fresh, hasty};

const MANY: usize = 10_000;

/// Small pages, so that listings have several.
fn small(mut config: AzureConfig) -> AzureBackend {
    config.page_size = 3;
    backend(config)
}

fn directly() -> Target {
    let (access, server) = key_vault();
    let backend = small(config(&access));
    Target::new(backend).with_page_size(3).with_credential(access.client_secret).keeping(server)
}

/// A part of a vault of a safe's own, since a place belongs to one safe.
fn part() -> (Arc<dyn SecretBackend>, Option<KeyVault>) {
    let (access, server) = key_vault();
    let prefix = format!("{}/", fresh("s"));
    (Arc::new(PrefixBackend::new(small(config(&access)), prefix).unwrap()), server)
}

async fn under_the_stack() -> Target {
    let (part, server) = part();
    let (stack, guard) = secrets_testkit::sealed(part).await;
    Target::new(stack).with_page_size(3).keeping_conditions().keeping(guard).keeping(server)
}

async fn under_the_plain_stack() -> Target {
    let (part, server) = part();
    let (stack, guard) = secrets_testkit::plain(part).await;
    Target::new(stack).with_page_size(3).refusing_stamps().keeping(guard).keeping(server)
}

/// Deletions, recoveries and removals that take longer than an answer.
fn slow() -> Target {
    let server = KeyVault::start().unwrap();
    let [delete, recover, purge] = [200, 150, 250].map(Duration::from_millis);
    server.asynchronous(delete, recover, purge);
    server.settle_after_recovery(Duration::from_millis(150));
    server.sparse_pages();
    let access = server.access(VAULT);
    Target::new(small(config(&access))).with_page_size(3).keeping(server)
}

fn dead_endpoint() -> Target {
    let server = KeyVault::start().unwrap();
    let access = server.access(VAULT);
    let mut config = hasty(&access);
    let nowhere = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    config.vault_url = format!("https://{VAULT}.vault.azure.net:{}", nowhere.port());
    Target::new(backend(config)).keeping(server)
}

/// A server that meets every request with this fault.
fn failing(fault: &VaultFault) -> Target {
    let server = KeyVault::start().unwrap();
    server.fault(MANY, fault);
    let access = server.access(VAULT);
    let mut config = config(&access);
    // Less than the deadline of a case; reading up to the cap takes a busy machine more than a second.
    config.timeout = Duration::from_secs(9);
    Target::new(backend(config)).with_credential(access.client_secret).keeping(server)
}

fn hanging_endpoint() -> Target {
    let server = KeyVault::start().unwrap();
    server.fault(MANY, &VaultFault::Hang);
    let access = server.access(VAULT);
    Target::new(backend(hasty(&access))).with_deadline(Duration::from_secs(5)).keeping(server)
}

fn bad_credentials() -> Target {
    let server = KeyVault::start().unwrap();
    let access = server.access(VAULT);
    server.change_secret(&access, "another");
    Target::new(backend(config(&access))).with_credential(access.client_secret).keeping(server)
}

fn hanging_issuer() -> Target {
    let server = KeyVault::start().unwrap();
    server.issuer_fault(Some(IssuerFault::Hang));
    let access = server.access(VAULT);
    Target::new(backend(hasty(&access))).with_deadline(Duration::from_secs(5)).keeping(server)
}

fn throttled_issuer() -> Target {
    let server = KeyVault::start().unwrap();
    server.issuer_fault(Some(IssuerFault::Throttled(7)));
    Target::new(backend(config(&server.access(VAULT)))).keeping(server)
}

fn denied() -> Target {
    let server = KeyVault::start().unwrap();
    for operation in [
        Operation::Get,
        Operation::Set,
        Operation::List,
        Operation::Delete,
        Operation::Recover,
        Operation::Purge,
    ] {
        server.deny(operation);
    }
    Target::new(backend(config(&server.access(VAULT)))).keeping(server)
}

fn denied_in_batch() -> Target {
    let server = KeyVault::start().unwrap();
    server.deny_secret(Operation::Get, "refused--one");
    let refused = "refused/one".parse().unwrap();
    Target::new(backend(config(&server.access(VAULT)))).with_refused_path(refused).keeping(server)
}

fn malformed_reply() -> Target {
    failing(&VaultFault::Status(200, format!("{{\"value\": \"{PLANTED}")))
}

mod azure {
    use super::*;
    secrets_backend::conformance_tests! {
        target: directly(),
        faults: {
            bad_credentials: bad_credentials(),
            denied: denied(),
            denied_in_batch: denied_in_batch(),
            dead_endpoint: dead_endpoint(),
            hanging_endpoint: hanging_endpoint(),
            throttled: failing(&VaultFault::Throttled(7)),
            oversized_reply: failing(&VaultFault::Endless),
            malformed_reply: malformed_reply(),
        }
    }
}

mod azure_sealed {
    use super::*;
    secrets_backend::conformance_tests! { target: under_the_stack().await }
}

mod azure_plain {
    use super::*;
    secrets_backend::conformance_tests! { target: under_the_plain_stack().await }
}

mod azure_slow {
    use super::*;
    secrets_backend::conformance_tests! {
        target: slow(),
        faults: {
            hanging_endpoint: hanging_issuer(),
            throttled: throttled_issuer(),
        }
    }
}
