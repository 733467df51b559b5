//! A proof has one text; of a tree, the proof that is made is accepted and no other.
#![no_main]
use secrets_audit::proof::{Proof, check_consistency, check_inclusion, consistency_proof, root};
use secrets_audit::{TreeHash, leaf_hash};

libfuzzer_sys::fuzz_target!(|input: (u64, u64, &str)| {
    let Ok(proof) = input.2.parse::<Proof>() else { return };
    assert_eq!(proof.to_string(), input.2);
    assert!(check_inclusion(&proof, &leaf_hash(b""), input.0, input.1, &TreeHash::ZERO).is_err());
    let leaves: Vec<TreeHash> = (0..input.1 % 40).map(|number| leaf_hash(&number.to_be_bytes())).collect();
    let (old, new) = (input.0 % (leaves.len() as u64 + 1), leaves.len() as u64);
    let accepted = check_consistency(&proof, old, &root(&leaves[..old as usize]), new, &root(&leaves));
    assert_eq!(accepted.is_ok(), consistency_proof(&leaves, old) == Some(proof));
});
