//! What replicas lack of each other, found from listings alone, and how it is brought to them.

mod apply;
mod compare;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use secrets_backend::{Error, ErrorKind, Operation, Result, SecretPath, Stamp, Timestamp};

use crate::failover::FailoverBackend;
use crate::relation::{Relation, relation};
use crate::replica::Replica;
pub use apply::{Applied, ApplyConfig, apply};
pub(crate) use compare::Group;
use compare::{Claim, claims};

/// What is compared, and what may be changed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Scope {
    /// Only secrets at and below this path.
    pub prefix: Option<SecretPath>,
    /// Only these replicas, by name; all where none is named.
    pub replicas: BTreeSet<String>,
    /// Who gets what.
    pub direction: Direction,
    /// Whether each copy is read and opened, instead of believing what a listing claims.
    pub verify: bool,
    /// Whether what a replica has and the primary never had is deleted there. For [`Direction::Push`] alone.
    pub delete_extra: bool,
}

/// Who gets what from whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// Each gets the newest, whoever has it.
    #[default]
    Both,
    /// The others get what the primary has.
    Push,
    /// The primary gets what another has that is newer.
    Pull,
}

/// What would bring replicas to the same state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// What is to be done, by path.
    pub steps: Vec<Step>,
    /// How many secrets are the same everywhere.
    pub equal: usize,
    /// Secrets of which replicas have versions that were written without each other.
    pub diverged: BTreeSet<SecretPath>,
    /// What is newer elsewhere than the direction may bring.
    pub newer_elsewhere: BTreeSet<SecretPath>,
    /// Copies that failed authentication and have no good one beside them, by replica.
    pub damaged: BTreeMap<String, BTreeSet<SecretPath>>,
    /// What is not ours, or not sealed, and is left alone: by replica.
    pub foreign: BTreeMap<String, BTreeSet<SecretPath>>,
    /// How many versions of this machine wait in the journal.
    pub waiting: usize,
    /// Whether all secrets were compared.
    pub is_whole: bool,
    /// When the comparison began.
    pub began: Timestamp,
}

/// Something to be done at one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The secret
    pub path: SecretPath,
    /// Whose version it is, by name
    pub from: String,
    /// Who lacks it, by name
    pub to: String,
    /// What is to be done
    pub kind: StepKind,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepKind {
    /// There is none.
    Create,
    /// What is there is the parent.
    Forward,
    /// What is there is older; that it is an ancestor has to be shown from the history.
    Prove,
    /// What is there failed authentication.
    Repair,
    /// The primary never had it.
    Delete,
}

impl Plan {
    fn new(began: Timestamp, scope: &Scope) -> Self {
        Self {
            steps: Vec::new(),
            equal: 0,
            diverged: BTreeSet::new(),
            newer_elsewhere: BTreeSet::new(),
            damaged: BTreeMap::new(),
            foreign: BTreeMap::new(),
            waiting: 0,
            is_whole: scope.prefix.is_none() && scope.replicas.is_empty(),
            began,
        }
    }

    /// Whether there is nothing to do and nothing to decide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
            && self.diverged.is_empty()
            && self.newer_elsewhere.is_empty()
            && self.damaged.is_empty()
            && self.waiting == 0
    }

    /// Whether a replica has all that the primary has, by this comparison.
    fn shows_in_step(&self, replica: &str) -> bool {
        self.is_whole
            && self.diverged.is_empty()
            && self.newer_elsewhere.is_empty()
            && !self.damaged.contains_key(replica)
            && self.steps.iter().all(|step| step.to != replica)
    }
}

/// Compares replicas by what their listings claim, or, where it is asked for, by what they have. Without that no value is
/// read. `progress` is told how many secrets of a replica were looked at.
///
/// # Errors
/// Where one of them cannot be listed: what it lacks would be unknown. `InvalidInput` for a deletion of what the primary
/// never had where it has nothing, or in another direction than from it.
pub async fn plan(
    backend: &FailoverBackend,
    scope: &Scope,
    progress: &(dyn Fn(&str, usize) + Send + Sync),
) -> Result<Plan> {
    let refused = |why: &'static str| {
        Error::new(ErrorKind::InvalidInput, Operation::List, backend.to_string()).with_detail(why)
    };
    if scope.delete_extra && scope.direction != Direction::Push {
        return Err(refused("what is extra is deleted only where the primary decides"));
    }
    let mut plan = Plan::new(backend.now(), scope);
    plan.waiting = backend.rows_in(scope.prefix.as_ref()).await?;
    for mut group in backend.groups(scope.prefix.as_ref()) {
        let is_meant =
            |replica: &&Replica| scope.replicas.is_empty() || scope.replicas.contains(replica.name());
        group.replicas.retain(is_meant);
        if group.replicas.is_empty() {
            continue;
        }
        let (claims, foreign) = claims(backend, &group, scope, progress).await?;
        for (name, paths) in foreign {
            plan.foreign.entry(name).or_default().extend(paths);
        }
        let primary_has_some = claims.values().any(|claims| claims[0] != Claim::None);
        if scope.delete_extra && !primary_has_some && !claims.is_empty() {
            return Err(refused("the primary has nothing, and nothing is deleted because of that"));
        }
        for (path, claims) in claims {
            // What only listings claim is looked at before a mark goes: of the few that have one.
            if backend.is_flagged(&path) && claims.windows(2).all(|two| two[0].agrees_with(&two[1])) {
                backend.unflag_where_settled(&path).await;
            }
            plan.add(&group.replicas, path, claims, scope);
        }
    }
    for path in &plan.diverged {
        backend.flag(path).await;
    }
    backend.note_in_step(&plan, |name| plan.shows_in_step(name)).await;
    Ok(plan)
}

impl Plan {
    fn add(&mut self, replicas: &[&Replica], path: SecretPath, claims: Vec<Claim>, scope: &Scope) {
        let stamps: Vec<Option<&Stamp>> = claims
            .iter()
            .map(|claim| match claim {
                Claim::Version(stamp) => Some(stamp),
                _ => None,
            })
            .collect();
        let version = |at: &usize| stamps[*at].map(|stamp| stamp.version);
        // Of several with the highest number the first: if they differ, nothing is copied.
        let best = (0..stamps.len()).rev().max_by_key(version).filter(|at| stamps[*at].is_some());
        let Some(best) = best else {
            return self.add_damaged(replicas, &path, &claims);
        };
        let mut steps = Vec::new();
        for (at, stamp) in stamps.iter().enumerate() {
            let kind = match (&claims[at], relation(stamps[best], *stamp)) {
                (Claim::Damaged, _) => StepKind::Repair,
                (Claim::None, _) => StepKind::Create,
                (_, Relation::Equal) => continue,
                (_, Relation::Ahead) => StepKind::Forward,
                (_, Relation::AheadUnproven) => StepKind::Prove,
                _ => {
                    self.diverged.insert(path);
                    return;
                }
            };
            let (from, to) = (replicas[best].name().to_owned(), replicas[at].name().to_owned());
            steps.push(Step { path: path.clone(), from, to, kind });
        }
        self.equal += usize::from(steps.is_empty());
        self.take(replicas, path, steps, best, scope);
    }

    /// The steps that the direction allows.
    fn take(
        &mut self,
        replicas: &[&Replica],
        path: SecretPath,
        steps: Vec<Step>,
        best: usize,
        scope: &Scope,
    ) {
        let primary = replicas[0].name();
        let allowed = |step: &Step| match scope.direction {
            Direction::Both => true,
            Direction::Push => step.from == primary,
            Direction::Pull => step.to == primary,
        };
        let (taken, left): (Vec<_>, Vec<_>) = steps.into_iter().partition(allowed);
        let primary_lacks_it = left.iter().any(|step| step.to == primary && step.kind == StepKind::Create);
        self.steps.extend(taken);
        if scope.delete_extra && primary_lacks_it {
            let has = |at: &usize| *at == best || left.iter().all(|step| step.to != replicas[*at].name());
            self.steps.extend((1..replicas.len()).filter(has).map(|at| {
                let (from, to) = (primary.to_owned(), replicas[at].name().to_owned());
                Step { path: path.clone(), from, to, kind: StepKind::Delete }
            }));
        } else if !left.is_empty() && scope.direction == Direction::Push {
            self.newer_elsewhere.insert(path);
        }
    }

    fn add_damaged(&mut self, replicas: &[&Replica], path: &SecretPath, claims: &[Claim]) {
        for (replica, _) in replicas.iter().zip(claims).filter(|(_, claim)| **claim == Claim::Damaged) {
            self.damaged.entry(replica.name().to_owned()).or_default().insert(path.clone());
        }
    }
}
