//! What a command wrote: at its end the other backends are tried, and programs get one document about it.

use secrets_backend::{Error, Level, SecretPath, Written};
use secrets_manager::Safe;
use serde_json::{Value, json};

use super::Context;
use crate::args::OutputArgs;
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, Table};

/// The writes of a command, as far as it came.
#[derive(Debug, Default)]
pub(super) struct Writes {
    done: Vec<(SecretPath, Written)>,
    refused: Vec<(SecretPath, Error)>,
}

impl Writes {
    /// The one write of a command that makes one.
    pub(super) fn one(path: &SecretPath, written: Written) -> Self {
        Self { done: vec![(path.clone(), written)], refused: Vec::new() }
    }

    /// The writes of a bulk: an answer for each path, in their order.
    pub(super) fn of<'a>(
        paths: impl Iterator<Item = &'a SecretPath>,
        answers: Vec<secrets_backend::Result<Written>>,
    ) -> Self {
        let mut all = Self::default();
        for (path, answer) in paths.zip(answers) {
            match answer {
                Ok(written) => all.push(path, written),
                Err(error) => all.refused.push((path.clone(), error)),
            }
        }
        all
    }

    /// One more that was done.
    pub(super) fn push(&mut self, path: &SecretPath, written: Written) {
        self.done.push((path.clone(), written));
    }

    /// How many were done.
    pub(super) fn count(&self) -> usize {
        self.done.len()
    }

    /// Ends the command: says who is behind and what was refused, prints the document, answers the exit code.
    pub(super) async fn end(
        mut self,
        context: &Context,
        safe: &Safe,
        output: OutputArgs,
    ) -> Result<u8, Failure> {
        let code = self.settle(context, safe, output, None).await?;
        let Some((_, last)) = self.refused.pop() else { return Ok(code) };
        for (_, error) in self.refused {
            output::note(&format!("secrets: {error}"));
        }
        Err(context.failure(last.into()))
    }

    /// Ends a command that failed at `path`: what was written before is as good as if it had not.
    pub(super) async fn cut_short(
        self,
        context: &Context,
        safe: &Safe,
        output: OutputArgs,
        (path, failure): (&SecretPath, Failure),
    ) -> Failure {
        match self.settle(context, safe, output, Some((path, &failure))).await {
            Ok(_) => failure,
            Err(unprinted) => unprinted,
        }
    }

    async fn settle(
        &self,
        context: &Context,
        safe: &Safe,
        output: OutputArgs,
        failed: Option<(&SecretPath, &Failure)>,
    ) -> Result<u8, Failure> {
        let (reached, code) = context.written(safe, self.done.iter().map(|(_, written)| written.level)).await;
        // Where it failed before anything was written, the exit code and the error say it all.
        let is_failure = failed.is_some() || !self.refused.is_empty();
        if !(is_failure && self.done.is_empty()) {
            output::data(output.chosen(), self.document(reached, failed), Table::plain)?;
        }
        Ok(code)
    }

    /// `reached` is how far the least of them came in the end.
    fn document(&self, reached: Level, failed: Option<(&SecretPath, &Failure)>) -> Value {
        let secrets: Vec<Value> = self
            .done
            .iter()
            .map(|(path, written)| {
                let version = written.version.as_ref().map(output::version);
                let level = level(written.level.max(reached));
                json!({ "path": path.as_str(), "version": version, "level": level })
            })
            .collect();
        let refused = self.refused.iter().map(|(path, error)| (path, error.to_string()));
        let failed = refused.chain(failed.map(|(path, failure)| (path, failure.to_string())));
        let failed: Vec<Value> =
            failed.map(|(path, error)| json!({ "path": path.as_str(), "error": error })).collect();
        json!({ "secrets": secrets, "failed": failed })
    }
}

/// Ends a command that has nothing to write.
pub(super) fn nothing(output: OutputArgs) -> Result<u8, Failure> {
    output::data(output.chosen(), Writes::default().document(Level::All, None), Table::plain)?;
    Ok(exit::DONE)
}

/// The same document for `--dry-run`: what would be written, where it would be.
pub(super) fn would_be<'a>(
    paths: impl Iterator<Item = &'a SecretPath>,
    output: OutputArgs,
) -> Result<(), Failure> {
    let secrets: Vec<Value> = paths.map(|path| json!({ "path": path.as_str() })).collect();
    output::data(output.chosen(), json!({ "dry_run": true, "secrets": secrets }), Table::plain)
}

/// The version that a write made, for people.
pub(super) fn version(written: &Written) -> String {
    written.version.as_ref().map(|id| format!(" (version {id})")).unwrap_or_default()
}

/// A level as configurations have it.
pub(super) const fn level(level: Level) -> &'static str {
    match level {
        Level::Local => "local",
        Level::Primary => "primary",
        // Levels that are younger than this program say more than it knows.
        _ => "all",
    }
}

#[cfg(test)]
mod tests {
    use secrets_backend::VersionId;

    use super::*;

    #[test]
    fn each_secret_is_told_as_far_as_it_came_in_the_end() {
        let [a, b]: [SecretPath; 2] = ["a", "b"].map(|path| path.parse().unwrap());
        let mut writes = Writes::one(&a, Written::version(VersionId::from_number(3)).at(Level::Primary));
        writes.push(&b, Written::default().at(Level::Local));
        let document = writes.document(Level::Local, None);
        assert_eq!(document["secrets"][0], json!({ "path": "a", "version": 3, "level": "primary" }));
        assert_eq!(document["secrets"][1], json!({ "path": "b", "version": null, "level": "local" }));
        assert_eq!(document["failed"], json!([]));
        assert_eq!(writes.document(Level::All, None)["secrets"][1]["level"], "all");
        let failure = Failure::other("no");
        assert_eq!(
            writes.document(Level::All, Some((&b, &failure)))["failed"],
            json!([{ "path": "b", "error": "no" }])
        );
    }
}
