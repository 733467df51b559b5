//! Environments: which backends keep their secrets, in which roles, and what has to hold of them together.

use std::collections::{BTreeMap, BTreeSet};

use secrets_backend::Level;
use secrets_manager::{NextOn, Role, WhenDown};
use serde::{Deserialize, Serialize};

use super::schema::{LOCAL, Settings, shown};

mod check;

/// One environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EnvironmentSettings {
    /// The backend that takes writes; `local` where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// Backends that have the same, in the order in which they are asked where the primary cannot answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failover: Vec<String>,
    /// Backends that get every write, and are asked only where none of the others can answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup: Vec<String>,
    /// How far a write must have come; `primary` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// What becomes of a write while the primary cannot take it; `journal` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_primary_down: Option<WhenPrimaryDown>,
    /// On which answers of a backend the next one is asked as well, where it is not down and does not lie; on none where
    /// nothing is said.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub next_on: BTreeSet<NextAnswer>,
    /// Shares of the first reads, by backend; without any the primary gets them all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<String, u32>,
    /// Backends of their own for the secrets at and below a path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<String, RouteSettings>,
}

/// Where the secrets at and below a path are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RouteSettings {
    /// The backend that takes writes.
    pub primary: String,
    /// As in the environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failover: Vec<String>,
    /// As in the environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup: Vec<String>,
}

/// How far a write must have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Ack {
    /// Into the journal of this machine.
    Local,
    /// To the primary.
    Primary,
    /// To every backend.
    All,
}

/// What becomes of a write while the primary cannot take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WhenPrimaryDown {
    /// It waits in the journal of this machine.
    Journal,
    /// It fails.
    Deny,
}

/// An answer after which another backend may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NextAnswer {
    /// There is none.
    NotFound,
    /// The caller may not.
    PermissionDenied,
    /// The credentials were refused.
    Unauthenticated,
}

impl EnvironmentSettings {
    /// The same, as the library has it.
    #[must_use]
    pub fn next_on(&self) -> NextOn {
        let mut next_on = NextOn::default();
        next_on.not_found = self.next_on.contains(&NextAnswer::NotFound);
        next_on.permission_denied = self.next_on.contains(&NextAnswer::PermissionDenied);
        next_on.unauthenticated = self.next_on.contains(&NextAnswer::Unauthenticated);
        next_on
    }
}

impl From<Ack> for Level {
    fn from(ack: Ack) -> Self {
        match ack {
            Ack::Local => Self::Local,
            Ack::Primary => Self::Primary,
            Ack::All => Self::All,
        }
    }
}

impl From<WhenPrimaryDown> for WhenDown {
    fn from(when: WhenPrimaryDown) -> Self {
        match when {
            WhenPrimaryDown::Journal => Self::Journal,
            WhenPrimaryDown::Deny => Self::Deny,
        }
    }
}

/// A backend among those that keep the same secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// What it is for.
    pub role: Role,
    /// Its share of the first reads.
    pub weight: u32,
}

/// Backends that keep the same secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Topology<'a> {
    /// The one that takes writes.
    pub primary: Member<'a>,
    /// The others, in the order in which they are asked.
    pub standbys: Vec<Member<'a>>,
}

impl<'a> Topology<'a> {
    fn new(primary: &'a str, failover: &'a [String], backup: &'a [String]) -> Self {
        let of = |role: Role| move |name: &'a String| Member { name, role, weight: 0 };
        let standbys = failover.iter().map(of(Role::Failover)).chain(backup.iter().map(of(Role::Backup)));
        let primary = Member { name: primary, role: Role::Primary, weight: 0 };
        Self { primary, standbys: standbys.collect() }
    }

    /// Its backends, the primary first.
    pub fn members(&self) -> impl Iterator<Item = &Member<'a>> {
        std::iter::once(&self.primary).chain(&self.standbys)
    }
}

impl EnvironmentSettings {
    /// What keeps the secrets that no route takes.
    #[must_use]
    pub fn topology(&self) -> Topology<'_> {
        let primary = self.primary.as_deref().unwrap_or(LOCAL);
        let mut topology = Topology::new(primary, &self.failover, &self.backup);
        for member in std::iter::once(&mut topology.primary).chain(&mut topology.standbys) {
            member.weight = self.reads.get(member.name).copied().unwrap_or_default();
        }
        topology
    }

    /// Each set of backends that keep the same secrets, with what to call it: the environment's own, then the routes'.
    fn topologies<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (String, Topology<'a>)> {
        let own = (format!("environment `{name}`"), self.topology());
        let route = move |(prefix, route): (&'a String, &'a RouteSettings)| {
            (format!("the route `{}` of environment `{name}`", shown(prefix)), route.topology())
        };
        std::iter::once(own).chain(self.routes.iter().map(route))
    }

    /// Each backend that it names, also in a route, once.
    #[must_use]
    pub fn backends(&self) -> BTreeSet<&str> {
        let routed = self.routes.values().map(RouteSettings::topology);
        let all = std::iter::once(self.topology()).chain(routed);
        all.flat_map(|one| one.members().map(|member| member.name).collect::<Vec<_>>()).collect()
    }
}

impl RouteSettings {
    /// What keeps the secrets of the route.
    #[must_use]
    pub fn topology(&self) -> Topology<'_> {
        Topology::new(&self.primary, &self.failover, &self.backup)
    }
}

impl Settings {
    /// What is said of the environment in force; nothing where its backend is chosen past it.
    #[must_use]
    pub fn in_force(&self) -> Option<&EnvironmentSettings> {
        self.environments.get(self.environment()).filter(|_| self.backend.is_none())
    }

    /// What keeps the secrets of the environment in force; a backend that is chosen past it stands alone.
    #[must_use]
    pub fn topology(&self) -> Topology<'_> {
        let alone = || Topology::new(self.backend_name(), &[], &[]);
        self.in_force().map_or_else(alone, EnvironmentSettings::topology)
    }
}

#[cfg(test)]
mod tests;
