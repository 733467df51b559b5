//! What a user says about a secret.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::Timestamp;

/// What a user says about a secret, beside its value.
///
/// Sealed secrets carry it inside the envelope; unsealed ones as the service's own tags and descriptions.
/// Its JSON form leaves out what is not set, and keeps fields that a newer version of this crate wrote.
/// Its texts are wiped when it is dropped: sealed, they are as secret as the value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metadata {
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Names and values of the user's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How sensitive the secret is, in the user's own scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// Media type of the value (RFC 6838).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Who answers for the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When the value stops being valid. Nothing is deleted then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// How often the value is to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationPolicy>,
    /// Fields of a newer version, kept as they are.
    #[serde(flatten)]
    other: BTreeMap<String, serde_json::Value>,
}

impl Metadata {
    /// The most bytes of its JSON form; more is `InvalidInput` everywhere (an envelope counts it in 16 bits).
    pub const MAX_LEN: usize = 65_535;
    /// How many tags every backend keeps, sealed or not (Azure Key Vault has 15, of which we use some).
    pub const PORTABLE_TAGS: usize = 8;
    /// The longest tag name that every backend keeps, in bytes.
    pub const PORTABLE_TAG_NAME: usize = 64;
    /// The longest text (description, tag value, owner …) that every backend keeps, in bytes.
    pub const PORTABLE_TEXT: usize = 200;

    /// Length of its JSON form, in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        // Counted, not kept: a buffer that grows leaves copies of the texts behind.
        let mut count = Count(0);
        serde_json::to_writer(&mut count, self).map_or(usize::MAX, |()| count.0)
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        let Self { description, tags, classification, content_type, owner, other, .. } = self;
        for text in [description, classification, content_type, owner] {
            text.zeroize();
        }
        for (mut name, mut value) in std::mem::take(tags) {
            name.zeroize();
            value.zeroize();
        }
        other.values_mut().for_each(wipe);
    }
}

/// Wipes the texts in a field of a newer version.
fn wipe(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Array(values) => values.iter_mut().for_each(wipe),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(wipe),
        _ => {}
    }
}

/// Counts what is written.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How often a value is to be replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RotationPolicy {
    /// Days between two replacements.
    pub every_days: u32,
}

impl RotationPolicy {
    /// A replacement every `days` days.
    #[must_use]
    pub const fn every_days(days: u32) -> Self {
        Self { every_days: days }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn metadata_reads_back_from_its_json(
            texts in prop::array::uniform4(any::<Option<String>>()),
            tags in any::<BTreeMap<String, String>>(),
            expires in any::<Option<u64>>(),
            days in any::<Option<u32>>(),
        ) {
            let [description, classification, content_type, owner] = texts;
            let metadata = Metadata {
                description,
                tags,
                classification,
                content_type,
                owner,
                expires: expires.map(Timestamp::from_millis),
                rotation: days.map(RotationPolicy::every_days),
                other: BTreeMap::new(),
            };
            let json = serde_json::to_string(&metadata).unwrap();
            prop_assert_eq!(metadata.encoded_len(), json.len());
            prop_assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), metadata);
        }
    }

    #[test]
    fn nothing_said_is_an_empty_object() {
        assert_eq!(serde_json::to_string(&Metadata::default()).unwrap(), "{}");
    }

    #[test]
    fn fields_of_a_newer_version_are_kept() {
        let json = r#"{"owner":"ops","later":{"since":[1,2]}}"#;
        let metadata: Metadata = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&metadata).unwrap(), json);
    }

    #[test]
    fn the_portable_size_is_within_the_limit() {
        let escaped = 6
            * (Metadata::PORTABLE_TEXT * 4
                + Metadata::PORTABLE_TAGS * (Metadata::PORTABLE_TAG_NAME + Metadata::PORTABLE_TEXT));
        assert!(escaped + 1000 < Metadata::MAX_LEN, "{escaped}");
    }
}
