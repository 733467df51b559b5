//! The file of the signing key: mode 0600, ours, no symbolic link, or refused.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use rand_core::TryCryptoRng;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::SigningKey;
use crate::storage::{OWNER_ONLY, open_regular, sync_directory};
use crate::{Error, Result};

impl SigningKey {
    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// [`Error::UnsafeFile`] for a symbolic link, another user's file, or one that others may read or write;
    /// [`Error::Malformed`] for another text; [`Error::Io`], with [`io::ErrorKind::NotFound`] where there is none.
    pub fn load(path: &Path) -> Result<Self> {
        let mut file = open_regular(path, OFlags::RDONLY | OFlags::NONBLOCK, OTHERS)?;
        let mut text = Zeroizing::new([0; MAX_FILE]);
        let mut length = 0;
        while length < MAX_FILE {
            match file.read(&mut text[length..]).map_err(Error::io("read the audit key"))? {
                0 => break,
                read => length += read,
            }
        }
        let text = std::str::from_utf8(&text[..length]).unwrap_or_default();
        Self::from_text(text)
    }

    /// Writes a new key file, durably, and nothing where there is one already.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], with [`io::ErrorKind::AlreadyExists`] where there is a file.
    pub fn save_new(&self, path: &Path) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = open_regular(path, flags, 0)?;
        let written = write_key(&mut file, &self.to_text());
        if let Err(error) = written {
            // Half a key would be refused for ever.
            let _ = std::fs::remove_file(path);
            return Err(Error::io("write the audit key")(error));
        }
        sync_directory(path)
    }

    /// Reads a key file, or makes one with a new random key.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load) and [`save_new`](Self::save_new), and [`Error::Random`].
    pub fn load_or_create<R: TryCryptoRng + ?Sized>(path: &Path, rng: &mut R) -> Result<Self> {
        match Self::load(path) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded,
        }
        let key = Self::generate(rng)?;
        key.save_new(path)?;
        Ok(key)
    }
}

fn write_key(file: &mut File, text: &str) -> io::Result<()> {
    rustix::fs::fchmod(&*file, OWNER_ONLY)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// No access for anyone else.
const OTHERS: u32 = 0o077;
/// More than any key file.
const MAX_FILE: usize = 256;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use getrandom::SysRng;

    use super::*;

    #[test]
    fn a_created_key_is_loaded_again_and_private() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key");
        let made = SigningKey::load_or_create(&path, &mut SysRng).unwrap();
        let again = SigningKey::load_or_create(&path, &mut SysRng).unwrap();
        assert_eq!(made.verifying_key(), again.verifying_key());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            matches!(made.save_new(&path), Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists)
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key");
        SigningKey::load_or_create(&path, &mut SysRng).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o777] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(SigningKey::load(&path), Err(Error::UnsafeFile { .. })), "{mode:o}");
        }
    }

    #[test]
    fn a_symbolic_link_and_a_directory_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let (path, link) = (place.path().join("key"), place.path().join("link"));
        SigningKey::load_or_create(&path, &mut SysRng).unwrap();
        symlink(&path, &link).unwrap();
        assert!(matches!(SigningKey::load(&link), Err(Error::UnsafeFile { .. })));
        assert!(matches!(SigningKey::load(place.path()), Err(Error::UnsafeFile { .. })));
    }

    #[test]
    fn short_long_and_binary_key_files_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key");
        SigningKey::load_or_create(&path, &mut SysRng).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for content in [
            &b""[..],
            &whole[..whole.len() - 2],
            &[whole.clone(), whole.clone()].concat(),
            &[0xFF; 64],
            &[b'A'; 9999],
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(matches!(SigningKey::load(&path), Err(Error::Malformed { .. })));
        }
    }
}
