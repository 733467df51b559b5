//! Who has which secrets, and in which order they are asked.

use secrets_backend::SecretPath;

use super::FailoverBackend;
use crate::replica::{Replica, Role};

/// The replicas of the secrets at and below a path.
#[derive(Debug)]
pub(super) struct Route {
    /// None for all that no other route names.
    pub(super) prefix: Option<SecretPath>,
    /// The primary first.
    pub(super) members: Vec<Member>,
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
    pub(super) fn primary(&self) -> usize {
        // The members are made with one.
        self.members[0].replica
    }

    pub(super) fn has(&self, replica: usize) -> bool {
        self.members.iter().any(|member| member.replica == replica)
    }

    pub(super) fn role_of(&self, replica: usize) -> Option<Role> {
        self.members.iter().find(|member| member.replica == replica).map(|member| member.role)
    }

    /// Everybody by priority, with one that is drawn by its share of the reads in front.
    pub(super) fn order(&self, draw: impl FnOnce(u64) -> u64) -> Vec<usize> {
        let mut members = self.members.clone();
        // Stable: within a role they stay as they are.
        members.sort_by_key(|member| member.role);
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
        self.routes.push(Route { prefix, members });
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
        Route { prefix: None, members }
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
