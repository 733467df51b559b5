//! Versions that a service has twice without anybody's fault.

use std::collections::HashMap;
use std::sync::Mutex;

use secrets_backend::{ContentId, SecretPath, Stamp};
use tokio::time::Instant;

use super::service::locked;

/// What reached a service when, and who had looked before.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    looked: HashMap<(u64, SecretPath), Instant>,
    came: HashMap<(SecretPath, ContentId), (u64, Instant)>,
    highest: HashMap<SecretPath, u64>,
    doubled: HashMap<SecretPath, u64>,
}

impl Arrivals {
    /// A process was shown what there is.
    pub(super) fn looked(&self, process: u64, path: &SecretPath) {
        locked(&self.0).looked.insert((process, path.clone()), Instant::now());
    }

    /// A process's version arrived. Two that copy the same one side by side have both looked before either
    /// arrived; where a service knows no conditions, neither of them can know. And an older one that comes late covers a
    /// newer one, which has to be written again.
    pub(super) fn arrived(&self, process: u64, path: &SecretPath, stamp: &Stamp) {
        let mut book = locked(&self.0);
        let looked = book.looked.get(&(process, path.clone())).copied();
        let last = book.came.insert((path.clone(), stamp.content_id), (process, Instant::now()));
        let is_race =
            last.is_some_and(|(by, came)| by != process && looked.is_some_and(|looked| looked <= came));
        let highest = book.highest.entry(path.clone()).or_default();
        let covers = stamp.version < *highest;
        *highest = stamp.version.max(*highest);
        *book.doubled.entry(path.clone()).or_default() += u64::from(is_race) + u64::from(covers);
    }

    /// The network delivered a version twice.
    pub(super) fn delivered_twice(&self, path: &SecretPath) {
        *locked(&self.0).doubled.entry(path.clone()).or_default() += 1;
    }

    /// A version was shown as current that came in the same second as the one that is: it may be written over once more.
    pub(super) fn hidden(&self, path: &SecretPath) {
        *locked(&self.0).doubled.entry(path.clone()).or_default() += 1;
    }

    /// How many versions of a secret are there a second time.
    pub(super) fn doubled(&self, path: &SecretPath) -> u64 {
        locked(&self.0).doubled.get(path).copied().unwrap_or_default()
    }
}
