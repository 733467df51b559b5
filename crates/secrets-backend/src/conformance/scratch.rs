//! A case's own corner of a backend.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Failure, Target, ensure};
use crate::each::in_order;
use crate::{
    Capabilities, Listed, NewSecret, Page, PutMode, Result, Secret, SecretBackend, SecretPath, VersionId,
    Written,
};

/// A fresh random prefix on a target; it remembers the paths that it gave out, to remove them afterwards.
#[derive(Debug)]
pub struct Scratch {
    target: Target,
    root: SecretPath,
    given: Mutex<Vec<SecretPath>>,
}

impl Scratch {
    pub(super) fn new(target: Target) -> Result<Self, Failure> {
        let random =
            getrandom::u64().map_err(|error| Failure::new(format!("no randomness for a prefix: {error}")))?;
        let root = parse(&format!("t-{random:016x}"))?;
        Ok(Self { target, root, given: Mutex::default() })
    }

    pub(super) fn backend(&self) -> &dyn SecretBackend {
        &*self.target.backend
    }

    /// What can be expected of it: its capabilities, and what it does beyond them for its own callers.
    pub(super) fn capabilities(&self) -> Capabilities {
        let mut can = self.backend().capabilities();
        can.atomic_create |= self.target.keeps_conditions;
        can.atomic_replace |= self.target.keeps_conditions;
        can
    }

    pub(super) const fn page_size(&self) -> usize {
        self.target.page_size
    }

    pub(super) const fn deadline(&self) -> Duration {
        self.target.deadline
    }

    /// Texts that nothing may show.
    pub(super) fn planted(&self) -> &[String] {
        &self.target.planted
    }

    pub(super) const fn refused_path(&self) -> Option<&SecretPath> {
        self.target.refused.as_ref()
    }

    pub(super) const fn takes_stamps(&self) -> bool {
        self.target.takes_stamps
    }

    /// The prefix of all its paths.
    pub(super) const fn root(&self) -> &SecretPath {
        &self.root
    }

    /// A path below the prefix.
    pub(super) fn path(&self, name: &str) -> Result<SecretPath, Failure> {
        self.given(parse(&format!("{}/{name}", self.root))?)
    }

    /// A path below the prefix at which nothing will be written.
    pub(super) fn unwritten_path(&self, name: &str) -> Result<SecretPath, Failure> {
        parse(&format!("{}/{name}", self.root))
    }

    /// A native name below the prefix, longer than a path may be.
    pub(super) fn native_path(&self, name: &str) -> Result<SecretPath, Failure> {
        let path = SecretPath::native(&format!("{}/{name}", self.root));
        self.given(path.map_err(|invalid| Failure::new(format!("{name} is no name: {invalid}")))?)
    }

    /// A path that starts with the text of the prefix without being below it.
    pub(super) fn sibling(&self, suffix: &str) -> Result<SecretPath, Failure> {
        self.given(parse(&format!("{}{suffix}", self.root))?)
    }

    fn given(&self, path: SecretPath) -> Result<SecretPath, Failure> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        Ok(path)
    }

    pub(super) async fn put(&self, path: &SecretPath, value: &[u8]) -> Result<Written> {
        self.backend().put(path, &NewSecret::new(value), &PutMode::Upsert).await
    }

    pub(super) async fn get(&self, path: &SecretPath) -> Result<Secret> {
        self.backend().get(path, None).await
    }

    /// Requires that a plain read gives these bytes.
    pub(super) async fn ensure_value(
        &self,
        path: &SecretPath,
        value: &[u8],
        when: &str,
    ) -> Result<Secret, Failure> {
        let secret = self.get(path).await.map_err(|error| Failure::new(format!("{when}: {error}")))?;
        ensure(secret.value.expose() == value, format!("{when}, get of {path} gives other bytes"))?;
        Ok(secret)
    }

    /// All pages of a listing, at most 10,000.
    pub(super) async fn pages(&self, prefix: Option<&SecretPath>) -> Result<Vec<Page>, Failure> {
        let mut pages = vec![self.backend().list(prefix, None).await?];
        while let Some(token) = pages.last().and_then(|page| page.next.clone()) {
            ensure(pages.len() < 10_000, "a listing ends")?;
            let repeats = pages.iter().rev().skip(1).any(|page| page.next.as_ref() == Some(&token));
            ensure(!repeats, "a listing gives no page token twice")?;
            pages.push(self.backend().list(prefix, Some(&token)).await?);
        }
        Ok(pages)
    }

    /// All paths of a listing, sorted, repeats included.
    pub(super) async fn listed(&self, prefix: Option<&SecretPath>) -> Result<Vec<SecretPath>, Failure> {
        let items = self.pages(prefix).await?.into_iter().flat_map(|page| page.items);
        let mut paths: Vec<SecretPath> = items.map(|Listed { path, .. }| path).collect();
        paths.sort();
        Ok(paths)
    }

    /// Removes what it gave out. What it cannot remove is left: the case has its outcome.
    pub(super) async fn clean(&self) {
        let paths = self.given.lock().unwrap_or_else(PoisonError::into_inner).clone();
        in_order(paths.iter().map(|path| self.remove(path)).collect(), 8).await;
    }

    async fn remove(&self, path: &SecretPath) {
        let limit = self.deadline();
        if !matches!(tokio::time::timeout(limit, self.backend().purge(path)).await, Ok(Ok(_))) {
            // Some services keep deleted secrets for a while whatever one asks.
            let _ = tokio::time::timeout(limit, self.backend().delete(path)).await;
        }
    }
}

/// The version that a write named; `put` always names one.
pub(super) fn version_of(written: &Written) -> Result<VersionId, Failure> {
    written.version.clone().ok_or_else(|| Failure::new("put names the version that it wrote"))
}

fn parse(text: &str) -> Result<SecretPath, Failure> {
    SecretPath::parse(text).map_err(|invalid| Failure::new(format!("{text} is no path: {invalid}")))
}
