//! The bounds of signed notes and of their keys' names.

use secrets_audit::note::{Note, NoteKey};
use secrets_audit::{Error, KeyName};

use super::sample::{key, origin, public};

fn signed(text: &str) -> Result<Note, Error> {
    Note::sign(text, &origin(), &key())
}

#[test]
fn a_key_name_has_neither_white_space_nor_plus_nor_controls_and_at_most_255_bytes() {
    for good in ["a", "ü", &"x".repeat(255)] {
        let name: KeyName = good.parse().unwrap();
        assert_eq!(name.to_string(), good);
    }
    for wrong in ["", "a b", "a\u{a0}b", "a+b", "a\u{7f}b", "a\nb", &"x".repeat(256)] {
        assert!(wrong.parse::<KeyName>().is_err(), "{wrong:?}");
    }
}

#[test]
fn a_signed_text_ends_with_a_line_feed_and_holds_no_other_control() {
    for good in ["\n", "a\n", "a\n\nb\n", "\u{2014} ü\n"] {
        let note: Note = signed(good).unwrap().to_string().parse().unwrap();
        assert_eq!(NoteKey::signer(origin(), public()).verify(&note).unwrap(), good);
    }
    for wrong in ["", "a", "a\r\n", "a\tb\n", "a\0\n", "\u{7f}\n"] {
        assert!(signed(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_note_has_at_most_a_million_bytes_and_a_hundred_signatures() {
    let fixed = signed("\n").unwrap().to_string().len();
    let of_length = |length: usize| format!("{}\n", "a".repeat(length - fixed));
    let note = |length| signed(&of_length(length)).unwrap().to_string();
    assert_eq!(note(1_000_000).len(), 1_000_000);
    assert!(note(1_000_000).parse::<Note>().is_ok());
    assert!(note(1_000_001).parse::<Note>().is_err());

    let mut note = signed("a\n").unwrap();
    for time in 1..100 {
        note.cosign(time, &origin(), &key());
    }
    assert_eq!(note.to_string().parse::<Note>().unwrap(), note);
    note.cosign(100, &origin(), &key());
    assert!(note.to_string().parse::<Note>().is_err());
}

#[test]
fn signature_and_cosignature_of_one_name_and_key_are_told_apart() {
    let (signer, witness) = (NoteKey::signer(origin(), public()), NoteKey::witness(origin(), public()));
    assert_eq!((signer.name(), signer.key()), (&origin(), &public()));
    let mut note = signed("a\n").unwrap();
    assert!(witness.verify_cosignature(&note).is_err());
    note.cosign(7, &origin(), &key());
    assert_eq!(witness.verify_cosignature(&note).unwrap(), 7);
    assert!(signer.verify_cosignature(&note).is_err());
    assert!(witness.verify(&note).is_err());
    assert_eq!(signer.verify(&note).unwrap(), "a\n");
}
