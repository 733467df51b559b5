//! Which replica answers, when one is down, slow, behind or lying.

#![allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use secrets_backend::{ContentId, MemoryBackend, Stamp, StampKind};

use super::*;
use crate::journal::Row;
use crate::replica::Verify;

mod writes;

/// A memory that fails, hangs or lies as it is told, and counts what it is asked.
#[derive(Debug, Default)]
struct Moody {
    memory: MemoryBackend,
    mood: Mutex<Mood>,
    asked: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Mood {
    #[default]
    Well,
    Fails(ErrorKind),
    Hangs,
    /// Answers this content, under whatever stamp is there.
    Lies(u8),
}

impl Moody {
    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> u64 {
        self.asked.swap(0, Ordering::SeqCst)
    }

    async fn mood(&self, path: Option<&SecretPath>) -> Result<Option<u8>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => Ok(None),
            Mood::Lies(content) => Ok(Some(content)),
            Mood::Hangs => std::future::pending().await,
            Mood::Fails(kind) => {
                let error = Error::new(kind, Operation::Get, "moody");
                Err(path
                    .map_or_else(|| Error::new(kind, Operation::Get, "moody"), |path| error.with_path(path)))
            }
        }
    }
}

#[async_trait]
impl SecretBackend for Moody {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.mood(None).await.map(drop)
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        let lie = self.mood(Some(path)).await?;
        let mut secret = self.memory.get(path, at).await?;
        if let Some(content) = lie {
            secret.value = vec![content].into();
        }
        Ok(secret)
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        match self.mood(None).await {
            Ok(_) => self.memory.get_many(paths).await,
            Err(error) => paths.iter().map(|path| Err(again(&error).with_path(path))).collect(),
        }
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.mood(Some(path)).await?;
        self.memory.put(path, secret, mode).await
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
        self.mood(Some(path)).await?;
        self.memory.versions(path).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.mood(None).await?;
        self.memory.list(prefix, page).await
    }
}

impl fmt::Display for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("moody")
    }
}

/// A journal that survives nothing, and fails when it is told.
#[derive(Debug, Default)]
struct Memory {
    rows: Mutex<Vec<Row>>,
    fails: std::sync::atomic::AtomicBool,
}

impl Memory {
    fn rows(&self) -> Result<MutexGuard<'_, Vec<Row>>> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, Operation::Put, "journal"));
        }
        Ok(self.rows.lock().unwrap())
    }
}

fn copy(secret: &NewSecret) -> NewSecret {
    NewSecret::new(secret.value.duplicate()).with_stamp(secret.stamp.clone().unwrap())
}

#[async_trait]
impl Journal for Memory {
    async fn add(&self, path: &SecretPath, secret: &NewSecret, targets: &[&str]) -> Result<u64> {
        let mut rows = self.rows()?;
        let id = rows.iter().map(|row| row.id).max().unwrap_or_default() + 1;
        let targets = targets.iter().map(|&name| name.to_owned()).collect();
        rows.push(Row::new(id, path.clone(), copy(secret), targets));
        Ok(id)
    }

    async fn done(&self, row: u64, replica: &str) -> Result<()> {
        let mut rows = self.rows()?;
        rows.iter_mut()
            .filter(|one| one.id == row)
            .for_each(|one| one.targets.retain(|name| name != replica));
        rows.retain(|row| !row.targets.is_empty());
        Ok(())
    }

    async fn forget(&self, row: u64) -> Result<()> {
        self.rows()?.retain(|one| one.id != row);
        Ok(())
    }

    async fn rows(&self) -> Result<Vec<Row>> {
        let copied = |row: &Row| Row::new(row.id, row.path.clone(), copy(&row.secret), row.targets.clone());
        Ok(Memory::rows(self)?.iter().map(copied).collect())
    }
}

fn path(name: &str) -> SecretPath {
    name.parse().unwrap()
}

fn sealed(version: u64, content: u8) -> NewSecret {
    let stamp = Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([content; 32]), None);
    NewSecret::new(vec![content]).with_stamp(stamp)
}

/// Authentic is what says the same in value and stamp; the newest version that was seen of any secret is 2.
fn verify() -> Arc<Verify> {
    Arc::new(|path, at, answer| {
        let refuse = |kind| Err(Error::new(kind, Operation::Get, "verify").with_path(path));
        let Some(secret) = answer else {
            return if path.as_str() == "seen" { refuse(ErrorKind::Stale) } else { Ok(None) };
        };
        let stamp = secret.stamp.clone().unwrap();
        if stamp.content_id.as_bytes()[0] != secret.value.expose()[0] {
            return refuse(ErrorKind::Tampered);
        }
        if at.is_none() && stamp.version < 2 { refuse(ErrorKind::Stale) } else { Ok(Some(stamp)) }
    })
}

/// Three replicas with the same secrets, and one backend over them.
async fn three() -> ([Arc<Moody>; 3], FailoverBackend) {
    let replicas = [(); 3].map(|()| Arc::new(Moody::default()));
    for replica in &replicas {
        for name in ["a", "b", "c"] {
            replica.memory.put(&path(name), &sealed(1, 1), &PutMode::Create).await.unwrap();
            replica.memory.put(&path(name), &sealed(2, 2), &PutMode::Upsert).await.unwrap();
        }
    }
    let mut named = ["one", "two", "three"].into_iter().zip(&replicas).map(|(name, replica)| {
        let backend: Arc<dyn SecretBackend> = Arc::clone(replica) as _;
        Replica::new(name, backend, verify())
    });
    let primary = named.next().unwrap();
    let journal = Arc::new(Memory::default());
    let failover = FailoverBackend::over(primary, named.collect(), journal, FailoverConfig::default());
    (replicas, failover)
}

async fn by(backend: &FailoverBackend, name: &str) -> Result<(String, bool)> {
    let secret = backend.get(&path(name), None).await?;
    assert_eq!((secret.value.expose(), secret.version.number()), (&[2][..], Some(2)));
    let served = secret.served.unwrap();
    Ok((served.by, served.degraded))
}

#[tokio::test(start_paused = true)]
async fn a_healthy_primary_answers_alone() {
    let (replicas, backend) = three().await;
    assert_eq!(by(&backend, "a").await.unwrap(), ("one".to_owned(), false));
    assert_eq!(replicas.each_ref().map(|replica| replica.asked()), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_next_replica_answers_for_one_that_is_down_behind_or_lying() {
    for mood in [
        Mood::Fails(ErrorKind::Unavailable),
        Mood::Fails(ErrorKind::TimedOut),
        Mood::Fails(ErrorKind::RateLimited),
        Mood::Fails(ErrorKind::Stale),
        Mood::Lies(9),
        Mood::Hangs,
    ] {
        let (replicas, backend) = three().await;
        replicas[0].is(mood);
        let began = Instant::now();
        assert_eq!(by(&backend, "a").await.unwrap(), ("two".to_owned(), true), "{mood:?}");
        let bound = if matches!(mood, Mood::Hangs) { 300 } else { 0 };
        assert_eq!(began.elapsed().as_millis(), bound, "{mood:?}");
        let batch = backend.get_many(&["a", "b", "c"].map(path)).await;
        let expected = if matches!(mood, Mood::Lies(_)) { "one" } else { "two" };
        for answer in batch {
            assert_eq!(answer.unwrap().served.unwrap().by, expected, "{mood:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_about_the_secret_or_the_credentials_is_the_answer() {
    for kind in [
        ErrorKind::PermissionDenied,
        ErrorKind::Unauthenticated,
        ErrorKind::InvalidInput,
        ErrorKind::Unsupported,
        ErrorKind::Unexpected,
    ] {
        let (replicas, backend) = three().await;
        replicas[0].is(Mood::Fails(kind));
        assert_eq!(by(&backend, "a").await.unwrap_err().kind(), kind);
        assert_eq!(replicas[1].asked(), 0, "{kind:?}");
    }
    let (replicas, backend) = three().await;
    assert_eq!(by(&backend, "none").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(replicas[1].asked(), 0);
    // What was seen and is nowhere is never "not found", however many say so.
    assert_eq!(by(&backend, "seen").await.unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(replicas[2].asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_down_is_left_alone_after_three_failures() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    for _ in 0..10 {
        by(&backend, "a").await.unwrap();
    }
    assert_eq!(replicas.each_ref().map(|replica| replica.asked()), [3, 10, 0]);
    // With all of them down, each is asked all the same.
    replicas.iter().for_each(|replica| replica.is(Mood::Fails(ErrorKind::Unavailable)));
    for _ in 0..4 {
        assert_eq!(by(&backend, "a").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert!(replicas[0].asked() > 0);
}

#[tokio::test(start_paused = true)]
async fn where_all_hang_the_deadline_ends_it() {
    let (replicas, backend) = three().await;
    replicas.iter().for_each(|replica| replica.is(Mood::Hangs));
    let began = Instant::now();
    assert_eq!(by(&backend, "a").await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_lie_outweighs_an_outage_in_what_is_told() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    replicas[1].is(Mood::Lies(9));
    replicas[2].is(Mood::Fails(ErrorKind::TimedOut));
    assert_eq!(by(&backend, "a").await.unwrap_err().kind(), ErrorKind::Tampered);
}

#[tokio::test(start_paused = true)]
async fn the_pages_of_a_listing_come_from_one_replica() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    let page = backend.list(None, None).await.unwrap();
    assert_eq!(page.items.len(), 3);
    let wrong = backend.list(None, Some(&PageToken::new("9.x"))).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
}
