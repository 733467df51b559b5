//! Metadata flags: what was typed, and what it changes.

use std::collections::BTreeMap;

use secrets_backend::{Metadata, RotationPolicy, Timestamp};

use crate::args::{Field, MetadataArgs};
use crate::failure::Failure;

/// A change of metadata, read from flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    set: Metadata,
    untag: Vec<String>,
    clear: Vec<Field>,
}

impl Change {
    /// Reads the flags of `set`.
    ///
    /// # Errors
    /// Exit 2 for a tag without `=`, a time or a number of days that is none.
    pub fn parse(args: &MetadataArgs, now: Timestamp) -> Result<Self, Failure> {
        let mut set = Metadata::default();
        set.tags = tags(&args.tags)?;
        set.description.clone_from(&args.description);
        set.classification.clone_from(&args.classification);
        set.content_type.clone_from(&args.content_type);
        set.owner.clone_from(&args.owner);
        set.expires = args.expires.as_deref().map(|text| time(text, now)).transpose()?;
        set.rotation = match args.rotate_every.as_deref() {
            Some(text) => Some(RotationPolicy::every_days(
                days(text)
                    .ok_or_else(|| Failure::usage("--rotate-every takes days, 1 to 36500, such as 90d"))?,
            )),
            None => None,
        };
        Ok(Self { set, ..Self::default() })
    }

    /// The same, also removing tags and fields, as `tag` can.
    #[must_use]
    pub fn removing(mut self, untag: Vec<String>, clear: Vec<Field>) -> Self {
        self.untag = untag;
        self.clear = clear;
        self
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Makes the change: removals first, so that a field can be cleared and set in one go.
    pub fn apply(&self, metadata: &mut Metadata) {
        for field in &self.clear {
            match field {
                Field::Description => metadata.description = None,
                Field::Expires => metadata.expires = None,
                Field::Classification => metadata.classification = None,
                Field::ContentType => metadata.content_type = None,
                Field::RotateEvery => metadata.rotation = None,
                Field::Owner => metadata.owner = None,
            }
        }
        for name in &self.untag {
            metadata.tags.remove(name);
        }
        let Metadata { description, tags, classification, content_type, owner, expires, rotation, .. } =
            &self.set;
        metadata.tags.extend(tags.clone());
        set(&mut metadata.description, description);
        set(&mut metadata.classification, classification);
        set(&mut metadata.content_type, content_type);
        set(&mut metadata.owner, owner);
        set(&mut metadata.expires, expires);
        set(&mut metadata.rotation, rotation);
    }
}

fn set<T: Clone>(field: &mut Option<T>, value: &Option<T>) {
    if value.is_some() {
        field.clone_from(value);
    }
}

fn tags(typed: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let split = |tag: &String| {
        tag.split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .ok_or_else(|| Failure::usage("--tag takes NAME=VALUE"))
    };
    typed.iter().map(split).collect()
}

/// A date (midnight, UTC), an RFC 3339 time, or so many days from now.
fn time(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let wrong =
        || Failure::usage("--expires takes 2027-01-31, 2027-01-31T12:00:00Z, or days from now such as 90d");
    if let Some(days) = days(text) {
        return Ok(Timestamp::from_millis(now.as_millis() + u64::from(days) * DAY_MS));
    }
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        // Of a time without an offset the parser would take the date, and drop the hours.
        Err(_) if text.len() != "2027-01-31".len() => return Err(wrong()),
        Err(_) => {
            let date: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
            jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).map_err(|_| wrong())?
        }
    };
    u64::try_from(instant.as_millisecond()).map(Timestamp::from_millis).map_err(|_| wrong())
}

fn days(text: &str) -> Option<u32> {
    let digits = text.strip_suffix('d')?;
    digits
        .parse()
        .ok()
        .filter(|days| (1..=36_500).contains(days) && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn times_come_in_three_forms_and_no_other() {
        for (text, millis) in [
            ("2d", Some(172_801_000)),
            ("1970-01-02", Some(86_400_000)),
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("1970-01-01T01:00:01+01:00", Some(1_000)),
            ("1969-12-31", None),
            ("-2d", None),
            ("+2d", None),
            ("0d", None),
            ("2h", None),
            ("2027-02-30", None),
            // A time without an offset is nobody's, and its hours must not be dropped for the date alone.
            ("2027-01-31T12:00:00", None),
            ("2027-01-31T23:59", None),
            ("20270131", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(time(text, NOW).ok().map(Timestamp::as_millis), millis, "{text}");
        }
    }

    #[test]
    fn what_is_not_named_stays_and_what_is_cleared_goes() {
        let mut metadata = Metadata::default();
        metadata.tags = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into();
        metadata.owner = Some("ann".into());
        metadata.description = Some("old".into());
        let args = MetadataArgs {
            tags: vec!["c=x=y".into()],
            description: Some("new".into()),
            ..MetadataArgs::default()
        };
        let change = Change::parse(&args, NOW).unwrap().removing(vec!["a".into()], vec![Field::Owner]);
        change.apply(&mut metadata);
        assert_eq!(
            metadata.tags,
            [("b".to_owned(), "2".to_owned()), ("c".to_owned(), "x=y".to_owned())].into()
        );
        assert_eq!((&metadata.owner, metadata.description.as_deref()), (&None, Some("new")));
        assert!(Change::parse(&MetadataArgs::default(), NOW).unwrap().is_empty());
    }

    #[test]
    fn a_tag_needs_a_name_and_an_equals_sign() {
        for tag in ["a", "=b"] {
            let args = MetadataArgs { tags: vec![tag.into()], ..MetadataArgs::default() };
            assert_eq!(Change::parse(&args, NOW).unwrap_err().code(), crate::exit::USAGE);
        }
    }
}
