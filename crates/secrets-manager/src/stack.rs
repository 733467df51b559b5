//! The order of the wrappers, in one function, so that nobody can get it wrong.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{RetryBackend, RetryConfig, SecretBackend, TimeoutBackend};
use secrets_multicloud::FailoverBackend;

use crate::audited::{AuditBackend, Layer};
use crate::locks::Locks;
use crate::plain::PlainBackend;
use crate::recorder::Recorder;
use crate::safe::Sealing;
use crate::seal::SealBackend;
use crate::verify::verify_function;

/// Puts the wrappers around a backend. From the caller inwards:
///
/// audit → seal (with the tenant's keys) → failover (with the verify function) → retry → timeout → backend
///
/// Of an environment of plain values:
///
/// audit → plain → retry → timeout → backend
pub(crate) fn stack(
    backend: Arc<dyn SecretBackend>,
    recorder: Recorder,
    locks: Arc<Locks>,
    deadline: Duration,
    sealing: Sealing,
) -> AuditBackend {
    let (tenant, state) = (Arc::clone(&recorder.tenant), Arc::clone(&recorder.state));
    let name = backend.to_string();
    let mut retries = RetryConfig::default();
    retries.deadline = deadline;
    let replica = Arc::new(RetryBackend::new(TimeoutBackend::new(backend, deadline), retries));
    let layer = match sealing {
        Sealing::Plain => Layer::Plain(PlainBackend::new(name, replica)),
        Sealing::Sealed => {
            let verify = verify_function(Arc::clone(&tenant), Arc::clone(&state), name.clone());
            let failover = FailoverBackend::new(name, replica, verify);
            Layer::Sealed(SealBackend::new(Arc::new(failover), tenant, state))
        }
    };
    AuditBackend::new(layer, recorder, locks)
}
