//! A header that decodes encodes to the same bytes, and its MAC does not hold under a key that did not make it.
#![no_main]
use secrets_crypto::header::{Copies, Header};
use secrets_fuzz::{ROOT, header_of};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = Copies::read(data).in_order();
    let bytes = header_of(data);
    if let Ok(header) = Header::decode(&bytes) {
        let key = ROOT.header_key(&header.safe_id());
        let again = header.encode(&key);
        assert_eq!(again[..again.len() - 32], bytes[..bytes.len() - 32]);
        assert!(header.verify_mac(&key).is_err());
    }
});
