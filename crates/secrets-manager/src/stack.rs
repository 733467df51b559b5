//! The order of the wrappers, in one function, so that nobody can get it wrong.

#[cfg(test)]
mod cost;

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{RetryBackend, RetryConfig, SecretBackend, TimeoutBackend};
use secrets_multicloud::{FailoverBackend, Replica as Judged};

use crate::audited::{AuditBackend, Layer};
use crate::locks::Locks;
use crate::outbox::Outbox;
use crate::plain::PlainBackend;
use crate::recorder::Recorder;
use crate::replica::{Replica, ReplicaBackend};
use crate::safe::{Member, Members, Sealing, Topology};
use crate::seal::SealBackend;
use crate::state::State;
use crate::tenant::Tenant;
use crate::term::Promotion;
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
    topology: &Topology,
    places: &[(Arc<dyn SecretBackend>, Arc<Replica>)],
    recorder: Recorder,
    locks: Arc<Locks>,
    promotion: Option<&Promotion>,
) -> AuditBackend {
    let layer = match topology.sealing {
        Sealing::Plain => {
            // Of plain values there is one.
            let (patient, replica) = &places[0];
            Layer::Plain(PlainBackend::new(replica.name().to_owned(), Arc::clone(patient)))
        }
        Sealing::Sealed => {
            let (tenant, state) = (Arc::clone(&recorder.tenant), Arc::clone(&recorder.state));
            let replicas = Arc::new(replicas(topology, places, &tenant, &state));
            if let Some(promotion) = promotion {
                promotion.lead(&replicas);
            }
            Layer::Sealed(SealBackend::new(replicas, tenant, state))
        }
    };
    AuditBackend::new(layer, recorder, locks)
}

/// The replicas of an environment as one.
fn replicas(
    topology: &Topology,
    places: &[(Arc<dyn SecretBackend>, Arc<Replica>)],
    tenant: &Arc<Tenant>,
    state: &Arc<State>,
) -> FailoverBackend {
    let made = |member: &Member| {
        let (patient, replica) = &places[member.place];
        let name = replica.name().to_owned();
        let verify = verify_function(Arc::clone(tenant), Arc::clone(state), name.clone());
        let backend = ReplicaBackend::new(Arc::clone(patient), Arc::clone(replica));
        let is_blocked = topology.blocked.contains(&name);
        let made = Judged::new(name, Arc::new(backend), verify);
        let made = made.in_role(member.role).with_weight(member.weight);
        if is_blocked { made.blocked() } else { made }
    };
    // A route is made with its primary.
    let split = |route: &Members| (made(&route.members[0]), route.members[1..].iter().map(made).collect());
    let (primary, others): (Judged, Vec<Judged>) = split(&topology.routes[0]);
    if others.is_empty() && topology.routes.len() == 1 {
        return FailoverBackend::new(primary);
    }
    let journal = Arc::new(Outbox::new(places[0].1.files()));
    let mut all = FailoverBackend::over(primary, others, journal, topology.config);
    for route in &topology.routes[1..] {
        let (primary, others) = split(route);
        let Some(prefix) = route.prefix.clone() else { continue };
        all = all.with_route(prefix, primary, others);
    }
    all
}

/// A backend that is tried again where that can help, within a deadline: retry → timeout → backend. Each writing call may
/// take as long as `writes`.
pub(crate) fn patient(
    backend: Arc<dyn SecretBackend>,
    deadline: Duration,
    writes: Duration,
) -> Arc<dyn SecretBackend> {
    let mut retries = RetryConfig::default();
    retries.deadline = deadline;
    Arc::new(RetryBackend::new(TimeoutBackend::new(backend, deadline).with_writes(writes), retries))
}
