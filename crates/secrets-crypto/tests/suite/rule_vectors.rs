//! The envelopes that other implementations of the format know: we write the same bytes, open the valid ones
//! and refuse the altered ones.

use secrets_crypto::envelope::{self, Envelope, Expected, Kind, NewEnvelope};
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{ContentId, Error, InstallationId};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::script::{Script, id, keyring_with, run, unhex};

struct Rule {
    file: Value,
    keyring: Keyring,
}

impl Rule {
    fn load() -> Self {
        let file: Value = serde_json::from_str(include_str!("../vectors/envelope_vectors.json")).unwrap();
        let (index, epoch) = (unhex(&file["IK"]), unhex(&file["TEK"]));
        let keyring = keyring_with(id(&file["safe"]), id(&file["tenant"]), &index, 1, &epoch);
        Self { file, keyring }
    }

    fn path(&self) -> &str {
        self.file["name"].as_str().unwrap()
    }

    fn seal(&self, version: u64, parent: Option<ContentId>, value: &[u8]) -> Vec<u8> {
        let new = NewEnvelope {
            suite: None,
            kind: Kind::Secret,
            version,
            term: 1,
            writer: InstallationId::new(0x1122_3344_5566_7788),
            created_ms: 1_760_000_000_000,
            parent,
            path: self.path(),
            metadata: b"{}",
            value,
        };
        let mut rng = Script::new(&[&unhex(&self.file["DEK"]), &run(0xA0, 24), &run(0xC0, 24)]);
        let sealed = envelope::seal(&self.keyring, &new, &mut rng).unwrap();
        assert!(rng.is_used_up());
        sealed
    }

    /// The same keyring after a rotation to epoch 2, which has the same key in these vectors.
    fn rotated(mut self) -> Self {
        let mut rng = Script::new(&[&[0, 0, 0, 2], &unhex(&self.file["TEK"])]);
        self.keyring.rotate(2000, &mut rng).unwrap();
        self
    }

    /// The four valid ones, in the order of the file.
    fn valid(self) -> (Self, [Vec<u8>; 4]) {
        let one = self.seal(1, None, b"correct horse battery staple");
        let two = self.seal(2, Some(content_id(&one)), b"second value");
        let value: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
        let three = self.seal(3, Some(content_id(&two)), &value);
        let rule = self.rotated();
        let again = Envelope::parse(&one)
            .unwrap()
            .rewrap(&rule.keyring, &mut Script::new(&[&run(0xB0, 24)]))
            .unwrap();
        (rule, [one, again, two, three])
    }
}

#[test]
fn seal_and_rewrap_write_the_bytes_of_the_vectors() {
    let (rule, sealed) = Rule::load().valid();
    let vectors = rule.file["valid"].as_array().unwrap();
    assert_eq!(vectors.len(), sealed.len());
    for (vector, sealed) in vectors.iter().zip(&sealed) {
        assert_eq!(sha256(sealed), vector["sha256"], "{}", vector["name"]);
        assert_eq!(sealed.len() as u64, vector["len"], "{}", vector["name"]);
        assert_eq!(content_id(sealed).to_string(), vector["content_id"], "{}", vector["name"]);
        if vector["envelope"].is_string() {
            assert_eq!(*sealed, unhex(&vector["envelope"]), "{}", vector["name"]);
        }
    }
}

#[test]
fn the_valid_envelopes_open() {
    let (rule, sealed) = Rule::load().valid();
    assert_eq!(rule.keyring.object_id(rule.path()).unwrap().to_string(), rule.file["object_id"]);
    for (vector, sealed) in rule.file["valid"].as_array().unwrap().iter().zip(&sealed) {
        let expected = Expected { path: rule.path(), version: None };
        let opened = Envelope::parse(sealed).unwrap().open(&rule.keyring, &expected).unwrap();
        assert_eq!(sha256(&opened.value), vector["value_sha256"], "{}", vector["name"]);
        assert_eq!(*opened.metadata, b"{}");
    }
}

#[test]
fn rewrapping_keeps_header_payload_and_content_id() {
    let (_, [one, again, ..]) = Rule::load().valid();
    assert_eq!(content_id(&one), content_id(&again));
    assert_eq!(one[..120], again[..120]);
    assert_eq!(one[232..], again[232..]);
    assert_ne!(one[120..232], again[120..232]);
}

#[test]
fn the_26_altered_envelopes_are_refused() {
    let (rule, [one, _, two, big]) = Rule::load().valid();
    let vectors = rule.file["invalid"].as_array().unwrap();
    assert_eq!(vectors.len(), 26);
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        let altered = altered(name, &one, &two, &big);
        assert_eq!(sha256(&altered), vector["envelope_sha256"], "{name}");
        let expected = Expected { path: rule.path(), version: None };
        let refused = Envelope::parse(&altered)
            .and_then(|envelope| envelope.open(&rule.keyring, &expected))
            .expect_err(name);
        // The epoch is 1 in the vectors; flipped, it is 0, which no keyring has.
        let class = if name == "flip-epoch" { Error::UnknownEpoch(0) } else { Error::Refused };
        assert_eq!(refused, class, "{name}");
    }
}

/// The altered envelope of this name, made from the valid ones by the rule that its name stands for.
fn altered(name: &str, one: &[u8], two: &[u8], big: &[u8]) -> Vec<u8> {
    const PLACES: [(&str, usize); 21] = [
        ("suite", 4),
        ("type", 5),
        ("flags", 6),
        ("safe", 8),
        ("tenant", 24),
        ("object", 40),
        ("version", 63),
        ("term", 71),
        ("writer", 79),
        ("created", 87),
        ("parent", 88),
        ("epoch", 123),
        ("wrapsuite", 124),
        ("reserved", 125),
        ("wrapsalt", 128),
        ("wrapcommit", 152),
        ("wrapct", 184),
        ("salt", 232),
        ("commit", 256),
        ("ct", 288),
        ("tag", 559),
    ];
    if let Some(place) = name.strip_prefix("flip-") {
        let (_, at) = PLACES.iter().find(|(known, _)| *known == place).unwrap();
        let mut flipped = one.to_vec();
        flipped[*at] ^= 1;
        return flipped;
    }
    match name {
        "swap-payload-v1-into-v2" => [&two[..232], &one[232..]].concat(),
        "swap-wrap-v1-into-v2" => [&two[..120], &one[120..232], &two[232..]].concat(),
        "truncate-last-byte" => one[..one.len() - 1].to_vec(),
        "append-byte" => [one, &[0]].concat(),
        "truncate-last-chunk-64KiB" => big[..288 + 4 * (16384 + 16)].to_vec(),
        _ => panic!("no rule makes {name}"),
    }
}

fn content_id(sealed: &[u8]) -> ContentId {
    Envelope::parse(sealed).unwrap().content_id()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
