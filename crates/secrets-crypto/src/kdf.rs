//! From a secret that a person or a file holds to the key of a slot, with bounds checked before anything runs.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::{Error, Key, Result, SafeId, SlotSecret, separation, stack};

/// How a slot makes its key from its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "header format 1 has these three and no others")]
pub enum KdfParams {
    /// HKDF-SHA-512, for secrets that are random: key files and recovery phrases.
    Hkdf,
    /// Argon2id, version 1.3, for passphrases.
    Argon2id {
        /// Memory in KiB, 19 MiB at least.
        memory_kib: u32,
        /// Passes, 1 to 64.
        time: u32,
        /// Lanes, 1 to 16.
        lanes: u32,
    },
    /// PBKDF2-HMAC-SHA-256, for passphrases where FIPS rules bind the user. Never chosen by the program.
    Pbkdf2 {
        /// Iterations, 600,000 to 50,000,000.
        iterations: u32,
    },
}

impl KdfParams {
    /// Argon2id with 64 MiB, 3 passes and 4 lanes: the second choice of RFC 9106, and the default.
    pub const ARGON2ID_DEFAULT: Self = Self::Argon2id { memory_kib: 64 * 1024, time: 3, lanes: 4 };
    /// PBKDF2 with 600,000 iterations.
    pub const PBKDF2_DEFAULT: Self = Self::Pbkdf2 { iterations: ITERATIONS_MIN };

    /// Checks every parameter against its bounds. Cheap: nothing is computed, nothing allocated.
    ///
    /// # Errors
    /// [`Error::KdfBounds`], naming the first parameter outside.
    pub fn check(&self, limits: &KdfLimits) -> Result<()> {
        match *self {
            Self::Hkdf => Ok(()),
            Self::Argon2id { memory_kib, time, lanes } => {
                let memory_max = limits.memory_kib_max.min(MEMORY_KIB_MAX);
                bounded("memory (KiB)", memory_kib, MEMORY_KIB_MIN, memory_max)?;
                bounded("time (passes)", time, TIME_MIN, TIME_MAX)?;
                bounded("lanes", lanes, LANES_MIN, LANES_MAX)
            }
            Self::Pbkdf2 { iterations } => bounded("iterations", iterations, ITERATIONS_MIN, ITERATIONS_MAX),
        }
    }
}

impl Default for KdfParams {
    fn default() -> Self {
        Self::ARGON2ID_DEFAULT
    }
}

/// What this machine can afford for one key derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KdfLimits {
    /// The most memory for Argon2, in KiB: half of the machine's. Never more than 4 GiB, whatever is said here.
    pub memory_kib_max: u32,
}

impl KdfLimits {
    /// Limits with this much memory for Argon2, in KiB.
    #[must_use]
    pub const fn new(memory_kib_max: u32) -> Self {
        Self { memory_kib_max }
    }
}

/// The format's own limit: 4 GiB for Argon2. A caller who knows the machine gives half of its memory.
impl Default for KdfLimits {
    fn default() -> Self {
        Self::new(MEMORY_KIB_MAX)
    }
}

/// The key of a slot.
pub(crate) fn slot_key(
    secret: &SlotSecret<'_>,
    params: &KdfParams,
    salt: &[u8; 32],
    safe: &SafeId,
    limits: &KdfLimits,
) -> Result<Key> {
    params.check(limits)?;
    stack::wiped(|| match (secret, *params) {
        (SlotSecret::KeyFile(file), KdfParams::Hkdf) => {
            Ok(file.0.derive(Some(salt), &[separation::SLOT_KEY_FILE, safe.as_bytes()]))
        }
        (SlotSecret::RecoveryPhrase(phrase), KdfParams::Hkdf) => {
            Ok(phrase.0.derive(Some(salt), &[separation::SLOT_PHRASE, safe.as_bytes()]))
        }
        (SlotSecret::Passphrase(passphrase), KdfParams::Argon2id { memory_kib, time, lanes }) => {
            check_passphrase(passphrase)?;
            argon2id(passphrase, salt, memory_kib, time, lanes)
        }
        (SlotSecret::Passphrase(passphrase), KdfParams::Pbkdf2 { iterations }) => {
            check_passphrase(passphrase)?;
            Key::make(|out| {
                pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt, iterations, out);
                Ok(())
            })
        }
        (SlotSecret::KeyFile(_) | SlotSecret::RecoveryPhrase(_), _)
        | (SlotSecret::Passphrase(_), KdfParams::Hkdf) => Err(Error::KdfMismatch),
    })
}

fn argon2id(passphrase: &[u8], salt: &[u8; 32], memory_kib: u32, time: u32, lanes: u32) -> Result<Key> {
    let out_of_memory = Error::KdfMemory { memory_kib };
    // The bounds were checked, so these parameters are valid for the crate too.
    let params = Params::new(memory_kib, time, lanes, Some(Key::LEN)).map_err(|_| Error::KdfMismatch)?;
    // Our own blocks: the crate's would abort the process or be left unwiped.
    let mut blocks = Blocks::allocate(params.block_count()).ok_or(out_of_memory)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Key::make(|out| {
        argon2
            .hash_password_into_with_memory(passphrase, salt, out, &mut blocks.0[..])
            .map_err(|_| Error::KdfMismatch)
    })
}

/// Argon2's memory, wiped when dropped.
struct Blocks(Vec<Block>);

impl Blocks {
    fn allocate(count: usize) -> Option<Self> {
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(count).ok()?;
        blocks.resize(count, Block::new());
        Some(Self(blocks))
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

fn check_passphrase(passphrase: &[u8]) -> Result<()> {
    if (1..=PASSPHRASE_LEN_MAX).contains(&passphrase.len()) { Ok(()) } else { Err(Error::InvalidPassphrase) }
}

fn bounded(parameter: &'static str, found: u32, min: u32, max: u32) -> Result<()> {
    if (min..=max).contains(&found) { Ok(()) } else { Err(Error::KdfBounds { parameter, found, min, max }) }
}

const MEMORY_KIB_MIN: u32 = 19 * 1024;
const MEMORY_KIB_MAX: u32 = 4 * 1024 * 1024;
const TIME_MIN: u32 = 1;
const TIME_MAX: u32 = 64;
const LANES_MIN: u32 = 1;
const LANES_MAX: u32 = 16;
const ITERATIONS_MIN: u32 = 600_000;
const ITERATIONS_MAX: u32 = 50_000_000;
const PASSPHRASE_LEN_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const SAFE: SafeId = SafeId::from_bytes([1; 16]);

    fn run(params: KdfParams, limits: KdfLimits) -> Result<Key> {
        slot_key(&SlotSecret::Passphrase(b"correct horse"), &params, &[2; 32], &SAFE, &limits)
    }

    #[test]
    fn parameters_out_of_bounds_are_refused_before_anything_runs() {
        let argon2 = |memory_kib, time, lanes| KdfParams::Argon2id { memory_kib, time, lanes };
        let started = Instant::now();
        for absurd in [
            argon2(u32::MAX, 3, 4), // 4 TiB
            argon2(MEMORY_KIB_MAX + 1, 3, 4),
            argon2(MEMORY_KIB_MIN - 1, 3, 4),
            argon2(0, 0, 0),
            argon2(MEMORY_KIB_MIN, 0, 1),
            argon2(MEMORY_KIB_MIN, 65, 1),
            argon2(MEMORY_KIB_MIN, 1, 0),
            argon2(MEMORY_KIB_MIN, 1, 17),
            KdfParams::Pbkdf2 { iterations: u32::MAX },
            KdfParams::Pbkdf2 { iterations: ITERATIONS_MAX + 1 },
            KdfParams::Pbkdf2 { iterations: ITERATIONS_MIN - 1 },
            KdfParams::Pbkdf2 { iterations: 0 },
        ] {
            let refused = run(absurd, KdfLimits::default()).err();
            assert!(matches!(refused, Some(Error::KdfBounds { .. })), "{absurd:?}: {refused:?}");
        }
        // Derived, the most iterations alone would take longer.
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[test]
    fn the_machines_memory_bounds_argon2() {
        let refused = run(KdfParams::default(), KdfLimits::new(32 * 1024)).err();
        let max = 32 * 1024;
        assert_eq!(
            refused,
            Some(Error::KdfBounds { parameter: "memory (KiB)", found: 65536, min: MEMORY_KIB_MIN, max })
        );
        // A limit that claims more than the format allows changes nothing.
        let huge = KdfParams::Argon2id { memory_kib: MEMORY_KIB_MAX + 1, time: 1, lanes: 1 };
        assert!(run(huge, KdfLimits::new(u32::MAX)).is_err());
    }

    #[test]
    fn argon2_memory_that_cannot_be_had_is_an_error() {
        assert!(Blocks::allocate(usize::MAX / size_of::<Block>()).is_none());
        assert!(Blocks::allocate(usize::MAX).is_none());
    }

    #[test]
    fn empty_and_endless_passphrases_are_refused() {
        for wrong in [&b""[..], &[b'a'; PASSPHRASE_LEN_MAX + 1]] {
            let refused = slot_key(
                &SlotSecret::Passphrase(wrong),
                &KdfParams::default(),
                &[0; 32],
                &SAFE,
                &KdfLimits::default(),
            );
            assert_eq!(refused.err(), Some(Error::InvalidPassphrase));
        }
    }

    #[test]
    fn a_derivation_that_does_not_fit_the_secret_is_refused() {
        assert_eq!(run(KdfParams::Hkdf, KdfLimits::default()).err(), Some(Error::KdfMismatch));
    }
}
