//! A file of records on a simulated disk: each is there as a whole after an acknowledged append, or not at all.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrets_backend::conformance::disk::Disk;

/// Records, one after the other, each with its length and a checksum.
#[derive(Debug)]
pub(super) struct Log {
    disk: Disk,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    records: Vec<Vec<u8>>,
    /// Where the next one goes; none after a failure, when the disk has to be read anew.
    end: Option<u64>,
}

/// What became of a record that could not be appended.
#[derive(Debug)]
pub(super) enum Failed {
    /// It is not there.
    NotThere,
    /// It may be there after a power cut.
    Unknown,
}

impl Log {
    pub(super) fn new(disk: Disk) -> Self {
        Self { disk, read: Mutex::default() }
    }

    /// Looks at the records, those of other processes too.
    pub(super) fn with_records<T>(&self, look: impl FnOnce(&[Vec<u8>]) -> T) -> io::Result<T> {
        let mut read = self.read();
        self.catch_up(&mut read)?;
        Ok(look(&read.records))
    }

    /// Appends a record; it is durable then, unless the disk lies.
    pub(super) fn append(&self, record: &[u8], disk_lies: bool) -> Result<(), Failed> {
        let mut read = self.read();
        let end = self.catch_up(&mut read).map_err(|_| Failed::NotThere)?;
        let framed = frame(record);
        match self.written(end, &framed, disk_lies) {
            Ok(()) => {
                read.records.push(record.to_vec());
                read.end = Some(end + framed.len() as u64);
                Ok(())
            }
            Err(_) => {
                // Whatever got through must not be taken for a record by whoever reads next.
                *read = Read::default();
                let undone = self.disk.set_length(end).and_then(|()| self.disk.sync());
                Err(if undone.is_ok() { Failed::NotThere } else { Failed::Unknown })
            }
        }
    }

    fn written(&self, end: u64, framed: &[u8], disk_lies: bool) -> io::Result<()> {
        self.disk.write(end, framed)?;
        if disk_lies { Ok(()) } else { self.disk.sync() }
    }

    /// Reads what was appended since, and cuts off what is no whole record.
    fn catch_up(&self, read: &mut Read) -> io::Result<u64> {
        if read.end.is_none_or(|end| end > self.disk.length()) {
            // As after a failed sync: what is shown may not be what is held.
            self.disk.sync()?;
            self.disk.forget_cache()?;
            *read = Read { records: Vec::new(), end: Some(0) };
        }
        let (mut end, length) = (read.end.unwrap_or_default(), self.disk.length());
        let mut bytes = vec![0; usize::try_from(length - end).expect("a simulated disk fits the memory")];
        self.disk.read(end, &mut bytes)?;
        let mut rest = bytes.as_slice();
        while let Some((record, after)) = unframe(rest) {
            read.records.push(record.to_vec());
            end += (rest.len() - after.len()) as u64;
            rest = after;
        }
        read.end = Some(end);
        if !rest.is_empty() {
            self.disk.set_length(end)?;
        }
        Ok(end)
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn frame(record: &[u8]) -> Vec<u8> {
    let length = u32::try_from(record.len()).expect("a record is short");
    [&length.to_be_bytes()[..], &checksum(record).to_be_bytes(), record].concat()
}

fn unframe(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (record, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    (checksum(record) == u64::from_be_bytes(*sum)).then_some((record, rest))
}

/// FNV-1a, of which a record of zeros is no valid one.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

/// Some fields as one record.
pub(super) fn record(fields: &[&[u8]]) -> Vec<u8> {
    let framed = fields.iter().flat_map(|field| {
        let length = u32::try_from(field.len()).expect("a field is short");
        [&length.to_be_bytes()[..], field].concat()
    });
    framed.collect()
}

/// The fields of a record.
pub(super) fn fields(record: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut fields) = (record, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((field, after)) = after.split_at_checked(length) else { break };
        fields.push(field);
        rest = after;
    }
    fields
}
