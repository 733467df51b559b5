//! Between what a user says about a secret and the description and tags that the service keeps beside it.
//!
//! They belong to a secret there, not to a version: the tag `secrets-version` names the version that they were written
//! for, and for any other version there are none. Without that tag they are another program's: each tag is a tag then.
//!
//! | metadata | kept as |
//! | --- | --- |
//! | description | the description; `secrets-version` ends in `/description` where the version has one |
//! | classification, content type, owner, expiry (milliseconds), rotation (days) | a tag of its name |
//! | a tag | a tag of its name, with `tag.` before it where that is taken |
//! | sealed | the tag `secrets-sealed` and nothing else |

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::Tag;
use secrets_backend::{Metadata, RotationPolicy, Timestamp};
use serde_json::Value;

use crate::failure::Failure;
use crate::text;

const VERSION: &str = "secrets-version";
const SEALED: &str = "secrets-sealed";
const WITH_DESCRIPTION: &str = "/description";
const TEXTS: [&str; 3] = ["classification", "content_type", "owner"];
const NUMBERS: [&str; 2] = ["expires", "rotation"];
const TAG: &str = "tag.";

// Limits: the service's API reference, `CreateSecret`: Description, Tag.
const MAX_TAGS: usize = 50;
const MAX_NAME: usize = 128;
const MAX_VALUE: usize = 256;
const MAX_DESCRIPTION: usize = 2048;

/// What the service keeps beside a version that is about to be written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) description: Option<String>,
    tags: BTreeMap<String, String>,
}

impl Labels {
    /// Those of metadata; `InvalidInput` where the service has no room for it.
    pub(crate) fn of(metadata: &Metadata) -> Result<Self, Failure> {
        let Ok(Value::Object(fields)) = serde_json::to_value(metadata) else {
            return Err(Failure::invalid("the metadata has no JSON form"));
        };
        let mut labels = Self::default();
        for (name, value) in fields {
            labels.add(name, value)?;
        }
        labels.check()?;
        Ok(labels)
    }

    fn add(&mut self, name: String, value: Value) -> Result<(), Failure> {
        match value {
            Value::String(text) if name == "description" => self.description = Some(text),
            Value::String(text) if TEXTS.contains(&name.as_str()) => {
                self.tags.insert(name, text::encode(&text));
            }
            Value::Number(millis) if name == "expires" => {
                self.tags.insert(name, millis.to_string());
            }
            Value::Object(policy) if name == "rotation" && policy.len() == 1 => {
                let days = policy.get("every_days").and_then(Value::as_u64).unwrap_or_default();
                self.tags.insert(name, days.to_string());
            }
            Value::Object(tags) if name == "tags" => {
                for (tag, value) in tags {
                    let value = text::encode(value.as_str().unwrap_or_default());
                    self.tags.insert(text::encode(&tag_name(&tag)), value);
                }
            }
            _ => return Err(Failure::invalid("metadata of a newer version, which this backend cannot keep")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        let long = |text: &str, max| text.chars().count() > max;
        if self.description.as_ref().is_some_and(|text| long(text, MAX_DESCRIPTION)) {
            return Err(Failure::invalid("metadata: the service takes descriptions of 2,048 characters"));
        }
        let fits = |(name, value): (&String, &String)| {
            !name.is_empty() && !long(name, MAX_NAME) && !long(value, MAX_VALUE)
        };
        // One tag more names the version.
        if self.tags.len() < MAX_TAGS && self.tags.iter().all(fits) {
            return Ok(());
        }
        Err(Failure::invalid("metadata: the service takes 50 tags, names of 128 and texts of 256 characters"))
    }

    /// Whether there is nothing to keep.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The tags for this version.
    pub(crate) fn tags(&self, version: &str) -> Vec<Tag> {
        let described = if self.description.is_some() { WITH_DESCRIPTION } else { "" };
        let mut tags: Vec<Tag> = self.tags.iter().map(|(name, value)| tag(name, value)).collect();
        tags.push(tag(VERSION, &format!("{version}{described}")));
        tags
    }

    /// The names among `found` that this replaces by nothing.
    pub(crate) fn obsolete(&self, found: &[Tag]) -> Vec<String> {
        let names = found.iter().filter_map(Tag::key);
        let obsolete = names.filter(|name| !self.tags.contains_key(*name) && *name != VERSION);
        obsolete.filter(|name| !is_reserved(name)).map(str::to_owned).collect()
    }
}

/// The one tag of a sealed secret.
pub(crate) fn sealed() -> Vec<Tag> {
    vec![tag(SEALED, "1")]
}

/// The metadata of a version, from the description and the tags of its secret.
pub(crate) fn metadata(description: Option<&str>, tags: &[Tag], version: &str, is_current: bool) -> Metadata {
    let of_ours = tags.iter().find(|tag| tag.key() == Some(VERSION)).and_then(Tag::value);
    let described = match of_ours {
        Some(text) if text == version => false,
        Some(text) if text.strip_suffix(WITH_DESCRIPTION) == Some(version) => true,
        None if is_current => description.is_some_and(|text| !text.is_empty()),
        _ => return Metadata::default(),
    };
    let mut metadata = Metadata::default();
    if described {
        metadata.description = Some(description.unwrap_or_default().to_owned());
    }
    for tag in tags {
        let (Some(name), Some(value)) = (tag.key(), tag.value()) else { continue };
        if ![VERSION, SEALED].contains(&name) && !is_reserved(name) {
            read(&mut metadata, name, value);
        }
    }
    metadata
}

fn read(metadata: &mut Metadata, name: &str, value: &str) {
    let text = text::decode(value);
    match (name, value.parse::<u64>().ok()) {
        ("classification", _) => metadata.classification = Some(text),
        ("content_type", _) => metadata.content_type = Some(text),
        ("owner", _) => metadata.owner = Some(text),
        ("expires", Some(millis)) => metadata.expires = Some(Timestamp::from_millis(millis)),
        ("rotation", Some(days)) if u32::try_from(days).is_ok() => {
            metadata.rotation = u32::try_from(days).ok().map(RotationPolicy::every_days);
        }
        _ => {
            let name = text::decode(name);
            metadata.tags.insert(name.strip_prefix(TAG).unwrap_or(&name).to_owned(), text);
        }
    }
}

/// The name of a tag, moved aside where it has a meaning.
fn tag_name(tag: &str) -> String {
    let taken = TEXTS.contains(&tag) || NUMBERS.contains(&tag) || [VERSION, SEALED].contains(&tag);
    if taken || is_reserved(tag) || tag.starts_with(TAG) { format!("{TAG}{tag}") } else { tag.to_owned() }
}

/// Whether the service keeps the name for itself.
fn is_reserved(name: &str) -> bool {
    name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

fn tag(name: &str, value: &str) -> Tag {
    Tag::builder().key(name).value(value).build()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given() -> Metadata {
        let mut given = Metadata::default();
        given.description = Some("Key – für Łódź 🔑\n".to_owned());
        given.owner = Some(String::new());
        given.expires = Some(Timestamp::from_millis(1_893_456_000_000));
        given.rotation = Some(RotationPolicy::every_days(90));
        given.tags.insert("owner".to_owned(), "me".to_owned());
        given.tags.insert("AWS:x".to_owned(), "y".to_owned());
        given
    }

    proptest! {
        #[test]
        fn every_tag_reads_back(
            tags in prop::collection::btree_map(r"[a-z!=é]{1,20}|tag\.owner|owner|secrets-version", "\\PC{0,20}", 0..8)
        ) {
            let mut given = Metadata::default();
            given.tags = tags;
            let labels = Labels::of(&given).unwrap();
            prop_assert_eq!(metadata(None, &labels.tags("v"), "v", true), given);
        }
    }

    #[test]
    fn every_field_reads_back_for_its_version_and_no_other() {
        let labels = Labels::of(&given()).unwrap();
        let (description, tags) = (labels.description.as_deref(), labels.tags("3"));
        assert_eq!(metadata(description, &tags, "3", true), given());
        assert_eq!(metadata(description, &tags, "2", true), Metadata::default());
    }

    #[test]
    fn a_description_that_stayed_behind_is_not_read() {
        let mut given = given();
        given.description = None;
        let tags = Labels::of(&given).unwrap().tags("3");
        assert_eq!(metadata(Some("of an older version"), &tags, "3", true), given);
    }

    #[test]
    fn entries_of_another_program_belong_to_the_current_version() {
        let tags = [tag("team", "red"), tag("expires", "soon"), tag("aws:cloudformation:stack-id", "x")];
        let read = metadata(Some("theirs"), &tags, "any", true);
        assert_eq!(read.description.as_deref(), Some("theirs"));
        assert_eq!(read.tags.get("team").map(String::as_str), Some("red"));
        assert_eq!(read.tags.get("expires").map(String::as_str), Some("soon"));
        assert_eq!(read.tags.len(), 2);
        assert_eq!(metadata(Some("theirs"), &tags, "any", false), Metadata::default());
    }

    #[test]
    fn what_the_service_does_not_keep_is_refused_before() {
        let mut given = Metadata::default();
        given.description = Some("d".repeat(MAX_DESCRIPTION + 1));
        assert!(Labels::of(&given).is_err());
        given.description = Some("d".repeat(MAX_DESCRIPTION));
        assert!(Labels::of(&given).is_ok());
        given.owner = Some("o".repeat(MAX_VALUE + 1));
        assert!(Labels::of(&given).is_err());
        given.owner = Some("o".repeat(MAX_VALUE));
        given.tags = (0..MAX_TAGS - 2).map(|n| (n.to_string(), "v".to_owned())).collect();
        assert!(Labels::of(&given).is_ok());
        given.tags.insert("more".to_owned(), String::new());
        assert!(Labels::of(&given).is_err());
    }

    #[test]
    fn tags_that_are_replaced_by_nothing_are_named_and_the_services_own_are_not() {
        let labels = Labels::of(&given()).unwrap();
        let found = [tag("owner", "x"), tag("old", "x"), tag("aws:x", "x"), tag(VERSION, "2")];
        assert_eq!(labels.obsolete(&found), ["old"]);
    }
}
