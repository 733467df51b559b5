//! Who has which secrets, and in which order they are asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use secrets_backend::SecretPath;

use super::FailoverBackend;
use crate::replica::{Replica, Role};

/// The replicas of the secrets at and below a path.
#[derive(Debug)]
pub(super) struct Route {
    /// None for all that no other route names.
    pub(super) prefix: Option<SecretPath>,
    /// In the order of the configuration.
    pub(super) members: Vec<Member>,
    /// Which of them is the primary: the first, until another is promoted.
    lead: AtomicUsize,
}

/// A replica in a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Which one.
    pub(super) replica: usize,
    role: Role,
    weight: u32,
}

impl Route {
    fn new(prefix: Option<SecretPath>, members: Vec<Member>) -> Self {
        Self { prefix, members, lead: AtomicUsize::new(0) }
    }

    pub(super) fn primary(&self) -> usize {
        // The members are made with one, and the lead is one of them.
        self.members[self.lead.load(Ordering::Acquire)].replica
    }

    /// All of them, the primary first.
    pub(super) fn replicas(&self) -> impl Iterator<Item = usize> {
        let primary = self.primary();
        let others = self.members.iter().map(|member| member.replica).filter(move |other| *other != primary);
        std::iter::once(primary).chain(others)
    }

    pub(super) fn has(&self, replica: usize) -> bool {
        self.members.iter().any(|member| member.replica == replica)
    }

    /// What a replica is for now: who was the primary before another was promoted stands by.
    pub(super) fn role_of(&self, replica: usize) -> Option<Role> {
        let member = self.members.iter().find(|member| member.replica == replica)?;
        Some(if replica == self.primary() { Role::Primary } else { member.role.max(Role::Failover) })
    }

    /// Everybody by priority, with one that is drawn by its share of the reads in front.
    pub(super) fn order(&self, draw: impl FnOnce(u64) -> u64) -> Vec<usize> {
        let mut members = self.members.clone();
        // Stable: within a role they stay as they are.
        members.sort_by_key(|member| self.role_of(member.replica));
        let shares = members.iter().map(|member| u64::from(member.weight));
        let all: u64 = shares.clone().sum();
        if all > 0 {
            let drawn = draw(all);
            let upto = shares.scan(0, |sum, share| {
                *sum += share;
                Some(*sum)
            });
            let first = upto.take_while(|upto| *upto <= drawn).count();
            let first = first.min(members.len() - 1);
            members[..=first].rotate_right(1);
        }
        members.into_iter().map(|member| member.replica).collect()
    }

    /// How many segments its prefix has, where a path is at or below it.
    fn fit(&self, path: &SecretPath) -> Option<usize> {
        match &self.prefix {
            None => Some(0),
            Some(prefix) => path.is_under(prefix).then(|| prefix.as_str().split('/').count()),
        }
    }

    /// Whether secrets of it can be at or below this path.
    pub(super) fn meets(&self, prefix: Option<&SecretPath>) -> bool {
        match (&self.prefix, prefix) {
            (None, _) | (_, None) => true,
            (Some(own), Some(asked)) => own.is_under(asked) || asked.is_under(own),
        }
    }
}

impl FailoverBackend {
    pub(super) fn add_route(&mut self, prefix: Option<SecretPath>, primary: Replica, others: Vec<Replica>) {
        let mut members: Vec<Member> = Vec::with_capacity(1 + others.len());
        for (place, replica) in std::iter::once(primary).chain(others).enumerate() {
            let role = if place == 0 { Role::Primary } else { replica.role().max(Role::Failover) };
            let weight = replica.weight();
            let known = self.replicas.iter().position(|known| known.name() == replica.name());
            let at = known.unwrap_or(self.replicas.len());
            if known.is_none() {
                self.replicas.push(replica);
            }
            if members.iter().all(|member| member.replica != at) {
                members.push(Member { replica: at, role, weight });
            }
        }
        self.routes.push(Route::new(prefix, members));
    }

    /// Makes a replica the primary of each route that it is in, from now on. False where there is none of this name.
    ///
    /// Who decides that, and how others learn of it, is the caller's affair.
    pub fn lead_with(&self, name: &str) -> bool {
        let Some(at) = self.replicas.iter().position(|replica| replica.name() == name) else { return false };
        for route in &self.routes {
            if let Some(place) = route.members.iter().position(|member| member.replica == at) {
                route.lead.store(place, Ordering::Release);
            }
        }
        true
    }

    /// Whether a replica is the primary of each route that it is in.
    #[must_use]
    pub fn leads(&self, name: &str) -> bool {
        let at = self.replicas.iter().position(|replica| replica.name() == name);
        at.is_some_and(|at| {
            self.routes.iter().filter(|route| route.has(at)).all(|route| route.primary() == at)
        })
    }

    /// The route of a path: the longest that fits.
    pub(super) fn route(&self, path: &SecretPath) -> &Route {
        let longest = self.routes.iter().filter_map(|route| Some((route.fit(path)?, route)));
        // The first has no prefix and fits always.
        longest.max_by_key(|(fit, _)| *fit).map_or(&self.routes[0], |(_, route)| route)
    }

    /// Whether a path belongs to this route.
    pub(super) fn belongs(&self, route: &Route, path: &SecretPath) -> bool {
        std::ptr::eq(self.route(path), route)
    }
}

/// A number below `limit` from the system's randomness; where that fails, 0.
pub(super) fn drawn(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        // The bias of some limit in 2⁶⁴ does not matter to who is asked first.
        Ok(()) => u64::from_le_bytes(bytes) % limit.max(1),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(members: &[(usize, Role, u32)]) -> Route {
        let members =
            members.iter().map(|&(replica, role, weight)| Member { replica, role, weight }).collect();
        Route::new(None, members)
    }

    #[test]
    fn without_shares_the_order_is_that_of_the_roles() {
        let route = route(&[
            (0, Role::Primary, 0),
            (1, Role::Backup, 0),
            (2, Role::Failover, 0),
            (3, Role::Failover, 0),
        ]);
        assert_eq!(route.order(|_| unreachable!("nothing is drawn")), [0, 2, 3, 1]);
    }

    #[test]
    fn who_is_promoted_comes_first_and_who_was_the_primary_stands_by() {
        let route = route(&[(0, Role::Primary, 0), (1, Role::Failover, 0), (2, Role::Backup, 0)]);
        route.lead.store(2, Ordering::Release);
        assert_eq!(route.order(|_| 0), [2, 0, 1]);
        assert_eq!(route.replicas().collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(
            [2, 0, 1].map(|at| route.role_of(at).unwrap()),
            [Role::Primary, Role::Failover, Role::Failover]
        );
    }

    #[test]
    fn who_is_drawn_comes_first_as_often_as_its_share_says_and_the_rest_keeps_its_order() {
        let route = route(&[(0, Role::Primary, 1), (1, Role::Failover, 3), (2, Role::Failover, 0)]);
        let orders: Vec<_> = (0..4)
            .map(|drawn| {
                route.order(|all| {
                    assert_eq!(all, 4);
                    drawn
                })
            })
            .collect();
        assert_eq!(orders, [[0, 1, 2], [1, 0, 2], [1, 0, 2], [1, 0, 2]]);
    }
}
