//! The audit wrapper: nothing is read or written without a durable entry.

mod bulk;
mod layer;
mod plain;
mod recovery;

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use secrets_audit::Action;
use secrets_backend::{
    Capabilities, Error, ErrorKind, MAX_EMPTY_PAGES, MAX_LISTED, MAX_PAGES, NewSecret, Operation, Page,
    PageToken, PutMode, Result, Secret, SecretBackend, SecretPath, Stamp, VersionId, VersionMeta, Written,
    async_trait,
};

use crate::blocking::blocking;
use crate::locks::{Held, LockError, Locks};
use crate::recorder::{Call, Recorder, Version};
pub(crate) use layer::Layer;

/// Records every call: a reading one by one entry, durable before its values are passed on; a writing one by
/// two, of which the first is durable before anything is written.
#[derive(Debug)]
pub(crate) struct AuditBackend {
    inner: Layer,
    recorder: Recorder,
    locks: Arc<Locks>,
}

impl AuditBackend {
    pub(crate) const fn new(inner: Layer, recorder: Recorder, locks: Arc<Locks>) -> Self {
        Self { inner, recorder, locks }
    }

    /// What lies below, for calls that make one entry of several steps.
    pub(crate) const fn layer(&self) -> &Layer {
        &self.inner
    }

    /// The same as a backend.
    pub(crate) fn below(&self) -> &dyn SecretBackend {
        self.inner.backend()
    }

    pub(crate) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Reads one secret, for the purpose that `action` names.
    pub(crate) async fn read(
        &self,
        action: Action,
        path: &SecretPath,
        at: Option<&VersionId>,
    ) -> Result<Secret> {
        let answer = self.below().get(path, at).await;
        self.passed_on(action, std::slice::from_ref(path), std::slice::from_ref(&answer)).await?;
        answer
    }

    /// Reads many secrets in one call: one entry, however many.
    pub(crate) async fn read_many(
        &self,
        action: Action,
        paths: &[SecretPath],
    ) -> Result<Vec<Result<Secret>>> {
        let answers = self.below().get_many(paths).await;
        self.passed_on(action, paths, &answers).await?;
        Ok(answers)
    }

    /// The entry of a reading call.
    async fn passed_on(
        &self,
        action: Action,
        paths: &[SecretPath],
        answers: &[Result<Secret>],
    ) -> Result<()> {
        let objects = paths.iter().zip(answers).map(|(path, answer)| {
            self.recorder
                .object(path, answer.as_ref().map(|secret| self.read_version(secret)).unwrap_or_default())
        });
        let failure = answers.iter().find_map(|answer| answer.as_ref().err());
        self.recorder.read(self.recorder.call(action)?, paths, objects.collect(), failure).await
    }

    /// The entry of a call that reads names or numbers, no values.
    async fn looked_up<T>(&self, action: Action, paths: &[SecretPath], answer: &Result<T>) -> Result<()> {
        let objects = paths.iter().map(|path| self.recorder.object(path, Version::default())).collect();
        self.recorder.read(self.recorder.call(action)?, paths, objects, answer.as_ref().err()).await
    }

    /// Writes under the secret's lock, between the two entries.
    pub(crate) async fn write<F>(&self, action: Action, path: &SecretPath, write: F) -> Result<Written>
    where
        F: Future<Output = Result<Written>> + Send,
    {
        let call = self.recorder.call(action)?;
        let paths = std::slice::from_ref(path);
        let mut held = self.hold(paths).await?;
        self.recover(&mut held).await?;
        self.note(&mut held, call, paths)?;
        self.recorder.intent(call, paths).await?;
        let answer = write.await;
        let version = answer.as_ref().map(|written| self.written_version(written)).unwrap_or_default();
        let recorded = self.recorder.outcome(call, paths, &[version], answer.as_ref().err()).await;
        ended(held);
        match (answer, recorded) {
            (Ok(_), Err(error)) => {
                Err(error.with_detail("the write took effect; its outcome is not recorded"))
            }
            (answer, _) => answer,
        }
    }

    pub(crate) async fn put_as(
        &self,
        action: Action,
        path: &SecretPath,
        secret: &NewSecret,
        mode: &PutMode,
    ) -> Result<Written> {
        self.write(action, path, self.below().put(path, secret, mode)).await
    }

    /// One page of names, tombstones included where asked for.
    pub(crate) async fn list_all(&self, prefix: Option<&SecretPath>, with_deleted: bool) -> Result<Page> {
        let answer = self.collect(prefix, with_deleted).await;
        self.looked_up(Action::SecretList, prefix.map_or(&[], std::slice::from_ref), &answer).await?;
        answer
    }

    async fn collect(&self, prefix: Option<&SecretPath>, with_deleted: bool) -> Result<Page> {
        let endless =
            |why: &'static str| Err(self.error(ErrorKind::Tampered, Operation::List).with_detail(why));
        let (mut all, mut seen) = (Page::default(), HashSet::new());
        let (mut token, mut empty) = (None, 0);
        loop {
            let page = if with_deleted {
                self.inner.list_with_deleted(prefix, token.as_ref()).await?
            } else {
                self.below().list(prefix, token.as_ref()).await?
            };
            empty = if page.items.is_empty() { empty + 1 } else { 0 };
            all.items.extend(page.items);
            let Some(next) = page.next else { return Ok(all) };
            if all.items.len() > MAX_LISTED || seen.len() >= MAX_PAGES || empty >= MAX_EMPTY_PAGES {
                return endless("the listing does not end");
            }
            if !seen.insert(next.clone()) {
                return endless("the listing repeats a page");
            }
            token = Some(next);
        }
    }

    /// What an entry says of a version that was read.
    fn read_version(&self, secret: &Secret) -> Version {
        self.version(secret.stamp.as_ref(), Some(&secret.version))
    }

    /// What an entry says of a version that was written.
    fn written_version(&self, written: &Written) -> Version {
        self.version(written.stamp.as_ref(), written.version.as_ref())
    }

    /// A backend without versions names them by what they hold: such a name is in no entry.
    fn version(&self, stamp: Option<&Stamp>, id: Option<&VersionId>) -> Version {
        match stamp {
            Some(stamp) => Version::of(stamp),
            None => id.filter(|_| self.capabilities().versions).map(Version::native).unwrap_or_default(),
        }
    }

    /// The versions of a secret, for a caller who wants old ones too.
    pub(crate) async fn history(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        let mut answer = self.below().versions(path).await;
        // Only now: some backends know what they can do once the service has answered.
        if answer.is_ok() && !self.capabilities().versions {
            let error = self.error(ErrorKind::Unsupported, Operation::Versions).with_path(path);
            answer = Err(error.with_detail("this backend keeps no old versions"));
        }
        self.looked_up(Action::SecretHistory, std::slice::from_ref(path), &answer).await?;
        answer
    }

    async fn hold(&self, paths: &[SecretPath]) -> Result<Held> {
        let (locks, objects) = (Arc::clone(&self.locks), self.recorder.tenant.objects(paths));
        blocking(move || locks.hold(&objects)).await.map_err(|error| self.locked(&error))
    }

    fn locked(&self, error: &LockError) -> Error {
        self.error(ErrorKind::Unavailable, Operation::Put).with_detail(error.to_string())
    }

    fn lock_file(&self, error: &std::io::Error) -> Error {
        self.error(ErrorKind::Unavailable, Operation::Put).with_detail(format!("lock file: {error}"))
    }

    fn error(&self, kind: ErrorKind, operation: Operation) -> Error {
        Error::new(kind, operation, self.below().to_string())
    }

    /// Leaves word of a call in its locks, for whoever finds them after a kill.
    fn note(&self, held: &mut Held, call: Call, paths: &[SecretPath]) -> Result<()> {
        let note = self.abandonable(call, paths)?;
        held.note(&note).map_err(|error| self.lock_file(&error))
    }
}

/// Frees the locks of a call whose outcome is recorded.
fn ended(mut held: Held) {
    if let Err(error) = held.clear() {
        tracing::warn!(%error, "a lock's note stays; the next write to this secret will record this one again");
    }
}

#[async_trait]
impl SecretBackend for AuditBackend {
    fn capabilities(&self) -> Capabilities {
        self.below().capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.below().check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.read(Action::SecretRead, path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        match self.read_many(Action::SecretRead, paths).await {
            Ok(answers) => answers,
            Err(error) => {
                let again = || self.error(error.kind(), Operation::Get).with_detail(error.to_string());
                paths.iter().map(|path| Err(again().with_path(path))).collect()
            }
        }
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.put_as(Action::SecretWrite, path, secret, mode).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.write(Action::SecretDelete, path, self.below().delete(path)).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.write(Action::SecretUndelete, path, self.below().undelete(path)).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.write(Action::SecretPurge, path, self.below().purge(path)).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        let answer = self.below().versions(path).await;
        self.looked_up(Action::SecretHistory, std::slice::from_ref(path), &answer).await?;
        answer
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let answer = self.below().list(prefix, page).await;
        self.looked_up(Action::SecretList, prefix.map_or(&[], std::slice::from_ref), &answer).await?;
        answer
    }
}

impl fmt::Display for AuditBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audited {}", self.below())
    }
}
