//! Cases about what travels beside a value: the user's metadata, the seal's stamp.

use std::collections::BTreeMap;

use super::{Outcome, Scratch, ensure, ensure_kind};
use crate::{
    ContentId, ErrorKind, Metadata, NewSecret, PutMode, RotationPolicy, Stamp, StampKind, Timestamp,
};

/// Every field, with text in several scripts, comes back as it went in, now and by version.
pub async fn metadata_of_every_type_reads_back(scratch: &Scratch) -> Outcome {
    let path = scratch.path("described")?;
    let mut metadata = Metadata::default();
    metadata.description = Some("Key of the payment gateway: \"live\", 100 % – für Łódź, 東京 🔑".to_owned());
    metadata.tags = [("team", "payments"), ("Team", "upper case"), ("empty", ""), ("a.b_c-d", "x=y; z/ä")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    metadata.classification = Some("top secret".to_owned());
    metadata.content_type = Some("application/json; charset=utf-8".to_owned());
    metadata.owner = Some("ops@example.org".to_owned());
    metadata.expires = Some(Timestamp::from_millis(1_893_456_000_000));
    metadata.rotation = Some(RotationPolicy::every_days(90));
    ensure_kept(scratch, &path, &metadata).await
}

/// As many tags and as long texts as every backend takes.
pub async fn metadata_of_the_portable_size_reads_back(scratch: &Scratch) -> Outcome {
    let path = scratch.path("thoroughly-described")?;
    let text = || Some("d".repeat(Metadata::PORTABLE_TEXT));
    let mut metadata = Metadata::default();
    metadata.description = text();
    metadata.classification = text();
    metadata.content_type = text();
    metadata.owner = text();
    metadata.expires = Some(Timestamp::from_millis(4_102_444_800_000));
    metadata.rotation = Some(RotationPolicy::every_days(36_500));
    metadata.tags = tags(Metadata::PORTABLE_TAGS, Metadata::PORTABLE_TAG_NAME, Metadata::PORTABLE_TEXT);
    ensure_kept(scratch, &path, &metadata).await
}

/// Between the portable size and the largest, metadata is kept whole or refused with nothing written; over the
/// largest it is refused by every backend.
pub async fn metadata_is_kept_whole_or_refused(scratch: &Scratch) -> Outcome {
    let path = scratch.path("over-described")?;
    let mut metadata = Metadata::default();
    for len in [1_000, 10_000, Metadata::MAX_LEN, Metadata::MAX_LEN + 1] {
        // The JSON around the text is taken off, so that the whole has exactly `len` bytes.
        metadata.description = Some(String::new());
        metadata.description = Some("D".repeat(len - metadata.encoded_len()));
        let secret = NewSecret::new("value").with_metadata(metadata.clone());
        match scratch.backend().put(&path, &secret, &PutMode::Upsert).await {
            Ok(_) if len > Metadata::MAX_LEN => ensure(false, "metadata over the largest size is refused")?,
            Ok(_) => {
                let read = scratch.ensure_value(&path, b"value", "after a put with much metadata").await?;
                ensure(read.metadata == metadata, format!("metadata of {len} bytes is kept whole"))?;
                scratch.backend().delete(&path).await?;
            }
            answer => {
                ensure_kind(&answer, ErrorKind::InvalidInput, format!("put with {len} bytes of metadata"))?;
                ensure_kind(&scratch.get(&path).await, ErrorKind::NotFound, "get after a refused put")?;
            }
        }
    }
    Ok(())
}

/// A write without metadata has none, whatever the one before had. The old version keeps its own, or is read
/// without, where the service keeps what belongs to the current one only.
pub async fn metadata_belongs_to_its_version(scratch: &Scratch) -> Outcome {
    let path = scratch.path("once-described")?;
    let mut metadata = Metadata::default();
    metadata.description = Some("of the first version".to_owned());
    metadata.tags = tags(2, 3, 3);
    ensure_kept(scratch, &path, &metadata).await?;
    let first = scratch.get(&path).await?.version;
    scratch.put(&path, b"second").await?;
    let second = scratch.ensure_value(&path, b"second", "after a put without metadata").await?;
    ensure(
        second.metadata == Metadata::default(),
        "a put without metadata keeps none of the version before",
    )?;
    if scratch.capabilities().versions {
        let read = scratch.backend().get(&path, Some(&first)).await?;
        let own_or_none = read.metadata == metadata || read.metadata == Metadata::default();
        ensure(own_or_none, "an old version keeps its metadata, or has none")?;
    }
    Ok(())
}

/// A stamp comes back with the secret, maybe cut; where listings and histories show stamps, it is the same one.
/// A backend that seals makes its own, one for each version; a wrapper for plain values refuses it and writes nothing.
pub async fn a_stamp_reads_back(scratch: &Scratch) -> Outcome {
    let path = scratch.path("stamped")?;
    if !scratch.takes_stamps() {
        let secret = NewSecret::new("sealed").with_stamp(given_stamp(1));
        let answer = scratch.backend().put(&path, &secret, &PutMode::Upsert).await;
        ensure_kind(&answer, ErrorKind::Unsupported, "put with a stamp")?;
        return ensure_kind(&scratch.get(&path).await, ErrorKind::NotFound, "get after a refused put");
    }
    let mut stamps = Vec::new();
    for version in 1..=2 {
        let written = scratch.put(&path, b"plain").await?;
        let stamp = match written.stamp {
            Some(own) => own,
            None => {
                let stamp = given_stamp(version);
                let secret = NewSecret::new("sealed").with_stamp(stamp.clone());
                scratch.backend().put(&path, &secret, &PutMode::Upsert).await?;
                stamp
            }
        };
        let read = scratch.get(&path).await?;
        let agrees = read.stamp.as_ref().is_some_and(|read| read.agrees_with(&stamp));
        ensure(agrees, "a stamp reads back with its secret")?;
        stamps.push(stamp);
    }
    ensure(!stamps[0].agrees_with(&stamps[1]), "every version has a stamp of its own")?;
    let newest = &stamps[1];
    for page in scratch.pages(Some(&path)).await? {
        let shown = page.items.iter().filter_map(|item| item.stamp.as_ref());
        ensure(
            shown.into_iter().all(|stamp| stamp.agrees_with(newest)),
            "a listing shows the current stamp",
        )?;
    }
    let metas = scratch.backend().versions(&path).await?;
    let shown = metas.last().and_then(|meta| meta.stamp.as_ref());
    ensure(shown.is_none_or(|stamp| stamp.agrees_with(newest)), "versions shows each version's stamp")
}

async fn ensure_kept(scratch: &Scratch, path: &crate::SecretPath, metadata: &Metadata) -> Outcome {
    let secret = NewSecret::new("value").with_metadata(metadata.clone());
    scratch.backend().put(path, &secret, &PutMode::Upsert).await?;
    let read = scratch.ensure_value(path, b"value", "after a put with metadata").await?;
    ensure(read.metadata == *metadata, "metadata reads back as written")?;
    let at = scratch.backend().get(path, Some(&read.version)).await?;
    ensure(at.metadata == *metadata, "metadata reads back by version")
}

fn tags(count: usize, name_len: usize, value_len: usize) -> BTreeMap<String, String> {
    let named = |number: usize| format!("{number:02}{}", "n".repeat(name_len - 2));
    (0..count).map(|number| (named(number), "v".repeat(value_len))).collect()
}

fn given_stamp(version: u8) -> Stamp {
    let parent = (version > 1).then(|| ContentId::new([version - 1; 32]));
    let content_id = ContentId::new([version; 32]);
    Stamp::new(StampKind::Secret, u64::from(version), Some(1), 0x5f3a_0001, content_id, parent)
}
