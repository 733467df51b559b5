//! A runtime on a thread of its own, so that a test may block, and may have no runtime at all.

use std::future::Future;
use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Runs one future, and what it spawns, until it is dropped.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts the thread. `make` is called on it, inside the runtime.
    pub(crate) fn start<F, M>(name: &str, make: M) -> io::Result<Self>
    where
        F: Future<Output = ()>,
        M: FnOnce() -> F + Send + 'static,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = make() => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Background {
    /// Returns when every connection is closed: the runtime, dropped with its thread, drops what it holds.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed already; a second one here would abort a failing test.
            let _ = thread.join();
        }
    }
}
