//! The vectors of `tests/vectors`, made by other implementations, agree both ways.
//!
//! Their payloads have fields that the schema does not: what is signed and hashed are exact bytes, whatever they hold.

use std::time::Duration;

use secrets_audit::note::{Note, NoteKey};
use secrets_audit::proof::{self, Proof};
use secrets_audit::{
    Checkpoint, Frontier, Reason, SigningKey, TreeHash, leaf_hash, open_line, read, sign_line, verify_log,
};

const LOG: &[u8] = include_bytes!("../vectors/audit.jsonl");
const CHECKPOINTS: [(usize, &str); 2] =
    [(3, include_str!("../vectors/checkpoint-3.txt")), (7, include_str!("../vectors/checkpoint-7.txt"))];
const CONSISTENCY: &str = include_str!("../vectors/consistency-3-7.txt");
const COSIGNATURE: &str = include_str!("../vectors/cosignature-7.txt");
const VKEY: &str = include_str!("../vectors/vkey.txt");
const WITNESS: &str = "witness.invalid/w1";

/// The generator's key: bytes 0 to 31.
fn key() -> SigningKey {
    SigningKey::from_seed(&std::array::from_fn(|index| u8::try_from(index).unwrap()))
}

/// The generator's witness: bytes 32 to 63.
fn witness() -> SigningKey {
    SigningKey::from_seed(&std::array::from_fn(|index| u8::try_from(index + 32).unwrap()))
}

fn vkey() -> NoteKey {
    VKEY.trim_end().parse().unwrap()
}

fn payloads() -> Vec<&'static [u8]> {
    let lines = LOG.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n');
    lines.map(|line| open_line(line, vkey().key()).unwrap()).collect()
}

fn leaves() -> Vec<TreeHash> {
    payloads().into_iter().map(leaf_hash).collect()
}

#[test]
fn every_line_of_the_vector_opens_and_is_signed_to_the_same_bytes() {
    let signed: Vec<u8> = payloads().iter().flat_map(|payload| sign_line(payload, &key())).collect();
    assert_eq!(signed, LOG);
    assert_eq!(payloads().len(), 7);
}

#[test]
fn every_payload_names_the_leaf_hash_before_it() {
    let mut last = TreeHash::ZERO;
    for payload in payloads() {
        let named = format!("\"prev\":\"{last}\"");
        assert!(std::str::from_utf8(payload).unwrap().contains(&named));
        last = leaf_hash(payload);
    }
}

#[test]
fn the_verifier_key_reads_and_writes_the_same_text() {
    assert_eq!(vkey().key(), &key().verifying_key());
    assert_eq!(format!("{}\n", vkey()), VKEY);
    assert_eq!(NoteKey::signer(vkey().name().clone(), key().verifying_key()), vkey());
}

#[test]
fn checkpoints_open_and_are_signed_to_the_same_bytes() {
    let leaves = leaves();
    for (size, text) in CHECKPOINTS {
        let note: Note = text.parse().unwrap();
        assert_eq!(note.to_string(), text);
        let checkpoint = Checkpoint::open(&note, &vkey()).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (size as u64, proof::root(&leaves[..size])));

        let mut frontier = Frontier::new();
        leaves[..size].iter().for_each(|leaf| frontier.push(*leaf));
        let ours = Checkpoint { origin: vkey().name().clone(), size: frontier.size(), root: frontier.root() };
        assert_eq!(ours.sign(&key()).unwrap().to_string(), text);
    }
}

#[test]
fn the_consistency_proof_holds_and_is_made_to_the_same_bytes() {
    let leaves = leaves();
    assert_eq!(proof::leaf_hashes(LOG).unwrap(), leaves);
    let proof: Proof = CONSISTENCY.parse().unwrap();
    let (old, new) = (proof::root(&leaves[..3]), proof::root(&leaves));
    proof::check_consistency(&proof, 3, &old, 7, &new).unwrap();
    assert_eq!(proof::consistency_proof(&leaves, 3).unwrap().to_string(), CONSISTENCY);
}

#[test]
fn the_cosignature_holds_and_is_made_to_the_same_bytes() {
    let name: secrets_audit::KeyName = WITNESS.parse().unwrap();
    let key = NoteKey::witness(name.clone(), witness().verifying_key());
    let mut note: Note = CHECKPOINTS[1].1.parse().unwrap();
    note.add_signature_line(COSIGNATURE).unwrap();
    assert_eq!(key.verify_cosignature(&note).unwrap(), 1_760_000_100);
    assert!(Checkpoint::open(&note, &vkey()).is_ok(), "the log's own signature must still be found");

    let mut ours: Note = CHECKPOINTS[1].1.parse().unwrap();
    ours.cosign(1_760_000_100, &name, &witness());
    assert_eq!(ours.to_string(), format!("{}{COSIGNATURE}", CHECKPOINTS[1].1));
    assert_eq!(key.to_string().parse::<NoteKey>().unwrap(), key);

    let mut other: Note = CHECKPOINTS[0].1.parse().unwrap();
    other.add_signature_line(COSIGNATURE).unwrap();
    assert!(key.verify_cosignature(&other).is_err(), "a cosignature covers one checkpoint only");
}

/// Runs `accepts` on every alteration of `text`: each bit flipped, each cut, a character more. None may pass;
/// what is no longer UTF-8 cannot even be handed over.
fn no_alteration_passes(text: &str, accepts: impl Fn(&str) -> bool) {
    assert!(accepts(text), "intact");
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut flipped = text.as_bytes().to_vec();
            flipped[at] ^= 1 << bit;
            let passes = std::str::from_utf8(&flipped).is_ok_and(&accepts);
            assert!(!passes, "bit {bit} of byte {at} of {text}");
        }
        assert!(!text.is_char_boundary(at) || !accepts(&text[..at]), "cut at {at} of {text}");
    }
    for more in ['\0', '\n', ' ', '=', 'A', '\u{2014}'] {
        assert!(!accepts(&format!("{text}{more}")), "{more:?} behind {text}");
    }
}

#[test]
fn no_altered_checkpoint_opens() {
    for (_, text) in CHECKPOINTS {
        no_alteration_passes(text, |text| {
            text.parse::<Note>().and_then(|note| Checkpoint::open(&note, &vkey())).is_ok()
        });
    }
}

#[test]
fn no_altered_cosignature_holds() {
    let note: Note = CHECKPOINTS[1].1.parse().unwrap();
    let key = NoteKey::witness(WITNESS.parse().unwrap(), witness().verifying_key());
    no_alteration_passes(COSIGNATURE.trim_end(), |line| {
        let mut note = note.clone();
        // The line feed at its end may be missing, so one more changes nothing.
        !line.ends_with('\n')
            && note.add_signature_line(line).and_then(|()| key.verify_cosignature(&note)).is_ok()
    });
}

#[test]
fn no_altered_verifier_key_is_read() {
    no_alteration_passes(VKEY.trim_end(), |text| text.parse::<NoteKey>().is_ok());
}

#[test]
fn no_altered_consistency_proof_holds() {
    let (old, new) = (proof::root(&leaves()[..3]), proof::root(&leaves()));
    no_alteration_passes(CONSISTENCY, |text| {
        text.parse().and_then(|proof: Proof| proof::check_consistency(&proof, 3, &old, 7, &new)).is_ok()
    });
}

#[test]
fn payloads_of_another_schema_are_signed_and_still_no_entries() {
    let report = verify_log(LOG, vkey().key(), &[]).unwrap();
    let fault = report.fault.unwrap();
    assert!(matches!(fault.reason, Reason::NotCanonical | Reason::UnknownName), "{fault:?}");
    assert_eq!(fault.seq, 0);
    assert!(read::Entries::new(LOG).next().unwrap().is_err());
}

#[test]
fn a_line_of_a_full_entry_has_exactly_the_specified_bytes() {
    let place = super::sample::Place::new();
    let log = place.open().unwrap();
    log.append(vec![super::sample::full(1)], secrets_audit::Durability::Synced).unwrap();
    let zeros = "0".repeat(64);
    let expected = format!(
        concat!(
            r#"{{"v":1,"seq":0,"prev":"{}","ts":1760000000001,"boot":"b0","#,
            r#""tenant":"04040404040404040404040404040404","actor":"uid:1000","act":"secret.write","#,
            r#""objs":[["01010101010101010101010101010101",0,""],"#,
            r#"["02020202020202020202020202020202",7,"{}"]],"#,
            r#""pol":"default.allow","op":"00000000000000000000000000000001","out":"error","#,
            r#""code":"not-found","det":"c2VhbGVk"}}"#
        ),
        zeros,
        "03".repeat(32)
    );
    assert_eq!(place.bytes(), sign_line(expected.as_bytes(), &super::sample::key()));
    assert!(read::snapshot(&place.log(), Duration::ZERO).is_ok());
}
