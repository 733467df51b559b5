//! The header's file: two copies, written one after the other.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use secrets_crypto::header::{Copies, CopyState, FILE_LEN, Header, UnlockedFile};
use secrets_crypto::{KdfLimits, RootKey};

use crate::files::{self, FileError};
use crate::unlock::Unlock;
use crate::{Error, Result};

/// The header as it was read.
pub(crate) struct HeaderFile {
    path: PathBuf,
    copies: Copies,
}

impl HeaderFile {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match files::read(path, FILE_LEN as u64) {
            Ok(image) => Ok(Self { path: path.into(), copies: Copies::read(&image) }),
            Err(error) if error.is_missing() => Err(Error::NoSafe(path.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// The best copy; nothing of it is authenticated yet.
    pub(crate) fn best(&self) -> Result<&Header> {
        self.copies.best().map_err(|error| self.error(error))
    }

    /// Opens the root key with a slot secret, and checks the header under it. Damaged copies are warned of.
    pub(crate) fn unlock(&self, unlock: &Unlock) -> Result<UnlockedFile> {
        let unlocked = unlock.with_secret(|secret| self.copies.unlock(secret, &kdf_limits()))?;
        let unlocked = unlocked.map_err(|error| match error {
            secrets_crypto::Error::WrongSecret => Error::WrongSecret { what: unlock.what() },
            error => self.error(error),
        })?;
        let path = self.path.display();
        for (copy, state) in unlocked.copies.iter().enumerate() {
            match state {
                CopyState::Damaged => {
                    tracing::warn!("copy {copy} of the header {path} is damaged; the other was used")
                }
                CopyState::Forged => tracing::warn!(
                    "copy {copy} of the header {path} was CHANGED BY SOMEONE WITHOUT THE ROOT KEY; the other was used"
                ),
                _ => {}
            }
        }
        Ok(unlocked)
    }

    /// Puts a header in the place of both copies, so that a sound one exists at every moment.
    pub(crate) fn write(&self, header: &Header, root: &RootKey) -> Result<()> {
        let writes = self.copies.writes(&header.encode(root)).map_err(|error| self.error(error))?;
        let file = files::open_or_create(&self.path)?;
        for write in writes {
            let written = file.write_all_at(&write.bytes, write.offset).and_then(|()| file.sync_all());
            written.map_err(|source| FileError::Io { path: self.path.clone(), source })?;
        }
        Ok(files::sync_parent(&self.path)?)
    }

    fn error(&self, source: secrets_crypto::Error) -> Error {
        Error::Header { path: self.path.clone(), source }
    }
}

/// Makes the header's file; fails where there is one.
pub(crate) fn create(path: &Path, header: &Header, root: &RootKey) -> Result<()> {
    let image = Copies::new_file(&header.encode(root));
    let image = image.map_err(|source| Error::Header { path: path.into(), source })?;
    Ok(files::create_new(path, &image)?)
}

/// Whether a header is there, readable or not.
pub(crate) fn exists(path: &Path) -> bool {
    File::open(path).is_ok() || path.symlink_metadata().is_ok()
}

/// At most half of this machine's memory for a key derivation.
pub(crate) fn kdf_limits() -> KdfLimits {
    let info = rustix::system::sysinfo();
    let kib = u128::from(info.totalram) * u128::from(info.mem_unit) / 2 / 1024;
    KdfLimits::new(u32::try_from(kib).unwrap_or(u32::MAX))
}
