//! The order of the wrappers, in one function, so that nobody can get it wrong.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{RetryBackend, RetryConfig, SecretBackend, TimeoutBackend};
use secrets_multicloud::{FailoverBackend, FailoverConfig, Replica as Member};

use crate::audited::{AuditBackend, Layer};
use crate::locks::Locks;
use crate::outbox::Outbox;
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
    members: Vec<(Arc<dyn SecretBackend>, Arc<Replica>)>,
    recorder: Recorder,
    locks: Arc<Locks>,
    sealing: Sealing,
) -> (AuditBackend, Option<Arc<FailoverBackend>>) {
    let mut several = None;
    let (tenant, state) = (Arc::clone(&recorder.tenant), Arc::clone(&recorder.state));
    let mut members =
        members.into_iter().map(|(patient, replica)| (replica.name().to_owned(), patient, replica));
    let Some((name, patient, replica)) = members.next() else { unreachable!("a stack has a backend") };
    let layer = match sealing {
        Sealing::Plain => Layer::Plain(PlainBackend::new(name, patient)),
        Sealing::Sealed => {
            let member = |(name, patient, replica): (String, _, _)| {
                let verify = verify_function(Arc::clone(&tenant), Arc::clone(&state), name.clone());
                Member::new(name, Arc::new(ReplicaBackend::new(patient, replica)), verify)
            };
            let first = member((name, patient, replica));
            let others: Vec<Member> = members.map(member).collect();
            let failover = if others.is_empty() {
                FailoverBackend::new(first)
            } else {
                let journal = Arc::new(Outbox::new(Arc::clone(&state), Arc::clone(&tenant)));
                FailoverBackend::over(first, others, journal, FailoverConfig::default())
            };
            let failover = Arc::new(failover);
            several = Some(Arc::clone(&failover));
            Layer::Sealed(SealBackend::new(failover, tenant, state))
        }
    };
    (AuditBackend::new(layer, recorder, locks), several)
}

/// A backend that is tried again where that can help, within a deadline: retry → timeout → backend.
pub(crate) fn patient(backend: Arc<dyn SecretBackend>, deadline: Duration) -> Arc<dyn SecretBackend> {
    let mut retries = RetryConfig::default();
    retries.deadline = deadline;
    Arc::new(RetryBackend::new(TimeoutBackend::new(backend, deadline), retries))
}
