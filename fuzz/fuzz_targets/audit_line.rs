//! A line that the verifier accepts is one that the reader reads, and that the writer spells in just this way.
#![no_main]
use secrets_audit::{SigningKey, open_line, read::Entry, sign_line, verify_log};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let key = SigningKey::from_seed(&[7; 32]);
    let line = sign_line(data, &key);
    assert_eq!(open_line(&line[..line.len() - 1], &key.verifying_key()), Ok(data));
    let report = verify_log(&line[..], &key.verifying_key(), &[]).expect("memory does not fail");
    if report.fault.is_none() {
        let entry = Entry::from_payload(data).expect("what verifies is read");
        assert_eq!(entry.said.to_payload(entry.seq, &entry.prev).ok().as_deref(), Some(data));
    }
});
