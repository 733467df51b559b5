//! What to try next.

use secrets_backend::ErrorKind;

/// The candidate that a mistyped name most likely meant; `None` where nothing is near.
///
/// Give it only names that the caller may list.
#[must_use]
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: String = typed.chars().take(MAX_TYPED).collect();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&typed, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance > 0 && *distance <= 1 + candidate.len().max(typed.len()) / 5
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What to try after a backend's error.
#[must_use]
pub fn of_kind(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::NotFound => {
            "`secrets list` shows what is there, `secrets list --deleted` also what was deleted"
        }
        ErrorKind::AlreadyExists => "leave out --create to write a new version",
        ErrorKind::Conflict => "look at `secrets history`, then try again with the current version",
        ErrorKind::Tampered => {
            "do not use the value; `secrets history` names other versions, `secrets audit verify` checks the log"
        }
        ErrorKind::Stale => "an older copy was put in place of a newer one; restore the newer one",
        ErrorKind::AuditUnavailable => "nothing was given out; make the audit log writable, then try again",
        ErrorKind::Unauthenticated => {
            "log in where the credentials come from: `vault login`, `aws sso login` or another AWS_PROFILE, `az login`; or name others in the configuration"
        }
        ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::RateLimited => "try again",
        _ => return None,
    })
}

/// What to try where a backend has two contents for one version.
pub const CONTESTED: &str = "two versions were written at the same moment: `secrets sync resolve PATH` shows both, and `--take` makes one of them the next version";
/// What to try where a backend holds another safe.
pub const FOREIGN_PLACE: &str =
    "`secrets join` makes this machine an installation of that safe; another `prefix` keeps two safes apart";

const MAX_TYPED: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_nothing() {
        let names = ["environment", "keep_versions", "secrets"];
        assert_eq!(nearest("enviroment", names), Some("environment"));
        assert_eq!(nearest("keep_version", names), Some("keep_versions"));
        assert_eq!(nearest("zzz", names), None);
        assert_eq!(nearest("secrets", names), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), names), None);
    }
}
