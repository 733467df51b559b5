//! The local store beside its floors: a bare transaction of redb, and a write and fsync of the same bytes.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use redb::{Database, ReadOnlyDatabase, ReadableDatabase as _, TableDefinition};
use secrets_backend::{NewSecret, PutMode, SecretBackend as _, SecretPath};
use secrets_backend_local::{Engine, LocalBackend, LocalConfig};
use tokio::runtime::Runtime;

type Failure = Box<dyn std::error::Error>;

/// A small envelope.
const VALUE: [u8; 560] = [0x5a; 560];
/// How many secrets are there while it is measured.
const SECRETS: usize = 200;
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

fn path(number: usize) -> Result<SecretPath, Failure> {
    Ok(format!("app/{number}").parse()?)
}

#[allow(clippy::disallowed_methods, reason = "a benchmark has a runtime of its own")]
fn block_on<T>(runtime: &Runtime, work: impl Future<Output = T>) -> T {
    runtime.block_on(work)
}

fn engine(
    criterion: &mut Criterion,
    runtime: &Runtime,
    directory: &Path,
    engine: Engine,
) -> Result<(), Failure> {
    let mut config = LocalConfig::new(directory.join(engine.to_string()));
    config.engine = engine;
    let backend = LocalBackend::new(config)?;
    let paths = (0..SECRETS).map(path).collect::<Result<Vec<_>, _>>()?;
    let put = |path: &SecretPath| {
        block_on(runtime, backend.put(path, &NewSecret::new(&VALUE[..]), &PutMode::Upsert))
    };
    paths.iter().try_for_each(|path| put(path).map(drop))?;
    let mut group = criterion.benchmark_group(format!("store/{engine}"));
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    let mut turn = paths.iter().cycle();
    group.bench_function("put", |bencher| bencher.iter(|| turn.next().map(put)));
    group.bench_function("get", |bencher| {
        bencher.iter(|| turn.next().map(|path| block_on(runtime, backend.get(path, None))));
    });
    group.bench_function("get_many of 100", |bencher| {
        bencher.iter(|| block_on(runtime, backend.get_many(black_box(&paths[..100]))));
    });
    group.bench_function("list 200", |bencher| bencher.iter(|| block_on(runtime, backend.list(None, None))));
    group.finish();
    Ok(())
}

/// What redb itself takes to open, read or write one row, and close.
fn redb_floor(criterion: &mut Criterion, directory: &Path) -> Result<(), Failure> {
    let file = directory.join("floor.redb");
    let put = |number: usize| -> Result<(), Failure> {
        let database = Database::create(&file)?;
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        transaction.open_table(ROWS)?.insert(path(number)?.as_str().as_bytes(), &VALUE[..])?;
        transaction.commit()?;
        Ok(())
    };
    (0..SECRETS).try_for_each(put)?;
    let get = |number: usize| -> Result<usize, Failure> {
        let transaction = ReadOnlyDatabase::open(&file)?.begin_read()?;
        let row = transaction.open_table(ROWS)?.get(path(number)?.as_str().as_bytes())?;
        Ok(row.map_or(0, |row| row.value().len()))
    };
    let mut group = criterion.benchmark_group("store/floor redb");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    let mut turn = (0..SECRETS).cycle();
    group.bench_function("put", |bencher| bencher.iter(|| turn.next().map(put)));
    group.bench_function("get", |bencher| bencher.iter(|| turn.next().map(get)));
    group.finish();
    Ok(())
}

fn file_floor(criterion: &mut Criterion, directory: &Path) -> Result<(), Failure> {
    let mut file = File::create(directory.join("floor"))?;
    criterion.bench_function("store/floor file/write and fsync", |bencher| {
        bencher.iter(|| file.write_all(&VALUE).and_then(|()| file.sync_all()));
    });
    let whole = directory.join("floor");
    std::fs::write(&whole, VALUE)?;
    criterion.bench_function("store/floor file/read", |bencher| bencher.iter(|| std::fs::read(&whole)));
    Ok(())
}

fn store(criterion: &mut Criterion) {
    let run = |criterion: &mut Criterion| -> Result<(), Failure> {
        let scratch = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        engine(criterion, &runtime, scratch.path(), Engine::Redb)?;
        engine(criterion, &runtime, scratch.path(), Engine::Sled)?;
        redb_floor(criterion, scratch.path())?;
        file_floor(criterion, scratch.path())
    };
    if let Err(error) = run(criterion) {
        panic!("the benchmark of the store cannot run: {error}");
    }
}

criterion_group!(benches, store);
criterion_main!(benches);
