//! Frontier, roots and proofs against the plain definition of RFC 6962.

use proptest::prelude::*;
use secrets_audit::proof::{self, Proof};
use secrets_audit::{Frontier, TreeHash, empty_root, leaf_hash, node_hash};

fn leaves(count: usize) -> Vec<TreeHash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

/// The definition, written differently from the implementation: level by level, an odd last node moves up.
fn naive_root(leaves: &[TreeHash]) -> TreeHash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| if pair.len() == 2 { node_hash(&pair[0], &pair[1]) } else { pair[0] })
            .collect();
    }
    level.first().copied().unwrap_or_else(empty_root)
}

#[test]
fn the_empty_tree_and_one_leaf_have_the_roots_of_the_rfc() {
    assert_eq!(empty_root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(Frontier::new().root(), empty_root());
    assert_eq!(
        leaf_hash(b"").to_string(),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
}

#[test]
fn the_frontier_of_every_size_has_the_root_of_the_whole_tree() {
    let leaves = leaves(300);
    let mut frontier = Frontier::new();
    for size in 0..=leaves.len() {
        assert_eq!(frontier.root(), naive_root(&leaves[..size]), "size {size}");
        assert_eq!(proof::root(&leaves[..size]), naive_root(&leaves[..size]), "size {size}");
        assert_eq!(frontier.roots().len(), size.count_ones() as usize);
        if let Some(leaf) = leaves.get(size) {
            frontier.push(*leaf);
        }
    }
}

#[test]
fn every_inclusion_proof_up_to_size_40_holds_for_its_leaf_alone() {
    let leaves = leaves(40);
    for size in 1..=40_u64 {
        let tree = &leaves[..usize::try_from(size).unwrap()];
        let root = naive_root(tree);
        for index in 0..size {
            let proof = proof::inclusion_proof(tree, index).unwrap();
            let leaf = tree[usize::try_from(index).unwrap()];
            proof::check_inclusion(&proof, &leaf, index, size, &root).unwrap();
            let other = leaf_hash(b"other");
            assert!(proof::check_inclusion(&proof, &other, index, size, &root).is_err());
            assert!(proof::check_inclusion(&proof, &leaf, index, size, &other).is_err());
            assert!(
                proof::check_inclusion(&proof, &leaf, (index + 1) % size, size, &root).is_err() || size == 1
            );
            assert!(proof::check_inclusion(&proof, &leaf, size, size, &root).is_err());
        }
        assert_eq!(proof::inclusion_proof(tree, size), None);
    }
}

#[test]
fn every_consistency_proof_up_to_size_40_holds_for_its_two_roots_alone() {
    let leaves = leaves(40);
    for new in 0..=40_u64 {
        let tree = &leaves[..usize::try_from(new).unwrap()];
        let new_root = naive_root(tree);
        for old in 0..=new {
            let old_root = naive_root(&tree[..usize::try_from(old).unwrap()]);
            let proof = proof::consistency_proof(tree, old).unwrap();
            proof::check_consistency(&proof, old, &old_root, new, &new_root).unwrap();
            let other = leaf_hash(b"other");
            assert!(proof::check_consistency(&proof, old, &other, new, &new_root).is_err());
            // Every tree begins with the empty one, whatever its root.
            assert!(old == 0 || proof::check_consistency(&proof, old, &old_root, new, &other).is_err());
            assert!(proof::check_consistency(&proof, new + 1, &old_root, new, &new_root).is_err());
        }
        assert_eq!(proof::consistency_proof(tree, new + 1), None);
    }
}

proptest! {
    #[test]
    fn a_changed_proof_does_not_hold(size in 2_u64..200, pick in any::<u64>(), which in any::<usize>(), bit in 0_usize..256) {
        let leaves = leaves(usize::try_from(size).unwrap());
        let root = naive_root(&leaves);
        let index = pick % size;
        let proof = proof::inclusion_proof(&leaves, index).unwrap();
        let leaf = leaves[usize::try_from(index).unwrap()];
        prop_assert!(proof::check_inclusion(&flip(&proof, which, bit), &leaf, index, size, &root).is_err());
        prop_assert!(proof::check_inclusion(&shorten(&proof), &leaf, index, size, &root).is_err());
        prop_assert!(proof::check_inclusion(&lengthen(&proof), &leaf, index, size, &root).is_err());

        let old = 1 + pick % (size - 1);
        let old_root = naive_root(&leaves[..usize::try_from(old).unwrap()]);
        let proof = proof::consistency_proof(&leaves, old).unwrap();
        prop_assert!(proof::check_consistency(&flip(&proof, which, bit), old, &old_root, size, &root).is_err());
        prop_assert!(proof::check_consistency(&shorten(&proof), old, &old_root, size, &root).is_err());
        prop_assert!(proof::check_consistency(&lengthen(&proof), old, &old_root, size, &root).is_err());
        prop_assert_eq!(proof.to_string().parse::<Proof>().unwrap(), proof);
    }

    #[test]
    fn any_proof_for_any_sizes_is_answered(hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70), a in any::<u64>(), b in any::<u64>()) {
        let proof = Proof::new(hashes.into_iter().map(TreeHash::from_bytes).collect());
        let (x, y) = (leaf_hash(b"x"), leaf_hash(b"y"));
        prop_assert!(proof::check_inclusion(&proof, &x, a, b, &y).is_err());
        prop_assert!(proof::check_consistency(&proof, a, &x, b, &y).is_err());
    }
}

fn flip(proof: &Proof, which: usize, bit: usize) -> Proof {
    let mut hashes = proof.hashes().to_vec();
    let which = which % hashes.len();
    let mut bytes = *hashes[which].as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    hashes[which] = TreeHash::from_bytes(bytes);
    Proof::new(hashes)
}

fn shorten(proof: &Proof) -> Proof {
    Proof::new(proof.hashes()[..proof.hashes().len() - 1].to_vec())
}

fn lengthen(proof: &Proof) -> Proof {
    Proof::new([proof.hashes(), &[leaf_hash(b"more")]].concat())
}
