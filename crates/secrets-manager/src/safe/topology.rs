//! The backends of an environment: each once, and who has which secrets.

use std::collections::BTreeSet;

use secrets_backend::SecretPath;
use secrets_multicloud::{FailoverConfig, Role};

use super::{Options, Sealing, Standby};
use crate::{Error, Result};

/// The backends of an environment.
pub(crate) struct Topology {
    pub(crate) sealing: Sealing,
    /// Each backend once, the primary first.
    pub(crate) places: Vec<Standby>,
    /// Who has which secrets. The first is for all that no other names.
    pub(crate) routes: Vec<Members>,
    pub(crate) config: FailoverConfig,
    /// Who is kept from answering, by name.
    pub(crate) blocked: BTreeSet<String>,
}

/// The backends of the secrets at and below a path, the primary first.
pub(crate) struct Members {
    pub(crate) prefix: Option<SecretPath>,
    pub(crate) members: Vec<Member>,
}

/// A backend in a route: which one of the places, and what it is for there.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub(crate) place: usize,
    pub(crate) role: Role,
    pub(crate) weight: u32,
}

impl Topology {
    pub(crate) fn of(options: &Options) -> Result<Self> {
        if options.sealing == Sealing::Plain && !(options.standbys.is_empty() && options.routes.is_empty()) {
            return Err(Error::InvalidInput("an environment of plain values has one backend".to_owned()));
        }
        let (sealing, blocked) = (options.sealing, options.blocked.clone());
        let mut topology =
            Self { sealing, places: Vec::new(), routes: Vec::new(), config: options.failover, blocked };
        let primary = Standby {
            place: options.place,
            weight: options.weight,
            ..Standby::new(std::sync::Arc::clone(&options.backend))
        };
        topology.add(None, &primary, &options.standbys)?;
        for route in &options.routes {
            topology.add(Some(route.prefix.clone()), &route.primary, &route.standbys)?;
        }
        Ok(topology)
    }

    fn add(&mut self, prefix: Option<SecretPath>, primary: &Standby, standbys: &[Standby]) -> Result<()> {
        let mut members: Vec<Member> = Vec::with_capacity(1 + standbys.len());
        for (at, standby) in std::iter::once(primary).chain(standbys).enumerate() {
            let name = standby.backend.to_string();
            let known = self.places.iter().position(|known| known.backend.to_string() == name);
            let place = known.unwrap_or_else(|| {
                self.places.push(standby.clone());
                self.places.len() - 1
            });
            if members.iter().any(|member| member.place == place) {
                return Err(Error::InvalidInput(format!("{name} is named twice for the same secrets")));
            }
            let role = if at == 0 { Role::Primary } else { standby.role };
            members.push(Member { place, role, weight: standby.weight });
        }
        self.routes.push(Members { prefix, members });
        Ok(())
    }

    /// What the backends call themselves.
    pub(crate) fn names(&self) -> Vec<String> {
        self.places.iter().map(|place| place.backend.to_string()).collect()
    }
}
