//! One transaction of a group.

use secrets_backend::ErrorKind;
use zeroize::Zeroizing;

use super::{Answer, Waiting};
use crate::engine::{Rows, RowsMut, Table, Visit, Write};
use crate::fault::Fault;

/// Writes that share a transaction.
pub(crate) struct Turn {
    writes: Vec<Waiting>,
    /// Of the first so many: not passed on before they are durable.
    answers: Vec<Answer>,
    /// Whether one that was not refused has written.
    wrote: bool,
}

impl Turn {
    pub(crate) fn new(writes: Vec<Waiting>) -> Self {
        Self { answers: Vec::with_capacity(writes.len()), writes, wrote: false }
    }

    /// Writes in the transaction that is handed in, and answers; gives back those that have to be written
    /// anew.
    pub(crate) fn run(mut self, transact: impl FnOnce(&mut Write<'_>) -> Result<(), Fault>) -> Vec<Waiting> {
        let mut begun = false;
        let outcome = transact(&mut |rows| {
            begun = true;
            self.write_all(rows)
        });
        let all_ran = self.answers.len() == self.writes.len();
        match outcome {
            Err(fault) if begun && !all_ran => return self.without_the_failed(fault),
            Err(fault) if !begun || self.wrote => self.end_all(fault),
            // Durable, or there was nothing to make durable.
            _ => self.writes.into_iter().zip(self.answers).for_each(|(write, answer)| write.end(answer)),
        }
        Vec::new()
    }

    fn write_all(&mut self, rows: &mut dyn RowsMut) -> Result<(), Fault> {
        for write in &mut self.writes {
            let mut rows = Noticing { rows: &mut *rows, wrote: false };
            let answer = (write.change.work)(&mut rows);
            match answer {
                Err(fault) if rows.wrote => return Err(fault),
                answer => {
                    self.wrote |= rows.wrote;
                    self.answers.push(answer);
                }
            }
        }
        // What nobody wrote to needs no commit.
        if self.wrote { Ok(()) } else { Err(ErrorKind::Unexpected.into()) }
    }

    /// One that failed half-way, or panicked in the engine, takes the transaction with it, and is answered
    /// alone.
    fn without_the_failed(mut self, fault: Fault) -> Vec<Waiting> {
        self.writes.remove(self.answers.len()).end(Err(fault));
        self.writes
    }

    /// The transaction as a whole failed: so did each write in it.
    fn end_all(self, fault: Fault) {
        let mut writes = self.writes.into_iter();
        let first = writes.next();
        writes.for_each(|write| write.end(Err(fault.again())));
        if let Some(first) = first {
            first.end(Err(fault));
        }
    }
}

/// Notices whether a write has changed anything.
struct Noticing<'a> {
    rows: &'a mut dyn RowsMut,
    wrote: bool,
}

impl Rows for Noticing<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        self.rows.get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.rows.scan(table, from, to, visit)
    }
}

impl RowsMut for Noticing<'_> {
    fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), Fault> {
        self.wrote = true;
        self.rows.put(table, key, row)
    }

    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), Fault> {
        self.wrote = true;
        self.rows.remove(table, key)
    }
}
