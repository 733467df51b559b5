//! What has to hold of an environment's backends together; nothing is contacted.

use std::collections::BTreeSet;

use secrets_backend::SecretPath;
use secrets_manager::Role;

use super::{EnvironmentSettings, Topology};
use crate::config::schema::{DEFAULT, LOCAL, Settings, shown};
use crate::failure::Failure;
use crate::hints;

impl Settings {
    /// Refuses environments whose backends are not there, or do not go together.
    pub(in crate::config) fn check_environments(&self) -> Result<(), Failure> {
        self.check_is_listed()?;
        self.check_defined(&format!("environment `{}`", self.environment()), self.backend_name())?;
        for (name, environment) in &self.environments {
            for (place, topology) in environment.topologies(name) {
                for member in topology.members() {
                    self.check_defined(&place, member.name)?;
                }
                check_once(&place, &topology)?;
            }
            self.check_plain(name, environment)?;
            check_reads(name, environment)?;
            for prefix in environment.routes.keys() {
                SecretPath::parse(prefix).map_err(|invalid| {
                    Failure::config(format!("`environments.{name}.routes.\"{}\"`: {invalid}", shown(prefix)))
                })?;
            }
        }
        Ok(())
    }

    /// A slip in a name must not write a secret of production into the local store.
    fn check_is_listed(&self) -> Result<(), Failure> {
        let name = self.environment();
        if name == DEFAULT || self.environments.is_empty() || self.environments.contains_key(name) {
            return Ok(());
        }
        let failure = Failure::config(format!("there is no environment `{name}` among those configured"));
        Err(match hints::nearest(name, self.environments.keys().map(String::as_str).chain([DEFAULT])) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!(
                "add [environments.{name}] to the configuration; without `primary` its backend is the local one"
            )),
        })
    }

    fn check_defined(&self, place: &str, backend: &str) -> Result<(), Failure> {
        if backend == LOCAL || self.backends.contains_key(backend) {
            return Ok(());
        }
        let backend = shown(backend);
        let failure =
            Failure::config(format!("{place} names the backend `{backend}`, which nothing defines"));
        Err(match hints::nearest(&backend, self.backends.keys().map(String::as_str).chain([LOCAL])) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!("add [backends.{backend}] to the configuration")),
        })
    }

    /// Refuses plain values on one of several backends.
    fn check_plain(&self, name: &str, environment: &EnvironmentSettings) -> Result<(), Failure> {
        let plain = environment.backends().into_iter().find(|backend| !self.seals(backend));
        let is_alone = environment.topology().standbys.is_empty() && environment.routes.is_empty();
        match plain {
            Some(plain) if !is_alone => Err(Failure::config(format!(
                "environment `{name}` has several backends or routes, and `{}` has `seal = false`",
                shown(plain)
            ))
            .hint("an environment of plain values has one backend and no routes")),
            _ => Ok(()),
        }
    }
}

/// Refuses one name in two roles.
fn check_once(place: &str, topology: &Topology<'_>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match topology.members().find(|member| !seen.insert(member.name)) {
        Some(twice) => {
            Err(Failure::config(format!("{place} names the backend `{}` twice", shown(twice.name))))
        }
        None => Ok(()),
    }
}

/// Refuses shares of reads that nobody could serve.
fn check_reads(name: &str, environment: &EnvironmentSettings) -> Result<(), Failure> {
    let topology = environment.topology();
    let fault = |problem: String| Failure::config(format!("`environments.{name}.reads`: {problem}"));
    for (backend, weight) in &environment.reads {
        let shown = shown(backend);
        let readers = || topology.members().filter(|member| member.role != Role::Backup);
        if !readers().any(|member| member.name == backend) {
            let failure = fault(format!("`{shown}` is neither the primary nor in `failover`"));
            return Err(match hints::nearest(&shown, readers().map(|member| member.name)) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => {
                    failure.hint("reads are spread over the primary and `failover`; a backup is asked last")
                }
            });
        }
        if *weight > MAX_WEIGHT {
            return Err(fault(format!("the weight of `{shown}` is more than {MAX_WEIGHT}")));
        }
    }
    if !environment.reads.is_empty() && environment.reads.values().all(|weight| *weight == 0) {
        return Err(fault("all weights are 0, so nobody would be asked first".to_owned())
            .hint("give one of them a weight, or leave out `reads`: then the primary is asked first"));
    }
    Ok(())
}

/// More is a slip: shares in thousandths are fine enough.
const MAX_WEIGHT: u32 = 1000;
