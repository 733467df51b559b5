//! Verifying a log from public bytes alone: the lines, a public key, and checkpoints where there are some.
//!
//! Shares no parsing with what writes and shows entries: a mistake there does not hide itself here.

mod scan;

use std::collections::HashMap;
use std::io::{self, BufRead};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::scan::scan;
use crate::entry::MAX_LINE;
use crate::{Checkpoint, Error, Frontier, OpId, Outcome, Reason, Result, TreeHash, VerifyingKey, leaf_hash};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The number of entries that hold, from the first on.
    pub size: u64,
    /// The Merkle root over them.
    pub root: TreeHash,
    /// The first thing that is wrong; nothing after it was looked at.
    pub fault: Option<Fault>,
    /// Intents without an outcome, in order: calls that were interrupted, or still run.
    pub open_intents: Vec<OpenIntent>,
    /// Intents that could not be followed, because [`MAX_OPEN_INTENTS`] others were open before them.
    pub untracked_intents: u64,
}

/// Where and why a log does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number of the first entry that does not hold; for a cut, of the first that is missing; for a fork, of the
    /// last that the checkpoint covers.
    pub seq: u64,
    /// What is wrong.
    pub reason: Reason,
}

/// An intent for which the log has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenIntent {
    /// The number of its entry.
    pub seq: u64,
    /// The call it belongs to.
    pub op: OpId,
}

/// Verifies a log line by line, in memory that does not grow with it.
///
/// Checked of each entry: the signature, the one canonical spelling of the closed schema, the sequence number, the
/// hash of the entry before. Checked of each checkpoint: that the log's first `size` entries have its root. Whether
/// the checkpoints are signed is for [`Checkpoint::open`] to say. Without a checkpoint, a log that was cut after
/// a whole line cannot be told from a shorter one.
///
/// # Errors
///
/// [`Error::Io`] only: a log that does not hold is an answer.
pub fn verify_log(log: impl BufRead, key: &VerifyingKey, checkpoints: &[Checkpoint]) -> Result<Report> {
    let mut pass = Pass::new(key, checkpoints);
    let fault = pass.run(log).map_err(Error::io("read the audit log"))?;
    let mut open_intents: Vec<_> = pass.open.into_iter().map(|(op, seq)| OpenIntent { seq, op }).collect();
    open_intents.sort_by_key(|intent| intent.seq);
    Ok(Report {
        size: pass.frontier.size(),
        root: pass.frontier.root(),
        fault,
        open_intents,
        untracked_intents: pass.untracked,
    })
}

/// The most open intents that are followed, so that memory stays bounded.
pub const MAX_OPEN_INTENTS: usize = 10_000;

/// One pass over a log.
struct Pass<'a> {
    key: &'a VerifyingKey,
    /// Those that have not been reached yet, the smallest first.
    checkpoints: Vec<&'a Checkpoint>,
    /// The separation, then the payload in hand: what is signed.
    signed: Vec<u8>,
    last: TreeHash,
    frontier: Frontier,
    open: HashMap<OpId, u64>,
    untracked: u64,
}

impl<'a> Pass<'a> {
    fn new(key: &'a VerifyingKey, checkpoints: &'a [Checkpoint]) -> Self {
        let mut checkpoints: Vec<&Checkpoint> = checkpoints.iter().collect();
        checkpoints.sort_by_key(|checkpoint| checkpoint.size);
        Self {
            key,
            checkpoints,
            signed: SEPARATION.to_vec(),
            last: TreeHash::ZERO,
            frontier: Frontier::new(),
            open: HashMap::new(),
            untracked: 0,
        }
    }

    fn run(&mut self, mut log: impl BufRead) -> io::Result<Option<Fault>> {
        let mut line = Vec::new();
        loop {
            if let Some(fault) = self.pass_checkpoints() {
                return Ok(Some(fault));
            }
            line.clear();
            io::Read::take(&mut log, MAX_LINE).read_until(b'\n', &mut line)?;
            let seq = self.frontier.size();
            let checked = match line.split_last() {
                None => return Ok(self.end(None)),
                Some((b'\n', line)) => self.check(line),
                Some(_) if line.len() as u64 == MAX_LINE => Err(Reason::TooLong),
                Some(_) => return Ok(self.end(Some(Reason::TornTail))),
            };
            if let Err(reason) = checked {
                return Ok(Some(Fault { seq, reason }));
            }
        }
    }

    fn check(&mut self, line: &[u8]) -> Result<(), Reason> {
        let mut parts = line.splitn(2, |byte| *byte == b'\t');
        let (Some(payload), Some(signature)) = (parts.next(), parts.next()) else {
            return Err(Reason::Malformed);
        };
        let signature = STANDARD.decode(signature).map_err(|_| Reason::Malformed)?;
        let signature = signature.try_into().map_err(|_| Reason::Malformed)?;
        self.signed.truncate(SEPARATION.len());
        self.signed.extend_from_slice(payload);
        if !self.key.holds(&self.signed, &signature) {
            return Err(Reason::BadSignature);
        }
        let scanned = scan(payload)?;
        if scanned.seq != self.frontier.size() {
            return Err(Reason::WrongSequence);
        }
        if scanned.prev != self.last {
            return Err(Reason::BrokenChain);
        }
        self.follow(scanned.seq, scanned.op, scanned.outcome);
        self.last = leaf_hash(payload);
        self.frontier.push(self.last);
        Ok(())
    }

    fn follow(&mut self, seq: u64, op: OpId, outcome: Outcome) {
        if outcome != Outcome::Intent {
            self.open.remove(&op);
        } else if self.open.len() < MAX_OPEN_INTENTS {
            self.open.entry(op).or_insert(seq);
        } else {
            self.untracked += 1;
        }
    }

    /// Compares the root with every checkpoint of this size.
    fn pass_checkpoints(&mut self) -> Option<Fault> {
        let size = self.frontier.size();
        while let Some(checkpoint) = self.checkpoints.first().filter(|checkpoint| checkpoint.size == size) {
            if checkpoint.root != self.frontier.root() {
                return Some(Fault { seq: size.saturating_sub(1), reason: Reason::Forked });
            }
            self.checkpoints.remove(0);
        }
        None
    }

    /// What the end of the log means: with a checkpoint still ahead, that it was cut.
    fn end(&self, torn: Option<Reason>) -> Option<Fault> {
        let reason = if self.checkpoints.is_empty() { torn? } else { Reason::Cut };
        Some(Fault { seq: self.frontier.size(), reason })
    }
}

/// Said again here, and not shared with the writer: the two must agree by the specification.
const SEPARATION: &[u8] = b"sev1/audit-entry\0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    #[test]
    fn so_many_open_intents_are_followed_and_the_others_counted() {
        let key = SigningKey::from_seed(&[1; 32]).verifying_key();
        let mut pass = Pass::new(&key, &[]);
        let op = |number: usize| OpId::from_bytes((number as u128).to_be_bytes());
        for number in 0..MAX_OPEN_INTENTS + 2 {
            pass.follow(number as u64, op(number), Outcome::Intent);
        }
        assert_eq!((pass.open.len(), pass.untracked), (MAX_OPEN_INTENTS, 2));
        pass.follow(0, op(0), Outcome::Ok);
        pass.follow(1, op(MAX_OPEN_INTENTS), Outcome::Intent);
        assert_eq!((pass.open.len(), pass.untracked), (MAX_OPEN_INTENTS, 2));
    }
}
