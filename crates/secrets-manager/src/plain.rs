//! The wrapper of a plain environment: values as the backend's other programs read and write them.

use std::fmt;
use std::sync::Arc;

use secrets_backend::{
    Capabilities, Error, ErrorKind, InvalidPath, Metadata, NewSecret, Operation, Page, PageToken, PutMode,
    Result, Secret, SecretBackend, SecretBytes, SecretPath, VersionId, VersionMeta, Written, async_trait,
};
use secrets_crypto::envelope::Envelope;

use crate::seal::ChangeMetadata;

/// Keeps what is sealed, and the safe's own objects, apart from an environment of plain values.
///
/// Versions, deletions, metadata and conditions are the backend's own. A sealed secret that lies here by mistake is
/// neither given out nor overwritten nor removed.
#[derive(Debug)]
pub(crate) struct PlainBackend {
    name: String,
    inner: Arc<dyn SecretBackend>,
}

impl PlainBackend {
    /// `inner`, called `name` in errors.
    pub(crate) const fn new(name: String, inner: Arc<dyn SecretBackend>) -> Self {
        Self { name, inner }
    }

    /// What can never be stored is refused before anything is read or written.
    pub(crate) fn check(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<()> {
        self.check_path(Operation::Put, path)?;
        let can = self.inner.capabilities();
        let refused = |kind, detail: String| Err(self.error(kind, Operation::Put, path).with_detail(detail));
        let metadata = secret.metadata.encoded_len();
        for (what, limit, len) in [
            ("a value", can.max_value, secret.value.len()),
            ("a path", can.max_path, path.as_str().len()),
            ("metadata", Metadata::MAX_LEN, metadata),
        ] {
            if len > limit {
                let detail = format!("{what} has at most {limit} bytes here, this one has {len}");
                return refused(ErrorKind::InvalidInput, detail);
            }
        }
        if secret.stamp.is_some() || is_sealed(secret.value.expose()) {
            return refused(ErrorKind::Unsupported, SEALED.to_owned());
        }
        match mode {
            PutMode::Create if !can.atomic_create => {
                refused(ErrorKind::Unsupported, NO_CONDITIONS.to_owned())
            }
            PutMode::Replace(_) if !can.atomic_replace => {
                refused(ErrorKind::Unsupported, NO_CONDITIONS.to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Writes a value with the present metadata as `change` leaves it; where the backend has conditions, on top of
    /// what was read.
    pub(crate) async fn set(
        &self,
        path: &SecretPath,
        value: &SecretBytes,
        mode: &PutMode,
        change: &ChangeMetadata<'_>,
    ) -> Result<Written> {
        let (mut metadata, read) = match self.get(path, None).await {
            Ok(secret) => (secret.metadata, PutMode::Replace(secret.version)),
            Err(error) if error.kind() == ErrorKind::NotFound => (Metadata::default(), PutMode::Create),
            Err(error) => return Err(error),
        };
        change(&mut metadata);
        let new = NewSecret::new(value.duplicate()).with_metadata(metadata);
        let can = self.inner.capabilities();
        let is_atomic = can.atomic_create && can.atomic_replace;
        let mode = if *mode == PutMode::Upsert && is_atomic { &read } else { mode };
        self.put(path, &new, mode).await
    }

    fn check_path(&self, operation: Operation, path: &SecretPath) -> Result<()> {
        if path.is_reserved() {
            let error = self.error(ErrorKind::InvalidInput, operation, path);
            return Err(error.with_detail(InvalidPath::Reserved.to_string()));
        }
        Ok(())
    }

    /// An answer as a plain value; a sealed one is refused.
    fn plain(&self, path: &SecretPath, answer: Result<Secret>) -> Result<Secret> {
        let secret = answer?;
        if secret.stamp.is_some() || is_sealed(secret.value.expose()) {
            return Err(self.error(ErrorKind::Unsupported, Operation::Get, path).with_detail(SEALED));
        }
        Ok(secret)
    }

    /// Refuses to overwrite or remove a sealed secret, as far as it can be seen: who may write but not read, may.
    async fn spare_sealed(&self, path: &SecretPath) -> Result<()> {
        match self.get(path, None).await {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::PermissionDenied => Ok(()),
                // Nothing was written yet, so the outcome of the write is known.
                ErrorKind::TimedOut => {
                    Err(self.error(ErrorKind::Unavailable, Operation::Get, path).with_source(error))
                }
                _ => Err(error),
            },
        }
    }

    /// Looks once whether a write of unknown outcome is there; it is never sent again.
    ///
    /// [`secrets_backend::read_back`] cannot serve: without a stamp it takes whatever it finds for what was there
    /// before, and an `Upsert` sent on top of that could undo a later write.
    async fn look_back(&self, path: &SecretPath, secret: &NewSecret, unknown: Error) -> Result<Written> {
        match self.inner.get(path, None).await {
            Ok(found) if found.value == secret.value && found.metadata == secret.metadata => {
                Ok(Written::version(found.version))
            }
            _ => Err(unknown),
        }
    }

    fn error(&self, kind: ErrorKind, operation: Operation, path: &SecretPath) -> Error {
        Error::new(kind, operation, self.name.clone()).with_path(path)
    }
}

#[async_trait]
impl SecretBackend for PlainBackend {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.check_path(Operation::Get, path)?;
        self.plain(path, self.inner.get(path, at).await)
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        let asked: Vec<_> = paths.iter().filter(|path| !path.is_reserved()).cloned().collect();
        let mut answers = self.inner.get_many(&asked).await.into_iter();
        let answer = |path: &SecretPath| {
            self.check_path(Operation::Get, path)?;
            let missing = || self.error(ErrorKind::Unexpected, Operation::Get, path);
            self.plain(path, answers.next().unwrap_or_else(|| Err(missing())))
        };
        paths.iter().map(answer).collect()
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.check(path, secret, mode)?;
        if *mode == PutMode::Upsert {
            self.spare_sealed(path).await?;
        }
        match self.inner.put(path, secret, mode).await {
            Err(error) if error.kind() == ErrorKind::TimedOut => self.look_back(path, secret, error).await,
            answer => answer,
        }
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.check_path(Operation::Delete, path)?;
        self.spare_sealed(path).await?;
        self.inner.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.check_path(Operation::Undelete, path)?;
        self.inner.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.check_path(Operation::Purge, path)?;
        self.spare_sealed(path).await?;
        self.inner.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.check_path(Operation::Versions, path)?;
        let mut versions = self.inner.versions(path).await?;
        versions.iter_mut().for_each(|meta| meta.stamp = None);
        Ok(versions)
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        prefix.map_or(Ok(()), |prefix| self.check_path(Operation::List, prefix))?;
        let mut found = self.inner.list(prefix, page).await?;
        found.items.retain(|item| !item.path.is_reserved());
        // A stamp would say of a name what holds in sealed environments alone.
        found.items.iter_mut().for_each(|item| item.stamp = None);
        Ok(found)
    }
}

impl fmt::Display for PlainBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plain {}", self.name)
    }
}

/// Whether bytes are an envelope of this format. Another version's would carry a stamp.
fn is_sealed(value: &[u8]) -> bool {
    Envelope::parse(value).is_ok()
}

const SEALED: &str = "sealed; this environment has seal = false";
const NO_CONDITIONS: &str = "this backend has no conditional writes";
