//! A keyring whose content is accepted is written again as the same bytes; no others open.
#![no_main]
use secrets_crypto::Suite;
use secrets_crypto::keyring::Keyring;
use secrets_fuzz::{ROOT, Repeat, SAFE, TENANT, keyring_around};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    assert!(Keyring::open(data, &ROOT, SAFE, TENANT).is_err());
    let sealed = keyring_around(data);
    if let Ok(keyring) = Keyring::open(&sealed, &ROOT, SAFE, TENANT) {
        let again = keyring.with_suite(Suite::Aes256Gcm).seal(&ROOT, &mut Repeat(3));
        assert_eq!(again, Ok(sealed));
    }
});
