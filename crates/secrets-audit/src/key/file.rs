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
        // Written beside its place and linked there whole, so that no process ever reads half a key.
        let draft = path.with_added_extension(crate::hex::encode(&self.verifying_key().as_bytes()[..8]));
        let mut file = open_regular(&draft, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0)?;
        let linked = write_key(&mut file, &self.to_text()).and_then(|()| std::fs::hard_link(&draft, path));
        let removed = std::fs::remove_file(&draft);
        linked.and(removed).map_err(Error::io("write the audit key"))?;
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
        match key.save_new(path) {
            // Another process was quicker: its key is the one.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                Self::load(path)
            }
            saved => saved.map(|()| key),
        }
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
    use std::collections::HashSet;
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
    fn threads_that_create_a_key_at_once_agree_on_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key");
        let create = || *SigningKey::load_or_create(&path, &mut SysRng).unwrap().verifying_key().as_bytes();
        let keys: HashSet<[u8; 32]> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(keys.len(), 1);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "a draft was left behind");
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
