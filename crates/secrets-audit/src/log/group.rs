//! Group commit: threads that append at the same time share one write and one sync.
//!
//! The first thread to come leads: it takes what all others have queued meanwhile, writes it in one go, and hands
//! out the answers. Those that queue while it writes wait for the next leader, which is one of them.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{Appended, Durability};
use crate::{Error, NewEntry, Result};

/// The queue in front of the writer.
#[derive(Debug, Default)]
pub(super) struct Group {
    queue: Mutex<Queue>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    leading: bool,
    next: u64,
    waiting: Vec<Request>,
    answers: HashMap<u64, Result<Appended>>,
}

#[derive(Debug)]
struct Request {
    number: u64,
    entries: Vec<NewEntry>,
    durability: Durability,
}

impl Group {
    /// Appends `entries` in a batch with others; `write` takes the batch and answers once for each request.
    pub(super) fn run(
        &self,
        entries: Vec<NewEntry>,
        durability: Durability,
        write: impl FnOnce(&[Vec<NewEntry>], Durability) -> Result<Vec<Appended>>,
    ) -> Result<Appended> {
        let mut queue = self.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push(Request { number, entries, durability });
        loop {
            if let Some(answer) = queue.answers.remove(&number) {
                return answer;
            }
            if !queue.leading {
                break;
            }
            queue = self.answered.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.leading = true;
        let batch = std::mem::take(&mut queue.waiting);
        drop(queue);
        self.lead(batch, number, write)
    }

    fn lead(
        &self,
        batch: Vec<Request>,
        own: u64,
        write: impl FnOnce(&[Vec<NewEntry>], Durability) -> Result<Vec<Appended>>,
    ) -> Result<Appended> {
        let synced = batch.iter().any(|request| request.durability == Durability::Synced);
        let durability = if synced { Durability::Synced } else { Durability::Deferred };
        let (numbers, entries): (Vec<_>, Vec<_>) = batch.into_iter().map(|r| (r.number, r.entries)).unzip();
        let mut turn = Turn { group: self, numbers, outcome: Err(Error::Interrupted) };
        turn.outcome = write(&entries, durability);
        drop(turn);
        self.queue().answers.remove(&own).unwrap_or(Err(Error::Interrupted))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands out the answers and the lead when it ends, also by a panic: nobody waits for ever.
struct Turn<'a> {
    group: &'a Group,
    numbers: Vec<u64>,
    outcome: Result<Vec<Appended>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = self.group.queue();
        for (index, number) in self.numbers.iter().enumerate() {
            let answer = match &self.outcome {
                Ok(appended) => appended.get(index).copied().ok_or(Error::Interrupted),
                Err(error) => Err(error.clone()),
            };
            queue.answers.insert(*number, answer);
        }
        queue.leading = false;
        drop(queue);
        self.group.answered.notify_all();
    }
}
