//! The audit log beside its floors: a bare write and sync of the same bytes, bare Ed25519 and SHA-256.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::{Signature, Signer as _};
use secrets_audit::{
    Action, AuditLog, Durability, LogConfig, NewEntry, ObjectRef, OpId, Outcome, SigningKey, read, verify_log,
};
use sha2::{Digest as _, Sha256};

type Failure = Box<dyn std::error::Error>;

const SEED: [u8; 32] = [42; 32];
const VERIFIED: u64 = 10_000;
const GROUP: u64 = 100;

/// An entry as a read of one secret writes it.
fn entry(number: u64) -> Result<NewEntry, Failure> {
    let op = OpId::from_bytes(u128::from(number).to_be_bytes());
    let mut entry = NewEntry::new(1_760_000_000_000, "boot-1".parse()?, op, Action::SecretRead, Outcome::Ok);
    entry.tenant = Some([1; 16]);
    entry.actor = Some("uid:1000".parse()?);
    entry.objects = vec![ObjectRef { object: [2; 16], version: 7, content_id: Some([3; 32]) }];
    entry.detail = vec![4; 150];
    Ok(entry)
}

fn entries(count: u64) -> Result<Vec<NewEntry>, Failure> {
    (0..count).map(entry).collect()
}

fn open(directory: &Path) -> Result<AuditLog, Failure> {
    let config = LogConfig {
        log: directory.join("audit.jsonl"),
        head: directory.join("audit.head"),
        origin: "bench.0".parse()?,
        lock_wait: Duration::from_secs(10),
    };
    Ok(AuditLog::open(config, SigningKey::from_seed(&SEED))?)
}

/// The bytes that an append of these entries adds to a log.
fn added(directory: &Path, said: &[NewEntry]) -> Result<Vec<u8>, Failure> {
    let scratch = directory.join("scratch");
    std::fs::create_dir_all(&scratch)?;
    open(&scratch)?.append(said.to_vec(), Durability::Deferred)?;
    let bytes = std::fs::read(scratch.join("audit.jsonl"))?;
    std::fs::remove_dir_all(&scratch)?;
    Ok(bytes)
}

fn appending(criterion: &mut Criterion) -> Result<(), Failure> {
    // On the disk that holds the build, not on a file system in memory, where a sync costs nothing.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let log = open(directory.path())?;
    let mut floor: File =
        OpenOptions::new().create(true).append(true).open(directory.path().join("floor"))?;
    for (name, count) in [("append, durable", 1), ("append, durable, group of 100", GROUP)] {
        let said = entries(count)?;
        let bytes = added(directory.path(), &said)?;
        let mut group = criterion.benchmark_group(format!("audit/{name}"));
        group.throughput(Throughput::Elements(count));
        group.bench_function("ours", |bencher| {
            bencher.iter_batched(
                || said.clone(),
                |said| log.append(said, Durability::Synced),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("floor: write and sync the same bytes", |bencher| {
            bencher.iter(|| floor.write_all(&bytes).and_then(|()| floor.sync_data()));
        });
        group.finish();
    }
    Ok(())
}

fn verifying(criterion: &mut Criterion) -> Result<(), Failure> {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let log = open(directory.path())?;
    log.append(entries(VERIFIED)?, Durability::Deferred)?;
    let path = directory.path().join("audit.jsonl");
    let public = log.public_key();

    let key = ed25519_dalek::SigningKey::from_bytes(&SEED);
    let verifying = key.verifying_key();
    let bytes = std::fs::read(&path)?;
    let signed: Vec<(&[u8], Signature)> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b'\t').next())
        .filter(|payload| !payload.is_empty())
        .map(|payload| (payload, key.sign(payload)))
        .collect();

    let mut group = criterion.benchmark_group("audit/verify 10,000 entries");
    group.throughput(Throughput::Elements(VERIFIED)).sample_size(10);
    group.bench_function("ours", |bencher| {
        bencher.iter(|| verify_log(read::snapshot(&path, Duration::ZERO)?, &public, &[]));
    });
    group.bench_function("floor: Ed25519 and SHA-256 of the same bytes", |bencher| {
        bencher.iter(|| {
            signed
                .iter()
                .filter(|(payload, signature)| {
                    black_box(Sha256::digest(payload));
                    verifying.verify_strict(payload, signature).is_ok()
                })
                .count()
        });
    });
    group.finish();
    Ok(())
}

fn audit(criterion: &mut Criterion) {
    appending(criterion).and_then(|()| verifying(criterion)).expect("the disk has room");
}

criterion_group!(benches, audit);
criterion_main!(benches);
