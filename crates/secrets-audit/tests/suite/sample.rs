//! Logs and entries that several tests start from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrets_audit::{
    Action, AuditLog, Durability, KeyName, LogConfig, NewEntry, ObjectRef, OpId, Outcome, Report, Result,
    SigningKey, VerifyingKey, read, verify_log,
};

/// A directory with a log in it.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn log(&self) -> PathBuf {
        self.0.path().join("audit.jsonl")
    }

    pub fn head(&self) -> PathBuf {
        self.0.path().join("audit.head")
    }

    pub fn open(&self) -> Result<AuditLog> {
        open_in(self.path(), Duration::from_secs(10))
    }

    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.log()).unwrap()
    }

    pub fn verify(&self) -> Report {
        verify_log(read::snapshot(&self.log(), Duration::ZERO).unwrap(), &public(), &[]).unwrap()
    }

    /// Asserts that the log is whole and has this many entries.
    #[track_caller]
    pub fn assert_whole(&self, size: u64) {
        let report = self.verify();
        assert_eq!((report.size, report.fault), (size, None));
    }
}

pub fn open_in(directory: &Path, lock_wait: Duration) -> Result<AuditLog> {
    let (log, head) = (directory.join("audit.jsonl"), directory.join("audit.head"));
    AuditLog::open(LogConfig { log, head, origin: origin(), lock_wait }, key())
}

pub fn origin() -> KeyName {
    "5afe0000000000000000000000000000.00000000000000a1".parse().unwrap()
}

pub fn key() -> SigningKey {
    SigningKey::from_seed(&[42; 32])
}

pub fn public() -> VerifyingKey {
    key().verifying_key()
}

/// An entry whose operation is `number`.
pub fn entry(number: u64, action: Action, outcome: Outcome) -> NewEntry {
    let op = OpId::from_bytes(u128::from(number).to_be_bytes());
    NewEntry::new(1_760_000_000_000 + number, "b0".parse().unwrap(), op, action, outcome)
}

pub fn read_of(number: u64) -> NewEntry {
    entry(number, Action::SecretRead, Outcome::Ok)
}

/// An entry with every field filled.
pub fn full(number: u64) -> NewEntry {
    let objects = vec![
        ObjectRef { object: [1; 16], version: 0, content_id: None },
        ObjectRef { object: [2; 16], version: 7, content_id: Some([3; 32]) },
    ];
    NewEntry {
        tenant: Some([4; 16]),
        actor: Some("uid:1000".parse().unwrap()),
        objects,
        policy: Some("default.allow".parse().unwrap()),
        code: Some("not-found".parse().unwrap()),
        detail: b"sealed".to_vec(),
        ..entry(number, Action::SecretWrite, Outcome::Error)
    }
}

/// A log of `size` entries, made in one place: a mixture of plain and full entries.
pub fn place_with(size: u64) -> Place {
    let place = Place::new();
    let log = place.open().unwrap();
    for number in 0..size {
        let entry = if number % 2 == 0 { read_of(number) } else { full(number) };
        log.append(vec![entry], Durability::Synced).unwrap();
    }
    place
}
