//! The header's file: two copies, written one after the other.
//!
//! After a failed sync Linux shows what the disk does not hold. So a change of the header begins with what the
//! disk holds, and a sequence is noted as seen only once it is durable: else a power cut would make this
//! installation refuse its own header.

#[cfg(test)]
mod power;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use secrets_crypto::header::{Copies, CopyState, CopyWrite, FILE_LEN, Header, UnlockedFile};
use secrets_crypto::{HeaderKey, KdfLimits};

use crate::files::{self, FileError};
use crate::unlock::Unlock;
use crate::{Error, Result};

/// The header as it was read.
pub(crate) struct HeaderFile {
    path: PathBuf,
    copies: Copies,
}

/// The file as its writes need it. A trait, so that tests can cut the power between them and within them.
trait Medium {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    /// Forgets what is cached and not waiting to be written.
    fn forget(&self) -> io::Result<()>;
}

impl HeaderFile {
    /// The header as the system shows it, which may not be durable.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match files::read(path, FILE_LEN as u64) {
            Ok(image) => Ok(Self { path: path.into(), copies: Copies::read(&image) }),
            Err(error) if error.is_missing() => Err(Error::NoSafe(path.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// The header as the disk holds it.
    pub(crate) fn read_durable(path: &Path) -> Result<Self> {
        match files::open_existing(path) {
            Ok(file) => settle(&file).map_err(|source| FileError::Io { path: path.into(), source })?,
            Err(error) if error.is_missing() => return Err(Error::NoSafe(path.into())),
            Err(error) => return Err(error.into()),
        }
        Self::read(path)
    }

    /// The best copy; nothing of it is authenticated yet.
    pub(crate) fn best(&self) -> Result<&Header> {
        self.copies.best().map_err(|error| self.error(error))
    }

    /// The best copy that holds under the header key.
    pub(crate) fn authentic(&self, key: &HeaderKey) -> Result<Header> {
        let readable = self.copies.in_order().map_err(|error| self.error(error))?;
        let sound = readable.into_iter().find(|header| header.verify_mac(key).is_ok());
        sound.cloned().ok_or_else(|| self.error(secrets_crypto::Error::HeaderForged))
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

    /// Puts a header in the place of both copies, so that a sound one exists at every moment. Only on top of
    /// what was read by [`HeaderFile::read_durable`].
    pub(crate) fn write(&self, header: &Header, key: &HeaderKey) -> Result<()> {
        let writes = self.copies.writes(&header.encode(key)).map_err(|error| self.error(error))?;
        let file = files::open_or_create(&self.path)?;
        write_copies(&file, &writes).map_err(|source| FileError::Io { path: self.path.clone(), source })?;
        Ok(files::sync_parent(&self.path)?)
    }

    fn error(&self, source: secrets_crypto::Error) -> Error {
        Error::Header { path: self.path.clone(), source }
    }
}

impl Medium for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn forget(&self) -> io::Result<()> {
        files::forget_cache(self)
    }
}

fn write_copies(file: &impl Medium, writes: &[CopyWrite]) -> io::Result<()> {
    let written = writes.iter().try_for_each(|write| {
        file.write_at(&write.bytes, write.offset)?;
        file.sync()
    });
    // So that nobody reads what was not written. Where that fails too, the next change begins with it.
    written.inspect_err(|_| drop(settle(file)))
}

/// Writes what can still be written, and forgets what was only believed to be.
fn settle(file: &impl Medium) -> io::Result<()> {
    file.sync()?;
    file.forget()
}

/// Makes the header's file; fails where there is one.
pub(crate) fn create(path: &Path, header: &Header, key: &HeaderKey) -> Result<()> {
    let image = Copies::new_file(&header.encode(key));
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
