//! Between what a user says about a secret and the tags and attributes that the service keeps with each
//! version.
//!
//! | metadata | kept as |
//! | --- | --- |
//! | content type | the content type; as a tag where that is needed for the value, or too long |
//! | expiry | `exp`, in seconds; where it is finer than that, also a tag, in milliseconds |
//! | description, classification, owner, rotation (days) | a tag of its name |
//! | a tag | a tag of its name, with `tag.` before it where that is taken |
//! | sealed | the tag `secrets-stamp` |
//! | every version of ours | the tag `secrets`: the order among versions of one second |

use std::collections::{BTreeMap, HashMap};

use azure_core::time::OffsetDateTime;
use azure_security_keyvault_secrets::models::SecretAttributes;
use secrets_backend::{Metadata, RotationPolicy, Stamp, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::value::BINARY;

const OURS: &str = "secrets";
const STAMP: &str = "secrets-stamp";
const CONTENT_TYPE: &str = "content_type";
const EXPIRES: &str = "expires";
const ROTATION: &str = "rotation";
const TEXTS: [&str; 3] = ["description", "classification", "owner"];
const TAG: &str = "tag.";

// Limits: "About Key Vault secrets", Secret tags; Content-type.
const MAX_TAGS: usize = 15;
const MAX_TEXT: usize = 256;
const MAX_CONTENT_TYPE: usize = 255;

/// The tags of a version as the service gives them.
pub(crate) type Tags = HashMap<String, String>;

/// What the service keeps with a version that is about to be written.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Labels {
    #[serde(rename = "contentType", skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Attributes>,
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Attributes {
    exp: u64,
}

impl Labels {
    /// Those of metadata and stamp; `InvalidInput` where the service has no room for them.
    ///
    /// `order` tells versions of one second apart; `content_type` is that of the value, where it needs one.
    pub(crate) fn of(
        metadata: &Metadata,
        stamp: Option<&Stamp>,
        order: String,
        content_type: Option<&str>,
    ) -> Result<Self, Failure> {
        let Ok(Value::Object(fields)) = serde_json::to_value(metadata) else {
            return Err(Failure::invalid("the metadata has no JSON form"));
        };
        let mut labels = Self { content_type: content_type.map(str::to_owned), ..Self::default() };
        labels.tags.insert(OURS.to_owned(), order);
        labels.tags.extend(stamp.map(|stamp| (STAMP.to_owned(), stamp.to_string())));
        for (name, value) in fields {
            labels.add(name, value)?;
        }
        labels.check()?;
        Ok(labels)
    }

    fn add(&mut self, name: String, value: Value) -> Result<(), Failure> {
        match (name.as_str(), value) {
            (CONTENT_TYPE, Value::String(text)) => {
                let fits = !text.is_empty() && text != BINARY && text.chars().count() <= MAX_CONTENT_TYPE;
                if self.content_type.is_none() && fits {
                    self.content_type = Some(text);
                } else {
                    self.tags.insert(name, text);
                }
            }
            (known, Value::String(text)) if TEXTS.contains(&known) => {
                self.tags.insert(name, text);
            }
            (EXPIRES, Value::Number(millis)) => {
                let millis = millis.as_u64().unwrap_or_default();
                self.attributes = Some(Attributes { exp: millis / 1_000 });
                if !millis.is_multiple_of(1_000) {
                    self.tags.insert(name, millis.to_string());
                }
            }
            (ROTATION, Value::Object(policy)) if policy.len() == 1 => {
                let days = policy.get("every_days").and_then(Value::as_u64).unwrap_or_default();
                self.tags.insert(name, days.to_string());
            }
            ("tags", Value::Object(tags)) => {
                for (tag, value) in tags {
                    self.tags.insert(tag_name(&tag), value.as_str().unwrap_or_default().to_owned());
                }
            }
            _ => return Err(Failure::invalid("metadata of a newer version, which this backend cannot keep")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        let long = |text: &String| text.chars().count() > MAX_TEXT;
        let fits = |(name, value): (&String, &String)| !name.is_empty() && !long(name) && !long(value);
        if self.tags.len() > MAX_TAGS || !self.tags.iter().all(fits) {
            return Err(Failure::invalid(
                "metadata: Key Vault takes 15 tags, one of which is ours, and texts of 256 characters",
            ));
        }
        if self.attributes.as_ref().is_some_and(|found| i64::try_from(found.exp).is_err()) {
            return Err(Failure::invalid("metadata: an expiry that Key Vault does not take"));
        }
        Ok(())
    }
}

/// The metadata of a version.
pub(crate) fn metadata(
    content_type: Option<String>,
    attributes: Option<&SecretAttributes>,
    tags: Option<Tags>,
) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.content_type = content_type.filter(|text| text != BINARY && !text.is_empty());
    metadata.expires = attributes.and_then(|found| found.expires).and_then(expiry);
    for (name, text) in tags.unwrap_or_default() {
        read(&mut metadata, name, text);
    }
    metadata
}

fn read(metadata: &mut Metadata, name: String, text: String) {
    match (name.as_str(), text.parse::<u64>().ok()) {
        (OURS | STAMP, _) => {}
        ("description", _) => metadata.description = Some(text),
        ("classification", _) => metadata.classification = Some(text),
        ("owner", _) => metadata.owner = Some(text),
        (CONTENT_TYPE, _) => metadata.content_type = Some(text),
        // Another program may have moved `exp` since.
        (EXPIRES, Some(millis))
            if metadata.expires.is_some_and(|exp| exp.as_millis() == millis / 1_000 * 1_000) =>
        {
            metadata.expires = Some(Timestamp::from_millis(millis));
        }
        (ROTATION, Some(days)) if u32::try_from(days).is_ok() => {
            metadata.rotation = u32::try_from(days).ok().map(RotationPolicy::every_days);
        }
        _ => {
            let name = name.strip_prefix(TAG).map(str::to_owned).unwrap_or(name);
            metadata.tags.insert(name, text);
        }
    }
}

/// Whether we wrote the version as a sealed one.
pub(crate) fn is_sealed(tags: Option<&Tags>) -> bool {
    tags.is_some_and(|tags| tags.contains_key(STAMP))
}

/// The stamp of a version. One that was tampered with is none: the envelope says what is true.
pub(crate) fn stamp(tags: Option<&Tags>) -> Option<Stamp> {
    tags?.get(STAMP)?.parse().ok()
}

/// What tells versions of one second apart, where we wrote them.
pub(crate) fn order(tags: Option<&Tags>) -> Option<&str> {
    tags?.get(OURS).map(String::as_str)
}

fn expiry(time: OffsetDateTime) -> Option<Timestamp> {
    crate::api::timestamp(Some(time))
}

/// The name of a tag, moved aside where it has a meaning.
fn tag_name(tag: &str) -> String {
    let taken = TEXTS.contains(&tag) || [OURS, STAMP, CONTENT_TYPE, EXPIRES, ROTATION].contains(&tag);
    if taken || tag.starts_with(TAG) { format!("{TAG}{tag}") } else { tag.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrets_backend::{ContentId, StampKind};

    use super::*;

    fn kept(labels: &Labels) -> Metadata {
        let exp = labels.attributes.as_ref().map(|found| found.exp);
        let expires = exp.map(|exp| OffsetDateTime::from_unix_timestamp(exp.try_into().unwrap()).unwrap());
        let attributes = SecretAttributes { expires, ..Default::default() };
        metadata(
            labels.content_type.clone(),
            Some(&attributes),
            Some(labels.tags.clone().into_iter().collect()),
        )
    }

    fn labels(metadata: &Metadata) -> Result<Labels, Failure> {
        Labels::of(metadata, None, "0".to_owned(), None)
    }

    fn given() -> Metadata {
        let mut given = Metadata::default();
        given.description = Some("Key – für Łódź 🔑\n".to_owned());
        given.owner = Some(String::new());
        given.content_type = Some("application/json".to_owned());
        given.expires = Some(Timestamp::from_millis(1_893_456_000_123));
        given.rotation = Some(RotationPolicy::every_days(90));
        given.tags.insert("owner".to_owned(), "me".to_owned());
        given.tags.insert("secrets".to_owned(), "x".to_owned());
        given
    }

    proptest! {
        #[test]
        fn every_tag_reads_back(
            tags in prop::collection::btree_map(
                r"[a-z!=é]{1,20}|tag\.owner|owner|secrets(-stamp)?|expires|content_type", "\\PC{0,20}", 0..8)
        ) {
            let mut given = Metadata::default();
            given.tags = tags;
            prop_assert_eq!(kept(&labels(&given).unwrap()), given);
        }
    }

    #[test]
    fn every_field_reads_back_beside_text_and_beside_bytes() {
        assert_eq!(kept(&labels(&given()).unwrap()), given());
        let beside = Labels::of(&given(), None, "0".to_owned(), Some(BINARY)).unwrap();
        assert_eq!(beside.content_type.as_deref(), Some(BINARY));
        assert_eq!(kept(&beside), given());
        let mut like_ours = given();
        like_ours.content_type = Some(BINARY.to_owned());
        assert_eq!(kept(&labels(&like_ours).unwrap()), like_ours);
    }

    #[test]
    fn an_expiry_that_another_program_moved_counts() {
        let mut moved = labels(&given()).unwrap();
        moved.attributes = Some(Attributes { exp: 1_900_000_000 });
        assert_eq!(kept(&moved).expires, Some(Timestamp::from_millis(1_900_000_000_000)));
    }

    #[test]
    fn tags_of_another_program_are_tags() {
        let tags = [("team", "red"), ("rotation", "soon")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let read = metadata(Some("text/plain".to_owned()), None, Some(tags));
        assert_eq!(read.tags.get("team").map(String::as_str), Some("red"));
        assert_eq!(read.tags.get("rotation").map(String::as_str), Some("soon"));
        assert_eq!(read.content_type.as_deref(), Some("text/plain"));
    }

    #[test]
    fn a_stamp_is_a_tag_and_fits() {
        let id = ContentId::new([0xab; 32]);
        let stamp = Stamp::new(StampKind::Tombstone, u64::MAX, Some(u64::MAX), u32::MAX, id, Some(id));
        let labels = Labels::of(&Metadata::default(), Some(&stamp), "0".to_owned(), None).unwrap();
        let tags: Tags = labels.tags.into_iter().collect();
        assert!(is_sealed(Some(&tags)));
        assert_eq!((super::stamp(Some(&tags)), order(Some(&tags))), (Some(stamp), Some("0")));
        assert_eq!(metadata(None, None, Some(tags)), Metadata::default());
    }

    #[test]
    fn what_the_service_does_not_keep_is_refused_before() {
        let mut given = Metadata::default();
        given.owner = Some("ö".repeat(MAX_TEXT));
        assert!(labels(&given).is_ok());
        given.owner = Some("o".repeat(MAX_TEXT + 1));
        assert!(labels(&given).is_err());
        given.owner = None;
        given.tags = (0..MAX_TAGS - 1).map(|n| (n.to_string(), "v".to_owned())).collect();
        assert!(labels(&given).is_ok());
        given.tags.insert("more".to_owned(), String::new());
        assert!(labels(&given).is_err());
        given.tags = [("n".repeat(MAX_TEXT + 1), String::new())].into();
        assert!(labels(&given).is_err());
        given.tags = BTreeMap::new();
        given.expires = Some(Timestamp::from_millis(u64::MAX));
        assert!(labels(&given).is_ok());
    }
}
