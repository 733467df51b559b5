//! Versions that a service has twice without anybody's fault.

use std::collections::HashMap;
use std::sync::Mutex;

use secrets_backend::{ContentId, SecretPath};
use tokio::time::Instant;

use super::service::locked;

/// What reached a service when, and who had looked before.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    looked: HashMap<(usize, SecretPath), Instant>,
    came: HashMap<(SecretPath, ContentId), (usize, Instant)>,
    doubled: HashMap<SecretPath, u64>,
}

impl Arrivals {
    /// An installation was shown what there is.
    pub(super) fn looked(&self, installation: usize, path: &SecretPath) {
        locked(&self.0).looked.insert((installation, path.clone()), Instant::now());
    }

    /// An installation's version arrived. Two that copy the same one side by side have both looked before either
    /// arrived; where a service knows no conditions, neither of them can know.
    pub(super) fn arrived(&self, installation: usize, path: &SecretPath, content: ContentId) {
        let mut book = locked(&self.0);
        let looked = book.looked.get(&(installation, path.clone())).copied();
        let now = Instant::now();
        let (first, came) = *book.came.entry((path.clone(), content)).or_insert((installation, now));
        if first != installation && looked.is_some_and(|looked| looked <= came) {
            *book.doubled.entry(path.clone()).or_default() += 1;
        }
    }

    /// The network delivered a version twice.
    pub(super) fn delivered_twice(&self, path: &SecretPath) {
        *locked(&self.0).doubled.entry(path.clone()).or_default() += 1;
    }

    /// How many versions of a secret are there a second time.
    pub(super) fn doubled(&self, path: &SecretPath) -> u64 {
        locked(&self.0).doubled.get(path).copied().unwrap_or_default()
    }
}
