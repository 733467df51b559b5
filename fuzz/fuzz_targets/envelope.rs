//! Whatever parses has one text form; what was sealed opens to the same bytes, and not with one of them changed.
#![no_main]
use secrets_crypto::envelope::{Envelope, Expected, from_text, seal, to_text};
use secrets_fuzz::{KEYRING, Numbers, version_of};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    assert!(Envelope::parse(data).is_err() || from_text(&to_text(data)).as_deref() == Ok(data));
    let expected = Expected { path: "default/fuzz", version: Some(1) };
    let open = |bytes: &[u8]| Envelope::parse(bytes)?.open(&KEYRING, &expected).map(|opened| opened.value);
    let mut sealed = seal(&KEYRING, &version_of(data), &mut Numbers(9)).expect("a short value is sealed");
    assert_eq!(*open(&sealed).expect("what was sealed opens"), data);
    let at = data.first().map_or(0, |byte| usize::from(*byte) * sealed.len() / 256);
    sealed[at] ^= 1;
    assert!(open(&sealed).is_err(), "byte {at}");
});
