//! What both versions of the engine do, each in its way.

use std::fmt;
use std::future::Future;

use futures_util::stream::{self, Stream, StreamExt};
use secrets_backend::{
    ErrorKind, Listed, NewSecret, PutMode, Secret, SecretPath, VersionId, VersionMeta, async_trait,
};
use serde_json::Value;

use crate::failure::Failure;
use crate::mount;
use crate::wire::Reply;

/// A mount of one KV version: the operations of the contract, without their error type.
#[async_trait]
pub(crate) trait Store: fmt::Debug + Send + Sync {
    /// Whether it has versions, and with them conditions and deletes that can be undone.
    fn has_versions(&self) -> bool;
    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret, Failure>;
    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<VersionId, Failure>;
    async fn delete(&self, path: &SecretPath) -> Result<(), Failure>;
    async fn undelete(&self, path: &SecretPath) -> Result<(), Failure>;
    async fn purge(&self, path: &SecretPath) -> Result<(), Failure>;
    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>, Failure>;
    /// The names in a folder (empty: the mount itself), folders with a `/` at their end.
    async fn folder(&self, folder: &str) -> Result<Vec<String>, Failure>;
    /// The lines of a listing for names, in their order.
    async fn lines(&self, paths: &[SecretPath]) -> Vec<Line>;
}

/// The line of a listing for a name; none where there is nothing, or it is deleted.
pub(crate) type Line = Result<Option<Listed>, Failure>;

/// No such secret or version.
pub(crate) fn missing() -> Failure {
    Failure::new(ErrorKind::NotFound, "")
}

/// What a 404 means: there is none, there was one, or the mount is not what was thought.
///
/// A missing secret has an empty list of errors; a deleted version has its data, empty; an engine of the other version
/// warns; a mount that is gone has an error.
pub(crate) fn absent(reply: &Reply, mount: &str) -> Failure {
    let Some(body) = reply.value() else {
        return Failure::invalid("address: what answers there is no server of this kind");
    };
    if let Some(metadata) = body.pointer("/data/metadata") {
        let destroyed = metadata.get("destroyed").and_then(Value::as_bool).unwrap_or(false);
        return Failure::new(ErrorKind::NotFound, if destroyed { "purged" } else { "deleted" });
    }
    let some = |name| body.get(name).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if some("warnings") {
        return mount::other_engine(mount);
    }
    if some("errors") {
        return mount::missing(mount);
    }
    missing()
}

/// Runs futures, at most `concurrency` at once, in their order.
pub(crate) fn in_order<F: Future>(futures: Vec<F>, concurrency: usize) -> impl Stream<Item = F::Output> {
    stream::iter(futures).buffered(concurrency.max(1))
}
