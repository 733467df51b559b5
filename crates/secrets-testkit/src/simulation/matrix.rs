//! How often each fault struck after it had set in at each phase.

use std::fmt;

use super::fault::{Fault, Phase};

/// Counts of faults that struck, by fault and phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix([[u64; Phase::ALL.len()]; Fault::ALL.len()]);

impl Default for Matrix {
    fn default() -> Self {
        Self([[0; Phase::ALL.len()]; Fault::ALL.len()])
    }
}

impl Matrix {
    pub(super) const fn count(&mut self, fault: Fault, phase: Phase) {
        self.0[fault as usize][phase as usize] += 1;
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        for (own, theirs) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *own += theirs;
        }
    }

    /// How many faults struck in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// The smallest count of all pairs.
    #[must_use]
    pub fn least(&self) -> u64 {
        self.0.iter().flatten().copied().min().unwrap_or_default()
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<25}", "")?;
        for phase in Phase::ALL {
            write!(f, " {:>14}", phase.name())?;
        }
        for fault in Fault::ALL {
            write!(f, "\n{:<25}", fault.name())?;
            for phase in Phase::ALL {
                write!(f, " {:>14}", self.0[fault as usize][phase as usize])?;
            }
        }
        Ok(())
    }
}
