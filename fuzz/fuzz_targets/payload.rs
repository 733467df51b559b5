//! An envelope whose plaintext is accepted is sealed again as the same bytes.
#![no_main]
use secrets_crypto::envelope::{Envelope, Expected, NewEnvelope, seal};
use secrets_fuzz::{KEYRING, Repeat, envelope_around, version_of};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let sealed = envelope_around(data);
    let expected = Expected { path: "default/fuzz", version: Some(1) };
    if let Ok(opened) = Envelope::parse(&sealed).and_then(|parsed| parsed.open(&KEYRING, &expected)) {
        let new = NewEnvelope { metadata: &opened.metadata, ..version_of(&opened.value) };
        assert_eq!(seal(&KEYRING, &new, &mut Repeat(3)), Ok(sealed));
    }
});
