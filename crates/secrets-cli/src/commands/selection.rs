//! Which secrets `run` and `export` take, and what they are called.

use std::collections::BTreeSet;
use std::ffi::OsString;

use secrets_backend::{ErrorKind, SecretBytes, SecretPath};
use secrets_manager::{ListScope, Purpose, Safe};

use super::Context;
use crate::args::{IfMissing, Keys};
use crate::failure::Failure;
use crate::{exit, names, output};

/// What was asked for.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    pub(super) only: &'a [String],
    pub(super) prefix: Option<&'a OsString>,
    pub(super) full_path: bool,
    pub(super) keys: Keys,
    pub(super) if_missing: IfMissing,
    /// Secrets that are needed besides, each under a name of its own.
    pub(super) extra: &'a [(String, SecretPath)],
}

/// A secret with the name it goes by.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) path: SecretPath,
    pub(super) value: SecretBytes,
}

/// A path that is to be read.
#[derive(Debug)]
struct Wanted {
    name: String,
    path: SecretPath,
    required: bool,
}

/// Reads what was asked for: the secrets themselves, in one audited call, then those of `extra`.
pub(super) async fn read(
    context: &Context,
    safe: &Safe,
    purpose: Purpose,
    selection: &Selection<'_>,
) -> Result<(Vec<Chosen>, Vec<Chosen>), Failure> {
    let prefix = selection.prefix.map(|prefix| names::path(prefix)).transpose()?;
    let requirements = &context.configuration.settings.secrets;
    let everything = selection.only.is_empty() && (prefix.is_some() || requirements.is_empty());
    if everything && selection.extra.is_empty() {
        let found = safe.get_under(purpose, prefix.as_ref()).await.map_err(|error| context.failure(error))?;
        if let (true, Some(prefix)) = (found.is_empty(), &prefix) {
            missing(selection.if_missing, &[format!("there is no secret at or below {prefix}")])?;
        }
        context.tell_served(found.iter().map(|(path, secret)| (path, secret)));
        let named = found.iter().map(|(path, _)| (selection.name(path), path.clone())).collect();
        names::distinct(named)?;
        let chosen = |(path, secret): (SecretPath, secrets_backend::Secret)| Chosen {
            name: selection.name(&path),
            path,
            value: secret.value,
        };
        return Ok((found.into_iter().map(chosen).collect(), Vec::new()));
    }
    let wanted = if everything || needs_listing(context, selection) {
        let listed =
            safe.list(prefix.as_ref(), ListScope::Live).await.map_err(|error| context.failure(error))?;
        let listed = listed.into_iter().map(|one| one.path).collect();
        if everything { selection.all(listed) } else { selection.of_listed(listed)? }
    } else {
        selection.of_requirements(context)?
    };
    fetch(context, safe, purpose, selection, wanted).await
}

async fn fetch(
    context: &Context,
    safe: &Safe,
    purpose: Purpose,
    selection: &Selection<'_>,
    wanted: Vec<Wanted>,
) -> Result<(Vec<Chosen>, Vec<Chosen>), Failure> {
    let extra = selection.extra.iter().map(|(name, path)| Wanted {
        name: name.clone(),
        path: path.clone(),
        required: true,
    });
    let taken: BTreeSet<&SecretPath> = selection.extra.iter().map(|(_, path)| path).collect();
    let wanted: Vec<Wanted> = wanted.into_iter().filter(|one| !taken.contains(&one.path)).collect();
    names::distinct(wanted.iter().map(|one| (one.name.clone(), one.path.clone())).collect())?;
    let count = wanted.len();
    let all: Vec<Wanted> = wanted.into_iter().chain(extra).collect();
    let paths: Vec<SecretPath> = all.iter().map(|one| one.path.clone()).collect();
    let answers = safe.get_many_for(purpose, &paths).await.map_err(|error| context.failure(error))?;
    let served = paths.iter().zip(&answers).filter_map(|(path, answer)| Some((path, answer.as_ref().ok()?)));
    context.tell_served(served);
    let (mut chosen, mut extra, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (one, answer)) in all.into_iter().zip(answers).enumerate() {
        match answer {
            Ok(secret) => {
                let found = Chosen { name: one.name, path: one.path, value: secret.value };
                if index < count { chosen.push(found) } else { extra.push(found) }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if one.required {
                    lost.push(format!("{} is missing ({})", one.path, one.name));
                }
            }
            Err(error) => return Err(context.failure(error.into())),
        }
    }
    missing(selection.if_missing, &lost)?;
    Ok((chosen, extra))
}

impl Selection<'_> {
    fn name(&self, path: &SecretPath) -> String {
        match self.keys {
            Keys::Variable => names::variable(path, self.full_path),
            Keys::Name => path.name().to_owned(),
            Keys::Path => path.to_string(),
        }
    }

    fn all(&self, listed: Vec<SecretPath>) -> Vec<Wanted> {
        listed.into_iter().map(|path| Wanted { name: self.name(&path), path, required: true }).collect()
    }

    /// The listed ones that `--only` names by path or variable; a name that fits none is missing.
    fn of_listed(&self, listed: Vec<SecretPath>) -> Result<Vec<Wanted>, Failure> {
        let fits = |only: &str, path: &SecretPath| {
            only == path.as_str() || only == names::variable(path, self.full_path) || only == self.name(path)
        };
        let lost: Vec<String> = self
            .only
            .iter()
            .filter(|only| !listed.iter().any(|path| fits(only, path)))
            .map(|only| format!("no secret is called {}", shown(only)))
            .collect();
        missing(self.if_missing, &lost)?;
        let chosen = listed.into_iter().filter(|path| self.only.iter().any(|only| fits(only, path)));
        Ok(self.all(chosen.collect()))
    }

    /// What the project says it needs, cut down to `--only`; paths that `--only` names besides.
    fn of_requirements(&self, context: &Context) -> Result<Vec<Wanted>, Failure> {
        let mut wanted = Vec::new();
        let mut fitted = BTreeSet::new();
        for (variable, requirement) in &context.configuration.settings.secrets {
            let path = names::path(requirement.path.as_ref())?;
            let only = self.only.iter().find(|only| *only == variable || **only == requirement.path);
            fitted.extend(only);
            if self.only.is_empty() || only.is_some() {
                let name = if self.keys == Keys::Variable && !self.full_path {
                    variable.clone()
                } else {
                    self.name(&path)
                };
                wanted.push(Wanted { name, path, required: requirement.required || only.is_some() });
            }
        }
        for only in self.only.iter().filter(|only| !fitted.contains(only)) {
            let path = names::path(only.as_ref())?;
            wanted.push(Wanted { name: self.name(&path), path, required: true });
        }
        Ok(wanted)
    }
}

/// Whether `--only` holds what may be a variable that no requirement defines: then the names decide.
fn needs_listing(context: &Context, selection: &Selection<'_>) -> bool {
    let known = |only: &String| context.configuration.settings.secrets.contains_key(only);
    let looks_like_variable = |only: &String| {
        !only.contains(['/', '.', '-']) && !only.bytes().any(|byte| byte.is_ascii_lowercase())
    };
    selection.prefix.is_some() || selection.only.iter().any(|only| looks_like_variable(only) && !known(only))
}

/// What is missing, as `--if-missing` has it.
fn missing(what: IfMissing, lost: &[String]) -> Result<(), Failure> {
    match what {
        _ if lost.is_empty() => Ok(()),
        IfMissing::Ignore => Ok(()),
        IfMissing::Warn => {
            lost.iter().for_each(|one| output::warn(one));
            Ok(())
        }
        IfMissing::Error => Err(Failure::new(exit::NOT_FOUND, lost.join("; "))
            .hint("`secrets set PATH` stores one; --if-missing warn goes on without")),
    }
}

/// What was typed, as far as it can be a name.
fn shown(typed: &str) -> String {
    let plain = typed.len() <= 200
        && typed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    if plain { format!("`{typed}`") } else { "that".to_owned() }
}
