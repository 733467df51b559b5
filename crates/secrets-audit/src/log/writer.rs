//! The one place that writes: knows the log's end, catches up with other processes, recovers after failures.

use std::io::{self, BufReader, Read};
use std::time::Duration;

use super::{Appended, Durability, Warning};
use crate::head::Head;
use crate::read::{Entry, Line, Lines};
use crate::{Error, NewEntry, Reason, Result, SigningKey, Storage, TreeHash, VerifyingKey, leaf_hash, line};

/// What one instance knows of the log, and the means to write it.
#[derive(Debug)]
pub(super) struct Writer {
    storage: Box<dyn Storage>,
    lock_wait: Duration,
    key: SigningKey,
    public: VerifyingKey,
    /// The end of the log as last seen; none after a failure, so that it is found out anew.
    current: Option<Head>,
    /// The end of what is known to be durable: where finding out begins, and below which the log never shrinks.
    durable: Head,
    /// Whether the log was shortened, and a power cut may still bring back what was removed.
    unsettled: bool,
    warnings: Vec<Warning>,
}

impl Writer {
    pub(super) fn open(storage: Box<dyn Storage>, lock_wait: Duration, key: SigningKey) -> Result<Self> {
        let public = key.verifying_key();
        let durable = Head::default();
        let (current, unsettled, warnings) = (None, false, Vec::new());
        let mut writer = Self { storage, lock_wait, key, public, current, durable, unsettled, warnings };
        writer.locked(Self::load)?;
        Ok(writer)
    }

    /// Appends each request's entries, with one write for all and at most one sync.
    pub(super) fn append(
        &mut self,
        batch: &[Vec<NewEntry>],
        durability: Durability,
    ) -> Result<Vec<Appended>> {
        self.locked(|writer| {
            let before = writer.catch_up()?;
            let mut head = before.clone();
            let mut bytes = Vec::new();
            let mut appended = Vec::with_capacity(batch.len());
            for request in batch {
                let first_seq = head.size();
                for entry in request {
                    let payload = entry.encode(head.size(), &head.last);
                    let line = line::sign_line(&payload, &writer.key);
                    head.push(leaf_hash(&payload), line.len());
                    bytes.extend_from_slice(&line);
                }
                appended.push(Appended { first_seq, size: head.size() });
            }
            // From here on the end of the log is unknown until all has gone well.
            writer.current = None;
            let written =
                writer.storage.write_at(before.bytes, &bytes).map_err(Error::io("write the audit log"));
            let written = written.and_then(|()| match durability {
                Durability::Synced => writer.sync(&head, before.bytes),
                Durability::Deferred => Ok(()),
            });
            if let Err(error) = written {
                // Best effort: what was not acknowledged should not stay. What cannot be removed now is verified,
                // then adopted or removed, by the next call.
                let _ = writer.shorten(before.bytes);
                return Err(error);
            }
            writer.current = Some(head);
            Ok(appended)
        })
    }

    /// Catches up, makes everything durable, and tells the size and root.
    pub(super) fn checkpointed(&mut self) -> Result<(u64, TreeHash)> {
        self.locked(|writer| {
            let head = writer.catch_up()?;
            if head != writer.durable {
                writer.current = None;
                writer.sync(&head, head.bytes)?;
                writer.current = Some(head.clone());
            }
            Ok((head.size(), head.frontier.root()))
        })
    }

    /// The end of the log as this instance knows it.
    pub(super) fn head(&self) -> &Head {
        self.current.as_ref().unwrap_or(&self.durable)
    }

    pub(super) const fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(super) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    fn locked<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.storage.lock(self.lock_wait).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Error::Busy { waited: self.lock_wait },
            _ => Error::io("lock the audit log")(error),
        })?;
        let result = run(self);
        self.storage.unlock();
        result
    }

    /// Finds the end of the log from the head file, or from all of the log.
    fn load(&mut self) -> Result<()> {
        let file = self.storage.read_head().map_err(Error::io("read the head file"))?;
        let known = match &file {
            Some(file) => Head::decode(file, &self.public)?,
            None => None,
        };
        let rebuilt = known.is_none();
        self.durable = known.unwrap_or_default();
        let head = self.catch_up()?;
        if !rebuilt {
            return Ok(());
        }
        match file {
            // A new log: its head is written at once, so that its absence later on means something.
            None if head.bytes == 0 => {}
            None => self.warn(Warning::HeadMissing { size: head.size() }),
            Some(_) => self.warn(Warning::HeadTorn { size: head.size() }),
        }
        // A head never leads: what it covers is made durable first. A whole log is not written again for that.
        self.current = None;
        self.durable = head.clone();
        self.sync(&head, head.bytes)?;
        self.current = Some(head);
        Ok(())
    }

    /// Verifies and adopts what others have appended since this instance last looked.
    fn catch_up(&mut self) -> Result<Head> {
        if self.unsettled {
            self.settle().map_err(Error::io("repair the audit log"))?;
        }
        let mut head = self.current.take().unwrap_or_else(|| self.durable.clone());
        let length = self.storage.length().map_err(Error::io("inspect the audit log"))?;
        if length < head.bytes {
            return Err(Error::Cut { size: head.size(), expected: head.bytes, found: length });
        }
        if length > head.bytes {
            let mark = self.storage.read_head().ok().flatten();
            let mark = mark.and_then(|file| Head::decode(&file, &self.public).ok().flatten());
            if self.adopt(&mut head, length, mark.as_ref())? == Tail::Torn {
                self.shorten(head.bytes).map_err(Error::io("repair the audit log"))?;
                self.warn(Warning::TornTail { size: head.size(), bytes: length - head.bytes });
            }
        }
        self.current = Some(head.clone());
        Ok(head)
    }

    /// Moves `head` over the whole lines up to `length`, each verified; what the head file covers is durable.
    fn adopt(&mut self, head: &mut Head, length: u64, mark: Option<&Head>) -> Result<Tail> {
        let span = Span { storage: self.storage.as_ref(), at: head.bytes, end: length };
        let mut lines = Lines::new(BufReader::new(span));
        loop {
            if mark == Some(head) {
                self.durable = head.clone();
            }
            let seq = head.size();
            match lines.next().map_err(Error::io("read the audit log"))? {
                Line::End => return Ok(Tail::Whole),
                Line::Torn => return Ok(Tail::Torn),
                Line::TooLong(line) if is_hole(line) => return Ok(Tail::Torn),
                Line::TooLong(_) => return Err(Error::Damaged { seq, reason: Reason::TooLong }),
                Line::Whole(line) => match check(line, head, &self.public) {
                    Ok(leaf) => head.push(leaf, line.len() + 1),
                    Err(_) if is_hole(line) => return Ok(Tail::Torn),
                    Err(reason) => return Err(Error::Damaged { seq, reason }),
                },
            }
        }
    }

    /// Removes what an append left, durably, before anything else is written in its place.
    ///
    /// Otherwise a power cut could leave sectors of what was removed among those of what was written later: lines
    /// without a hole that do not verify, as if someone had altered them.
    fn shorten(&mut self, end: u64) -> io::Result<()> {
        self.storage.truncate(end)?;
        self.unsettled = true;
        self.settle()
    }

    fn settle(&mut self) -> io::Result<()> {
        self.storage.sync()?;
        self.unsettled = false;
        Ok(())
    }

    /// Makes the log durable up to `head`, of which everything from `written` on was just written.
    fn sync(&mut self, head: &Head, written: u64) -> Result<()> {
        self.rewrite_undurable(written).map_err(Error::io("write the audit log"))?;
        self.storage.sync().map_err(Error::io("sync the audit log"))?;
        self.durable = head.clone();
        if self.storage.write_head(&head.encode(&self.public)).is_err() {
            self.warn(Warning::HeadNotWritten { size: head.size() });
        }
        Ok(())
    }

    /// Writes the same bytes once more over what is not known to be durable: usually nothing, or one deferred entry.
    ///
    /// After a failed sync, in this or any process, the system may take lost pages for written ones; the next sync
    /// would then succeed without them.
    fn rewrite_undurable(&mut self, end: u64) -> io::Result<()> {
        let mut at = self.durable.bytes;
        if at >= end {
            return Ok(());
        }
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = Span { storage: self.storage.as_ref(), at, end }.read(&mut chunk)?;
            if read == 0 {
                return Ok(());
            }
            self.storage.write_at(at, &chunk[..read])?;
            at += read as u64;
        }
    }

    fn warn(&mut self, warning: Warning) {
        // A caller that never asks must not make this grow without end.
        if self.warnings.len() < MAX_WARNINGS && self.warnings.last() != Some(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// How a log ends.
#[derive(Debug, PartialEq, Eq)]
enum Tail {
    Whole,
    Torn,
}

/// A power cut can leave a hole where a sector was not written. It reads as zeros, which no entry has; anything else
/// that does not verify was put there by someone.
fn is_hole(line: &[u8]) -> bool {
    line.contains(&0)
}

fn check(line: &[u8], head: &Head, key: &VerifyingKey) -> Result<TreeHash, Reason> {
    let payload = line::open_line(line, key)?;
    let entry = Entry::from_payload(payload).map_err(|_| Reason::NotCanonical)?;
    if entry.seq != head.size() {
        return Err(Reason::WrongSequence);
    }
    if entry.prev != head.last {
        return Err(Reason::BrokenChain);
    }
    // Another spelling would be refused by every verifier from now on.
    if entry.said.encode(entry.seq, &entry.prev) != payload {
        return Err(Reason::NotCanonical);
    }
    Ok(leaf_hash(payload))
}

/// A part of the log as a reader.
struct Span<'a> {
    storage: &'a dyn Storage,
    at: u64,
    end: u64,
}

impl Read for Span<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = into.len().min(left);
        let read = self.storage.read_at(self.at, &mut into[..wanted])?;
        self.at += read as u64;
        Ok(read)
    }
}

const CHUNK: usize = 64 << 10;
const MAX_WARNINGS: usize = 64;
