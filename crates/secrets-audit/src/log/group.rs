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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::{Action, OpId, Outcome};

    fn entry() -> NewEntry {
        NewEntry::new(0, "b".parse().unwrap(), OpId::from_bytes([0; 16]), Action::SecretRead, Outcome::Ok)
    }

    fn answers(batch: &[Vec<NewEntry>]) -> Vec<Appended> {
        (0..batch.len() as u64).map(|number| Appended { first_seq: number, size: 0 }).collect()
    }

    /// Waits for a condition that other threads bring about.
    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn all_who_come_while_one_writes_share_the_next_write() {
        let group = Group::default();
        let writes = AtomicU64::new(0);
        let write = |batch: &[Vec<NewEntry>], durability| {
            match writes.fetch_add(1, Ordering::SeqCst) {
                0 => until(|| group.queue().waiting.len() == 7),
                _ => assert_eq!((batch.len(), durability), (7, Durability::Synced)),
            }
            Ok(answers(batch))
        };
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let durability = if thread % 2 == 0 { Durability::Synced } else { Durability::Deferred };
                let (group, write) = (&group, &write);
                scope.spawn(move || group_run(group, durability, write).unwrap());
            }
        });
        assert_eq!(writes.into_inner(), 2);
        assert!(group.queue().answers.is_empty());
    }

    #[test]
    fn a_failed_write_is_told_to_everyone_in_it() {
        let group = Group::default();
        let first = AtomicU64::new(0);
        let write = |batch: &[Vec<NewEntry>], _| {
            if first.fetch_add(1, Ordering::SeqCst) == 0 {
                until(|| group.queue().waiting.len() == 3);
                return Ok(answers(batch));
            }
            Err(Error::Random)
        };
        let failed = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| group_run(&group, Durability::Synced, write).is_err()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|failed| *failed).count()
        });
        assert_eq!(failed, 3);
    }

    #[test]
    fn a_panic_while_writing_leaves_nobody_waiting() {
        let group = Group::default();
        let first = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let leader = scope.spawn(|| {
                let write = |_: &[Vec<NewEntry>], _| {
                    first.store(1, Ordering::SeqCst);
                    until(|| group.queue().waiting.len() == 1);
                    panic!("on purpose")
                };
                catch_unwind(AssertUnwindSafe(|| group_run(&group, Durability::Synced, write))).is_err()
            });
            until(|| first.load(Ordering::SeqCst) == 1);
            let next =
                scope.spawn(|| group_run(&group, Durability::Synced, |batch, _| Ok(answers(batch))).is_ok());
            assert!(leader.join().unwrap() && next.join().unwrap());
        });
    }

    fn group_run(
        group: &Group,
        durability: Durability,
        write: impl FnOnce(&[Vec<NewEntry>], Durability) -> Result<Vec<Appended>>,
    ) -> Result<Appended> {
        group.run(vec![entry()], durability, write)
    }
}
