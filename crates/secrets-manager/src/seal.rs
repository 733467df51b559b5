//! The sealing wrapper: plaintext above it, envelopes below.

mod bulk;
mod resolve;
mod write;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use secrets_backend::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, Stamp, VersionId, VersionMeta, VersionState, Written, async_trait,
};
use secrets_crypto::ObjectId;
use secrets_multicloud::{FailoverBackend, Plan};

use crate::blocking::blocking;
use crate::state::{Mark, MarkKind, State, StateError};
use crate::tenant::{SealError, Tenant};
use write::Current;
pub(crate) use write::{ChangeMetadata, Content, Prepared};

/// Seals what goes down, opens what comes up, and turns deletions into tombstones.
///
/// Its versions are the logical ones. Every write goes down as `Create` or `Replace`, so that two
/// installations never overwrite each other unseen.
#[derive(Debug)]
pub(crate) struct SealBackend {
    inner: Arc<FailoverBackend>,
    tenant: Arc<Tenant>,
    state: Arc<State>,
}

impl SealBackend {
    pub(crate) const fn new(inner: Arc<FailoverBackend>, tenant: Arc<Tenant>, state: Arc<State>) -> Self {
        Self { inner, tenant, state }
    }

    /// The replicas below.
    pub(crate) const fn replicas(&self) -> &Arc<FailoverBackend> {
        &self.inner
    }

    /// Reads what has been seen of these secrets, in one opening of the state.
    pub(crate) async fn load(&self, paths: &[SecretPath]) -> Result<()> {
        let (state, objects) = (Arc::clone(&self.state), self.tenant.objects(paths));
        if state.has_loaded(&objects) {
            return Ok(());
        }
        blocking(move || state.load(&objects)).await.map_err(|error| self.state_error(&error))
    }

    /// The stamp of the newest version, tombstones included; `None` where the path was never written.
    pub(crate) async fn newest(&self, path: &SecretPath) -> Result<Option<Stamp>> {
        self.load(std::slice::from_ref(path)).await?;
        Ok(self.current(path).await?.map(|current| current.stamp))
    }

    /// One page of what is stored, tombstones included.
    pub(crate) async fn list_with_deleted(
        &self,
        prefix: Option<&SecretPath>,
        page: Option<&PageToken>,
    ) -> Result<Page> {
        self.load(&[]).await?;
        self.inner.list(prefix, page).await
    }

    /// Opens an answer; a tombstone is `NotFound`.
    fn opened(&self, path: &SecretPath, at: Option<&VersionId>, secret: &Secret) -> Result<Secret> {
        let number = at.and_then(VersionId::number);
        let opened = self
            .tenant
            .open(path, number, secret.value.expose())
            .map_err(|error| self.refuse(ErrorKind::Tampered, Operation::Get, path, &error))?;
        if opened.stamp.is_tombstone() {
            return Err(self.error(ErrorKind::NotFound, Operation::Get, path).with_detail("deleted"));
        }
        let mut plain = Secret::new(VersionId::from_number(opened.stamp.version), opened.value);
        plain.metadata = opened.metadata;
        plain.created = Some(opened.created);
        plain.stamp = Some(opened.stamp);
        plain.served.clone_from(&secret.served);
        Ok(plain)
    }

    /// After the primary refused what did not follow its version: notes that one as seen, so that no replica that is
    /// behind answers the next attempt. Answers whether somebody has to decide between versions first: writing on top of
    /// one would drop the other.
    pub(crate) async fn is_contested(&self, path: &SecretPath) -> bool {
        let newest = self.inner.primary_of(path).get(path, None).await;
        self.remember(newest.iter().filter_map(|secret| Some((path, secret.stamp.as_ref()?)))).await;
        let secret = self.inner.get(path, None).await;
        secret.is_ok_and(|secret| secret.served.is_some_and(|served| served.conflict))
    }

    /// Writes again where another wrote at the same moment, on top of what is there then.
    async fn until_first<W>(
        &self,
        path: &SecretPath,
        attempt: impl Fn() -> W + Send + Sync,
    ) -> Result<Written>
    where
        W: Future<Output = Result<Written>> + Send,
    {
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            match attempt().await {
                Err(error) if attempts > 0 && someone_else_wrote(&error) => {
                    if self.is_contested(path).await {
                        return Err(error);
                    }
                }
                answer => return answer,
            }
        }
    }

    /// The versions of a secret, none of which may end before what was seen.
    async fn history(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        let mark = self.state.mark(self.tenant.object(path)).map_err(|error| self.state_error(&error))?;
        self.inner.history(path, mark.map_or(0, |mark| mark.version)).await
    }

    /// Notes the newest versions that a comparison found, as far as whoever claims to have them really does.
    pub(crate) async fn note_newest(&self, plan: &Plan) {
        for replica in self.inner.replicas() {
            let paths: BTreeSet<&SecretPath> =
                plan.steps.iter().filter(|step| step.from == replica.name()).map(|step| &step.path).collect();
            let paths: Vec<SecretPath> = paths.into_iter().cloned().collect();
            for some in paths.chunks(NEWEST_AT_ONCE) {
                let answers = replica.get_many(some).await;
                let stamps = some.iter().zip(&answers);
                self.remember(
                    stamps.filter_map(|(path, one)| Some((path, one.as_ref().ok()?.stamp.as_ref()?))),
                )
                .await;
            }
        }
    }

    /// Notes current versions that are newer than what was seen, before their values are passed on.
    ///
    /// A failure is a warning: the values are authentic, and a state that cannot be written is no reason to
    /// withhold them; only the memory of having seen them is lost.
    async fn remember<'a>(&self, answers: impl Iterator<Item = (&'a SecretPath, &'a Stamp)>) {
        let mut newer = Vec::new();
        for (path, stamp) in answers {
            let object = self.tenant.object(path);
            let mark = Mark::of(stamp);
            if let Ok(seen) = self.state.mark(object)
                && seen.is_none_or(|seen| mark.is_beyond(&seen))
            {
                newer.push((object, mark));
            }
        }
        if !newer.is_empty() {
            self.record(newer).await;
        }
    }

    /// Raises marks; a failure is a warning, see [`SealBackend::remember`].
    async fn record(&self, marks: Vec<(ObjectId, Mark)>) {
        if let Err(error) = self.try_record(marks).await {
            tracing::warn!(%error, "what was seen could not be noted; an older answer may pass unnoticed");
        }
    }

    /// Raises marks.
    async fn try_record(&self, marks: Vec<(ObjectId, Mark)>) -> Result<()> {
        let state = Arc::clone(&self.state);
        blocking(move || state.record(&marks)).await.map_err(|error| self.state_error(&error))
    }

    fn error(&self, kind: ErrorKind, operation: Operation, path: &SecretPath) -> Error {
        Error::new(kind, operation, self.inner.to_string()).with_path(path)
    }

    fn missing(&self, operation: Operation, path: &SecretPath) -> Error {
        self.error(ErrorKind::NotFound, operation, path)
    }

    fn refuse(&self, kind: ErrorKind, operation: Operation, path: &SecretPath, why: &SealError) -> Error {
        self.error(kind, operation, path).with_detail(why.to_string())
    }

    fn state_error(&self, error: &StateError) -> Error {
        Error::new(ErrorKind::Unavailable, Operation::Check, "local state").with_detail(error.to_string())
    }
}

#[async_trait]
impl SecretBackend for SealBackend {
    fn capabilities(&self) -> Capabilities {
        let mut own = self.inner.capabilities();
        own.recoverable_delete = own.versions;
        own.max_value = largest_value(own.max_value);
        own.max_path = own.max_path.min(SecretPath::MAX_LEN);
        own
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.load(std::slice::from_ref(path)).await?;
        let secret = self.inner.get(path, at).await?;
        if at.is_none() {
            self.remember(secret.stamp.iter().map(|stamp| (path, stamp))).await;
        }
        self.opened(path, at, &secret)
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        if let Err(error) = self.load(paths).await {
            let again = |path| self.error(error.kind(), Operation::Get, path).with_detail(error.to_string());
            return paths.iter().map(|path| Err(again(path))).collect();
        }
        let answers = self.inner.get_many(paths).await;
        let found = paths.iter().zip(&answers);
        self.remember(found.filter_map(|(path, answer)| Some((path, answer.as_ref().ok()?.stamp.as_ref()?))))
            .await;
        paths.iter().zip(answers).map(|(path, answer)| self.opened(path, None, &answer?)).collect()
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let content = Content::of(secret);
        self.load(std::slice::from_ref(path)).await?;
        let put = || async { self.commit(self.prepare(path, content, mode).await?).await };
        if *mode == PutMode::Upsert { self.until_first(path, put).await } else { put().await }
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.load(std::slice::from_ref(path)).await?;
        let delete = || async { self.commit(self.tombstone(path, self.current(path).await?)?).await };
        self.until_first(path, delete).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.load(std::slice::from_ref(path)).await?;
        self.until_first(path, || self.brought_back(path)).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.load(std::slice::from_ref(path)).await?;
        let current = self.current(path).await?.filter(|current| current.stored);
        let current = current.ok_or_else(|| self.missing(Operation::Purge, path))?;
        // A tombstone alone is what a purge leaves; whether it is alone, only the primary can say.
        if !current.is_live()
            && self.inner.primary_of(path).versions(path).await.is_ok_and(|versions| versions.len() == 1)
        {
            return Err(self.missing(Operation::Purge, path));
        }
        // Should this be cut short, what is half gone must not look like a rollback.
        let begun = Mark { kind: MarkKind::Purging, ..Mark::of(&current.stamp) };
        self.try_record(vec![(self.tenant.object(path), begun)]).await?;
        let gone = Current { stored: false, ..current };
        let tombstone = self.after(path, Some(&gone), Content::tombstone())?;
        let written = self.inner.purge_to(path, &tombstone.secret).await?;
        self.record(vec![(self.tenant.object(path), Mark::of(&tombstone.stamp))]).await;
        Ok(written)
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.load(std::slice::from_ref(path)).await?;
        let mut versions = self.history(path).await?;
        for meta in &mut versions {
            if meta.stamp.as_ref().is_some_and(Stamp::is_tombstone) {
                meta.state = VersionState::Deleted;
            }
        }
        if versions.iter().all(|meta| meta.state == VersionState::Deleted) {
            return Err(self.missing(Operation::Versions, path));
        }
        Ok(versions)
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.load(&[]).await?;
        let mut page = self.inner.list(prefix, page).await?;
        page.items.retain(|item| !item.stamp.as_ref().is_some_and(Stamp::is_tombstone));
        Ok(page)
    }
}

impl fmt::Display for SealBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sealed {}", self.inner)
    }
}

/// Whether a condition was refused because of another's write.
pub(crate) fn someone_else_wrote(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists)
}

/// How often a write without a condition starts over when another installation wrote first.
const ATTEMPTS: u32 = 4;
/// How many values are in memory together while their versions are noted.
const NEWEST_AT_ONCE: usize = 64;
/// The largest value, in bytes, whatever the backend takes.
const MAX_VALUE: usize = 1 << 20;
/// Room in a backend's largest value for what an envelope adds: header, wrap, path, 65,535 bytes of metadata,
/// a tag for each of its chunks, padding.
const ENVELOPE_ROOM: usize = 68 * 1024;
/// The same with metadata of the portable size, for a backend that has not many times the room of the largest.
const PORTABLE_ROOM: usize = 8 * 1024;

/// The largest value in a backend that takes `room` bytes. In a small one longer metadata leaves less for the value:
/// what is too long together is refused when it is sealed.
const fn largest_value(room: usize) -> usize {
    let envelope = if room < 4 * ENVELOPE_ROOM { PORTABLE_ROOM } else { ENVELOPE_ROOM };
    let value = room.saturating_sub(envelope);
    if value < MAX_VALUE { value } else { MAX_VALUE }
}
