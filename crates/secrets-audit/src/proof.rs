//! Proofs that an entry is in a log and that a log only grew, as RFC 6962 defines and RFC 9162 checks them.

use std::fmt;
use std::io::BufRead;
use std::str::FromStr;

use crate::read::{Line, Lines};
use crate::{Error, Result, TreeHash, empty_root, leaf_hash, node_hash};

/// The hashes of a proof, in the order of RFC 6962 sections 2.1.1 and 2.1.2.
///
/// Its text is one base64 hash a line; that of the empty proof is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof(Vec<TreeHash>);

impl Proof {
    /// A proof from its hashes.
    #[must_use]
    pub const fn new(hashes: Vec<TreeHash>) -> Self {
        Self(hashes)
    }

    /// The hashes.
    #[must_use]
    pub fn hashes(&self) -> &[TreeHash] {
        &self.0
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))
    }
}

impl FromStr for Proof {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::malformed("proof", "it is not one base64 hash a line");
        if text.is_empty() {
            return Ok(Self::default());
        }
        let lines = text.strip_suffix('\n').ok_or_else(wrong)?.split('\n');
        lines.map(|line| TreeHash::from_base64(line).ok_or_else(wrong)).collect::<Result<_>>().map(Self)
    }
}

/// The leaf hashes of a log, in order, from its lines: 32 bytes of memory an entry.
///
/// Nothing is verified; a proof made from wrong leaves does not hold against the signed root.
///
/// # Errors
///
/// [`Error::Malformed`] for a line without a tab or a torn last line, [`Error::Io`].
pub fn leaf_hashes(log: impl BufRead) -> Result<Vec<TreeHash>> {
    let mut lines = Lines::new(log);
    let mut leaves = Vec::new();
    loop {
        match lines.next().map_err(Error::io("read the audit log"))? {
            Line::End => return Ok(leaves),
            Line::Whole(line) => match line.iter().rposition(|byte| *byte == b'\t') {
                Some(tab) => leaves.push(leaf_hash(&line[..tab])),
                None => return Err(Error::malformed("audit log", "a line has no signature")),
            },
            Line::Torn | Line::TooLong(_) => return Err(Error::malformed("audit log", "a line has no end")),
        }
    }
}

/// The root over all of `leaves`.
#[must_use]
pub fn root(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// Proves that the leaf at `index` is in the tree over all of `leaves`; `None` where there is no such leaf.
#[must_use]
pub fn inclusion_proof(leaves: &[TreeHash], index: u64) -> Option<Proof> {
    let mut index = usize::try_from(index).ok().filter(|index| *index < leaves.len())?;
    let mut part = leaves;
    let mut hashes = Vec::new();
    while part.len() > 1 {
        let (left, right) = part.split_at(split(part.len()));
        if index < left.len() {
            hashes.push(root(right));
            part = left;
        } else {
            hashes.push(root(left));
            index -= left.len();
            part = right;
        }
    }
    hashes.reverse();
    Some(Proof(hashes))
}

/// Proves that the tree over all of `leaves` begins with the tree over the first `old_size`; `None` where there are
/// fewer.
#[must_use]
pub fn consistency_proof(leaves: &[TreeHash], old_size: u64) -> Option<Proof> {
    let mut old = usize::try_from(old_size).ok().filter(|old| *old <= leaves.len())?;
    if old == 0 || old == leaves.len() {
        return Some(Proof::default());
    }
    let mut part = leaves;
    let mut hashes = Vec::new();
    // Whether `part` is still the whole left side of the old tree, whose root the checker has.
    let mut known = true;
    while old < part.len() {
        let (left, right) = part.split_at(split(part.len()));
        if old <= left.len() {
            hashes.push(root(right));
            part = left;
        } else {
            hashes.push(root(left));
            old -= left.len();
            part = right;
            known = false;
        }
    }
    if !known {
        hashes.push(root(part));
    }
    hashes.reverse();
    Some(Proof(hashes))
}

/// Checks that `leaf` is number `index` of the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2).
///
/// # Errors
///
/// [`Error::BadProof`].
pub fn check_inclusion(proof: &Proof, leaf: &TreeHash, index: u64, size: u64, root: &TreeHash) -> Result<()> {
    let wrong = Error::BadProof("inclusion");
    if index >= size {
        return Err(wrong);
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in &proof.0 {
        if last == 0 {
            return Err(wrong);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            skip_levels_without_sibling(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(wrong) }
}

/// Checks that the tree of `new_size` leaves begins with the tree of `old_size` (RFC 9162, section 2.1.4.2).
///
/// # Errors
///
/// [`Error::BadProof`].
pub fn check_consistency(
    proof: &Proof,
    old_size: u64,
    old_root: &TreeHash,
    new_size: u64,
    new_root: &TreeHash,
) -> Result<()> {
    let holds = match (old_size, proof.0.as_slice()) {
        (0, []) => *old_root == empty_root() && (new_size > 0 || *new_root == empty_root()),
        (_, []) => old_size == new_size && old_root == new_root,
        // A complete old tree is a node of the new one, and its root is not repeated in the proof.
        (_, path) if old_size.is_power_of_two() => {
            old_size < new_size && grows(*old_root, path, old_size, old_root, new_size, new_root)
        }
        (_, [first, path @ ..]) => {
            0 < old_size && old_size < new_size && grows(*first, path, old_size, old_root, new_size, new_root)
        }
    };
    if holds { Ok(()) } else { Err(Error::BadProof("consistency")) }
}

fn grows(
    first: TreeHash,
    path: &[TreeHash],
    old_size: u64,
    old_root: &TreeHash,
    new_size: u64,
    new_root: &TreeHash,
) -> bool {
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    let complete = node.trailing_ones();
    // A shift by all 64 bits would overflow; a tree of 2^64 leaves does not exist.
    node = node.checked_shr(complete).unwrap_or(0);
    last = last.checked_shr(complete).unwrap_or(0);
    let (mut old, mut new) = (first, first);
    for hash in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            skip_levels_without_sibling(&mut node, &mut last);
        } else {
            new = node_hash(&new, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old == *old_root && new == *new_root
}

/// The last node of a level has no sibling where the level is odd: it moves up unchanged.
const fn skip_levels_without_sibling(node: &mut u64, last: &mut u64) {
    while *node & 1 == 0 && *node != 0 {
        *node >>= 1;
        *last >>= 1;
    }
}

/// The largest power of two below `length`, which is at least 2: where RFC 6962 splits a tree.
const fn split(length: usize) -> usize {
    1 << (length - 1).ilog2()
}
