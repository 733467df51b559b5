//! The hashes of RFC 6962: of a leaf, of a node, of the empty tree.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::hex;

/// A SHA-256 hash in the Merkle tree over the log: of a leaf, a node or a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TreeHash([u8; 32]);

impl TreeHash {
    /// Thirty-two zero bytes: what the first entry names as the hash before it.
    pub const ZERO: Self = Self([0; 32]);

    /// A hash from its 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Canonical padded base64 (44 characters), as checkpoints and proofs write it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// From canonical padded base64; `None` for anything else.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

/// Lower-case hexadecimal, as `prev` of an entry writes it.
impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeHash({self})")
    }
}

/// The hash of a leaf: SHA-256(0x00 ‖ payload), RFC 6962 section 2.1.
#[must_use]
pub fn leaf_hash(payload: &[u8]) -> TreeHash {
    TreeHash(Sha256::new().chain_update([0]).chain_update(payload).finalize().into())
}

/// The hash of a node: SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1.
#[must_use]
pub fn node_hash(left: &TreeHash, right: &TreeHash) -> TreeHash {
    TreeHash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The root of a tree without leaves: SHA-256 of nothing, RFC 6962 section 2.1.
#[must_use]
pub fn empty_root() -> TreeHash {
    TreeHash(Sha256::digest([]).into())
}
