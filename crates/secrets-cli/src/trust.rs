//! Which project files the user trusts, by content hash.
//!
//! A project file comes with a repository. Until the user has looked at it, it may choose an environment and
//! list the secrets that the project needs, nothing else: otherwise a cloned repository could send a token
//! anywhere.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::files::Layer;
use crate::config::{flat, substitute};
use crate::failure::Failure;

/// The record of trusted files, `trust.toml` in the configuration directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Trust {
    /// The files, each with the hash of what was trusted.
    #[serde(default, rename = "file")]
    pub files: Vec<Trusted>,
}

/// A file as it was when it was trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Trusted {
    /// Its absolute path.
    pub path: PathBuf,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

impl Trust {
    /// Reads the record; none there is an empty one.
    ///
    /// # Errors
    /// Exit 3 where it cannot be read, or is not what this program writes.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(cannot(path, "cannot be read").caused_by(error)),
        };
        toml::from_str(&text).map_err(|error| {
            cannot(path, &format!("is damaged: {}", error.message()))
                .hint("remove it, then run `secrets trust` again")
        })
    }

    /// Writes the record in place of the old one, mode 0600.
    ///
    /// # Errors
    /// Exit 3 where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let text =
            toml::to_string(self).map_err(|error| cannot(path, "cannot be written").caused_by(error))?;
        let directory = path.parent().unwrap_or_else(|| Path::new("/"));
        let fresh = directory.join(format!(".trust.{}", std::process::id()));
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, path)
        };
        write().map_err(|error| cannot(path, "cannot be written").caused_by(error))
    }

    /// Whether the file is trusted as it is now.
    #[must_use]
    pub fn covers(&self, layer: &Layer) -> bool {
        let hash = hash(&layer.bytes);
        self.files.iter().any(|one| one.path == layer.path && one.sha256 == hash)
    }

    /// Trusts the file as it is now, instead of as it was.
    pub fn add(&mut self, layer: &Layer) {
        self.remove(&layer.path);
        self.files.push(Trusted { path: layer.path.clone(), sha256: hash(&layer.bytes) });
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// Trusts the file no longer; whether it was.
    pub fn remove(&mut self, path: &Path) -> bool {
        let before = self.files.len();
        self.files.retain(|one| one.path != path);
        self.files.len() < before
    }
}

/// Refuses what a file may not say without trust.
///
/// # Errors
/// Exit 3, naming the first setting that needs trust. Nothing of the file has been substituted or contacted.
pub fn check_harmless(layer: &Layer) -> Result<(), Failure> {
    // A flat file has backends alone, whatever its environments are called.
    let harmless = if flat::is_flat(&layer.path) { &[] } else { HARMLESS };
    let table = layer.value.as_object().into_iter().flatten();
    let needs_trust = table
        .map(|(name, _)| name.as_str())
        .find(|name| !harmless.contains(name))
        .map(str::to_owned)
        .or_else(|| generates(layer))
        .or_else(|| substitute::first(&layer.value).map(|setting| format!("${{}} in {setting}")));
    match needs_trust {
        None => Ok(()),
        Some(setting) => Err(layer
            .fault(format!("this project file is not trusted, and it sets `{setting}`"))
            .hint(format!("read it; if you trust it, run `secrets trust {}`", layer.path.display()))),
    }
}

/// How to make a value is more than which values are needed: such a table may come to name a command.
fn generates(layer: &Layer) -> Option<String> {
    let secrets = layer.value.get("secrets")?.as_object()?;
    let harmless = |key: &String| key == "path" || key == "required";
    secrets.iter().find_map(|(name, one)| {
        let other = one.as_object()?.keys().find(|key| !harmless(key))?;
        let plain_bytes = other == "generate"
            && one[other]
                .as_object()
                .is_some_and(|table| table.keys().all(|key| key == "kind" || key == "bytes"));
        (!plain_bytes).then(|| format!("secrets.{name}.{other}"))
    })
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cannot(path: &Path, what: &str) -> Failure {
    Failure::config(format!("{} {what}", path.display()))
}

/// What a file may say without trust.
const HARMLESS: &[&str] = &["environment", "secrets"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::files::{Kind, parse};

    fn layer(text: &str) -> Layer {
        let path = PathBuf::from("/project/secrets.toml");
        let value = parse(text, &path).unwrap();
        Layer { path, kind: Kind::Project, bytes: text.as_bytes().to_vec(), value }
    }

    #[test]
    fn a_changed_file_or_a_copy_elsewhere_is_not_covered() {
        let mut trust = Trust::default();
        let one = layer("environment = \"a\"");
        trust.add(&one);
        assert!(trust.covers(&one));
        assert!(!trust.covers(&layer("environment = \"b\"")));
        assert!(!trust.covers(&Layer { path: "/other/secrets.toml".into(), ..one.clone() }));
        assert!(trust.remove(&one.path) && !trust.covers(&one) && !trust.remove(&one.path));
    }

    #[test]
    fn an_untrusted_file_may_choose_an_environment_and_list_secrets() {
        let file = "environment = \"staging\"\n[secrets]\nA = { path = \"a\", required = false }\n\
                    B = { path = \"b\", generate = { kind = \"hex\", bytes = 32 } }\n";
        assert!(check_harmless(&layer(file)).is_ok());
        assert!(check_harmless(&layer("")).is_ok());
    }

    #[test]
    fn everything_else_needs_trust_before_anything_is_done() {
        for file in [
            "backend = \"x\"",
            "[backends.x]\ntype = \"aws\"\nendpoint_url = \"https://evil.example\"",
            "[environments.x]\nprimary = \"y\"",
            "environment = \"${TOKEN}\"",
            "[secrets]\nA = { path = \"${TOKEN}\" }",
            "[secrets]\nA = { path = \"a\", command = \"curl\" }",
            "[secrets]\nA = { path = \"a\", generate = { kind = \"hex\", command = \"curl\" } }",
            "seal = false",
            "names = \"clear\"",
            "webhooks = [\"https://evil.example\"]",
            "key_file = \"/tmp/key\"",
            "engine = \"sled\"",
        ] {
            let failure = check_harmless(&layer(file)).unwrap_err();
            assert_eq!(failure.code(), crate::exit::CONFIG, "{file}");
            assert!(failure.to_string().contains("not trusted"), "{failure}");
        }
    }

    #[test]
    fn the_record_survives_writing_and_reading() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("config/trust.toml");
        let mut trust = Trust::read(&path).unwrap();
        trust.add(&layer("environment = \"a\""));
        trust.write(&path).unwrap();
        assert_eq!(Trust::read(&path).unwrap(), trust);
        fs::write(&path, "file = 3").unwrap();
        assert_eq!(Trust::read(&path).unwrap_err().code(), crate::exit::CONFIG);
    }
}
