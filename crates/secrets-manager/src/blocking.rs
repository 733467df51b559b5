//! Work that blocks, off the async threads.

/// Runs `body` on a thread that may block; a dropped caller does not cut it short.
pub(crate) async fn blocking<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(body).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down cancels; nobody is left to read an answer.
            Err(_) => std::future::pending().await,
        },
    }
}
