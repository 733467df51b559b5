//! Chance and key material that are the same in every run of a seed.

use std::convert::Infallible;
use std::time::Duration;

use rand_core::{TryCryptoRng, TryRng};
use secrets_backend::conformance::disk::Chance;

/// Everything random in a schedule is drawn from this.
#[derive(Debug)]
pub(super) struct Random(Chance);

impl Random {
    /// Chance for one purpose of a schedule, so that more of it for one does not move another.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut chance = Chance::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ purpose);
        chance.below(2);
        Self(chance)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).expect("a number below a `usize`")
    }

    pub(super) fn one_in(&mut self, bound: u64) -> bool {
        self.0.one_in(bound)
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(super) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.0.below(to - from))
    }

    /// Chance for a disk that loses power now.
    pub(super) fn split(&mut self) -> Chance {
        Chance::new(self.0.below(u64::MAX))
    }
}

/// Nobody keeps secrets with it: a schedule has to be the same in every run, nonces included.
impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::try_from(self.0.below(1 << 32)).expect("32 bits"))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.below(u64::MAX))
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
        for part in into.chunks_mut(4) {
            let drawn = self.try_next_u32()?.to_be_bytes();
            part.copy_from_slice(&drawn[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Random {}
