//! What the store needs of an engine: tables of rows in key order, read as one snapshot and written as one
//! transaction. Private: engines are added here, not by users.

pub(crate) mod redb;
#[cfg(feature = "sled")]
pub(crate) mod sled;

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::files::Home;
use crate::lock::Share;

/// The tables of one environment. The number is part of each row's checksum and of sled's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    /// One row for the environment itself.
    Environment = b'e',
    /// One row per secret: what a listing shows.
    Index = b'i',
    /// One row per version: its time and stamp.
    Versions = b'v',
    /// One row per version: metadata and value.
    Values = b'd',
}

/// What each engine keeps in the store's directory, whether it is in this build or not.
pub(crate) const FILES: [&str; 2] = ["store.redb", "store.sled"];

/// What a scan does with a row; `Break` ends it.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Fault> + 'a;

/// The rows of one environment, as of one moment.
pub(crate) trait Rows {
    /// A copy of a row's bytes.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Fault>;

    /// Visits the rows from `from` on, `to` excluded, in the order of their keys' bytes.
    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault>;
}

/// The rows of one environment in a write transaction.
///
/// What is put and removed is seen by `get` at once, by `scan` not necessarily before the commit.
pub(crate) trait RowsMut: Rows {
    fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), Fault>;
    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), Fault>;
}

/// Work within a snapshot.
pub(crate) type Read<'a> = dyn FnMut(&dyn Rows) -> Result<(), Fault> + 'a;
/// Work within a transaction: committed when it is `Ok`, else nothing is written.
pub(crate) type Write<'a> = dyn FnMut(&mut dyn RowsMut) -> Result<(), Fault> + 'a;

/// Keeps rows on disk. Each call opens the files and closes them, under the store's lock.
pub(crate) trait Engine: Debug + Send + Sync {
    /// The lock that a reader needs.
    fn reading(&self) -> Share;

    /// Whether its files are there.
    fn exists(&self, home: &Home) -> Result<bool, Fault>;

    /// Makes an empty store, all or nothing.
    fn create(&self, home: &Home, deadline: Instant) -> Result<(), Fault>;

    /// Reads. A fault that wants repair is answered with [`Engine::repair`] under the exclusive lock.
    fn read(
        &self,
        home: &Home,
        environment: &str,
        deadline: Instant,
        work: &mut Read<'_>,
    ) -> Result<(), Fault>;

    /// Opens once for writing, so that readers can open again.
    fn repair(&self, home: &Home) -> Result<(), Fault>;

    /// Writes, durably.
    fn write(
        &self,
        home: &Home,
        environment: &str,
        deadline: Instant,
        work: &mut Write<'_>,
    ) -> Result<(), Fault>;

    /// Gives unused space back to the file system, where the engine can.
    fn compact(&self, home: &Home, deadline: Instant) -> Result<(), Fault>;

    /// Bytes that its files take on disk.
    fn size(&self, home: &Home) -> Result<u64, Fault>;
}
