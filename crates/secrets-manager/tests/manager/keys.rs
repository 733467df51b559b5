//! The keys of a safe, computed from its files by the formats' pages alone: to be searched for in memory.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use secrets_crypto::{Key, Suite, aead, separation};
use sha2::Sha512;

/// The keys of a safe that a key file opens, each with its name.
pub(crate) fn keys_of(key_file: &Path, header: &Path, keyrings: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let text = fs::read_to_string(key_file).unwrap();
    let file = URL_SAFE_NO_PAD.decode(text.trim_end().strip_prefix("SECRETS-KEY-1 ").unwrap()).unwrap();
    let header = fs::read(header).unwrap();
    let safe = &header[18..34];
    let slot = header[35..].chunks(184).take(header[34].into()).find(|slot| slot[1..3] == [1, 1]).unwrap();
    let (fields, sealed) = slot.split_at(80);
    let slot_key = derive(Some(&fields[16..48]), &file, &[separation::SLOT_KEY_FILE, safe]);
    let root = open(1, &slot_key, &[separation::SLOT, safe, fields], sealed);
    let mut keys = vec![
        ("header MAC key", derive(None, &root, &[separation::HEADER_MAC, safe])),
        ("state key", derive(None, &root, &[separation::STATE_KEY, safe])),
    ];
    for entry in fs::read_dir(keyrings).unwrap() {
        keys.extend(keyring_keys(&fs::read(entry.unwrap().path()).unwrap(), safe, &root));
    }
    keys.extend([("key file", file), ("slot key", slot_key), ("root key", root)]);
    keys
}

/// What an installation signs its audit log with.
pub(crate) fn signing_key(file: &Path) -> Vec<u8> {
    let text = fs::read_to_string(file).unwrap();
    STANDARD.decode(text.trim_end().strip_prefix("SECRETS-AUDIT-KEY-1 ").unwrap()).unwrap()
}

/// The keys of a keyring with one root key and one epoch, as every new one is.
fn keyring_keys(keyring: &[u8], safe: &[u8], root: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (tenant, suite) = (&keyring[26..42], keyring[42]);
    assert_eq!(keyring[43..45], [0, 1], "one tenant root key");
    let (fields, wrapped) = keyring[45..154].split_at(5);
    let tenant_root = open(suite, root, &[separation::TENANT, safe, tenant, &fields[..4]], wrapped);
    let name = usize::from(u16::from_be_bytes([keyring[154], keyring[155]]));
    let (before, sealed) = keyring.split_at(156 + name + 4);
    let content = open(suite, &tenant_root, &[separation::KEYRING, safe, tenant, before], sealed);
    vec![
        ("tenant root key", tenant_root),
        ("index key", content[..32].to_vec()),
        ("detail key", content[32..64].to_vec()),
        ("epoch key", content[79..111].to_vec()),
    ]
}

fn open(suite: u8, key: &[u8], context: &[&[u8]], sealed: &[u8]) -> Vec<u8> {
    let key = Key::from_bytes(key.try_into().unwrap());
    aead::open(Suite::from_number(suite).unwrap(), &key, context, sealed).unwrap().to_vec()
}

fn derive(salt: Option<&[u8]>, key: &[u8], info: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![0; 32];
    Hkdf::<Sha512>::new(salt, key).expand_multi_info(info, &mut out).unwrap();
    out
}
