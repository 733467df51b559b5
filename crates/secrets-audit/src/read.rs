//! Reading entries back, to show them. Nothing is verified here; that is [`verify`](crate::verify).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Take};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::Deserialize;

use crate::entry::MAX_LINE;
use crate::storage::flock;
use crate::{Action, Error, NewEntry, ObjectRef, Outcome, Result, TreeHash, hex};

/// An entry as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 0.
    pub seq: u64,
    /// The leaf hash of the entry before; zeros for the first.
    pub prev: TreeHash,
    /// What the caller said.
    pub said: NewEntry,
}

impl Entry {
    /// An entry from its payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for what is no entry of this schema.
    pub fn from_payload(payload: &[u8]) -> Result<Self> {
        let fields: Fields<'_> =
            serde_json::from_slice(payload).map_err(|_| wrong("it is not JSON of this schema"))?;
        if fields.v != 1 {
            return Err(wrong("its version is not 1"));
        }
        let token = |text: Option<&str>| text.map(str::parse).transpose();
        let said = NewEntry {
            ts_ms: fields.ts,
            boot: fields.boot.parse()?,
            tenant: fields.tenant.map(hexadecimal).transpose()?,
            actor: token(fields.actor)?,
            action: Action::from_name(fields.act).ok_or_else(|| wrong("its action is unknown"))?,
            objects: fields.objs.into_iter().map(object).collect::<Result<_>>()?,
            policy: token(fields.pol)?,
            op: fields.op.parse()?,
            outcome: Outcome::from_name(fields.out).ok_or_else(|| wrong("its outcome is unknown"))?,
            code: token(fields.code)?,
            detail: STANDARD.decode(fields.det).map_err(|_| wrong("its detail is not base64"))?,
        };
        Ok(Self { seq: fields.seq, prev: TreeHash::from_bytes(hexadecimal(fields.prev)?), said })
    }
}

/// The entries of a log in order; an entry that cannot be read ends it with an error.
///
/// Made by [`Entries::new`] over any reader, such as a [`snapshot`] or the result of [`last`].
#[derive(Debug)]
pub struct Entries<R> {
    lines: Lines<R>,
    failed: bool,
}

impl<R: BufRead> Entries<R> {
    /// Reads entries from lines; the first may be any entry of a log.
    pub const fn new(reader: R) -> Self {
        Self { lines: Lines::new(reader), failed: false }
    }
}

impl<R: BufRead> Iterator for Entries<R> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = match self.lines.next() {
            Ok(Line::End) => return None,
            Ok(Line::Whole(line)) => {
                let payload = line.split(|byte| *byte == b'\t').next().unwrap_or_default();
                Entry::from_payload(payload)
            }
            Ok(Line::Torn) => Err(wrong("the last line has no end")),
            Ok(Line::TooLong(_)) => Err(wrong("a line is too long")),
            Err(error) => Err(Error::io("read the audit log")(error)),
        };
        self.failed = next.is_err();
        Some(next)
    }
}

/// A reader over a log as it stands now, without the half of a line that another process is writing.
///
/// The log is locked, shared, only while its length is taken; readers keep no writer waiting.
/// Anyone's log is read, from any place: a reader trusts the bytes no more for whose they are.
///
/// # Errors
///
/// [`Error::UnsafeFile`] for what is no regular file, [`Error::Busy`] after `wait`, or [`Error::Io`].
pub fn snapshot(log: &Path, wait: Duration) -> Result<BufReader<Take<File>>> {
    // A pipe would keep a reader waiting for ever without the second flag.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(log, flags, Mode::empty()).map_err(io::Error::from);
    let file = opened.map(File::from).map_err(Error::io("open the audit log"))?;
    if !file.metadata().map_err(Error::io("inspect the audit log"))?.is_file() {
        return Err(Error::UnsafeFile { path: log.to_owned(), reason: "it is not a regular file" });
    }
    flock(&file, FlockOperation::NonBlockingLockShared, wait).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Error::Busy { waited: wait },
        _ => Error::io("lock the audit log")(error),
    })?;
    let length = file.metadata().map_err(Error::io("inspect the audit log"))?.len();
    rustix::fs::flock(&file, FlockOperation::Unlock)
        .map_err(|e| Error::io("unlock the audit log")(e.into()))?;
    Ok(BufReader::with_capacity(BUFFER, file.take(length)))
}

/// A reader over the last `count` whole lines of a [`snapshot`], found from the end: the rest is not read.
///
/// # Errors
///
/// [`Error::Io`].
pub fn last(snapshot: BufReader<Take<File>>, count: usize) -> Result<BufReader<Take<File>>> {
    let length = snapshot.get_ref().limit();
    let mut file = snapshot.into_inner().into_inner();
    let failed = Error::io("read the audit log");
    let start = start_of_last(&file, length, count).map_err(&failed)?;
    file.seek(SeekFrom::Start(start)).map_err(&failed)?;
    Ok(BufReader::with_capacity(BUFFER, file.take(length - start)))
}

/// Lines of bounded length.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
}

/// What comes next in a log.
pub(crate) enum Line<'a> {
    /// A line, without its line feed.
    Whole(&'a [u8]),
    /// The log ends within a line.
    Torn,
    /// No line feed within the longest line, whose bytes these are.
    TooLong(&'a [u8]),
    /// The log ends.
    End,
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(reader: R) -> Self {
        Self { reader, line: Vec::new() }
    }

    pub(crate) fn next(&mut self) -> io::Result<Line<'_>> {
        self.line.clear();
        (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut self.line)?;
        Ok(match self.line.strip_suffix(b"\n") {
            Some(_) => Line::Whole(&self.line[..self.line.len() - 1]),
            None if self.line.is_empty() => Line::End,
            None if self.line.len() as u64 == MAX_LINE => Line::TooLong(&self.line),
            None => Line::Torn,
        })
    }
}

/// Where the last `count` lines begin: after the line feed that is the `count`-th before the last.
fn start_of_last(file: &File, length: u64, count: usize) -> io::Result<u64> {
    if count == 0 {
        return Ok(length);
    }
    let mut chunk = vec![0; BUFFER];
    let mut end = length;
    let mut left = count;
    while end > 0 {
        let begin = end.saturating_sub(BUFFER as u64);
        let read = &mut chunk[..usize::try_from(end - begin).unwrap_or(BUFFER)];
        file.read_exact_at(read, begin)?;
        for (index, _) in read.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let after = begin + index as u64 + 1;
            if after == length {
                continue;
            }
            left -= 1;
            if left == 0 {
                return Ok(after);
            }
        }
        end = begin;
    }
    Ok(0)
}

/// The fields of a payload, as JSON spells them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    v: u64,
    seq: u64,
    prev: &'a str,
    ts: u64,
    boot: &'a str,
    tenant: Option<&'a str>,
    actor: Option<&'a str>,
    act: &'a str,
    #[serde(borrow, default)]
    objs: Vec<(&'a str, u64, &'a str)>,
    pol: Option<&'a str>,
    op: &'a str,
    out: &'a str,
    code: Option<&'a str>,
    #[serde(default)]
    det: &'a str,
}

fn object((object, version, content_id): (&str, u64, &str)) -> Result<ObjectRef> {
    let content_id = if content_id.is_empty() { None } else { Some(hexadecimal(content_id)?) };
    Ok(ObjectRef { object: hexadecimal(object)?, version, content_id })
}

fn hexadecimal<const N: usize>(text: &str) -> Result<[u8; N]> {
    hex::decode(text.as_bytes())
        .ok_or_else(|| wrong("an identifier is not lower-case hexadecimal of its length"))
}

const fn wrong(reason: &'static str) -> Error {
    Error::malformed("audit entry", reason)
}

const BUFFER: usize = 64 << 10;
