//! What every command says and does where an environment has several backends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrets_backend::{Level, Secret, SecretPath};
use secrets_manager::Safe;

use super::Context;
use crate::failure::Failure;
use crate::{backends, exit, output};

impl Context {
    /// The backends of the environment in force: what each calls itself, and its name in the configuration.
    ///
    /// # Errors
    /// As [`backends::named`].
    pub fn backend_names(&self) -> Result<&BTreeMap<String, String>, Failure> {
        if let Some(names) = self.names.get() {
            return Ok(names);
        }
        let found = self.look_up_names()?;
        Ok(self.names.get_or_init(|| found))
    }

    fn look_up_names(&self) -> Result<BTreeMap<String, String>, Failure> {
        let settings = &self.configuration.settings;
        let mut names: BTreeSet<&str> = settings.topology().members().map(|member| member.name).collect();
        names.extend(settings.in_force().into_iter().flat_map(|environment| environment.backends()));
        let mut found = BTreeMap::new();
        for name in names {
            let one = backends::named(name, &self.configuration, self.places().store())?;
            found.insert(one.backend.to_string(), name.to_owned());
        }
        Ok(found)
    }

    /// The configuration's name of a backend that calls itself so.
    #[must_use]
    pub fn name_of(&self, place: &str) -> String {
        self.backend_names()
            .ok()
            .and_then(|names| names.get(place).cloned())
            .unwrap_or_else(|| place.to_owned())
    }

    /// After a command's output: brings what waits here to the backends that lack it, for a moment.
    pub async fn after(&self, safe: &Safe) {
        if safe.has_waiting() {
            let _ = tokio::time::timeout(AFTER, safe.drain()).await;
        }
    }

    /// After writes were told of: tries the other backends, says who is behind, and answers how far the least of the
    /// writes came, with the exit code that this means.
    pub(super) async fn written(&self, safe: &Safe, written: impl Iterator<Item = Level>) -> (Level, u8) {
        let Some(reached) = written.min() else { return (Level::All, exit::DONE) };
        if !safe.has_several() {
            return (reached, exit::DONE);
        }
        let reached = self.brought_on(safe, reached).await;
        (reached, if reached < self.ack() { exit::DEGRADED } else { exit::DONE })
    }

    /// How far writes came that had come as far as `reached`, after the other backends were tried for a moment.
    async fn brought_on(&self, safe: &Safe, reached: Level) -> Level {
        if reached == Level::Local {
            output::warn(
                "the primary cannot take it now: it waits on this machine, and a later command sends it",
            );
            return reached;
        }
        match tokio::time::timeout(AFTER_WRITES, safe.drain()).await {
            Ok(Ok(drained)) if drained.left == 0 => Level::All,
            Ok(Ok(drained)) => {
                let behind: Vec<String> = drained.behind.iter().map(|place| self.name_of(place)).collect();
                output::warn(&format!("{} behind: {}", counted(behind.len(), "replica"), behind.join(", ")));
                for path in &drained.diverged {
                    output::warn(&in_conflict(path));
                }
                reached
            }
            _ => {
                output::warn("some replicas are behind: a later command brings them up to date");
                reached
            }
        }
    }

    /// Says where answers came from, where that was not the primary, and which secrets are in conflict.
    pub fn tell_served<'a>(&self, answers: impl Iterator<Item = (&'a SecretPath, &'a Secret)>) {
        let mut stepped_in: BTreeMap<String, (usize, Option<Duration>)> = BTreeMap::new();
        for (path, secret) in answers {
            let Some(served) = &secret.served else { continue };
            if served.conflict {
                output::warn(&in_conflict(path));
            }
            if served.degraded {
                let (count, age) = stepped_in.entry(served.by.clone()).or_default();
                *count += 1;
                *age = (*age).max(served.age);
            }
        }
        if let Some((count, _)) = stepped_in.remove(JOURNAL) {
            let what = counted(count, "answer");
            output::warn(&format!(
                "{what} came from this machine's own writes, which the primary does not have yet"
            ));
        }
        for (place, (count, age)) in stepped_in {
            let since = age.map_or_else(String::new, |age| format!(", last in step {} s ago", age.as_secs()));
            let what = counted(count, "secret");
            output::warn(&format!("the primary did not answer; {} gave {what}{since}", self.name_of(&place)));
        }
    }
}

/// What is said of a secret whose versions were written without each other.
pub(super) fn in_conflict(path: &SecretPath) -> String {
    format!(
        "{path} is in conflict: versions were written independently; `secrets sync resolve {path}` shows them"
    )
}

/// `1 secret`, `2 secrets`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Who gave what waits here for the primary.
const JOURNAL: &str = "journal";
/// How long a command goes on for what an earlier one left.
const AFTER: Duration = Duration::from_secs(1);
/// How long it goes on for what it wrote itself.
const AFTER_WRITES: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Global;

    #[test]
    fn backends_are_made_once_for_their_names_and_not_at_all_for_the_level() {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("config");
        std::fs::create_dir(&config).unwrap();
        std::fs::write(config.join("config.toml"), "[environments.default]\nack = \"all\"\n").unwrap();
        let context = |backend: Option<&str>| {
            let environment = [("SECRETS_HOME", home.path())].into_iter().collect();
            let global = Global { backend: backend.map(str::to_owned), ..Global::default() };
            Context::new(global, environment, home.path()).unwrap()
        };
        let whole = context(None);
        assert_eq!((whole.ack(), whole.names.get().is_none()), (Level::All, true));
        let (place, name) = whole.backend_names().unwrap().first_key_value().unwrap();
        assert_eq!((name.as_str(), whole.name_of(place)), ("local", "local".to_owned()));
        assert!(std::ptr::eq(whole.backend_names().unwrap(), whole.names.get().unwrap()));
        // A backend that is chosen past the environment stands alone.
        assert_eq!(context(Some("local")).ack(), Level::Primary);
    }
}
