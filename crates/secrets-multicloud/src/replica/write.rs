//! Writing: under the replica's own ids, and, where it knows no conditions, looking before and after.

use secrets_backend::{
    ContentId, Error, ErrorKind, NewSecret, Operation, PutMode, Result, SecretPath, Stamp, Written, read_back,
};

use super::{Current, Replica};

impl Replica {
    /// The mode for the replica, where the current version is the one that `mode` names, and the one that `new` comes
    /// from: the same number may be another's version, which must not be written over.
    pub(super) async fn native_mode(
        &self,
        path: &SecretPath,
        mode: &PutMode,
        new: &Stamp,
    ) -> Result<PutMode> {
        let PutMode::Replace(wanted) = mode else { return Ok(mode.clone()) };
        let fits = |content: &ContentId| {
            new.content_id.matches(content) || new.parent.is_none_or(|parent| parent.matches(content))
        };
        // A replica that compares and writes in one step tells by itself whether it is still the current one.
        if self.is_atomic(mode)
            && let Some(native) = self.known.take(path, wanted, fits)
        {
            return Ok(PutMode::Replace(native));
        }
        match self.current(path).await? {
            // On top of one of several, the others would be forgotten.
            Some(Current { native, stamp, is_contested: false })
                if Some(stamp.version) == wanted.number() && fits(&stamp.content_id) =>
            {
                Ok(PutMode::Replace(native))
            }
            _ => Err(self.error(ErrorKind::Conflict, Operation::Put, path)),
        }
    }

    /// Whether the replica does `mode` as one atomic step.
    fn is_atomic(&self, mode: &PutMode) -> bool {
        let can = self.backend.capabilities();
        match mode {
            PutMode::Upsert => true,
            PutMode::Create => can.atomic_create,
            PutMode::Replace(_) => can.atomic_replace,
        }
    }

    /// Writes under a mode of the replica's own ids.
    pub(crate) async fn write(
        &self,
        path: &SecretPath,
        secret: &NewSecret,
        stamp: &Stamp,
        native: &PutMode,
    ) -> Result<Written> {
        if self.is_atomic(native) {
            read_back(&*self.backend, path, secret, native).await
        } else {
            self.put_unconditionally(path, secret, stamp, native).await
        }
    }

    /// Writes where the replica has no conditions: look, write, look again.
    ///
    /// Two writers can both pass the first look. The second look finds the other's content under the same
    /// number, and both report a `Conflict`; nothing is dropped where the replica keeps versions.
    async fn put_unconditionally(
        &self,
        path: &SecretPath,
        secret: &NewSecret,
        stamp: &Stamp,
        mode: &PutMode,
    ) -> Result<Written> {
        if *mode == PutMode::Create && self.current(path).await?.is_some() {
            return Err(self.error(ErrorKind::AlreadyExists, Operation::Put, path));
        }
        let written = self.backend.put(path, secret, &PutMode::Upsert).await?;
        let conflict = || self.error(ErrorKind::Conflict, Operation::Put, path);
        if self.backend.capabilities().versions {
            let rivals = self.backend.versions(path).await.map_err(|error| self.unseen(path, error))?;
            let same_number =
                rivals.iter().filter_map(|meta| meta.stamp.as_ref()).filter(|s| s.version == stamp.version);
            if same_number.into_iter().any(|claim| !claim.content_id.matches(&stamp.content_id)) {
                return Err(conflict());
            }
        } else if !self.holds(path, stamp).await.map_err(|error| self.unseen(path, error))? {
            return Err(conflict());
        }
        Ok(written)
    }

    /// It is written; whether someone else wrote at the same moment could not be seen.
    fn unseen(&self, path: &SecretPath, error: Error) -> Error {
        self.error(ErrorKind::TimedOut, Operation::Put, path)
            .with_detail("it was sent, and what became of it could not be read")
            .with_source(error)
    }

    async fn holds(&self, path: &SecretPath, stamp: &Stamp) -> Result<bool> {
        let current = self.current(path).await?;
        Ok(current.is_some_and(|found| found.stamp.content_id.matches(&stamp.content_id)))
    }
}
