//! Group commit: writes that wait at the same time inside this process share one opening and one transaction.
//!
//! The first write to come starts a worker. Once that has the store, it takes what waits by then, writes it
//! in one transaction, and answers each when all are durable; it goes on until nothing waits. Each write is
//! checked inside the transaction, in the order of coming, on top of those before it: one that is refused
//! fails alone. A commit that fails is the answer to all in it.

#[cfg(test)]
mod tests;
mod turn;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use secrets_backend::{ErrorKind, Written};
use tokio::sync::oneshot;

use crate::engine::RowsMut;
use crate::fault::Fault;
use crate::store::Store;
pub(crate) use turn::Turn;

/// A transaction takes no more than this, or one write: a group is no larger than a single write may be.
const MOST_BYTES: usize = 1 << 20;
/// What a write takes beside its value: keys, rows, stamps.
const OWN_BYTES: usize = 1 << 10;

type Work = dyn FnMut(&mut dyn RowsMut) -> Result<Written, Fault> + Send;
/// What came of a write.
pub(crate) type Answer = Result<Written, Fault>;

/// A write. It may be run more than once, of which only the last counts.
pub(crate) struct Change {
    work: Box<Work>,
    bytes: usize,
    /// Whether it makes the store where there is none.
    makes: bool,
}

impl Change {
    /// A write to what is there; `NotFound` where there is no store.
    pub(crate) fn new(work: impl FnMut(&mut dyn RowsMut) -> Answer + Send + 'static) -> Self {
        Self { work: Box::new(work), bytes: OWN_BYTES, makes: false }
    }

    /// A write of a value of so many bytes, which makes the store where there is none.
    pub(crate) fn making_the_store(
        bytes: usize,
        work: impl FnMut(&mut dyn RowsMut) -> Answer + Send + 'static,
    ) -> Self {
        Self { work: Box::new(work), bytes: OWN_BYTES + bytes, makes: true }
    }
}

/// The writes of this process to one store.
pub(crate) struct Group {
    store: Arc<Store>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether a worker takes care of it.
    working: bool,
}

/// A write that waits for its turn.
pub(crate) struct Waiting {
    change: Change,
    since: Instant,
    answer: oneshot::Sender<Answer>,
}

impl Waiting {
    pub(crate) fn new(change: Change) -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        (Self { change, since: Instant::now(), answer }, answered)
    }

    fn end(self, answer: Answer) {
        // Nobody listens where the future was dropped.
        let _ = self.answer.send(answer);
    }
}

impl Group {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, queue: Mutex::default() }
    }

    /// Writes; answered once it is durable. What was begun ends also when the future is dropped.
    pub(crate) async fn run(self: &Arc<Self>, change: Change) -> Answer {
        let (write, answered) = Waiting::new(change);
        if self.enqueue(write) {
            let worker = Worker { group: Arc::clone(self), done: false };
            tokio::task::spawn_blocking(move || worker.run());
        }
        let lost = |_| Err(Fault::new(ErrorKind::Unexpected, "the operation did not end"));
        answered.await.unwrap_or_else(lost)
    }

    /// Whether a worker is needed for it.
    fn enqueue(&self, write: Waiting) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back(write);
        !std::mem::replace(&mut queue.working, true)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Queue {
    /// What fits into one transaction, from the front on.
    fn take(&mut self) -> Vec<Waiting> {
        let mut bytes = 0;
        let fits = |write: &&Waiting| {
            bytes += write.change.bytes;
            bytes <= MOST_BYTES
        };
        let count = self.waiting.iter().take_while(fits).count().max(1).min(self.waiting.len());
        self.waiting.drain(..count).collect()
    }
}

/// Takes care of the queue until it is empty.
struct Worker {
    group: Arc<Group>,
    done: bool,
}

impl Worker {
    fn run(mut self) {
        let group = Arc::clone(&self.group);
        // Time behind writes of this process is no waiting for others.
        let mut free_since = Instant::now();
        while let Some((makes, since)) = self.next() {
            match group.store.take(makes, group.store.deadline_of(since.max(free_since))) {
                Ok(Some(writing)) => {
                    let turn = Turn::new(group.queue().take());
                    let again = turn.run(|work| writing.transact(work));
                    again.into_iter().rev().for_each(|write| group.queue().waiting.push_front(write));
                    drop(writing);
                    free_since = Instant::now();
                }
                // The others try by themselves: they may make the store, or have come later.
                Ok(None) => self.answer_oldest(ErrorKind::NotFound.into()),
                Err(fault) => self.answer_oldest(fault),
            }
        }
    }

    /// Whether anything that waits makes the store, and since when the oldest waits; `None` where nothing
    /// does.
    fn next(&mut self) -> Option<(bool, Instant)> {
        let mut queue = self.group.queue();
        let since = queue.waiting.front().map(|oldest| oldest.since);
        // Under the same lock, so that whoever comes next starts another worker.
        self.done = since.is_none();
        queue.working = !self.done;
        since.map(|since| (queue.waiting.iter().any(|write| write.change.makes), since))
    }

    fn answer_oldest(&self, fault: Fault) {
        let oldest = self.group.queue().waiting.pop_front();
        if let Some(oldest) = oldest {
            oldest.end(Err(fault));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.done {
            // Cancelled with its runtime before it began, or a bug: nobody waits for ever.
            let mut queue = self.group.queue();
            queue.working = false;
            queue.waiting.clear();
        }
    }
}
