//! redb: one file of copy-on-write B-trees.
//!
//! Each commit is durable at once, in two phases and with the allocator's state (quick repair), so that the
//! one open for writing that a kill makes necessary does not read the whole file. The cache is bounded.

use std::fs::File;
use std::ops::ControlFlow;
use std::time::Instant;

use redb::backends::FileBackend;
use redb::{
    Builder, CommitError, CompactionError, Database, DatabaseError, Durability, ReadOnlyDatabase,
    ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable, StorageError, TableDefinition,
    TableError, TransactionError, WriteTransaction,
};
use secrets_backend::ErrorKind;
use zeroize::Zeroizing;

use super::{Engine, Read, Rows, RowsMut, Table, Visit, Write};
use crate::fault::Fault;
use crate::files::{Access, Home};
use crate::lock::Share;

const FILE: &str = "store.redb";
const NEW_FILE: &str = "store.redb.new";
/// Memory for pages: without a bound redb takes up to 1 GiB.
const CACHE: usize = 16 * 1024 * 1024;

type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
type ReadTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The default engine.
#[derive(Debug)]
pub(crate) struct Redb;

impl Engine for Redb {
    fn reading(&self) -> Share {
        Share::Shared
    }

    fn exists(&self, home: &Home) -> Result<bool, Fault> {
        home.contains(FILE)
    }

    fn create(&self, home: &Home, _deadline: Instant) -> Result<(), Fault> {
        let database = open_for_writing(home.create_file(NEW_FILE)?)?;
        database.close().map_err(opening)?;
        home.rename(NEW_FILE, FILE)
    }

    fn read(
        &self,
        home: &Home,
        environment: &str,
        _deadline: Instant,
        work: &mut Read<'_>,
    ) -> Result<(), Fault> {
        let backend = FileBackend::new(file(home, Access::Read)?).map_err(opening)?;
        let database: ReadOnlyDatabase = builder().open_read_only_with_backend(backend).map_err(opening)?;
        let transaction = database.begin_read().map_err(beginning)?;
        work(&Snapshot { transaction: &transaction, environment })
    }

    fn repair(&self, home: &Home) -> Result<(), Fault> {
        open_for_writing(file(home, Access::Write)?)?.close().map_err(opening)
    }

    fn write(
        &self,
        home: &Home,
        environment: &str,
        _deadline: Instant,
        work: &mut Write<'_>,
    ) -> Result<(), Fault> {
        let database = open_for_writing(file(home, Access::Write)?)?;
        let transaction = begin(&database)?;
        let outcome = work(&mut Transaction { transaction: &transaction, environment });
        match outcome {
            Ok(()) => transaction.commit().map_err(committing),
            Err(fault) => {
                // The fault is the answer; a transaction that is not committed leaves nothing.
                let _ = transaction.abort();
                Err(fault)
            }
        }
        // Closing, when `database` is dropped, only tidies up: what was committed is durable, and a close
        // that fails makes the next open a repair.
    }

    fn compact(&self, home: &Home, _deadline: Instant) -> Result<(), Fault> {
        let mut database = open_for_writing(file(home, Access::Write)?)?;
        database.compact().map(drop).map_err(|error| match error {
            CompactionError::Storage(error) => storage(error),
            error => Fault::new(ErrorKind::Unexpected, "compacting the store").with_source(error),
        })?;
        database.close().map_err(opening)
    }

    fn size(&self, home: &Home) -> Result<u64, Fault> {
        let file = file(home, Access::Read)?;
        file.metadata()
            .map(|metadata| metadata.len())
            .map_err(|error| Fault::io("measuring the store", error))
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

fn file(home: &Home, access: Access) -> Result<File, Fault> {
    let file = home.open_file(FILE, access)?.ok_or_else(|| Fault::damaged("store.redb is missing"))?;
    let length = file.metadata().map_err(|error| Fault::io("measuring the store", error))?.len();
    // redb would start afresh in an empty file.
    if length == 0 { Err(Fault::damaged("store.redb is empty")) } else { Ok(file) }
}

fn open_for_writing(file: File) -> Result<Database, Fault> {
    builder().create_with_backend(FileBackend::new(file).map_err(opening)?).map_err(opening)
}

fn begin(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write().map_err(beginning)?;
    transaction.set_quick_repair(true);
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|error| Fault::new(ErrorKind::Unexpected, "setting the durability").with_source(error))?;
    Ok(transaction)
}

fn opening(error: DatabaseError) -> Fault {
    match error {
        DatabaseError::RepairAborted => Fault::needs_repair(),
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            Fault::new(ErrorKind::Unavailable, "another program has store.redb open").with_source(error)
        }
        DatabaseError::UpgradeRequired(_) => {
            Fault::new(ErrorKind::Unsupported, "store.redb has a file format that this build does not read")
                .with_source(error)
        }
        DatabaseError::Storage(error) => storage(error),
        error => Fault::new(ErrorKind::Unexpected, "opening the store").with_source(error),
    }
}

fn beginning(error: TransactionError) -> Fault {
    match error {
        TransactionError::Storage(error) => storage(error),
        error => Fault::new(ErrorKind::Unexpected, "beginning a transaction").with_source(error),
    }
}

fn table_opening(error: TableError) -> Fault {
    match error {
        TableError::Storage(error) => storage(error),
        TableError::TableTypeMismatch { .. }
        | TableError::TableIsMultimap(_)
        | TableError::TypeDefinitionChanged { .. } => {
            Fault::damaged("a table of the store has another type").with_source(error)
        }
        error => Fault::new(ErrorKind::Unexpected, "opening a table").with_source(error),
    }
}

fn committing(error: CommitError) -> Fault {
    match error {
        CommitError::Storage(error) => storage(error).while_committing(),
        error => Fault::new(ErrorKind::Unexpected, "committing").with_source(error),
    }
}

fn storage(error: StorageError) -> Fault {
    match error {
        StorageError::Io(error) => Fault::io("in store.redb", error),
        StorageError::Corrupted(_) => Fault::damaged("store.redb is damaged").with_source(error),
        StorageError::ValueTooLarge(_) => Fault::new(ErrorKind::InvalidInput, "the value is too large"),
        StorageError::PreviousIo => {
            Fault::new(ErrorKind::Unavailable, "input/output error, in store.redb").with_source(error)
        }
        error => Fault::new(ErrorKind::Unexpected, "in store.redb").with_source(error),
    }
}
