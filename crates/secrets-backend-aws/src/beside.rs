//! Description and tags of many plain secrets at once.
//!
//! A listing has them for a hundred secrets, but may lack what changed in the last five minutes: API reference,
//! `ListSecrets`. So it counts for versions that are older than that, and only where it shows the version that was read.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_secretsmanager::types::{SecretListEntry, Tag};
use secrets_backend::Timestamp;

use crate::api::{Api, CURRENT, Found, holder};
use crate::token;

/// Twice what the service says.
const SETTLED: Duration = Duration::from_secs(600);
/// A page is asked for as long as it saves nine calls in ten, should all be on it.
const WANTED_A_PAGE: usize = 10;

/// What the service keeps beside a secret for other programs.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(crate) description: Option<String>,
    pub(crate) tags: Vec<Tag>,
}

/// What is beside these secrets, by their names, as far as a few listings tell.
pub(crate) async fn of_many(api: &Api, found: &[(&str, &Found)]) -> HashMap<String, Beside> {
    let settled: HashMap<&str, &str> =
        found.iter().filter(|(_, one)| is_settled(one)).map(|(name, one)| (*name, one.id.as_str())).collect();
    let (mut beside, mut next) = (HashMap::new(), None);
    let prefix = common_start(settled.keys().copied());
    for _ in 0..settled.len() / WANTED_A_PAGE {
        // Whoever may not list asks for each.
        let Ok(reply) = api.list(prefix, next.as_deref()).await else { break };
        let entries = reply.secret_list.unwrap_or_default();
        beside.extend(entries.into_iter().filter_map(|entry| entry_of(entry, &settled)));
        next = reply.next_token.filter(|token| !token.is_empty());
        if next.is_none() || beside.len() == settled.len() {
            break;
        }
    }
    beside
}

fn entry_of(entry: SecretListEntry, settled: &HashMap<&str, &str>) -> Option<(String, Beside)> {
    let name = entry.name?;
    let current = settled.get(name.as_str())?;
    let stages = entry.secret_versions_to_stages?;
    let is_as_read = holder(&stages, CURRENT) == Some(current);
    let beside = Beside { description: entry.description, tags: entry.tags.unwrap_or_default() };
    is_as_read.then_some((name, beside))
}

fn is_settled(found: &Found) -> bool {
    let age = |created: Timestamp| Timestamp::now().as_millis().saturating_sub(created.as_millis());
    let is_old = found.created.is_some_and(|created| Duration::from_millis(age(created)) > SETTLED);
    is_old && token::stamp(&found.id).is_none()
}

/// What all names start with.
fn common_start<'a>(mut names: impl Iterator<Item = &'a str>) -> &'a str {
    let first = names.next().unwrap_or_default();
    names.fold(first, |start, name| {
        let same = start.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        // Names are ASCII; a foreign one that is not is cut where it may be.
        (0..=same).rev().find_map(|len| start.get(..len)).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_start_with_is_found() {
        assert_eq!(common_start(["app/a", "app/b", "app/"].into_iter()), "app/");
        assert_eq!(common_start(["app/a", "b"].into_iter()), "");
        assert_eq!(common_start(["é", "è"].into_iter()), "");
        assert_eq!(common_start(std::iter::empty()), "");
    }
}
