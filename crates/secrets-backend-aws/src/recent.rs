//! What was just written here: the service may answer an older version, or none, for some seconds after a write.
//!
//! It says of itself that it is eventually consistent, so an answer from before our own write is asked for again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrets_backend::{ErrorKind, SecretPath};
use tokio::time::Instant;

use crate::api::{Api, Found};
use crate::codes::Code;
use crate::failure::Failure;
use crate::token;

/// How long a write is remembered: several times what the service takes.
const REMEMBERED: Duration = Duration::from_secs(30);
/// How many are remembered; more than one process writes in that time.
const MOST: usize = 4_096;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The versions that were written here, by path.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<HashMap<SecretPath, Own>>);

#[derive(Debug)]
struct Own {
    id: String,
    at: Instant,
}

impl Recent {
    /// A write that the service has acknowledged.
    pub(crate) fn wrote(&self, path: &SecretPath, id: &str) {
        let mut written = self.lock();
        if written.len() >= MOST {
            written.retain(|_, own| own.at.elapsed() < REMEMBERED);
        }
        if written.len() < MOST {
            written.insert(path.clone(), Own { id: id.to_owned(), at: Instant::now() });
        }
    }

    /// A secret that was deleted here.
    pub(crate) fn forget(&self, path: &SecretPath) {
        self.lock().remove(path);
    }

    fn own(&self, path: &SecretPath) -> Option<String> {
        let written = self.lock();
        written.get(path).filter(|own| own.at.elapsed() < REMEMBERED).map(|own| own.id.clone())
    }

    /// Whether an answer has to be looked at more closely.
    pub(crate) fn doubts(&self, path: &SecretPath, answer: &Result<Found, Failure>) -> bool {
        self.own(path).is_some_and(|own| match answer {
            Ok(found) => found.id != own,
            Err(failure) => failure.is(Code::ResourceNotFound),
        })
    }

    /// The current version, not older than what was written here.
    pub(crate) async fn current(&self, api: &Api, path: &SecretPath) -> Result<Found, Failure> {
        let deadline = Instant::now() + api.config.settle;
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = api.value(path, None).await;
            if !self.doubts(path, &answer) || !self.is_older(api, path, &answer).await? {
                return answer;
            }
            if Instant::now() + pause > deadline {
                return Err(Failure::new(ErrorKind::Stale, "older than what was just written here"));
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(2 * pause);
        }
    }

    async fn is_older(
        &self,
        api: &Api,
        path: &SecretPath,
        answer: &Result<Found, Failure>,
    ) -> Result<bool, Failure> {
        let (Ok(found), Some(own)) = (answer, self.own(path)) else { return Ok(true) };
        if let (Some(theirs), Some(ours)) = (token::stamp(&found.id), token::stamp(&own)) {
            return Ok(theirs.version < ours.version);
        }
        // Plain versions have no numbers: the service's own clock says which was first.
        match api.value(path, Some(&own)).await {
            Ok(ours) => Ok(found.created < ours.created),
            Err(failure) if failure.is(Code::ResourceNotFound) => Ok(true),
            Err(failure) => Err(failure),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SecretPath, Own>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]
mod tests {
    use super::*;

    fn path(number: usize) -> SecretPath {
        SecretPath::parse(&format!("p/{number}")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_is_remembered_for_a_while_and_not_longer() {
        let recent = Recent::default();
        recent.wrote(&path(1), "a");
        tokio::time::advance(REMEMBERED / 2).await;
        assert_eq!(recent.own(&path(1)).as_deref(), Some("a"));
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(recent.own(&path(1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_has_a_bound() {
        let recent = Recent::default();
        (0..MOST + 10).for_each(|number| recent.wrote(&path(number), "a"));
        assert_eq!(recent.lock().len(), MOST);
        tokio::time::advance(REMEMBERED).await;
        recent.wrote(&path(MOST + 20), "a");
        assert_eq!(recent.lock().len(), 1);
    }
}
