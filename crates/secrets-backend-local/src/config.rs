//! What a local store is told when it is made: where it is, and within which bounds it works.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use secrets_backend::SecretPath;

/// Where a local store is, and within which bounds it works.
///
/// ```
/// use secrets_backend_local::LocalConfig;
///
/// let mut config = LocalConfig::new("/home/me/.local/share/secrets/store");
/// config.environment = "staging".to_owned();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalConfig {
    /// The directory of the store. It is made, with mode 0700, at the first write.
    pub directory: PathBuf,
    /// The table of the store that is used: one per environment, of the form of one path segment.
    pub environment: String,
    /// What keeps the bytes on disk. A store keeps the engine that it was made with.
    pub engine: Engine,
    /// How long an operation waits for other processes, before it is `Unavailable`. What a write waits for
    /// others of this process that came before it is not counted.
    pub lock_wait: Duration,
    /// How many versions of a secret are kept; older ones are removed by the write that exceeds it.
    ///
    /// In sealed mode a deletion is a version too, so that at least 2 are needed to undo one.
    pub keep_versions: NonZeroU32,
    /// How many secrets a page of a listing holds at most.
    pub page_size: NonZeroU32,
    /// The largest value, in bytes.
    pub max_value: usize,
}

/// What keeps the bytes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// One file of copy-on-write B-trees, fsync at each commit, readers side by side. The default; see
    /// `docs/decisions/0001-redb-by-default.md`.
    #[default]
    Redb,
    /// A log-structured tree; needs the crate feature `sled`.
    Sled,
}

/// Why a configuration cannot be used. Nothing was contacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// The directory is the empty path.
    #[error("the directory of the local store is empty")]
    EmptyDirectory,
    /// The environment is not one segment of a path.
    #[error(
        "an environment is 1 to 64 of letters, digits, `.`, `_` and `-`, and does not start with `.` or `-`"
    )]
    Environment,
    /// This build was made without the engine.
    #[error("this build has no `{0}` engine: it needs the crate feature of that name")]
    EngineNotBuilt(Engine),
}

impl LocalConfig {
    /// The largest value by default: 1 MiB, and room for what an envelope adds to it.
    pub const DEFAULT_MAX_VALUE: usize = 1024 * 1024 + 128 * 1024;

    /// A store in `directory` with the defaults: environment `default`, redb, 10 s, 100 versions, pages of
    /// 500, values of up to [`LocalConfig::DEFAULT_MAX_VALUE`] bytes.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            environment: "default".to_owned(),
            engine: Engine::default(),
            lock_wait: Duration::from_secs(10),
            keep_versions: NonZeroU32::MIN.saturating_add(99),
            page_size: NonZeroU32::MIN.saturating_add(499),
            max_value: Self::DEFAULT_MAX_VALUE,
        }
    }

    pub(crate) fn check(&self) -> Result<(), InvalidConfig> {
        if self.directory.as_os_str().is_empty() {
            return Err(InvalidConfig::EmptyDirectory);
        }
        let one_segment = !self.environment.contains('/') && SecretPath::control(&self.environment).is_ok();
        if one_segment { Ok(()) } else { Err(InvalidConfig::Environment) }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redb => "redb",
            Self::Sled => "sled",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_one_segment() {
        for (environment, good) in [
            ("default", true),
            ("prod.eu-1", true),
            ("_tests", true),
            ("", false),
            ("a/b", false),
            ("..", false),
            ("-x", false),
            ("é", false),
        ] {
            let mut config = LocalConfig::new("/nowhere");
            config.environment = environment.to_owned();
            assert_eq!(config.check().is_ok(), good, "{environment:?}");
        }
    }

    #[test]
    fn an_empty_directory_is_refused() {
        assert_eq!(LocalConfig::new("").check(), Err(InvalidConfig::EmptyDirectory));
    }
}
