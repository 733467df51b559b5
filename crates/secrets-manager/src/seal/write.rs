//! From a value to the sealed version that follows what is there.

use secrets_backend::{
    ErrorKind, Metadata, NewSecret, Operation, PutMode, Result, Secret, SecretBackend, SecretBytes,
    SecretPath, Stamp, StampKind, VersionId, VersionMeta, Written,
};

use super::SealBackend;
use crate::state::Mark;
use crate::tenant::{Draft, SealError};

/// What becomes of the metadata that is there.
pub(crate) type ChangeMetadata<'a> = dyn Fn(&mut Metadata) + Send + Sync + 'a;

/// The version that a path is at: where the next one goes on from.
pub(super) struct Current {
    pub(super) stamp: Stamp,
    /// Whether the backend has it; after a purge that was cut short only the mark is left.
    pub(super) stored: bool,
}

/// The content of a version to be written.
#[derive(Clone, Copy)]
pub(crate) struct Content<'a> {
    kind: StampKind,
    metadata: Option<&'a Metadata>,
    value: &'a [u8],
}

/// A sealed version, ready to be sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) path: SecretPath,
    /// The version that it replaces; `None` where it creates.
    pub(crate) replaces: Option<u64>,
    /// The envelope and its stamp.
    pub(crate) secret: NewSecret,
    pub(crate) stamp: Stamp,
}

impl Current {
    pub(super) fn is_live(&self) -> bool {
        self.stored && !self.stamp.is_tombstone()
    }
}

impl<'a> Content<'a> {
    pub(crate) fn of(secret: &'a NewSecret) -> Self {
        Self { kind: StampKind::Secret, metadata: Some(&secret.metadata), value: secret.value.expose() }
    }

    pub(super) const fn tombstone() -> Self {
        Self { kind: StampKind::Tombstone, metadata: None, value: &[] }
    }
}

impl Prepared {
    pub(crate) fn new(path: SecretPath, replaces: Option<u64>, envelope: Vec<u8>, stamp: Stamp) -> Self {
        let secret = NewSecret::new(envelope).with_stamp(stamp.clone());
        Self { path, replaces, secret, stamp }
    }

    /// What has to be there when it is written.
    pub(crate) fn mode(&self) -> PutMode {
        match self.replaces {
            Some(version) => PutMode::Replace(VersionId::from_number(version)),
            None => PutMode::Create,
        }
    }
}

impl SealBackend {
    /// Seals what follows the newest version, if `mode` allows it on top of that.
    pub(crate) async fn prepare(
        &self,
        path: &SecretPath,
        content: Content<'_>,
        mode: &PutMode,
    ) -> Result<Prepared> {
        self.check_limits(path, content.value)?;
        let current = self.current(path).await?;
        self.on_top_of(current.as_ref(), path, content, mode)
    }

    /// Writes a value with the present metadata as `change` leaves it. What is there is read once for both.
    pub(crate) async fn set(
        &self,
        path: &SecretPath,
        value: &SecretBytes,
        mode: &PutMode,
        change: &ChangeMetadata<'_>,
    ) -> Result<Written> {
        self.check_limits(path, value.expose())?;
        self.load(std::slice::from_ref(path)).await?;
        let answer = self.inner.get(path, None).await;
        let mut metadata = match answer.as_ref().ok().map(|secret| self.opened(path, None, secret)) {
            Some(Ok(present)) => present.metadata,
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => Metadata::default(),
        };
        let current = self.current_as(path, answer)?;
        change(&mut metadata);
        let content = Content { kind: StampKind::Secret, metadata: Some(&metadata), value: value.expose() };
        self.commit(self.on_top_of(current.as_ref(), path, content, mode)?).await
    }

    /// Seals what follows `current`, if `mode` allows it.
    pub(super) fn on_top_of(
        &self,
        current: Option<&Current>,
        path: &SecretPath,
        content: Content<'_>,
        mode: &PutMode,
    ) -> Result<Prepared> {
        let live = current.filter(|current| current.is_live());
        let refused = match (mode, live) {
            (PutMode::Upsert, _) | (PutMode::Create, None) => None,
            (PutMode::Create, Some(_)) => Some(ErrorKind::AlreadyExists),
            (PutMode::Replace(wanted), Some(live)) if wanted.number() == Some(live.stamp.version) => None,
            (PutMode::Replace(_), _) => Some(ErrorKind::Conflict),
        };
        match refused {
            Some(kind) => Err(self.error(kind, Operation::Put, path)),
            None => self.after(path, current, content),
        }
    }

    /// What can never be stored is refused before anything is read or written.
    pub(super) fn check_limits(&self, path: &SecretPath, value: &[u8]) -> Result<()> {
        let can = self.capabilities();
        let over = |what, limit: usize, len: usize| {
            let detail = format!("{what} has at most {limit} bytes here, this one has {len}");
            Err(self.error(ErrorKind::InvalidInput, Operation::Put, path).with_detail(detail))
        };
        if value.len() > can.max_value {
            return over("a value", can.max_value, value.len());
        }
        if path.as_str().len() > can.max_path {
            return over("a path", can.max_path, path.as_str().len());
        }
        Ok(())
    }

    /// Seals the deletion of what is there.
    pub(super) fn tombstone(&self, path: &SecretPath, current: Option<Current>) -> Result<Prepared> {
        let live = current.filter(Current::is_live);
        let live = live.ok_or_else(|| self.missing(Operation::Delete, path))?;
        self.after(path, Some(&live), Content::tombstone())
    }

    /// Seals the version after `current`.
    pub(super) fn after(
        &self,
        path: &SecretPath,
        current: Option<&Current>,
        content: Content<'_>,
    ) -> Result<Prepared> {
        let none = Metadata::default();
        let draft = Draft {
            kind: content.kind,
            version: current.map_or(1, |current| current.stamp.version + 1),
            parent: current.and_then(|current| current.stamp.content_id.as_bytes().try_into().ok()),
            metadata: content.metadata.unwrap_or(&none),
            value: content.value,
        };
        let (envelope, stamp) = self
            .tenant
            .seal(path, &draft)
            .map_err(|error| self.refuse(refusal(error), Operation::Put, path, &error))?;
        let limit = self.inner.capabilities().max_value;
        if envelope.len() > limit {
            let detail = format!("sealed it takes {} bytes, the backend takes {limit}", envelope.len());
            return Err(self.error(ErrorKind::InvalidInput, Operation::Put, path).with_detail(detail));
        }
        let replaces = current.filter(|current| current.stored).map(|current| current.stamp.version);
        Ok(Prepared::new(path.clone(), replaces, envelope, stamp))
    }

    /// Sends a sealed version and notes it as seen.
    pub(super) async fn commit(&self, prepared: Prepared) -> Result<Written> {
        let written = self.send(&prepared).await?;
        self.record(vec![(self.tenant.object(&prepared.path), Mark::of(&prepared.stamp))]).await;
        Ok(written)
    }

    /// Sends a sealed version, on top of the one that it was prepared for.
    pub(crate) async fn send(&self, prepared: &Prepared) -> Result<Written> {
        self.inner.put(&prepared.path, &prepared.secret, &prepared.mode()).await
    }

    pub(super) async fn current(&self, path: &SecretPath) -> Result<Option<Current>> {
        self.current_as(path, self.inner.get(path, None).await)
    }

    /// The version that a path is at, by what was answered for it.
    pub(super) fn current_as(&self, path: &SecretPath, answer: Result<Secret>) -> Result<Option<Current>> {
        match answer {
            Ok(secret) => Ok(secret.stamp.map(|stamp| Current { stamp, stored: true })),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // A purge that was cut short leaves nothing at the backend and a number here.
                let mark = self.state.mark(self.tenant.object(path));
                let mark = mark.map_err(|error| self.state_error(&error))?;
                Ok(mark.map(|mark| Current { stamp: mark.stamp(), stored: false }))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the last value on top of a deletion.
    pub(super) async fn brought_back(&self, path: &SecretPath) -> Result<Written> {
        let tombstone = self.current(path).await?.filter(|current| current.stored && !current.is_live());
        // After the first call to it: some backends learn only by that what their service can do.
        if !self.inner.capabilities().versions {
            return Err(self.error(ErrorKind::Unsupported, Operation::Undelete, path));
        }
        let tombstone = tombstone.ok_or_else(|| self.missing(Operation::Undelete, path))?;
        let last = self.last_value(path, &tombstone.stamp).await?;
        let last = NewSecret::new(last.value).with_metadata(last.metadata);
        self.commit(self.after(path, Some(&tombstone), Content::of(&last))?).await
    }

    /// The newest version that holds a value, of a history that reaches to the deletion.
    async fn last_value(&self, path: &SecretPath, tombstone: &Stamp) -> Result<Secret> {
        let versions = self.inner.history(path, tombstone.version).await?;
        let is_value = |meta: &&VersionMeta| meta.stamp.as_ref().is_some_and(|stamp| !stamp.is_tombstone());
        let last = versions.iter().rev().find(is_value);
        let last = last.ok_or_else(|| self.missing(Operation::Undelete, path))?;
        let secret = self.inner.get(path, Some(&last.id)).await?;
        self.opened(path, Some(&last.id), &secret)
    }
}

const fn refusal(error: SealError) -> ErrorKind {
    match error {
        SealError::MetadataTooLarge => ErrorKind::InvalidInput,
        _ => ErrorKind::Unexpected,
    }
}
