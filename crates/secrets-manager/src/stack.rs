//! The order of the wrappers, in one function, so that nobody can get it wrong.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{RetryBackend, RetryConfig, SecretBackend, TimeoutBackend};
use secrets_multicloud::{FailoverBackend, Replica as MultiReplica};

use crate::audited::{AuditBackend, Layer};
use crate::locks::Locks;
use crate::plain::PlainBackend;
use crate::recorder::Recorder;
use crate::replica::{Replica, ReplicaBackend};
use crate::safe::Sealing;
use crate::seal::SealBackend;
use crate::verify::verify_function;

/// Puts the wrappers around a backend. From the caller inwards:
///
/// audit → seal (with the tenant's keys) → failover (with the verify function) → replica (this safe's place)
/// → [`patient`]
///
/// Of an environment of plain values:
///
/// audit → plain → [`patient`]
pub(crate) fn stack(
    patient: Arc<dyn SecretBackend>,
    replica: Arc<Replica>,
    recorder: Recorder,
    locks: Arc<Locks>,
    sealing: Sealing,
) -> AuditBackend {
    let (tenant, state) = (Arc::clone(&recorder.tenant), Arc::clone(&recorder.state));
    let name = replica.name().to_owned();
    let layer = match sealing {
        Sealing::Plain => Layer::Plain(PlainBackend::new(name, patient)),
        Sealing::Sealed => {
            let verify = verify_function(Arc::clone(&tenant), Arc::clone(&state), name.clone());
            let failover = FailoverBackend::new(MultiReplica::new(
                name,
                Arc::new(ReplicaBackend::new(patient, replica)),
                verify,
            ));
            Layer::Sealed(SealBackend::new(Arc::new(failover), tenant, state))
        }
    };
    AuditBackend::new(layer, recorder, locks)
}

/// A backend that is tried again where that can help, within a deadline: retry → timeout → backend.
pub(crate) fn patient(backend: Arc<dyn SecretBackend>, deadline: Duration) -> Arc<dyn SecretBackend> {
    let mut retries = RetryConfig::default();
    retries.deadline = deadline;
    Arc::new(RetryBackend::new(TimeoutBackend::new(backend, deadline), retries))
}
