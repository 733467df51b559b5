//! Whatever parses has one text form and opens for nobody; what was sealed opens to the same bytes.
#![no_main]
use secrets_crypto::envelope::{Envelope, Expected, from_text, seal, to_text};
use secrets_fuzz::{Counter, KEYRING, version_of};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let expected = Expected { path: "default/fuzz", version: Some(1) };
    if let Ok(parsed) = Envelope::parse(data) {
        assert_eq!(from_text(&to_text(data)).as_deref(), Ok(data));
        assert!(parsed.open(&KEYRING, &expected).is_err());
    }
    let sealed = seal(&KEYRING, &version_of(data), &mut Counter(9)).expect("a short value is sealed");
    let opened = Envelope::parse(&sealed).and_then(|envelope| envelope.open(&KEYRING, &expected));
    assert_eq!(*opened.expect("what was sealed opens").value, data);
});
