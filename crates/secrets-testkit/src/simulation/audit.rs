//! The audit log of a simulated installation: the real one, on a simulated disk.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use secrets_audit::{
    Action, AuditLog, Durability, KeyName, NewEntry, ObjectRef, OpId, Outcome, SigningKey, Storage, Token,
};
use secrets_backend::conformance::disk::{Chance, Disk};
use secrets_backend::{Error, ErrorKind, Operation, Result, Stamp};

use super::fault::Phase;
use super::scene::{Disks, Scene};

/// The log of one process of an installation.
#[derive(Debug)]
pub(super) struct Audit {
    log: AuditLog,
    disk: Disk,
    installation: usize,
    scene: Arc<Scene>,
}

/// A log that cannot be used: what is on the disk is not its own.
#[derive(Debug)]
pub(super) struct Unusable;

impl Audit {
    pub(super) fn open(installation: usize, scene: Arc<Scene>) -> Result<Self, Unusable> {
        let Disks { audit: disk, head, .. } = scene.disks(installation);
        let storage = OnDisk { disk: disk.clone(), head, installation, scene: Arc::clone(&scene) };
        let seed = [u8::try_from(installation).expect("few installations"); 32];
        let origin: KeyName = "example.com/simulated".parse().expect("a name");
        let log =
            AuditLog::with_storage(Box::new(storage), origin, Duration::ZERO, SigningKey::from_seed(&seed));
        Ok(Self { log: log.map_err(|_| Unusable)?, disk, installation, scene })
    }

    /// Appends an entry; it is durable then where that was asked for.
    pub(super) async fn append(
        &self,
        op: [u8; 16],
        action: Action,
        outcome: Outcome,
        stamp: Option<&Stamp>,
        durability: Durability,
    ) -> Result<()> {
        self.scene.reach(Phase::AuditAppend, self.installation).await;
        let now = self.scene.now(self.installation).as_millis();
        let mut entry = NewEntry::new(now, Token::lossy("boot"), OpId::from_bytes(op), action, outcome);
        entry.objects = stamp.iter().map(|stamp| object(stamp)).collect();
        let appended = self.log.append(vec![entry], durability);
        if appended.is_err() {
            self.scene.survive(self.installation).await;
        }
        let failed = |_| Error::new(ErrorKind::AuditUnavailable, Operation::Check, "the audit log");
        appended.map(drop).map_err(failed)
    }

    /// Whether an entry of this call would be there after a power cut.
    pub(super) fn is_durable(&self, op: [u8; 16], mut chance: Chance) -> bool {
        let disk = self.disk.duplicate();
        disk.cut_power(&mut chance);
        let id = OpId::from_bytes(op).to_string();
        let content = disk.content();
        content
            .split(|byte| *byte == b'\n')
            .any(|line| line.windows(id.len()).any(|part| part == id.as_bytes()))
    }
}

fn object(stamp: &Stamp) -> ObjectRef {
    ObjectRef {
        object: [0; 16],
        version: stamp.version,
        content_id: stamp.content_id.as_bytes().try_into().ok(),
    }
}

/// The log's file, and the head beside it.
#[derive(Debug)]
struct OnDisk {
    disk: Disk,
    head: Disk,
    installation: usize,
    scene: Arc<Scene>,
}

impl Storage for OnDisk {
    fn lock(&mut self, _wait: Duration) -> io::Result<()> {
        Ok(())
    }

    fn unlock(&mut self) {}

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.length())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let left = self.disk.length().saturating_sub(offset);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        self.disk.read(offset, &mut into[..length])?;
        Ok(length)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.scene.may_write(self.installation)?;
        self.disk.write(offset, bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.disk.set_length(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.scene.disk_lies(self.installation) { Ok(()) } else { self.disk.sync() }
    }

    fn read_head(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(Some(self.head.content()).filter(|head| !head.is_empty()))
    }

    fn write_head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.head.write(0, bytes)
    }
}
