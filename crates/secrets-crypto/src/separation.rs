//! The strings that keep one use of a key apart from every other.
//!
//! Each ends in a zero byte and holds no other, so none is a prefix of another.

/// Context of a slot: followed by safe id and slot fields.
pub const SLOT: &[u8] = b"sev1/slot\0";
/// HKDF info of the slot key of a key file: followed by the safe id.
pub const SLOT_KEY_FILE: &[u8] = b"sev1/slot-key-file\0";
/// HKDF info of the slot key of a recovery phrase: followed by the safe id.
pub const SLOT_PHRASE: &[u8] = b"sev1/slot-phrase\0";
/// HKDF info of the header MAC key: followed by the safe id.
pub const HEADER_MAC: &[u8] = b"sev1/header-mac\0";
/// HKDF info of the state key: followed by the safe id.
pub const STATE_KEY: &[u8] = b"sev1/state-key\0";
/// Context of a row of local state: followed by table and row key.
pub const STATE: &[u8] = b"sev1/state\0";
/// HKDF info of the root verifier: followed by the safe id.
pub const ROOT_VERIFIER: &[u8] = b"sev1/root-verifier\0";
/// SHA-256 prefix of the fingerprint: followed by safe id and root verifier.
pub const FINGERPRINT: &[u8] = b"sev1/fingerprint\0";
/// Context of a wrapped tenant root key: followed by safe id, tenant id, root-key id.
pub const TENANT: &[u8] = b"sev1/tenant\0";
/// Context of a sealed tenant name: followed by safe id and tenant id.
pub const TENANT_NAME: &[u8] = b"sev1/tenant-name\0";
/// Context of a sealed keyring: followed by safe id, tenant id, and all bytes before the seal.
pub const KEYRING: &[u8] = b"sev1/keyring\0";
/// Context of sealed audit details: followed by safe id and tenant id.
pub const DETAIL: &[u8] = b"sev1/detail\0";
/// HMAC prefix of an object id: followed by incarnation, length and absolute path.
pub const OBJECT: &[u8] = b"sev1/object\0";
/// Context of a wrapped data key: followed by envelope header and wrap fields.
pub const WRAP: &[u8] = b"sev1/wrap\0";
/// Context of a payload: followed by the envelope header.
pub const PAYLOAD: &[u8] = b"sev1/payload\0";
/// SHA-256 prefix of a content id: followed by envelope header and payload.
pub const CONTENT: &[u8] = b"sev1/content\0";
/// C2SP chunked-encryption label of suite 1: followed by salt and context.
pub const CHUNKED_AES_256_GCM: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";
/// The same construction over suite 2.
pub const CHUNKED_CHACHA20_POLY1305: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305\0";

/// All of them.
pub const ALL: [&[u8]; 18] = [
    SLOT,
    SLOT_KEY_FILE,
    SLOT_PHRASE,
    HEADER_MAC,
    STATE_KEY,
    STATE,
    ROOT_VERIFIER,
    FINGERPRINT,
    TENANT,
    TENANT_NAME,
    KEYRING,
    DETAIL,
    OBJECT,
    WRAP,
    PAYLOAD,
    CONTENT,
    CHUNKED_AES_256_GCM,
    CHUNKED_CHACHA20_POLY1305,
];

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn separation_strings_are_unique_terminated_and_prefix_free() {
        for (i, a) in ALL.iter().enumerate() {
            assert_eq!(a.iter().position(|&byte| byte == 0), Some(a.len() - 1), "one zero byte, the last");
            for (j, b) in ALL.iter().enumerate() {
                assert!(i == j || !a.starts_with(b), "{} starts with another", a.escape_ascii());
            }
        }
    }

    #[test]
    fn the_list_of_separation_strings_is_complete() {
        let source = include_str!("separation.rs");
        let written = source.lines().filter(|line| line.contains(": &[u8] = b\"")).count();
        assert_eq!(written, ALL.len());
        let elsewhere = [
            include_str!("aead.rs"),
            include_str!("envelope.rs"),
            include_str!("header.rs"),
            include_str!("kdf.rs"),
            include_str!("key.rs"),
            include_str!("keyring.rs"),
            include_str!("state.rs"),
        ];
        assert!(elsewhere.iter().all(|source| !source.contains("b\"sev1/")), "one list, here");
    }
}
