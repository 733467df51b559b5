//! The AEAD against pyca/cryptography, on random inputs: what one seals the other opens, and what one refuses so does
//! the other.
//!
//! `tests/vectors/differential.py` opens what it is sent and seals the plaintext again under a salt that it is given.
//! The plaintext itself is never sent, so what comes back shows that it was read.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rand_core::TryRng;
use secrets_crypto::aead::{CHUNK_LEN, SALT_LEN, open, seal};
use secrets_crypto::{Error, Key, Suite};

use crate::script::{Counting, Script, rounds, skip};

/// The lengths around a border of chunks; others are random, below four chunks, and short ones are more frequent.
const LENGTHS: [usize; 8] =
    [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN - 1, 2 * CHUNK_LEN, 4 * CHUNK_LEN];

#[test]
fn random_inputs_agree_with_pyca() {
    let Some(mut peer) = Peer::start() else {
        return skip("no Python in `target/vectors`, which `cargo xtask test` makes");
    };
    let rounds = rounds(60);
    let (mut rng, mut refused) = (Counting(0xd1ff), 0);
    for round in 0..rounds {
        let input = Input::random(round, &mut rng);
        let ours = input.sealed(&input.first_salt);
        let theirs = peer.reseal(&input, &ours).expect("what we seal is opened");
        assert!(theirs == input.sealed(&input.second_salt), "round {round}: other bytes under one salt");
        assert!(input.open(&theirs).is_ok_and(|plaintext| plaintext == input.plaintext), "round {round}");
        if round % 4 == 0 {
            let altered = altered(ours, &mut rng);
            assert_eq!(input.open(&altered), Err(Error::Refused), "round {round}");
            assert_eq!(peer.reseal(&input, &altered), None, "round {round}");
            refused += 1;
        }
    }
    println!(
        "FIGURE: {rounds} inputs agree with pyca/cryptography both ways, {refused} altered ones are refused"
    );
}

struct Input {
    suite: Suite,
    key: [u8; Key::LEN],
    context: Vec<u8>,
    plaintext: Vec<u8>,
    first_salt: [u8; SALT_LEN],
    second_salt: [u8; SALT_LEN],
}

impl Input {
    fn random(round: u32, rng: &mut Counting) -> Self {
        let suite = if round.is_multiple_of(2) { Suite::Aes256Gcm } else { Suite::ChaCha20Poly1305 };
        let length = match LENGTHS.get(round as usize / 2) {
            Some(length) => *length,
            None => below(below(4 * CHUNK_LEN, rng) + 1, rng),
        };
        let context = bytes(below(300, rng), rng);
        let (key, first_salt, second_salt) = (array(rng), array(rng), array(rng));
        Self { suite, key, context, plaintext: bytes(length, rng), first_salt, second_salt }
    }

    fn sealed(&self, salt: &[u8]) -> Vec<u8> {
        let mut rng = Script::new(&[salt]);
        seal(self.suite, &Key::from_bytes(&self.key), &[&self.context], &self.plaintext, &mut rng).unwrap()
    }

    fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let opened = open(self.suite, &Key::from_bytes(&self.key), &[&self.context], sealed);
        opened.map(|plaintext| plaintext.to_vec())
    }
}

/// The other implementation, in a process of its own.
struct Peer(Child);

impl Peer {
    fn start() -> Option<Self> {
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let python = target.parent()?.join("vectors/python/bin/python");
        let import = Command::new(&python).args(["-c", "import cryptography.cobblestone"]).output();
        if !import.is_ok_and(|import| import.status.success()) {
            return None;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/differential.py");
        let mut command = Command::new(python);
        command.arg("-B").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().ok().map(Self)
    }

    /// The plaintext sealed anew under the second salt; `None` where the ciphertext was refused.
    fn reseal(&mut self, input: &Input, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut request = vec![input.suite.number()];
        for part in [&input.key[..], &input.second_salt, &input.context, sealed] {
            request.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
            request.extend_from_slice(part);
        }
        self.0.stdin.as_mut().unwrap().write_all(&request).unwrap();
        let answers = self.0.stdout.as_mut().unwrap();
        let mut len = [0; 4];
        answers.read_exact(&mut len).expect("the script answers; what it printed is above");
        let mut answer = vec![0; u32::from_be_bytes(len) as usize];
        answers.read_exact(&mut answer).unwrap();
        // Every seal has a salt at least: nothing at all is a refusal.
        (!answer.is_empty()).then_some(answer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("our own process ends");
    }
}

/// One bit flipped, cut somewhere, or one byte longer.
fn altered(mut sealed: Vec<u8>, rng: &mut Counting) -> Vec<u8> {
    let at = below(sealed.len(), rng);
    match below(4, rng) {
        0 => sealed.truncate(at),
        1 => sealed.push(0),
        _ => sealed[at] ^= 1 << below(8, rng),
    }
    sealed
}

fn below(end: usize, rng: &mut Counting) -> usize {
    let Ok(number) = rng.try_next_u64();
    usize::try_from(number).unwrap() % end
}

fn array<const N: usize>(rng: &mut Counting) -> [u8; N] {
    let mut out = [0; N];
    let Ok(()) = rng.try_fill_bytes(&mut out);
    out
}

fn bytes(len: usize, rng: &mut Counting) -> Vec<u8> {
    let mut out = vec![0; len];
    let Ok(()) = rng.try_fill_bytes(&mut out);
    out
}
