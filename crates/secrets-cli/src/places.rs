//! Where files lie: the configuration, data and state directories.

use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::failure::Failure;

/// The directories and files of one user's installation.
///
/// By default they follow the XDG base directory specification: `$XDG_CONFIG_HOME/secrets`,
/// `$XDG_DATA_HOME/secrets`, `$XDG_STATE_HOME/secrets`. With `SECRETS_HOME` they are its `config`, `data` and
/// `state`, for tests and containers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Places {
    /// Holds `config.toml`, `key` and `trust.toml`.
    pub config: PathBuf,
    /// Holds the safe's header, keyrings, the local store and the installation's state.
    pub data: PathBuf,
    /// Holds the audit log and the installation key.
    pub state: PathBuf,
}

impl Places {
    /// The places that the environment names.
    ///
    /// # Errors
    /// Exit 3 where neither `SECRETS_HOME` nor `HOME` nor the XDG variables say where to look. Relative XDG
    /// directories are ignored, as their specification demands.
    pub fn find(environment: &Environment) -> Result<Self, Failure> {
        if let Some(home) = environment.path("SECRETS_HOME") {
            let home = std::path::absolute(&home).map_err(|source| {
                Failure::config("SECRETS_HOME cannot be made an absolute path").caused_by(source)
            })?;
            return Ok(Self {
                config: home.join("config"),
                data: home.join("data"),
                state: home.join("state"),
            });
        }
        let xdg = |variable: &str, below_home: &str| {
            let named = environment.path(variable).filter(|path| path.is_absolute());
            let base = match named {
                Some(base) => base,
                None => environment
                    .path("HOME")
                    .filter(|home| home.is_absolute())
                    .ok_or_else(|| {
                        Failure::config(format!("neither {variable} nor HOME is an absolute path"))
                            .hint("set HOME, or SECRETS_HOME to a directory for everything")
                    })?
                    .join(below_home),
            };
            Ok::<_, Failure>(base.join("secrets"))
        };
        Ok(Self {
            config: xdg("XDG_CONFIG_HOME", ".config")?,
            data: xdg("XDG_DATA_HOME", ".local/share")?,
            state: xdg("XDG_STATE_HOME", ".local/state")?,
        })
    }

    /// The user's configuration file.
    #[must_use]
    pub fn user_config(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The key file, where nothing else is named.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.config.join("key")
    }

    /// The record of trusted project files.
    #[must_use]
    pub fn trust_file(&self) -> PathBuf {
        self.config.join("trust.toml")
    }

    /// Whether key and data share a parent directory, so that one stolen directory gives both.
    #[must_use]
    pub fn key_lies_with_data(&self, key_file: &Path) -> bool {
        key_file.starts_with(&self.data)
            || self
                .data
                .parent()
                .is_some_and(|home| self.config.parent() == Some(home) && key_file.starts_with(home))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().copied().collect()
    }

    #[test]
    fn secrets_home_puts_everything_under_one_directory() {
        let places = Places::find(&environment(&[("SECRETS_HOME", "/s"), ("HOME", "/h")])).unwrap();
        assert_eq!(places.config, Path::new("/s/config"));
        assert_eq!(places.data, Path::new("/s/data"));
        assert_eq!(places.state, Path::new("/s/state"));
        assert!(places.key_lies_with_data(&places.key_file()));
    }

    #[test]
    fn xdg_directories_win_over_home_and_relative_ones_are_ignored() {
        let places =
            Places::find(&environment(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d"), ("XDG_STATE_HOME", "rel")]))
                .unwrap();
        assert_eq!(places.config, Path::new("/h/.config/secrets"));
        assert_eq!(places.data, Path::new("/d/secrets"));
        assert_eq!(places.state, Path::new("/h/.local/state/secrets"));
        assert!(!places.key_lies_with_data(&places.key_file()));
    }

    #[test]
    fn a_missing_or_relative_home_is_a_configuration_error() {
        for home in [&[][..], &[("HOME", "")], &[("HOME", "here")]] {
            let failure = Places::find(&environment(home)).unwrap_err();
            assert_eq!(failure.code(), crate::exit::CONFIG);
        }
    }
}
