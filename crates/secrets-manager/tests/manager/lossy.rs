//! A backend whose writes go wrong where a test says so.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secrets_backend::{
    Capabilities, Error, ErrorKind, MemoryBackend, NewSecret, Operation, Page, PageToken, PutMode, Result,
    Secret, SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait,
};

/// What happens to a write.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It takes effect, and its answer is lost.
    AnswerLost,
    /// It is lost itself, which nobody can tell from the above.
    RequestLost,
    /// It is refused.
    Refused(ErrorKind),
    /// It takes effect, and nothing more is heard.
    Hanging,
    /// It is acknowledged, and does not take effect.
    Forgotten,
    /// Someone else writes just before it.
    Overtaken,
}

/// Memory, with faults.
#[derive(Debug, Default)]
pub struct Lossy {
    pub memory: MemoryBackend,
    faults: Mutex<HashMap<String, Fault>>,
    puts: AtomicUsize,
    /// How long a call is on its way at most.
    pub distance: Duration,
    calls: AtomicUsize,
}

impl Lossy {
    /// What happens to the next write of a path that ends in `end`.
    pub fn fail(&self, end: &str, fault: Fault) {
        self.faults.lock().unwrap().insert(end.to_owned(), fault);
    }

    /// Whether no fault is left to happen.
    pub fn has_failed(&self) -> bool {
        self.faults.lock().unwrap().is_empty()
    }

    fn fault(&self, path: &SecretPath) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let end = faults.keys().find(|end| path.as_str().ends_with(*end)).cloned()?;
        faults.remove(&end)
    }

    /// Some part of the way, another for each call.
    async fn travel(&self, distance: Duration) {
        if !distance.is_zero() {
            let call = u32::try_from(self.calls.fetch_add(1, Ordering::SeqCst) * 7 % 11).unwrap();
            tokio::time::sleep(distance * call / 11).await;
        }
    }

    /// How many writes were sent here.
    pub fn puts(&self) -> usize {
        self.puts.load(Ordering::SeqCst)
    }
}

impl fmt::Display for Lossy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lossy")
    }
}

#[async_trait]
impl SecretBackend for Lossy {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.memory.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.travel(self.distance).await;
        self.memory.get(path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        self.memory.get_many(paths).await
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.puts.fetch_add(1, Ordering::SeqCst);
        let fault = self.fault(path);
        let failed = |kind| Err(Error::new(kind, Operation::Put, "lossy").with_path(path));
        match fault {
            None => {
                // Far enough that another may write, and look at it, meanwhile.
                self.travel(4 * self.distance).await;
                self.memory.put(path, secret, mode).await
            }
            Some(Fault::Refused(kind)) => failed(kind),
            Some(Fault::Forgotten) => Ok(Written::version(VersionId::new("forgotten"))),
            Some(Fault::Hanging) => {
                self.memory.put(path, secret, mode).await?;
                std::future::pending().await
            }
            Some(Fault::RequestLost) => failed(ErrorKind::TimedOut),
            Some(Fault::Overtaken) => {
                self.memory.put(path, &NewSecret::new("theirs"), &PutMode::Upsert).await?;
                self.memory.put(path, secret, mode).await
            }
            Some(Fault::AnswerLost) => {
                self.memory.put(path, secret, mode).await?;
                failed(ErrorKind::TimedOut)
            }
        }
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.memory.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.memory.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.memory.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.travel(self.distance).await;
        self.memory.versions(path).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.memory.list(prefix, page).await
    }
}
