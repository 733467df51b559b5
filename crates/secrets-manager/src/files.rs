//! Private files: 0600 and 0700 whatever the umask, no symlinks, no foreign owners.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// What is wrong with a file or directory of the safe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A symbolic link stands where a file or directory of the safe belongs.
    #[error("{path} is a symbolic link, which is refused", path = .0.display())]
    Symlink(PathBuf),
    /// It belongs to another user.
    #[error("{path} belongs to user {owner}, not to you", path = path.display())]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// The numeric id of its owner.
        owner: u32,
    },
    /// Others may read or write it.
    #[error("{path} has mode {mode:04o}: others can read or write it", path = path.display())]
    Accessible {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is larger than anything that belongs there.
    #[error("{path} is larger than {limit} bytes", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
}

impl FileError {
    /// Whether the file is simply not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

pub(crate) type Result<T, E = FileError> = std::result::Result<T, E>;

/// Reads a whole private file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    let mut file = open_existing(path)?;
    let size = file.metadata().map_err(io_error(path))?.len();
    if size > limit {
        return Err(FileError::TooLarge { path: path.into(), limit });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    (&mut file).take(limit + 1).read_to_end(&mut bytes).map_err(io_error(path))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.into(), limit });
    }
    Ok(bytes)
}

/// Opens a private file for reading and writing, made if missing.
pub(crate) fn open_or_create(path: &Path) -> Result<File> {
    let file = open(path, fs::OpenOptions::new().read(true).write(true).create(true).mode(0o600))?;
    check(path, &file)?;
    Ok(file)
}

/// Opens a private file for reading.
pub(crate) fn open_existing(path: &Path) -> Result<File> {
    let file = open(path, fs::OpenOptions::new().read(true))?;
    check(path, &file)?;
    Ok(file)
}

/// Opens a private file for reading and writing.
pub(crate) fn open_existing_to_write(path: &Path) -> Result<File> {
    let file = open(path, fs::OpenOptions::new().read(true).write(true))?;
    check(path, &file)?;
    Ok(file)
}

/// Whether a file has no bytes; a file whose size cannot be told has some.
pub(crate) fn is_empty(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.len() == 0)
}

/// Makes a private file that was not there; durable when it returns.
pub(crate) fn create_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = write_sibling(path, bytes)?;
    // A hard link fails where the name is taken, which a rename would not.
    let linked = fs::hard_link(&temporary, path).map_err(io_error(path));
    fs::remove_file(&temporary).map_err(io_error(&temporary))?;
    linked?;
    sync_parent(path)
}

/// Puts a private file in the place of an older one, in one step; durable when it returns.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    rename(&write_sibling(path, bytes)?, path)
}

/// Gives a synced file its name, in the place of an older one; durable when it returns.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(io_error(to))?;
    sync_parent(to)
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

/// Writes and syncs a file beside its place.
fn write_sibling(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let temporary = sibling(path);
    let mut file = create_empty(&temporary)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error(&temporary))?;
    Ok(temporary)
}

/// Makes an empty private file for reading and writing.
///
/// A leftover of that name is removed, never written: it may be a second name of a file that is in use.
pub(crate) fn create_empty(path: &Path) -> Result<File> {
    remove(path)?;
    let file = open(path, fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600))?;
    check(path, &file)?;
    Ok(file)
}

/// Has the system forget the pages of a file that are not waiting to be written, so that what is read next is
/// what the disk holds.
pub(crate) fn forget_cache(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?)
}

/// Makes a private directory and what is missing above it; durable when it returns.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    create_parent(path)?;
    check_dir(path)
}

/// Makes a directory that may be shared with other programs, private where it is new; durable when it returns.
pub(crate) fn create_parent(path: &Path) -> Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && path.symlink_metadata().is_err();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    for directory in missing.into_iter().rev() {
        match fs::DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(io_error(directory))?,
        }
        sync_parent(directory)?;
    }
    Ok(())
}

/// A directory of the safe: no symlink, ours, closed to others.
pub(crate) fn check_dir(path: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(path).map_err(io_error(path))?;
    if meta.is_symlink() {
        return Err(FileError::Symlink(path.into()));
    }
    check_owner_and_mode(path, &meta)
}

/// Makes the entry of a file in its directory durable.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    let parent = match path.parent() {
        None => return Ok(()),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
    };
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io_error(parent))
}

fn open(path: &Path, options: &mut fs::OpenOptions) -> Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK).bits();
    options.custom_flags(flags.cast_signed()).open(path).map_err(|source| {
        if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            FileError::Symlink(path.into())
        } else {
            FileError::Io { path: path.into(), source }
        }
    })
}

fn check(path: &Path, file: &File) -> Result<()> {
    check_owner_and_mode(path, &file.metadata().map_err(io_error(path))?)
}

fn check_owner_and_mode(path: &Path, meta: &fs::Metadata) -> Result<()> {
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(FileError::ForeignOwner { path: path.into(), owner: meta.uid() });
    }
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::Accessible { path: path.into(), mode });
    }
    Ok(())
}

fn sibling(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FileError + '_ {
    move |source| FileError::Io { path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        (dir, path)
    }

    #[test]
    fn a_new_file_is_private_and_never_overwrites() {
        let (_dir, path) = scratch();
        create_new(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(create_new(&path, b"two").is_err());
        assert_eq!(&**read(&path, 10).unwrap(), b"one");
    }

    #[test]
    fn a_leftover_that_is_a_second_name_of_a_file_is_not_written_through() {
        let (dir, path) = scratch();
        create_new(&path, b"in use").unwrap();
        // As a kill leaves it, between the link and the removal of the first name.
        fs::hard_link(&path, dir.path().join("file.new")).unwrap();
        assert!(create_new(&path, b"second").is_err());
        assert_eq!(&**read(&path, 10).unwrap(), b"in use");
        fs::hard_link(&path, dir.path().join("file.new")).unwrap();
        let reader = open_existing(&path).unwrap();
        replace(&path, b"third").unwrap();
        assert_eq!(&**read(&path, 10).unwrap(), b"third");
        let mut before = String::new();
        (&reader).read_to_string(&mut before).unwrap();
        assert_eq!(before, "in use", "who has the file open still reads the whole old one");
    }

    #[test]
    fn a_symlink_is_refused() {
        let (dir, path) = scratch();
        let target = dir.path().join("target");
        create_new(&target, b"x").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(matches!(read(&path, 10), Err(FileError::Symlink(_))));
        assert!(matches!(open_or_create(&path), Err(FileError::Symlink(_))));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let (_dir, path) = scratch();
        create_new(&path, b"x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(&path, 10), Err(FileError::Accessible { mode: 0o644, .. })));
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(create_dir(&open), Err(FileError::Accessible { .. })));
    }

    #[test]
    fn a_file_over_its_limit_is_refused_unread() {
        let (_dir, path) = scratch();
        create_new(&path, b"12345").unwrap();
        assert!(matches!(read(&path, 4), Err(FileError::TooLarge { limit: 4, .. })));
    }

    #[test]
    fn a_missing_file_says_so() {
        let (_dir, path) = scratch();
        assert!(read(&path, 1).unwrap_err().is_missing());
    }
}
