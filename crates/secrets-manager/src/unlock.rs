//! What opens a safe.

use std::path::{Path, PathBuf};

use secrets_backend::SecretBytes;
use secrets_crypto::{KeyFile, RecoveryPhrase, SlotSecret};

use crate::files::{self, FileError};
use crate::{Error, Result};

/// What opens a safe: one slot's secret.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unlock {
    /// A key file: private to its owner, one line of text.
    KeyFile(PathBuf),
    /// A passphrase, 1 to 4,096 bytes.
    Passphrase(SecretBytes),
    /// 24 words.
    RecoveryPhrase(SecretBytes),
}

impl Unlock {
    /// What it is, in words.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::KeyFile(_) => "key file",
            Self::Passphrase(_) => "passphrase",
            Self::RecoveryPhrase(_) => "recovery phrase",
        }
    }

    /// Hands the slot secret to `body`; it is wiped afterwards.
    pub(crate) fn with_secret<T>(&self, body: impl FnOnce(&SlotSecret<'_>) -> T) -> Result<T> {
        match self {
            Self::KeyFile(path) => Ok(body(&SlotSecret::KeyFile(&read_key_file(path)?))),
            Self::Passphrase(passphrase) => Ok(body(&SlotSecret::Passphrase(passphrase.expose()))),
            Self::RecoveryPhrase(words) => {
                let wrong = Error::WrongSecret { what: self.what() };
                let phrase = words.expose_str().and_then(|words| RecoveryPhrase::parse(words).ok());
                Ok(body(&SlotSecret::RecoveryPhrase(&phrase.ok_or(wrong)?)))
            }
        }
    }
}

/// Reads a key file, refused where others can read it too.
pub(crate) fn read_key_file(path: &Path) -> Result<KeyFile> {
    let refuse = |reason: String| Error::KeyFile { path: path.into(), reason };
    let content = files::read(path, KEY_FILE_LIMIT).map_err(|error| match error {
        FileError::Io { source, .. } => refuse(source.to_string()),
        FileError::Accessible { mode, .. } => {
            refuse(format!("has mode {mode:04o}: others can read it; `chmod 600` it, or make a new one"))
        }
        error => refuse(error.to_string()),
    })?;
    KeyFile::parse(&content).map_err(|error| refuse(error.to_string()))
}

/// A key file has some 60 bytes.
const KEY_FILE_LIMIT: u64 = 4096;
