//! Vectors of others: Wycheproof, RFC 9106, BIP-39.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use chacha20poly1305::ChaCha20Poly1305;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use secrets_crypto::{Key, RecoveryPhrase, Suite, aead};
use sha2::{Digest, Sha256, Sha512};
use wycheproof::TestResult;

use crate::script::Script;

#[test]
fn chunked_encryption_agrees_with_wycheproof() {
    use wycheproof::chunked_encryption::{TestName, TestSet};
    let mut opened = 0;
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let sealed = miniz_oxide::inflate::decompress_to_vec_zlib(&test.ct).unwrap();
        // A key of another length cannot even be written down here.
        let Ok(key) = <&[u8; 32]>::try_from(&test.key[..]).map(Key::from_bytes) else {
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            continue;
        };
        let result = aead::open(Suite::Aes256Gcm, &key, &[&test.ctx], &sealed);
        assert_eq!(result.is_ok(), test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
        if let Ok(plaintext) = result {
            opened += 1;
            assert_eq!(Some(plaintext.len()), test.msg_length, "{}", test.tc_id);
            let hash = test.msg_sha512.as_ref().map(|hash| hash.to_vec());
            assert_eq!(Some(Sha512::digest(&*plaintext).to_vec()), hash, "{}", test.tc_id);
            let again = aead::seal(
                Suite::Aes256Gcm,
                &key,
                &[&test.ctx],
                &plaintext,
                &mut Script::new(&[&sealed[..24]]),
            );
            assert!(again.unwrap() == sealed, "{}: sealed again with the same salt", test.tc_id);
        }
    }
    assert!(opened > 0 && opened < set.number_of_tests);
}

#[test]
fn aes_256_gcm_and_chacha20_poly1305_agree_with_wycheproof() {
    use wycheproof::aead::TestName;
    assert!(check_aead::<Aes256Gcm>(TestName::AesGcm) > 30);
    assert!(check_aead::<ChaCha20Poly1305>(TestName::ChaCha20Poly1305) > 100);
}

/// How many vectors fit the cipher's sizes of key, nonce and tag.
fn check_aead<C: Aead + KeyInit>(name: wycheproof::aead::TestName) -> usize {
    let mut checked = 0;
    let set = wycheproof::aead::TestSet::load(name).unwrap();
    let fitting = set.test_groups.iter().filter(|group| group.key_size == 256 && group.nonce_size == 96);
    for test in fitting.flat_map(|group| &group.tests) {
        let cipher = C::new_from_slice(&test.key).unwrap();
        let nonce = test.nonce[..].try_into().unwrap();
        let sealed = [&test.ct[..], &test.tag].concat();
        let opened = cipher.decrypt(nonce, Payload { msg: &sealed, aad: &test.aad });
        assert_eq!(opened.is_ok(), test.result == TestResult::Valid, "{}", test.tc_id);
        if let Ok(plaintext) = opened {
            assert_eq!(plaintext, *test.pt, "{}", test.tc_id);
            let again = cipher.encrypt(nonce, Payload { msg: &test.pt, aad: &test.aad }).unwrap();
            assert_eq!(again, sealed, "{}", test.tc_id);
        }
        checked += 1;
    }
    checked
}

#[test]
fn hkdf_sha_512_agrees_with_wycheproof() {
    use wycheproof::hkdf::{TestName, TestSet};
    let set = TestSet::load(TestName::HkdfSha512).unwrap();
    assert!(set.number_of_tests > 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let result = Hkdf::<Sha512>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
        assert_eq!(result.is_ok(), !test.result.must_fail(), "{}", test.tc_id);
        if result.is_ok() {
            assert_eq!(okm, *test.okm, "{}", test.tc_id);
        }
    }
}

#[test]
fn hmac_agrees_with_wycheproof() {
    use wycheproof::mac::TestName;
    check_mac(TestName::HmacSha256, mac::<Hmac<Sha256>>);
    check_mac(TestName::HmacSha512, mac::<Hmac<Sha512>>);
}

fn check_mac(name: wycheproof::mac::TestName, mac: impl Fn(&[u8], &[u8]) -> Vec<u8>) {
    let set = wycheproof::mac::TestSet::load(name).unwrap();
    assert!(set.number_of_tests > 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let computed = mac(&test.key, &test.msg);
            let same = computed[..group.tag_size / 8] == test.tag[..];
            assert_eq!(same, test.result == TestResult::Valid, "{}", test.tc_id);
        }
    }
}

fn mac<M: Mac + hmac::KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    <M as hmac::KeyInit>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes().to_vec()
}

#[test]
fn pbkdf2_hmac_sha_256_agrees_with_wycheproof() {
    use wycheproof::pbkdf2::{TestName, TestSet};
    let set = TestSet::load(TestName::Pbkdf2HmacSha256).unwrap();
    assert!(set.number_of_tests > 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut out = vec![0; test.dk_len];
        let rounds = u32::try_from(test.iteration_count).unwrap();
        pbkdf2::pbkdf2_hmac::<Sha256>(&test.password, &test.salt, rounds, &mut out);
        assert_eq!(out == *test.dk, test.result == TestResult::Valid, "{}", test.tc_id);
    }
}

#[test]
fn ed25519_agrees_with_wycheproof() {
    use ed25519_dalek::{Signature, VerifyingKey};
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).unwrap();
    assert!(set.number_of_tests > 0);
    for group in &set.test_groups {
        let key = VerifyingKey::from_bytes(group.key.pk[..].try_into().unwrap()).unwrap();
        for test in &group.tests {
            let verified = Signature::from_slice(&test.sig)
                .is_ok_and(|signature| key.verify_strict(&test.msg, &signature).is_ok());
            assert_eq!(verified, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
        }
    }
}

#[test]
fn argon2id_agrees_with_rfc_9106() {
    // RFC 9106, section 5.3.
    const TAG: [u8; 32] = [
        0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9, 0xd0,
        0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
    ];
    let params = ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(AssociatedData::new(&[4; 12]).unwrap())
        .build()
        .unwrap();
    let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut tag = [0; 32];
    argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
    assert_eq!(tag, TAG);
}

#[test]
fn recovery_phrases_agree_with_bip_39() {
    let one_word = |word: &str, last: &str| format!("{}{last}", format!("{word} ").repeat(23));
    let hex = |text: &str| -> Vec<u8> {
        (0..64).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let vectors = [
        (vec![0; 32], one_word("abandon", "art")),
        (
            vec![0x7f; 32],
            "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful \
             legal winner thank year wave sausage worth title"
                .into(),
        ),
        (
            vec![0x80; 32],
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor \
             acoustic avoid letter advice cage absurd amount doctor acoustic bless"
                .into(),
        ),
        (vec![0xff; 32], one_word("zoo", "vote")),
        (
            hex("68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c"),
            "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel \
             tennis maple dilemma loan word shrug inflict delay length"
                .into(),
        ),
        (
            hex("9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863"),
            "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed nation \
             flash devote level hobby quick inner drive ghost inside"
                .into(),
        ),
        (
            hex("066dca1a2bb7e8a1db2832148ce9933eea0f3ac9548d793112d9a95c9407efad"),
            "all hour make first leader extend hole alien behind guard gospel lava path output census museum \
             junior mass reopen famous sing advance salt reform"
                .into(),
        ),
        (
            hex("f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f"),
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen \
             patrol group space point ten exist slush involve unfold"
                .into(),
        ),
    ];
    for (entropy, words) in vectors {
        let phrase = RecoveryPhrase::generate(&mut Script::new(&[&entropy])).unwrap();
        assert_eq!(*phrase.words(), words);
        assert_eq!(*RecoveryPhrase::parse(&words).unwrap().words(), words);
    }
}
