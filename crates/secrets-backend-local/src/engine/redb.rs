//! redb: one file of copy-on-write B-trees.
//!
//! Each commit is durable at once, in two phases and with the allocator's state (quick repair), so that the
//! one open for writing that a kill makes necessary does not read the whole file. The cache is bounded.

mod errors;
mod medium;
#[cfg(test)]
mod power;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod suspect;
mod watched;

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use redb::backends::FileBackend;
use redb::{
    Builder, CompactionError, Database, Durability, ReadOnlyDatabase, ReadOnlyTable, ReadTransaction,
    ReadableDatabase as _, ReadableTable, StorageBackend, TableDefinition, TableError, WriteTransaction,
};
use secrets_backend::ErrorKind;
use zeroize::Zeroizing;

use self::errors::{beginning, committing, opening, storage, table_opening};
use self::medium::{Directory, FILE, Medium, NEW_FILE};
use self::watched::{Watch, Watched};
use super::{Engine, Read, Rows, RowsMut, Table, Visit, Write};
use crate::fault::Fault;
use crate::files::{Access, Home};
use crate::lock::Share;

/// Memory for pages: without a bound redb takes up to 1 GiB.
const CACHE: usize = 16 * 1024 * 1024;

type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
type ReadTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The default engine.
#[derive(Debug, Default)]
pub(crate) struct Redb {
    suspected: AtomicBool,
}

impl Redb {
    fn directory<'a>(&'a self, home: &'a Home) -> Directory<'a> {
        Directory { home, suspected: &self.suspected }
    }
}

impl Engine for Redb {
    fn reading(&self) -> Share {
        Share::Shared
    }

    fn exists(&self, home: &Home) -> Result<bool, Fault> {
        home.contains(FILE)
    }

    fn create(&self, home: &Home, _deadline: Instant) -> Result<(), Fault> {
        let file = FileBackend::new(home.create_file(NEW_FILE)?).map_err(opening)?;
        builder().create_with_backend(file).map_err(opening)?.close().map_err(opening)?;
        home.rename(NEW_FILE, FILE)
    }

    fn read(
        &self,
        home: &Home,
        environment: &str,
        _deadline: Instant,
        work: &mut Read<'_>,
    ) -> Result<(), Fault> {
        read(&self.directory(home), environment, work)
    }

    fn repair(&self, home: &Home) -> Result<(), Fault> {
        write(&self.directory(home), |_, _| Ok(()))
    }

    fn write(
        &self,
        home: &Home,
        environment: &str,
        _deadline: Instant,
        work: &mut Write<'_>,
    ) -> Result<(), Fault> {
        write(&self.directory(home), |database, watch| transact(database, watch, environment, work))
    }

    fn compact(&self, home: &Home, _deadline: Instant) -> Result<(), Fault> {
        write(&self.directory(home), |database, _| {
            database.compact().map(drop).map_err(|error| match error {
                CompactionError::Storage(error) => storage(error),
                error => Fault::new(ErrorKind::Unexpected, "compacting the store").with_source(error),
            })
        })
    }

    fn size(&self, home: &Home) -> Result<u64, Fault> {
        self.directory(home).size()
    }
}

/// Opens for reading, and reads in one snapshot.
fn read(medium: &impl Medium, environment: &str, work: &mut Read<'_>) -> Result<(), Fault> {
    if medium.is_suspect()? {
        return Err(Fault::needs_repair());
    }
    let file = medium.open(Access::Read)?;
    let database: ReadOnlyDatabase = builder().open_read_only_with_backend(file).map_err(opening)?;
    let transaction = database.begin_read().map_err(beginning)?;
    work(&Snapshot { transaction: &transaction, environment })
}

/// Opens for writing, which repairs what an unclean stop left, works and closes.
fn write(
    medium: &impl Medium,
    work: impl FnOnce(&mut Database, &Watch) -> Result<(), Fault>,
) -> Result<(), Fault> {
    verify_suspect(medium)?;
    let watch = Watch::default();
    let outcome = open(&builder(), watch.over(medium.open(Access::Write)?)).and_then(|mut database| {
        let outcome = work(&mut database, &watch);
        // What was committed is durable already. A close that fails makes the next open a repair.
        let _ = database.close();
        outcome
    });
    if watch.sync_failed() {
        medium.suspect();
    }
    outcome
}

/// After a failed sync: reads what the disk holds, every page of it, before anything is believed or written.
fn verify_suspect(medium: &impl Medium) -> Result<(), Fault> {
    if !medium.is_suspect()? {
        return Ok(());
    }
    medium.forget_cache()?;
    let watch = Watch::default();
    let storage = watch.over(medium.open(Access::Write)?);
    let database = open(builder().set_check_integrity_on_open(true), storage)?;
    database.close().map_err(opening)?;
    if watch.sync_failed() {
        return Err(Fault::new(ErrorKind::Unavailable, "input/output error, verifying the store"));
    }
    medium.trust()
}

fn open<S: StorageBackend>(builder: &Builder, storage: Watched<S>) -> Result<Database, Fault> {
    builder.create_with_backend(storage).map_err(opening)
}

fn transact(
    database: &Database,
    watch: &Watch,
    environment: &str,
    work: &mut Write<'_>,
) -> Result<(), Fault> {
    let transaction = begin(database)?;
    match work(&mut Transaction { transaction: &transaction, environment }) {
        Ok(()) => transaction.commit().map_err(|error| committing(error, watch.sync_failed())),
        Err(fault) => {
            // The fault is the answer; a transaction that is not committed leaves nothing.
            let _ = transaction.abort();
            Err(fault)
        }
    }
}

struct Snapshot<'a> {
    transaction: &'a ReadTransaction,
    environment: &'a str,
}

impl Snapshot<'_> {
    /// A table, or `None` where the environment has none yet.
    fn table(&self, table: Table) -> Result<Option<ReadTable>, Fault> {
        match self.transaction.open_table(Definition::new(&name(self.environment, table))) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(table_opening(error)),
        }
    }
}

impl Rows for Snapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        self.table(table)?.map_or(Ok(None), |table| get(&table, key))
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.table(table)?.map_or(Ok(()), |table| scan(&table, from, to, visit))
    }
}

struct Transaction<'a> {
    transaction: &'a WriteTransaction,
    environment: &'a str,
}

impl Transaction<'_> {
    fn table(&self, table: Table) -> Result<redb::Table<'_, &'static [u8], &'static [u8]>, Fault> {
        self.transaction.open_table(Definition::new(&name(self.environment, table))).map_err(table_opening)
    }
}

impl Rows for Transaction<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        get(&self.table(table)?, key)
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        scan(&self.table(table)?, from, to, visit)
    }
}

impl RowsMut for Transaction<'_> {
    fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), Fault> {
        self.table(table)?.insert(key, row).map_err(storage).map(drop)
    }

    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), Fault> {
        self.table(table)?.remove(key).map_err(storage).map(drop)
    }
}

fn get(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    let row = table.get(key).map_err(storage)?;
    Ok(row.map(|row| Zeroizing::new(row.value().to_vec())))
}

fn scan(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    from: &[u8],
    to: &[u8],
    visit: &mut Visit<'_>,
) -> Result<(), Fault> {
    if from >= to {
        return Ok(());
    }
    for row in table.range(from..to).map_err(storage)? {
        let (key, row) = row.map_err(storage)?;
        if let ControlFlow::Break(()) = visit(key.value(), row.value())? {
            break;
        }
    }
    Ok(())
}

/// Tables of redb are named `<environment>/<table>`; an environment holds no slash.
fn name(environment: &str, table: Table) -> String {
    let table = match table {
        Table::Environment => "environment",
        Table::Index => "index",
        Table::Versions => "versions",
        Table::Values => "values",
    };
    format!("{environment}/{table}")
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

fn begin(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write().map_err(beginning)?;
    transaction.set_quick_repair(true);
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|error| Fault::new(ErrorKind::Unexpected, "setting the durability").with_source(error))?;
    Ok(transaction)
}
