//! Where a service keeps versions and knows no conditions, what was written last may hide what was written at the same
//! moment. So a read looks at the claims of all versions, too: the highest number is the current one, and different
//! contents under it are rivals.

use futures_util::{StreamExt, stream};
use secrets_backend::{
    Error, ErrorKind, NewSecret, Result, Secret, SecretPath, Stamp, VersionId, VersionMeta,
};

use super::Replica;
use crate::translate::{has_rivals, highest, native_ids};

/// What a service answers, and whether another content has the same number.
pub(super) type Newest = (Result<Secret>, bool);

/// A version beside the one that is served.
#[derive(Debug)]
pub(crate) struct Hidden {
    pub(crate) native: VersionId,
    pub(crate) secret: NewSecret,
    pub(crate) stamp: Stamp,
}

impl Replica {
    /// Whether a version can hide another that is kept.
    pub(crate) fn may_hide(&self) -> bool {
        let can = self.backend.capabilities();
        can.versions && !(can.atomic_create && can.atomic_replace)
    }

    /// The current version, as it is.
    pub(super) async fn newest(&self, path: &SecretPath) -> Newest {
        if !self.may_hide() {
            return (self.backend.get(path, None).await, false);
        }
        let (answer, versions) = tokio::join!(self.backend.get(path, None), self.backend.versions(path));
        self.uncovered(path, answer, versions).await
    }

    /// The same of many.
    pub(super) async fn newest_many(&self, paths: &[SecretPath]) -> Vec<Newest> {
        if !self.may_hide() {
            let answers = self.backend.get_many(paths).await;
            return answers.into_iter().map(|answer| (answer, false)).collect();
        }
        let histories: Vec<_> = paths.iter().map(|path| self.backend.versions(path)).collect();
        let histories = stream::iter(histories).buffered(AT_ONCE).collect::<Vec<_>>();
        let (answers, histories) = tokio::join!(self.backend.get_many(paths), histories);
        let both = paths.iter().zip(answers).zip(histories);
        let uncovered: Vec<_> =
            both.map(|((path, answer), versions)| self.uncovered(path, answer, versions)).collect();
        stream::iter(uncovered).buffered(AT_ONCE).collect().await
    }

    async fn uncovered(
        &self,
        path: &SecretPath,
        answer: Result<Secret>,
        versions: Result<Vec<VersionMeta>>,
    ) -> Newest {
        let is_missing = |error: &Error| error.kind() == ErrorKind::NotFound;
        let shown = match &answer {
            // What somebody else put there, who is none of us, is judged as it is.
            Ok(secret) => match &secret.stamp {
                Some(stamp) => stamp.version,
                None => return (answer, false),
            },
            // It may have come in between, or be there after all.
            Err(error) if is_missing(error) => 0,
            Err(_) => return (answer, false),
        };
        let versions = match versions {
            Ok(versions) => versions,
            // It went in between.
            Err(error) if is_missing(&error) => Vec::new(),
            Err(error) => return (Err(error), false),
        };
        let number = highest(&versions).unwrap_or(shown);
        let is_contested = has_rivals(&versions, number);
        match native_ids(&versions, number, None).next() {
            Some(native) if number > shown => (self.backend.get(path, Some(native)).await, is_contested),
            _ => (answer, is_contested && number == shown),
        }
    }

    /// Whether the current version has rivals.
    pub(crate) async fn is_contested(&self, path: &SecretPath) -> Result<bool> {
        Ok(is_contested(&self.listed(path).await?))
    }

    /// Its versions, where one can hide another, as it lists them: oldest first.
    pub(crate) async fn listed(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        if self.may_hide() { self.backend.versions(path).await } else { Ok(Vec::new()) }
    }

    /// What else is current: other contents under the highest number, each once.
    pub(crate) async fn hidden(&self, path: &SecretPath, current: &Stamp) -> Result<Vec<Hidden>> {
        let mut hidden: Vec<Hidden> = Vec::new();
        let versions = self.listed(path).await?;
        let number = highest(&versions).unwrap_or(current.version);
        for native in native_ids(&versions, number, None) {
            let secret = self.backend.get(path, Some(native)).await?;
            // A claim that is not authentic is no rival.
            let Ok(Some(stamp)) = self.judged(path, &secret) else { continue };
            let is_known = |one: &Stamp| one.content_id.matches(&stamp.content_id);
            if !is_known(current) && !hidden.iter().any(|one| is_known(&one.stamp)) {
                let secret = NewSecret::new(secret.value).with_stamp(stamp.clone());
                hidden.push(Hidden { native: native.clone(), secret, stamp });
            }
        }
        Ok(hidden)
    }
}

/// Whether different contents claim to be the newest version.
pub(crate) fn is_contested(versions: &[VersionMeta]) -> bool {
    highest(versions).is_some_and(|number| has_rivals(versions, number))
}

/// How many histories are listed at once.
const AT_ONCE: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]

    use std::sync::Arc;

    use secrets_backend::{ContentId, MemoryBackend, MemoryConfig, PutMode, SecretBackend, StampKind};

    use super::*;
    use crate::failover::FailoverBackend;
    use crate::replica::{Verified, Verify};

    fn path() -> SecretPath {
        "app/key".parse().unwrap()
    }

    fn sealed(version: u64, content: u8, parent: u8) -> NewSecret {
        let parent = Some(ContentId::new([parent; 32]));
        let stamp = Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([content; 32]), parent);
        NewSecret::new(vec![content]).with_stamp(stamp)
    }

    /// One service that takes every write, and two installations at it.
    async fn both() -> (Arc<MemoryBackend>, [FailoverBackend; 2]) {
        let mut config = MemoryConfig::default();
        (config.capabilities.atomic_create, config.capabilities.atomic_replace) = (false, false);
        let service = Arc::new(MemoryBackend::with_config(config));
        let verify: Arc<Verify> = Arc::new(|path, _, answer| {
            let stamp = answer.and_then(|secret| secret.stamp.clone());
            let Some(secret) = answer else { return Ok(None) };
            match stamp {
                Some(stamp) if stamp.content_id.as_bytes()[0] == secret.value.expose()[0] => {
                    Ok(Some(Verified::good(stamp)))
                }
                _ => Err(secrets_backend::Error::new(
                    ErrorKind::Tampered,
                    secrets_backend::Operation::Get,
                    "verify",
                )
                .with_path(path)),
            }
        });
        let installation =
            || FailoverBackend::new(Replica::new("vault", Arc::clone(&service) as _, Arc::clone(&verify)));
        let both = [installation(), installation()];
        both[0].put(&path(), &sealed(1, 1, 0), &PutMode::Create).await.unwrap();
        (service, both)
    }

    fn replace(version: u64) -> PutMode {
        PutMode::Replace(VersionId::from_number(version))
    }

    #[tokio::test]
    async fn of_two_that_write_at_once_both_are_kept_and_every_read_tells_until_somebody_decides() {
        let (service, [one, two]) = both().await;
        one.put(&path(), &sealed(2, 2, 1), &replace(1)).await.unwrap();
        // It looked before the other wrote, and writes after.
        service.put(&path(), &sealed(2, 9, 1), &PutMode::Upsert).await.unwrap();
        for reader in [&one, &two] {
            assert_eq!(reader.get(&path(), None).await.unwrap_err().kind(), ErrorKind::Conflict);
            let batch = reader.get_many(&[path()]).await.pop().unwrap();
            assert_eq!(batch.unwrap_err().kind(), ErrorKind::Conflict);
        }
        let on_top = one.put(&path(), &sealed(3, 3, 9), &replace(2)).await.unwrap_err();
        assert_eq!(on_top.kind(), ErrorKind::Conflict, "it would hide the other for good");
        let rivals = two.rivals(&path()).await.unwrap();
        let contents: Vec<_> = rivals.iter().map(|rival| rival.secret.value.expose()[0]).collect();
        assert_eq!(contents, [9, 2]);
        assert_eq!((rivals[0].holders[0].as_str(), rivals[1].holders[0].as_str()), ("vault", "vault#2"));
        two.settle(&path(), &sealed(3, 3, 2)).await.unwrap();
        for reader in [&one, &two] {
            assert_eq!(reader.get(&path(), None).await.unwrap().value.expose(), [3]);
        }
    }

    #[tokio::test]
    async fn whoever_looks_after_writing_finds_the_other_and_is_told() {
        let (_, [one, two]) = both().await;
        two.get(&path(), None).await.unwrap();
        one.put(&path(), &sealed(2, 2, 1), &replace(1)).await.unwrap();
        let refused = two.put(&path(), &sealed(2, 9, 1), &replace(1)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
        assert_eq!(one.get(&path(), None).await.unwrap().value.expose(), [2]);
    }

    #[tokio::test]
    async fn what_comes_late_hides_no_newer_version() {
        let (service, [one, two]) = both().await;
        one.put(&path(), &sealed(2, 2, 1), &replace(1)).await.unwrap();
        // A version under a new wrap, which was on its way for long.
        service.put(&path(), &sealed(1, 1, 0), &PutMode::Upsert).await.unwrap();
        assert_eq!(two.get(&path(), None).await.unwrap().value.expose(), [2]);
        let batch = two.get_many(&[path()]).await.pop().unwrap();
        assert_eq!(batch.unwrap().value.expose(), [2]);
        two.put(&path(), &sealed(3, 3, 2), &replace(2)).await.unwrap();
        assert_eq!(one.get(&path(), None).await.unwrap().value.expose(), [3]);
    }

    #[tokio::test]
    async fn what_somebody_else_wrote_over_it_is_not_passed_over() {
        let (service, [one, _]) = both().await;
        service.put(&path(), &NewSecret::new("plain"), &PutMode::Upsert).await.unwrap();
        assert_eq!(one.get(&path(), None).await.unwrap_err().kind(), ErrorKind::Tampered);
    }
}
