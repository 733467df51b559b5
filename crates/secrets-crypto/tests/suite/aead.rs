//! The AEAD construction in both suites.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use proptest::prelude::*;
use secrets_crypto::aead::{CHUNK_LEN, open, seal, sealed_len};
use secrets_crypto::{Error, Key, Suite};
use serde_json::Value;

use crate::script::{Counting, Script, unhex};

const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

#[test]
fn every_length_around_a_chunk_round_trips() {
    let key = Key::from_bytes(&[1; 32]);
    for suite in SUITES {
        for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, 5 * CHUNK_LEN + 3] {
            let plaintext = vec![7; len];
            let sealed = seal(suite, &key, &[b"context\0"], &plaintext, &mut Counting(1)).unwrap();
            assert_eq!(sealed.len(), sealed_len(len));
            assert_eq!(sealed.capacity(), sealed.len(), "it never grew, so no copy was left behind");
            let opened = open(suite, &key, &[b"context\0"], &sealed).unwrap();
            assert_eq!(*opened, plaintext);
            assert_eq!(opened.capacity(), len, "nor here");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn new_ciphertexts_are_aes_where_the_system_lists_the_processors_instructions_for_it() {
    let listed = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let has = |names: &[&str]| listed.split_whitespace().any(|word| names.contains(&word));
    let expected = if has(&["aes"]) && has(&["pclmulqdq", "pmull"]) { SUITES[0] } else { SUITES[1] };
    assert_eq!(Suite::detect(), expected);
}

#[test]
fn a_ciphertext_opens_under_no_other_suite_key_or_context() {
    let key = Key::from_bytes(&[1; 32]);
    for suite in SUITES {
        let sealed = seal(suite, &key, &[b"one\0", b"two"], b"value", &mut Counting(1)).unwrap();
        assert!(open(suite, &key, &[b"one\0two"], &sealed).is_ok(), "the parts are only concatenated");
        for other in SUITES.into_iter().filter(|other| *other != suite) {
            assert_eq!(open(other, &key, &[b"one\0two"], &sealed).err(), Some(Error::Refused));
        }
        assert_eq!(open(suite, &key, &[b"one\0twp"], &sealed).err(), Some(Error::Refused));
        let other = Key::from_bytes(&[2; 32]);
        assert_eq!(open(suite, &other, &[b"one\0two"], &sealed).err(), Some(Error::Refused));
    }
}

#[test]
fn every_flipped_byte_and_every_truncation_is_refused() {
    let key = Key::from_bytes(&[1; 32]);
    for suite in SUITES {
        let sealed = seal(suite, &key, &[b"c\0"], &[3; 100], &mut Counting(1)).unwrap();
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 0x40;
            assert_eq!(open(suite, &key, &[b"c\0"], &flipped).err(), Some(Error::Refused), "byte {at}");
            assert_eq!(
                open(suite, &key, &[b"c\0"], &sealed[..at]).err(),
                Some(Error::Refused),
                "cut at {at}"
            );
        }
        assert!(open(suite, &key, &[b"c\0"], &[&sealed[..], &[0]].concat()).is_err());
    }
}

#[test]
fn chunks_cut_off_exchanged_or_repeated_are_refused() {
    let (key, chunk) = (Key::from_bytes(&[1; 32]), CHUNK_LEN + 16);
    for suite in SUITES {
        let sealed = seal(suite, &key, &[b"c\0"], &vec![3; 2 * CHUNK_LEN + 9], &mut Counting(1)).unwrap();
        let (head, body) = sealed.split_at(56);
        let chunks: Vec<&[u8]> = body.chunks(chunk).collect();
        for order in
            [&[0, 1][..], &[0, 2], &[1, 0, 2], &[0, 0, 1, 2], &[0, 1, 1, 2], &[0, 1, 2, 2], &[2], &[]]
        {
            let body: Vec<&[u8]> = order.iter().map(|&i| chunks[i]).collect();
            let altered = [head, &body.concat()].concat();
            assert_eq!(open(suite, &key, &[b"c\0"], &altered).err(), Some(Error::Refused), "{order:?}");
        }
    }
}

#[test]
fn a_ciphertext_that_plain_gcm_opens_under_two_keys_opens_under_one() {
    let file: Value = serde_json::from_str(include_str!("../vectors/two_keys.json")).unwrap();
    let keys = file["keys"].as_array().unwrap();
    let body = unhex(&file["body"]);
    for key in keys {
        let plain = Aes256Gcm::new_from_slice(&unhex(&key["message_key"])).unwrap();
        let nonce = Nonce::try_from(&unhex(&key["nonce"])[..]).unwrap();
        assert!(plain.decrypt(&nonce, &body[..]).is_ok(), "plain GCM takes either key");
    }
    for (writer, committed) in keys.iter().enumerate() {
        let sealed = [unhex(&file["salt"]), unhex(&committed["commitment"]), body.clone()].concat();
        for (reader, key) in keys.iter().enumerate() {
            let key = Key::from_bytes(&unhex(&key["key"]).try_into().unwrap());
            let opened = open(Suite::Aes256Gcm, &key, &[&unhex(&file["context"])], &sealed);
            assert_eq!(opened.is_ok(), writer == reader, "committed to key {writer}, opened with {reader}");
        }
    }
}

#[test]
fn a_failing_source_of_randomness_is_an_error() {
    let key = Key::from_bytes(&[1; 32]);
    let failed = seal(Suite::Aes256Gcm, &key, &[], b"value", &mut Script::new(&[&[0; 23]]));
    assert_eq!(failed.err(), Some(Error::Random));
    assert_eq!(Key::generate(&mut Script::new(&[])).err(), Some(Error::Random));
}

#[test]
fn two_seals_of_one_value_differ() {
    let key = Key::from_bytes(&[1; 32]);
    let mut rng = Counting(1);
    let one = seal(Suite::Aes256Gcm, &key, &[], b"value", &mut rng).unwrap();
    assert_ne!(one, seal(Suite::Aes256Gcm, &key, &[], b"value", &mut rng).unwrap());
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens(
        plaintext in prop::collection::vec(any::<u8>(), 0..40_000),
        context in prop::collection::vec(any::<u8>(), 0..300),
        key: [u8; 32],
        seed: u64,
        second: bool,
    ) {
        let (suite, key) = (SUITES[usize::from(second)], Key::from_bytes(&key));
        let sealed = seal(suite, &key, &[&context], &plaintext, &mut Counting(seed)).unwrap();
        prop_assert_eq!(sealed.len(), sealed_len(plaintext.len()));
        prop_assert_eq!(&*open(suite, &key, &[&context], &sealed).unwrap(), &plaintext);
    }

    #[test]
    fn no_bytes_open_that_were_not_sealed(bytes in prop::collection::vec(any::<u8>(), 0..40_000)) {
        for suite in SUITES {
            prop_assert_eq!(open(suite, &Key::from_bytes(&[1; 32]), &[], &bytes).err(), Some(Error::Refused));
        }
    }
}
