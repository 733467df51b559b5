//! Which backends are one place, and who may not share one.

use super::{AWS, AZURE};
use crate::config::schema::{Backend, LOCAL, Settings, shown};
use crate::failure::Failure;

/// Refuses two environments of which one could read what the other wrote, two names for one place in an environment,
/// and a backend of plain values that shares its place with one of sealed values, whether environments name them or
/// not. They share a place where one prefix in it starts with the other. On the local backend each environment has a
/// table of its own.
///
/// # Errors
/// Exit 3, naming both.
pub fn check(settings: &Settings) -> Result<(), Failure> {
    let named = settings.environments.iter().flat_map(|(environment, one)| {
        one.backends().into_iter().filter_map(move |name| Placed::of(environment, name, settings))
    });
    let named: Vec<Placed<'_>> = named.collect();
    if let Some((one, other)) = overlapping(&named, |one, other| one.environment == other.environment) {
        return Err(Failure::config(format!(
            "environment `{}` names one place twice, as `{}` and as `{}`",
            one.environment,
            shown(one.backend),
            shown(other.backend)
        ))
        .hint("a copy has to be elsewhere: leave one out, or give them prefixes neither of which starts with the other"));
    }
    let may_not =
        |one: &Placed<'_>, other: &Placed<'_>| one.is_remote && one.environment != other.environment;
    if let Some((one, other)) = overlapping(&named, may_not) {
        return Err(Failure::config(format!(
            "environments `{}` and `{}` share one place: each would see the other's secrets",
            one.environment, other.environment
        ))
        .hint("give their backends prefixes neither of which starts with the other"));
    }
    let all: Vec<_> = settings.backends.keys().filter_map(|name| Placed::of("", name, settings)).collect();
    if let Some((one, other)) = overlapping(&all, |one, other| one.is_sealed != other.is_sealed) {
        return Err(Failure::config(format!(
            "backends `{}` and `{}` share one place, and one of them has `seal = false`",
            one.backend, other.backend
        ))
        .hint("keep plain values and sealed ones apart: another mount, or prefixes neither of which starts with the other"));
    }
    Ok(())
}

/// A backend's place, and the environment that uses it.
struct Placed<'a> {
    environment: &'a str,
    backend: &'a str,
    place: String,
    is_remote: bool,
    is_sealed: bool,
}

impl<'a> Placed<'a> {
    /// None for a backend that nothing defines.
    fn of(environment: &'a str, name: &'a str, settings: &Settings) -> Option<Self> {
        let local =
            Self { environment, backend: name, place: LOCAL.to_owned(), is_remote: false, is_sealed: true };
        match settings.backends.get(name) {
            None => (name == LOCAL).then_some(local),
            Some(backend) if backend.kind == LOCAL => Some(local),
            Some(backend) => {
                let (place, is_sealed) = (place(backend), backend.is_sealed());
                Some(Self { place, is_remote: true, is_sealed, ..local })
            }
        }
    }
}

/// The first two that may not share a place and do.
fn overlapping<'a, 'b>(
    placed: &'b [Placed<'a>],
    may_not: impl Fn(&Placed<'_>, &Placed<'_>) -> bool,
) -> Option<(&'b Placed<'a>, &'b Placed<'a>)> {
    let mut pairs =
        placed.iter().enumerate().flat_map(|(at, one)| placed[at + 1..].iter().map(move |two| (one, two)));
    let shares = |one: &Placed<'_>, two: &Placed<'_>| {
        one.place.starts_with(&two.place) || two.place.starts_with(&one.place)
    };
    pairs.find(|(one, two)| may_not(one, two) && shares(one, two))
}

/// What makes a place, and the prefix in it, so that one place is one text; its end is the prefix.
///
/// With AWS the account is known to the credentials alone: two profiles may be of one.
fn place(backend: &Backend) -> String {
    let text = |name: &str, default: &'static str| {
        backend.fields.get(name).and_then(serde_json::Value::as_str).unwrap_or(default).to_owned()
    };
    let trimmed = |name: &str| text(name, "").trim_matches('/').to_lowercase();
    let prefix = text("prefix", "");
    if backend.kind == AWS {
        let (endpoint, region) = (trimmed("endpoint_url"), text("region", ""));
        return format!("{endpoint}\n{region}\n{}\n{}\n{prefix}", text("profile", ""), text("role_arn", ""));
    }
    if backend.kind == AZURE {
        return format!("{}\n{prefix}", trimmed("vault_url").trim_end_matches('/'));
    }
    let (address, namespace) = (trimmed("address"), trimmed("namespace"));
    format!("{address}\n{namespace}\n{}\n{prefix}", text("mount", "secret").trim_matches('/'))
}
