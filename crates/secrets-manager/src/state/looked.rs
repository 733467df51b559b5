//! Whether the state's file is as it was when it was last read: then what was read still holds.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use secrets_backend::Timestamp;
use secrets_crypto::ObjectId;

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
    len: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

/// Which objects were read from which content.
#[derive(Debug, Default)]
pub(super) struct Looked {
    file: Option<FileId>,
    objects: HashSet<ObjectId>,
}

impl FileId {
    /// The file as it is now; none where that does not say what is in it: a write of the same moment could leave the same
    /// time behind, since file systems keep times in steps: of some milliseconds, or of whole seconds.
    pub(super) fn of(path: &Path, now: Timestamp) -> Option<Self> {
        let metadata = path.symlink_metadata().ok()?;
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        let step = if nanoseconds == 0 { 1_000 + STEP_MS } else { STEP_MS };
        let modified =
            u64::try_from(seconds).ok()?.checked_mul(1_000)? + u64::try_from(nanoseconds).ok()? / 1_000_000;
        if modified + step > now.as_millis() {
            return None;
        }
        let (device, inode, len) = (metadata.dev(), metadata.ino(), metadata.len());
        Some(Self { device, inode, len, modified: (seconds, nanoseconds) })
    }
}

impl Looked {
    /// Whether these objects were read from this content.
    pub(super) fn has(&self, file: Option<FileId>, objects: &[ObjectId]) -> bool {
        file.is_some() && self.file == file && objects.iter().all(|object| self.objects.contains(object))
    }

    /// Notes that they were read; `file` is what was there before.
    pub(super) fn note(&mut self, file: Option<FileId>, objects: &[ObjectId]) {
        if self.file != file {
            (self.file, self.objects) = (file, HashSet::new());
        }
        self.objects.extend(objects);
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Longer than the step of the times of any file system that has parts of seconds.
const STEP_MS: u64 = 100;

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_file_is_told_by_its_time_once_that_time_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        std::fs::write(&path, "content").unwrap();
        let written = |after: Duration| {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + after).unwrap();
        };
        let is_told =
            |millis: u64| FileId::of(&path, Timestamp::from_millis(1_700_000_000_000 + millis)).is_some();
        written(Duration::from_millis(250));
        assert_eq!([0, 250, 349, 350, 2_000].map(is_told), [false, false, false, true, true]);
        // Without parts of a second, the file system may know none.
        written(Duration::ZERO);
        assert_eq!([0, 999, 1_099, 1_100, 2_000].map(is_told), [false, false, false, true, true]);
        assert!(FileId::of(&directory.path().join("none"), Timestamp::now()).is_none());
    }
}
