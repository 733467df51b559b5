//! Signed notes, verifier keys and checkpoints have one text each; a signed text verifies.
#![no_main]
use secrets_audit::note::{Note, NoteKey};
use secrets_audit::{Checkpoint, SigningKey};

libfuzzer_sys::fuzz_target!(|text: &str| {
    assert!(text.parse().map_or(true, |note: Note| note.to_string() == text));
    assert!(text.parse().map_or(true, |key: NoteKey| key.to_string() == text));
    assert!(Checkpoint::from_text(text).map_or(true, |checkpoint| text.starts_with(&checkpoint.to_text())));
    let (key, name) = (SigningKey::from_seed(&[7; 32]), "fuzz".parse().expect("a name"));
    let Ok(note) = Note::sign(text, &name, &key) else { return };
    let read: Note = note.to_string().parse().expect("what was signed is read");
    assert_eq!(NoteKey::signer(name, key.verifying_key()).verify(&read).ok(), Some(text));
});
