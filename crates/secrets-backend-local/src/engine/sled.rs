//! sled: a log-structured tree in a directory of its own.
//!
//! Its flush ends in `sync_file_range` on Linux, which makes neither the file's length nor the disk's cache
//! durable. So every file is fsynced here, after each commit and before each opening (whose snapshot must not
//! be newer on disk than the log). Its files are made with the process's umask; they are closed to others
//! afterwards, and the directory is closed from the start.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use secrets_backend::ErrorKind;
use sled::{Batch, Config, Db, Error, Tree};
use zeroize::Zeroizing;

use super::{Engine, Read, Rows, RowsMut, Table, Visit, Write};
use crate::fault::Fault;
use crate::files::Home;
use crate::lock::Share;

const DIRECTORY: &str = "store.sled";
const NEW_DIRECTORY: &str = "store.sled.new";
const CACHE: u64 = 16 * 1024 * 1024;
/// Free space that a write needs beside its own bytes: four of sled's segments.
const ROOM: u64 = 2 * 1024 * 1024;
/// A flush that takes longer has failed without saying so.
const COMMIT_WAIT: Duration = Duration::from_secs(30);

/// The alternative engine.
#[derive(Debug)]
pub(crate) struct Sled;

impl Engine for Sled {
    fn reading(&self) -> Share {
        // Opening sled writes, even to read.
        Share::Exclusive
    }

    fn exists(&self, home: &Home) -> Result<bool, Fault> {
        home.contains(DIRECTORY)
    }

    fn create(&self, home: &Home, deadline: Instant) -> Result<(), Fault> {
        let doing = "making the directory of sled";
        let directory = home.path().join(NEW_DIRECTORY);
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Fault::io(doing, error)),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&directory).map_err(|error| Fault::io(doing, error))?;
        fs::set_permissions(&directory, Permissions::from_mode(0o700))
            .map_err(|error| Fault::io(doing, error))?;
        let database = open(&directory, deadline)?;
        database.flush().map_err(storage)?;
        settle(&directory)?;
        drop(database);
        home.rename(NEW_DIRECTORY, DIRECTORY)
    }

    fn read(
        &self,
        home: &Home,
        environment: &str,
        deadline: Instant,
        work: &mut Read<'_>,
    ) -> Result<(), Fault> {
        let directory = directory(home)?;
        let database = open(&directory, deadline)?;
        let name = tree_name(environment);
        // Opening a tree that is not there would make it.
        let there = database.tree_names().iter().any(|known| *known == name);
        let tree = if there { Some(database.open_tree(&name).map_err(storage)?) } else { None };
        let outcome = work(&Snapshot { tree });
        // Opening may have written a snapshot: closed to others like the rest.
        tighten(&directory)?;
        outcome
    }

    fn repair(&self, _home: &Home) -> Result<(), Fault> {
        // Opening repairs.
        Ok(())
    }

    fn write(
        &self,
        home: &Home,
        environment: &str,
        deadline: Instant,
        work: &mut Write<'_>,
    ) -> Result<(), Fault> {
        let directory = directory(home)?;
        let database = open(&directory, deadline)?;
        let tree = database.open_tree(tree_name(environment)).map_err(storage)?;
        let snapshot = Snapshot { tree: Some(tree.clone()) };
        let mut transaction =
            Transaction { snapshot, batch: Batch::default(), changed: HashMap::new(), bytes: 0 };
        work(&mut transaction)?;
        check_room(&directory, transaction.bytes)?;
        commit(tree, transaction.batch)?;
        settle(&directory).map_err(Fault::while_committing)
    }

    fn compact(&self, _home: &Home, _deadline: Instant) -> Result<(), Fault> {
        // sled reuses its segments by itself and offers nothing to ask for.
        Ok(())
    }

    fn size(&self, home: &Home) -> Result<u64, Fault> {
        let mut bytes = 0;
        walk(&directory(home)?, &mut |_, metadata| {
            bytes += metadata.len();
            Ok(())
        })?;
        Ok(bytes)
    }
}

struct Snapshot {
    /// None where the environment has no tree yet.
    tree: Option<Tree>,
}

impl Rows for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        let Some(tree) = &self.tree else { return Ok(None) };
        let row = tree.get(row_key(table, key)).map_err(storage)?;
        Ok(row.map(|row| Zeroizing::new(row.to_vec())))
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        let Some(tree) = &self.tree else { return Ok(()) };
        if from >= to {
            return Ok(());
        }
        for row in tree.range(row_key(table, from)..row_key(table, to)) {
            let (key, row) = row.map_err(storage)?;
            if let ControlFlow::Break(()) = visit(&key[1..], &row)? {
                break;
            }
        }
        Ok(())
    }
}

/// Writes are gathered and applied at once. There is nobody else in the store: what is not among them is as
/// the snapshot shows it.
struct Transaction {
    snapshot: Snapshot,
    batch: Batch,
    /// What the batch holds, to be read: a row, or that it is removed.
    changed: HashMap<Vec<u8>, Option<Zeroizing<Vec<u8>>>>,
    /// What has been put so far.
    bytes: u64,
}

impl Rows for Transaction {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        match self.changed.get(&row_key(table, key)) {
            Some(row) => Ok(row.clone()),
            None => self.snapshot.get(table, key),
        }
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.snapshot.scan(table, from, to, visit)
    }
}

impl RowsMut for Transaction {
    fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), Fault> {
        self.batch.insert(row_key(table, key), row);
        self.changed.insert(row_key(table, key), Some(Zeroizing::new(row.to_vec())));
        self.bytes += (key.len() + row.len()) as u64;
        Ok(())
    }

    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), Fault> {
        self.batch.remove(row_key(table, key));
        self.changed.insert(row_key(table, key), None);
        Ok(())
    }
}

fn tree_name(environment: &str) -> Vec<u8> {
    format!("environment/{environment}").into_bytes()
}

/// One tree holds all tables of an environment, since only one tree changes atomically in a batch.
fn row_key(table: Table, key: &[u8]) -> Vec<u8> {
    [&[table as u8], key].concat()
}

/// The engine's directory, its files examined and closed to others.
fn directory(home: &Home) -> Result<PathBuf, Fault> {
    let directory = home.path().join(DIRECTORY);
    let metadata = fs::symlink_metadata(&directory)
        .map_err(|error| Fault::io("examining the directory of sled", error))?;
    examine(&metadata)?;
    if !metadata.is_dir() {
        return Err(Fault::new(ErrorKind::PermissionDenied, "store.sled is not a directory"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(Fault::new(ErrorKind::PermissionDenied, "store.sled is open to other users"));
    }
    tighten(&directory)?;
    Ok(directory)
}

fn open(directory: &Path, deadline: Instant) -> Result<Db, Fault> {
    discard_unfinished(directory)?;
    settle(directory)?;
    let config = Config::new().path(directory).cache_capacity(CACHE).flush_every_ms(None);
    loop {
        match config.open() {
            // A closed database lets go of its own lock when its last thread ends, a moment later. It reports
            // a lock that is held as an error of no particular kind.
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::Other && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(2));
            }
            outcome => return outcome.map_err(storage),
        }
    }
}

/// Removes the snapshots that a killed process had not finished. sled makes one at an opening, under a name
/// of its own that it renames when the content is synced, but takes that name for the newest snapshot at the
/// next opening, and an empty or cut one for corruption. Nothing is lost with it: sled removes the snapshot
/// before only after the renaming, and reads from its log what came after that one. A damaged snapshot that
/// was finished is left for sled to refuse. Our lock keeps everybody else from opening meanwhile.
fn discard_unfinished(directory: &Path) -> Result<(), Fault> {
    let doing = "removing an unfinished snapshot of sled";
    for entry in fs::read_dir(directory).map_err(|error| Fault::io(doing, error))? {
        let entry = entry.map_err(|error| Fault::io(doing, error))?;
        if is_unfinished(entry.file_name().as_encoded_bytes()) {
            fs::remove_file(entry.path()).map_err(|error| Fault::io(doing, error))?;
        }
    }
    Ok(())
}

fn is_unfinished(name: &[u8]) -> bool {
    name.starts_with(b"snap.") && name.ends_with(b".generating")
}

/// Refuses a write that may not find room: on a full disk, sled's flush waits for ever instead of failing.
fn check_room(directory: &Path, bytes: u64) -> Result<(), Fault> {
    let disk = rustix::fs::statvfs(directory)
        .map_err(|errno| Fault::io("measuring the free space for sled", errno.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < ROOM.saturating_add(bytes.saturating_mul(2)) {
        return Err(Fault::io("in store.sled", io::ErrorKind::StorageFull.into()));
    }
    Ok(())
}

/// Applies and flushes a batch in a thread of its own, which is given up when it does not end: see
/// [`check_room`]. It keeps sled's own lock then, so that nobody writes beside it until the process ends.
fn commit(tree: Tree, batch: Batch) -> Result<(), Fault> {
    let (done, outcome) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        // Nobody listens any more once it was given up.
        let _ = done.send(tree.apply_batch(batch).and_then(|()| tree.flush()));
    });
    match outcome.recv_timeout(COMMIT_WAIT) {
        Ok(outcome) => outcome.map(drop).map_err(|error| storage(error).while_committing()),
        Err(RecvTimeoutError::Timeout) => Err(Fault::new(
            ErrorKind::TimedOut,
            "sled did not end its flush; whether the write took effect is unknown",
        )),
        Err(RecvTimeoutError::Disconnected) => {
            Err(Fault::new(ErrorKind::TimedOut, "sled gave up; whether the write took effect is unknown"))
        }
    }
}

/// Makes every file durable, and private.
fn settle(directory: &Path) -> Result<(), Fault> {
    let doing = "syncing the files of sled";
    tighten(directory)?;
    walk(directory, &mut |path, _| {
        File::open(path).and_then(|file| file.sync_all()).map_err(|error| Fault::io(doing, error))
    })
}

fn tighten(directory: &Path) -> Result<(), Fault> {
    walk(directory, &mut |path, metadata| {
        let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
        if metadata.mode() & 0o777 == wanted {
            return Ok(());
        }
        fs::set_permissions(path, Permissions::from_mode(wanted))
            .map_err(|error| Fault::io("setting the mode of a file of sled", error))
    })
}

/// Visits the files below a directory, and the directory itself last.
fn walk(
    directory: &Path,
    visit: &mut impl FnMut(&Path, &fs::Metadata) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let doing = "looking through the files of sled";
    for entry in fs::read_dir(directory).map_err(|error| Fault::io(doing, error))? {
        let path = entry.map_err(|error| Fault::io(doing, error))?.path();
        let metadata = match fs::symlink_metadata(&path) {
            // sled removes old snapshots and blobs in its own time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata.map_err(|error| Fault::io(doing, error))?,
        };
        examine(&metadata)?;
        if metadata.is_dir() {
            walk(&path, visit)?;
        } else {
            visit(&path, &metadata)?;
        }
    }
    let metadata = fs::symlink_metadata(directory).map_err(|error| Fault::io(doing, error))?;
    visit(directory, &metadata)
}

fn examine(metadata: &fs::Metadata) -> Result<(), Fault> {
    let me = rustix::process::geteuid().as_raw();
    if metadata.is_symlink() {
        return Err(Fault::new(ErrorKind::PermissionDenied, "a file of store.sled is a symbolic link"));
    }
    if metadata.uid() != me {
        let why = format!("a file of store.sled belongs to user {}, not to user {me}", metadata.uid());
        return Err(Fault::new(ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

fn storage(error: Error) -> Fault {
    match error {
        Error::Io(error) => Fault::io("in store.sled", error),
        Error::Corruption { .. } => Fault::damaged("store.sled is damaged"),
        Error::Unsupported(_) => {
            Fault::new(ErrorKind::Unsupported, "store.sled was written by another version of sled")
                .with_source(error)
        }
        error => Fault::new(ErrorKind::Unexpected, "in store.sled").with_source(error),
    }
}
