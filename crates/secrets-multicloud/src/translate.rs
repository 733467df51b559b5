//! Between logical versions, equal on every replica, and the ids of one backend.

use secrets_backend::{ContentId, Secret, Stamp, VersionId, VersionMeta};

/// The native ids that claim to be logical version `number`, newest first: re-wrapping makes several. Where a content
/// is named, only those with it.
///
/// `versions` is oldest first, as backends answer.
pub(crate) fn native_ids<'a>(
    versions: &'a [VersionMeta],
    number: u64,
    content: Option<&'a ContentId>,
) -> impl Iterator<Item = &'a VersionId> {
    let is_meant = move |stamp: &Stamp| {
        stamp.version == number && content.is_none_or(|content| content.matches(&stamp.content_id))
    };
    versions.iter().rev().filter(move |meta| meta.stamp.as_ref().is_some_and(is_meant)).map(|meta| &meta.id)
}

/// Whether different contents claim to be logical version `number`.
pub(crate) fn has_rivals(versions: &[VersionMeta], number: u64) -> bool {
    let mut claims =
        versions.iter().filter_map(|meta| meta.stamp.as_ref()).filter(|stamp| stamp.version == number);
    claims.next().is_some_and(|first| claims.any(|other| !other.content_id.matches(&first.content_id)))
}

/// The highest number that is claimed.
pub(crate) fn highest(versions: &[VersionMeta]) -> Option<u64> {
    versions.iter().filter_map(|meta| meta.stamp.as_ref()).map(|stamp| stamp.version).max()
}

/// The first version above `number` that has no rival.
pub(crate) fn first_alone(versions: &[VersionMeta], number: u64) -> Option<&VersionId> {
    let numbers = versions.iter().filter_map(|meta| meta.stamp.as_ref()).map(|stamp| stamp.version);
    let alone = numbers.filter(|&above| above > number && !has_rivals(versions, above)).min()?;
    native_ids(versions, alone, None).next()
}

/// A backend's versions as logical ones, oldest first, each number once.
///
/// The stamp is the newest claim, the time the oldest: a re-wrap is no new version. What carries no stamp is
/// not ours and is left out.
pub(crate) fn logical_versions(native: Vec<VersionMeta>) -> Vec<VersionMeta> {
    let mut logical: Vec<VersionMeta> = Vec::with_capacity(native.len());
    for mut meta in native {
        let Some(number) = meta.stamp.as_ref().map(|stamp| stamp.version) else { continue };
        meta.id = VersionId::from_number(number);
        match logical.iter_mut().find(|seen| seen.id == meta.id) {
            Some(seen) => {
                seen.stamp = meta.stamp;
                seen.state = meta.state;
            }
            None => logical.push(meta),
        }
    }
    logical.sort_by_key(|meta| meta.id.number());
    logical
}

/// An answer under its logical version, with the stamp that was verified in place of the claim.
pub(crate) fn logical_secret(mut secret: Secret, stamp: Stamp) -> Secret {
    secret.version = VersionId::from_number(stamp.version);
    secret.stamp = Some(stamp);
    secret
}

#[cfg(test)]
mod tests {
    use secrets_backend::{ContentId, StampKind, Timestamp};

    use super::*;

    fn native(id: &str, version: u64, epoch: u32, created: u64) -> VersionMeta {
        let content = ContentId::new([u8::try_from(version).unwrap(); 32]);
        let mut meta = VersionMeta::new(VersionId::new(id));
        meta.stamp = Some(Stamp::new(StampKind::Secret, version, Some(1), epoch, content, None));
        meta.created = Some(Timestamp::from_millis(created));
        meta
    }

    #[test]
    fn rewrapped_versions_are_one_logical_version_with_its_first_time_and_last_epoch() {
        let logical =
            logical_versions(vec![native("a", 1, 7, 10), native("b", 2, 7, 20), native("c", 1, 8, 30)]);
        let numbers: Vec<_> = logical.iter().map(|meta| meta.id.number()).collect();
        assert_eq!(numbers, [Some(1), Some(2)]);
        assert_eq!(logical[0].created, Some(Timestamp::from_millis(10)));
        assert_eq!(logical[0].stamp.as_ref().unwrap().epoch, 8);
    }

    #[test]
    fn the_newest_native_version_of_a_number_comes_first() {
        let versions = [native("a", 1, 7, 10), native("b", 2, 7, 20), native("c", 1, 8, 30)];
        let ids: Vec<_> = native_ids(&versions, 1, None).map(VersionId::as_str).collect();
        assert_eq!(ids, ["c", "a"]);
    }

    #[test]
    fn a_rewrap_is_no_rival_and_another_content_is() {
        let mut versions = vec![native("a", 1, 7, 10), native("b", 2, 7, 20), native("c", 1, 8, 30)];
        assert!(!has_rivals(&versions, 1) && !has_rivals(&versions, 3));
        let mut rival = native("d", 1, 7, 40);
        let stamp = rival.stamp.as_mut().unwrap();
        stamp.content_id = ContentId::new([9; 32]);
        let content = stamp.content_id;
        versions.push(rival);
        assert!(has_rivals(&versions, 1) && !has_rivals(&versions, 2));
        let ids: Vec<_> = native_ids(&versions, 1, Some(&content)).map(VersionId::as_str).collect();
        assert_eq!(ids, ["d"]);
    }

    #[test]
    fn what_carries_no_stamp_is_left_out() {
        assert!(logical_versions(vec![VersionMeta::new(VersionId::new("foreign"))]).is_empty());
    }
}
