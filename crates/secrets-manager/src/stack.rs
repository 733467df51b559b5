//! The order of the wrappers, in one function, so that nobody can get it wrong.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{RetryBackend, RetryConfig, SecretBackend, TimeoutBackend};
use secrets_multicloud::FailoverBackend;

use crate::audited::AuditBackend;
use crate::locks::Locks;
use crate::recorder::Recorder;
use crate::seal::SealBackend;
use crate::verify::verify_function;

/// Puts the wrappers around a backend. From the caller inwards:
///
/// audit → seal (with the tenant's keys) → failover (with the verify function) → retry → timeout → backend
pub(crate) fn stack(
    backend: Arc<dyn SecretBackend>,
    recorder: Recorder,
    locks: Arc<Locks>,
    deadline: Duration,
) -> AuditBackend {
    let (tenant, state) = (Arc::clone(&recorder.tenant), Arc::clone(&recorder.state));
    let name = backend.to_string();
    let verify = verify_function(Arc::clone(&tenant), Arc::clone(&state), name.clone());
    let mut retries = RetryConfig::default();
    retries.deadline = deadline;
    let replica = RetryBackend::new(TimeoutBackend::new(backend, deadline), retries);
    let failover = FailoverBackend::new(name, Arc::new(replica), verify);
    AuditBackend::new(SealBackend::new(Arc::new(failover), tenant, state), recorder, locks)
}
