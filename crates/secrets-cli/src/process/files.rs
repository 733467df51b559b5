//! Files that hold secrets for the program that `run` starts.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::process::geteuid;
use secrets_backend::SecretBytes;

use crate::environment::Environment;
use crate::failure::Failure;

/// Files that hold secrets for the program, gone when this is dropped.
#[derive(Debug)]
#[non_exhaustive]
pub struct SecretFiles(tempfile::TempDir);

impl SecretFiles {
    /// A directory for them, mode 0700, in memory where the system offers that. A place where other users
    /// could exchange it is passed over.
    ///
    /// # Errors
    /// Exit 1 where none can be made.
    pub fn new(environment: &Environment) -> Result<Self, Failure> {
        let bases = [
            environment.path("XDG_RUNTIME_DIR"),
            Some("/dev/shm".into()),
            environment.path("TMPDIR"),
            Some("/tmp".into()),
        ];
        let base = bases.into_iter().flatten().find(|base| is_dependable(base)).ok_or_else(|| {
            Failure::other("there is no directory for --file that other users cannot tamper with")
                .hint("set XDG_RUNTIME_DIR or TMPDIR to one of your own, mode 0700")
        })?;
        tempfile::Builder::new()
            .prefix("secrets-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&base)
            .map(Self)
            .map_err(|source| {
                Failure::other(format!("no directory can be made in {}", base.display())).caused_by(source)
            })
    }

    /// Writes a file, mode 0600, and answers its name.
    ///
    /// # Errors
    /// Exit 1 where it cannot be written.
    pub fn add(&self, name: &str, value: &SecretBytes) -> Result<PathBuf, Failure> {
        let path = self.0.path().join(name);
        let write = || {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(value.expose())
        };
        write().map_err(|source| {
            Failure::other(format!("{} cannot be written", path.display())).caused_by(source)
        })?;
        Ok(path)
    }
}

/// Whether a directory is one that we can write to and where nobody but us and root can move away what we
/// make: ours or root's, and closed to the writes of others unless only owners may remove from it.
fn is_dependable(base: &Path) -> bool {
    let Ok(found) = fs::metadata(base) else { return false };
    let sticky = found.mode() & 0o1000 != 0;
    let owner = found.uid();
    base.is_absolute()
        && found.is_dir()
        && (owner == 0 || owner == geteuid().as_raw())
        && (sticky || found.mode() & 0o022 == 0)
        && access(base, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_files_are_private_and_gone_afterwards() {
        let files = SecretFiles::new(&Environment::default()).unwrap();
        let path = files.add("KEY", &"x".into()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        drop(files);
        assert!(!path.exists());
    }
}
