//! The directory of a store and its files: 0700 and 0600 whatever the umask, of this user alone, never
//! reached through a symbolic link.
//!
//! Everything is opened relative to the directory's descriptor, with `O_NOFOLLOW`, and checked on the
//! descriptor that is then used: nothing can be exchanged between the check and the use.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use secrets_backend::ErrorKind;

use crate::fault::Fault;

/// The directory of a store, opened.
#[derive(Debug)]
pub(crate) struct Home {
    descriptor: OwnedFd,
    path: PathBuf,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Home {
    /// The directory, or `None` where there is none.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, Fault> {
        // A trailing slash would make the system follow a link before `O_NOFOLLOW` applies.
        let path: PathBuf = path.components().collect();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(CWD, &path, flags, Mode::empty()) {
            Ok(descriptor) => {
                let home = Self { descriptor, path };
                home.check_owner()?;
                Ok(Some(home))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                Err(refused("the store's directory", not_a("directory", &path)))
            }
            Err(errno) => Err(Fault::io("opening the store's directory", errno.into())),
        }
    }

    /// The directory, made where there is none.
    pub(crate) fn create(path: &Path) -> Result<Self, Fault> {
        if let Some(home) = Self::open(path)? {
            return Ok(home);
        }
        let path: PathBuf = path.components().collect();
        make_directories(&path)?;
        Self::open(&path)?.ok_or_else(|| {
            Fault::new(ErrorKind::Unavailable, "the store's directory vanished as it was made")
        })
    }

    /// For an engine that opens its files by name.
    #[cfg(feature = "sled")]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a directory that others may enter. Asked once there is a store in it.
    pub(crate) fn check_private(&self) -> Result<(), Fault> {
        let stat = self.stat()?;
        check_mode("the store's directory", stat.st_mode)
    }

    /// Closes a directory to others, before a store is made in it. One that holds something else is refused
    /// instead: it may be a home or a project that others are meant to see.
    pub(crate) fn make_private(&self) -> Result<(), Fault> {
        let Err(open_to_others) = self.check_private() else { return Ok(()) };
        let mut entries = std::fs::read_dir(&self.path)
            .map_err(|error| Fault::io("looking into the store's directory", error))?;
        if entries.next().is_some() {
            return Err(open_to_others);
        }
        rustix::fs::fchmod(&self.descriptor, Mode::RWXU)
            .map_err(|errno| Fault::io("setting the mode of the store's directory", errno.into()))
    }

    /// A regular file of this user, private to him; `None` where there is none.
    pub(crate) fn open_file(&self, name: &'static str, access: Access) -> Result<Option<File>, Fault> {
        let flags = match access {
            Access::Read => OFlags::RDONLY,
            Access::Write => OFlags::RDWR,
        };
        match self.open_at(name, flags) {
            Ok(file) => {
                check_file(name, &file)?;
                Ok(Some(file))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP) => Err(refused(name, "is a symbolic link")),
            Err(Errno::ISDIR | Errno::NXIO) => Err(refused(name, "is not a regular file")),
            Err(errno) => Err(Fault::io("opening a file of the store", errno.into())),
        }
    }

    /// A file opened for writing, made empty where there is none.
    pub(crate) fn open_or_create_file(&self, name: &'static str) -> Result<File, Fault> {
        loop {
            if let Some(file) = self.open_file(name, Access::Write)? {
                return Ok(file);
            }
            match self.open_at(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL) {
                Ok(file) => {
                    make_file_private(&file)?;
                    return Ok(file);
                }
                // Another process was faster.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(Fault::io("making a file of the store", errno.into())),
            }
        }
    }

    /// A new, empty file; a leftover of that name is removed first. Only under the exclusive lock.
    pub(crate) fn create_file(&self, name: &'static str) -> Result<File, Fault> {
        self.remove(name)?;
        let file = self
            .open_at(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
            .map_err(|errno| Fault::io("making a file of the store", errno.into()))?;
        make_file_private(&file)?;
        Ok(file)
    }

    /// Puts a whole file in place at once, durably. Only under the exclusive lock.
    pub(crate) fn write_file(
        &self,
        name: &'static str,
        temporary: &'static str,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let doing = "writing a file of the store";
        let mut file = self.create_file(temporary)?;
        file.write_all(bytes).map_err(|error| Fault::io(doing, error))?;
        file.sync_all().map_err(|error| Fault::io(doing, error))?;
        self.rename(temporary, name)
    }

    /// Gives a file its final name, durably.
    pub(crate) fn rename(&self, from: &'static str, to: &'static str) -> Result<(), Fault> {
        rustix::fs::renameat(&self.descriptor, from, &self.descriptor, to)
            .map_err(|errno| Fault::io("naming a file of the store", errno.into()))?;
        rustix::fs::fsync(&self.descriptor)
            .map_err(|errno| Fault::io("syncing the store's directory", errno.into()))
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &'static str) -> Result<(), Fault> {
        match rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Fault::io("removing a file of the store", errno.into())),
        }
    }

    /// Whether something of that name is there, whatever it is.
    pub(crate) fn contains(&self, name: &'static str) -> Result<bool, Fault> {
        match rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Fault::io("looking into the store's directory", errno.into())),
        }
    }

    /// Whether `file` is still what has that name: a lock on a file that was removed protects nothing.
    pub(crate) fn still_names(&self, name: &'static str, file: &File) -> Result<bool, Fault> {
        let doing = "checking the store's lock";
        let held = file.metadata().map_err(|error| Fault::io(doing, error))?;
        match rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => Ok((named.st_dev, named.st_ino) == (held.dev(), held.ino())),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Fault::io(doing, errno.into())),
        }
    }

    fn open_at(&self, name: &'static str, flags: OFlags) -> Result<File, Errno> {
        // Without `NONBLOCK`, a planted FIFO would hang the open.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.descriptor, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
    }

    fn stat(&self) -> Result<rustix::fs::Stat, Fault> {
        rustix::fs::fstat(&self.descriptor)
            .map_err(|errno| Fault::io("examining the store's directory", errno.into()))
    }

    fn check_owner(&self) -> Result<(), Fault> {
        check_owner("the store's directory", self.stat()?.st_uid)
    }
}

/// Makes a directory and its missing parents, each with mode 0700 whatever the umask, durably.
pub(crate) fn make_directories(path: &Path) -> Result<(), Fault> {
    let doing = "making the store's directory";
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|ancestor| {
            !ancestor.as_os_str().is_empty() && !ancestor.exists() && !ancestor.is_symlink()
        })
        .collect();
    for directory in missing.into_iter().rev() {
        // Closed from the start: another process may look at it before its mode is set below.
        match std::fs::DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(Fault::io(doing, error)),
        }
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
            .map_err(|error| Fault::io(doing, error))?;
        // The new name is durable once the directory that holds it is.
        let parent = match directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(|error| Fault::io(doing, error))?;
    }
    Ok(())
}

fn check_file(name: &'static str, file: &File) -> Result<(), Fault> {
    let stat =
        rustix::fs::fstat(file).map_err(|errno| Fault::io("examining a file of the store", errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refused(name, "is not a regular file"));
    }
    check_owner(name, stat.st_uid)?;
    check_mode(name, stat.st_mode)
}

fn make_file_private(file: &File) -> Result<(), Fault> {
    rustix::fs::fchmod(file, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| Fault::io("setting the mode of a file of the store", errno.into()))
}

fn check_owner(what: &'static str, owner: u32) -> Result<(), Fault> {
    let me = rustix::process::geteuid().as_raw();
    if owner == me {
        Ok(())
    } else {
        Err(refused(what, format!("belongs to user {owner}, not to user {me}")))
    }
}

fn check_mode(what: &'static str, mode: u32) -> Result<(), Fault> {
    let mode = mode & 0o7777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(refused(what, format!("is open to other users (mode {mode:04o})")))
    }
}

fn not_a(kind: &str, path: &Path) -> String {
    if path.is_symlink() { "is a symbolic link".to_owned() } else { format!("is not a {kind}") }
}

fn refused(what: &'static str, why: impl AsRef<str>) -> Fault {
    Fault::new(ErrorKind::PermissionDenied, format!("{what} {}", why.as_ref()))
}
