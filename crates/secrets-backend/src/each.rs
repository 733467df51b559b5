//! Many calls to one backend, a bounded number of them at once.

use std::future::Future;

use futures_util::stream::{self, StreamExt};

use crate::{Result, Secret, SecretBackend, SecretPath};

/// `get_many` for a backend whose service has no batch: one `get` per path, at most `concurrency` of them at
/// once, answers in the order of `paths`.
///
/// ```
/// # use secrets_backend::{Result, Secret, SecretBackend, SecretPath, get_each};
/// # async fn get_many(backend: &dyn SecretBackend, paths: &[SecretPath]) -> Vec<Result<Secret>> {
/// get_each(backend, paths, 8).await
/// # }
/// ```
pub async fn get_each<B: SecretBackend + ?Sized>(
    backend: &B,
    paths: &[SecretPath],
    concurrency: usize,
) -> Vec<Result<Secret>> {
    in_order(paths.iter().map(|path| backend.get(path, None)).collect(), concurrency).await
}

/// Runs futures, at most `concurrency` (at least 1) at once, and answers in their order.
///
/// It takes them in a `Vec`, not lazily: a stream that maps a closure over borrowed items is not `Send` to
/// the compiler's eye (rust-lang/rust#64552), and an unpolled future costs next to nothing.
pub(crate) async fn in_order<F: Future>(futures: Vec<F>, concurrency: usize) -> Vec<F::Output> {
    stream::iter(futures).buffered(concurrency.max(1)).collect().await
}
