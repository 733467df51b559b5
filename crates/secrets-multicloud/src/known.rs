//! Which native version is the current one, as it was last read.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrets_backend::{ContentId, SecretPath, Stamp, VersionId};

/// Current versions, as they were read and verified: the native id of a logical number, and its content.
///
/// It may be out of date, so it serves only where the replica itself requires the native version to be the
/// current one. What was read serves one write.
#[derive(Debug, Default)]
pub(crate) struct Known {
    current: Mutex<HashMap<SecretPath, Current>>,
}

type Current = (VersionId, u64, ContentId);

/// More than a bulk write mostly has; what is forgotten is read again.
const LIMIT: usize = 65_536;

impl Known {
    pub(crate) fn note(&self, path: &SecretPath, native: &VersionId, stamp: &Stamp) {
        let mut current = self.current();
        if current.len() >= LIMIT {
            current.clear();
        }
        current.insert(path.clone(), (native.clone(), stamp.version, stamp.content_id));
    }

    /// The native id of this version with a content that fits, where it was the current one when it was last read.
    pub(crate) fn take(
        &self,
        path: &SecretPath,
        wanted: &VersionId,
        fits: impl Fn(&ContentId) -> bool,
    ) -> Option<VersionId> {
        let (native, number, content) = self.current().remove(path)?;
        (wanted.number() == Some(number) && fits(&content)).then_some(native)
    }

    fn current(&self) -> MutexGuard<'_, HashMap<SecretPath, Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
