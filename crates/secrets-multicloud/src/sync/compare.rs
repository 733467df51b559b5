//! What each replica has, by its listing or by opening each copy.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use secrets_backend::{Error, ErrorKind, Result, SecretBackendExt, SecretPath, Stamp};

use super::Scope;
use crate::failover::FailoverBackend;
use crate::replica::Replica;

/// The replicas of a route, the primary first.
pub(crate) struct Group<'a> {
    pub(crate) replicas: Vec<&'a Replica>,
    pub(crate) route: usize,
}

/// What one replica has of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    None,
    Version(Stamp),
    Damaged,
}

impl Claim {
    /// Whether both say that there is the same version.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Version(one), Self::Version(other)) if one.agrees_with(other))
    }
}

pub(super) type Claims = BTreeMap<SecretPath, Vec<Claim>>;

/// What each replica of a group has of each secret, and what is not ours, by replica.
pub(super) async fn claims(
    backend: &FailoverBackend,
    group: &Group<'_>,
    scope: &Scope,
    progress: &(dyn Fn(&str, usize) + Send + Sync),
) -> Result<(Claims, BTreeMap<String, BTreeSet<SecretPath>>)> {
    let mut claims = Claims::new();
    let mut foreign: BTreeMap<String, BTreeSet<SecretPath>> = BTreeMap::new();
    let prefix = scope.prefix.as_ref();
    let looked = group.replicas.iter().map(|replica| async move {
        let listed = replica.list_all(prefix).await?;
        progress(replica.name(), listed.len());
        let of_route = listed.into_iter().filter(|item| backend.is_of_route(group.route, &item.path));
        let mut found: Vec<(SecretPath, Option<Claim>)> =
            of_route.map(|item| (item.path, item.stamp.map(Claim::Version))).collect();
        if scope.verify {
            open(replica, &mut found).await?;
        }
        Ok::<_, Error>(found)
    });
    for (at, found) in try_join_all(looked).await?.into_iter().enumerate() {
        for (path, claim) in found {
            match claim {
                Some(claim) => {
                    claims.entry(path).or_insert_with(|| vec![Claim::None; group.replicas.len()])[at] = claim;
                }
                None => {
                    foreign.entry(group.replicas[at].name().to_owned()).or_default().insert(path);
                }
            }
        }
    }
    Ok((claims, foreign))
}

/// Puts what a replica really has in the place of what it claims.
async fn open(replica: &Replica, found: &mut [(SecretPath, Option<Claim>)]) -> Result<()> {
    for batch in found.chunks_mut(OPEN_AT_ONCE) {
        let ours: Vec<SecretPath> =
            batch.iter().filter(|(_, claim)| claim.is_some()).map(|(path, _)| path.clone()).collect();
        let mut opened = replica.held_many(&ours).await.into_iter();
        for (_, claim) in batch.iter_mut().filter(|(_, claim)| claim.is_some()) {
            *claim = match opened.next() {
                Some(Ok(Some(stamp))) => Some(Claim::Version(stamp)),
                Some(Ok(None)) | None => Some(Claim::None),
                Some(Err(error)) if error.kind() == ErrorKind::Tampered => Some(Claim::Damaged),
                Some(Err(error)) => return Err(error),
            };
        }
    }
    Ok(())
}

/// How many copies are opened at once: their values are in memory together.
const OPEN_AT_ONCE: usize = 64;
