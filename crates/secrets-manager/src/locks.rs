//! Locks that writes hold, from intent to outcome, across the processes of an installation.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secrets_crypto::ObjectId;

use crate::files::{self, FileError};

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Others held it all the while.
    #[error("another write holds the lock ({holder}); waited {} ms", waited.as_millis())]
    Held {
        /// Who, by process id, as written into the lock.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The locks of an installation: objects share 256 lock files, by the first byte of their id.
#[derive(Debug)]
pub(crate) struct Locks {
    dir: PathBuf,
    wait: Duration,
}

/// Locks held by one operation; dropped, they are free.
///
/// Each file names the operation while it runs, so that a holder that was killed leaves a trace: the
/// next one finds it in [`Held::abandoned`].
#[derive(Debug)]
pub(crate) struct Held {
    files: Vec<File>,
    /// What killed operations left in the files now held.
    pub(crate) abandoned: Vec<Vec<u8>>,
}

impl Locks {
    pub(crate) const fn new(dir: PathBuf, wait: Duration) -> Self {
        Self { dir, wait }
    }

    /// Takes the locks of some objects, in one order for everyone, so that nobody waits in a circle.
    pub(crate) fn hold(&self, objects: &[ObjectId]) -> Result<Held, LockError> {
        self.hold_within(objects, self.wait)
    }

    /// Takes the locks of some objects if nobody holds them.
    pub(crate) fn try_hold(&self, objects: &[ObjectId]) -> Result<Held, LockError> {
        self.hold_within(objects, Duration::ZERO)
    }

    fn hold_within(&self, objects: &[ObjectId], wait: Duration) -> Result<Held, LockError> {
        files::create_dir(&self.dir)?;
        let stripes: BTreeSet<u8> = objects.iter().map(|object| object.as_bytes()[0]).collect();
        let deadline = Instant::now() + wait;
        let mut held = Held { files: Vec::with_capacity(stripes.len()), abandoned: Vec::new() };
        for stripe in stripes {
            let path = self.dir.join(format!("{stripe:02x}"));
            let mut file = files::open_or_create(&path)?;
            wait_for(&mut file, &path, deadline, wait)?;
            if let Some(note) = content(&mut file, &path)?.splitn(2, |byte| *byte == b'\n').nth(1) {
                held.abandoned.push(note.to_vec());
            }
            held.files.push(file);
        }
        Ok(held)
    }
}

impl Held {
    /// Leaves the process id and a note of the running operation in the first lock: the id for whoever
    /// waits, the note for whoever finds it after a kill.
    pub(crate) fn note(&mut self, operation: &[u8]) -> std::io::Result<()> {
        let Some(file) = self.files.first_mut() else { return Ok(()) };
        let mut bytes = format!("{}\n", std::process::id()).into_bytes();
        bytes.extend(operation);
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&bytes)
    }

    /// The operation came to its outcome: nothing is left to recover.
    pub(crate) fn clear(&mut self) -> std::io::Result<()> {
        self.files.iter_mut().try_for_each(|file| file.set_len(0))
    }
}

fn wait_for(file: &mut File, path: &Path, deadline: Instant, waited: Duration) -> Result<(), LockError> {
    let mut pause = Duration::from_millis(1);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(16));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { holder: holder(file, path), waited });
            }
            Err(TryLockError::Error(source)) => {
                return Err(FileError::Io { path: path.into(), source }.into());
            }
        }
    }
}

/// Who holds a lock, as far as its file says.
fn holder(file: &mut File, path: &Path) -> String {
    let note = content(file, path).unwrap_or_default();
    let pid = note.split(|byte| *byte == b'\n').next().map(String::from_utf8_lossy);
    match pid.as_deref().map(str::parse::<u32>) {
        Some(Ok(pid)) => format!("process {pid}"),
        _ => path.display().to_string(),
    }
}

fn content(file: &mut File, path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes).map_err(|source| FileError::Io { path: path.into(), source })?;
    Ok(bytes)
}

/// No note is longer.
const LIMIT: u64 = 64 * 1024;
