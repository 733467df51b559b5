//! The log as two files in a directory.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::Storage;
use crate::{Error, Result};

/// A log file and a head file, both mode 0600, locked with `flock` on the log.
#[derive(Debug)]
pub struct FileStorage {
    log: File,
    log_path: PathBuf,
    head_path: PathBuf,
}

impl FileStorage {
    /// Opens the log, or makes an empty one; its directory must exist.
    ///
    /// # Errors
    ///
    /// [`Error::UnsafeFile`] for a symbolic link, a file of another user, one that others may write, or no regular
    /// file; [`Error::Io`] otherwise.
    pub fn open(log: &Path, head: &Path) -> Result<Self> {
        let file = open_log(log)?;
        Ok(Self { log: file, log_path: log.to_owned(), head_path: head.to_owned() })
    }

    /// Fails when the path leads to another file than the open one: an entry written to a file that was removed
    /// or replaced would be acknowledged and lost.
    fn check_in_place(&self) -> io::Result<()> {
        let (open, named) = (self.log.metadata()?, std::fs::symlink_metadata(&self.log_path)?);
        if (open.dev(), open.ino()) == (named.dev(), named.ino()) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "the log file was replaced"))
    }
}

impl Storage for FileStorage {
    fn lock(&mut self, wait: Duration) -> io::Result<()> {
        flock(&self.log, FlockOperation::NonBlockingLockExclusive, wait)?;
        self.check_in_place().inspect_err(|_| self.unlock())
    }

    fn unlock(&mut self) {
        // Fails only for a bad descriptor; the lock goes with the descriptor anyway.
        let _ = rustix::fs::flock(&self.log, FlockOperation::Unlock);
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.log.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.log.read_at(into, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.log.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.log.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        // fdatasync(2): it includes the length, without which the data could not be read back.
        self.log.sync_data()
    }

    fn read_head(&self) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let file = match open_regular(&self.head_path, flags, OTHERS_WRITE) {
            Ok(file) => file,
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io::Error::other(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_HEAD).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn write_head(&mut self, bytes: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK;
        let file = open_regular(&self.head_path, flags, OTHERS_WRITE).map_err(io::Error::other)?;
        file.write_all_at(bytes, 0)?;
        let about = file.metadata()?;
        if about.len() != bytes.len() as u64 {
            file.set_len(bytes.len() as u64)?;
        }
        // The umask may have taken bits from the mode of a new file.
        if about.mode() & 0o777 != OWNER_ONLY.bits() {
            rustix::fs::fchmod(&file, OWNER_ONLY)?;
        }
        Ok(())
    }
}

/// Opens a file without following a symbolic link; refuses what is not ours alone.
///
/// `forbidden` are the mode bits of others that are not tolerated.
pub(crate) fn open_regular(path: &Path, flags: OFlags, forbidden: u32) -> Result<File> {
    let refused = |reason| Error::UnsafeFile { path: path.to_owned(), reason };
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, OWNER_ONLY) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::LOOP) => return Err(refused("it is a symbolic link")),
        Err(errno) => return Err(Error::io("open a file of the audit log")(errno.into())),
    };
    let about = file.metadata().map_err(Error::io("inspect a file of the audit log"))?;
    if !about.is_file() {
        return Err(refused("it is not a regular file"));
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused("it belongs to another user"));
    }
    if about.mode() & forbidden != 0 {
        return Err(refused("its mode lets other users in"));
    }
    Ok(file)
}

/// Takes a lock, asking again until `wait` is over.
pub(crate) fn flock(file: &File, how: FlockOperation, wait: Duration) -> io::Result<()> {
    let start = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        match rustix::fs::flock(file, how) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if start.elapsed() < wait => {}
            Err(Errno::WOULDBLOCK) => return Err(io::ErrorKind::TimedOut.into()),
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        thread::sleep(pause.min(wait.saturating_sub(start.elapsed())));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn open_log(path: &Path) -> Result<File> {
    let existing = OFlags::RDWR | OFlags::NONBLOCK;
    match open_regular(path, existing | OFlags::CREATE | OFlags::EXCL, 0) {
        Ok(file) => {
            rustix::fs::fchmod(&file, OWNER_ONLY)
                .map_err(|e| Error::io("set the mode of the audit log")(e.into()))?;
            sync_directory(path)?;
            Ok(file)
        }
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            open_regular(path, existing, OTHERS_WRITE)
        }
        Err(error) => Err(error),
    }
}

/// Makes a new file's name durable: a synced file without a name is lost all the same.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::io("sync the audit log's directory"))
}

pub(crate) const OWNER_ONLY: Mode = Mode::RUSR.union(Mode::WUSR);
const OTHERS_WRITE: u32 = 0o022;
const SHORTEST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(8);
/// More than any head file of this format; a larger file is torn or of a later format anyway.
const MAX_HEAD: u64 = 64 << 10;
