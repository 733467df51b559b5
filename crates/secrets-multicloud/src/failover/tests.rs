//! Which replica answers, when one is down, slow, behind or lying.

#![allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrets_backend::{ContentId, MemoryBackend, SecretBackendExt, Stamp, StampKind};

use super::*;
use std::sync::Mutex;

use secrets_backend::async_trait;
use tokio::time::Instant;

use crate::journal::NewRow;
use crate::journal::volatile::Volatile;
use crate::replica::{Verified, Verify};

mod found;
mod kept;
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
    /// Says that it stored what it did not.
    Forgets,
    /// Takes 50 ms.
    Slow,
    /// Takes one write, and then shows no versions.
    GoesBlind,
    /// Shows no versions.
    Blind,
    /// Shows the version before the current one.
    Lags,
    /// The same, and says that all versions are of one time.
    Hurries,
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
            Mood::Well | Mood::Forgets | Mood::GoesBlind | Mood::Blind | Mood::Lags | Mood::Hurries => {
                Ok(None)
            }
            Mood::Lies(content) => Ok(Some(content)),
            Mood::Slow => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(None)
            }
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
        let lags = matches!(*self.mood.lock().unwrap(), Mood::Lags | Mood::Hurries) && at.is_none();
        let versions = if lags { self.memory.versions(path).await? } else { Vec::new() };
        let before = versions.iter().rev().nth(1);
        let mut secret = self.memory.get(path, before.map(|meta| &meta.id).or(at)).await?;
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
        if matches!(*self.mood.lock().unwrap(), Mood::Forgets) {
            return Ok(Written::default());
        }
        let written = self.memory.put(path, secret, mode).await;
        if matches!(*self.mood.lock().unwrap(), Mood::GoesBlind) {
            self.is(Mood::Blind);
        }
        written
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
        if matches!(*self.mood.lock().unwrap(), Mood::Blind) {
            return Err(Error::new(ErrorKind::Unauthenticated, Operation::Versions, "moody").with_path(path));
        }
        let mut versions = self.memory.versions(path).await?;
        // A second between one and the next.
        let step = if matches!(*self.mood.lock().unwrap(), Mood::Hurries) { 0 } else { 1_000 };
        for (number, meta) in (0..).zip(&mut versions) {
            meta.created = Some(Timestamp::from_millis(number * step));
        }
        Ok(versions)
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

fn path(name: &str) -> SecretPath {
    name.parse().unwrap()
}

fn sealed(version: u64, content: u8) -> NewSecret {
    let stamp = Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([content; 32]), None);
    NewSecret::new(vec![content]).with_stamp(stamp)
}

/// Authentic is what says the same in value and stamp; version 2 was seen of each secret at the top.
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
        if at.is_none() && stamp.version < 2 && !path.as_str().contains('/') {
            refuse(ErrorKind::Stale)
        } else {
            Ok(Some(Verified::good(stamp)))
        }
    })
}

/// The time of the runtime.
fn virtual_clock() -> impl Fn() -> Timestamp + Send + Sync {
    let began = Instant::now();
    move || {
        let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap();
        Timestamp::from_millis(1_900_000_000_000 + elapsed)
    }
}

/// Three replicas with the same secrets, and one backend over them.
async fn three() -> ([Arc<Moody>; 3], FailoverBackend) {
    over([(); 3].map(|()| Arc::new(Moody::default()))).await
}

/// A service that takes every write.
fn unconditional() -> Arc<Moody> {
    let mut config = secrets_backend::MemoryConfig::default();
    (config.capabilities.atomic_create, config.capabilities.atomic_replace) = (false, false);
    Arc::new(Moody { memory: MemoryBackend::with_config(config), ..Moody::default() })
}

async fn over(replicas: [Arc<Moody>; 3]) -> ([Arc<Moody>; 3], FailoverBackend) {
    for replica in &replicas {
        for name in ["a", "b", "c"] {
            replica.memory.put(&path(name), &sealed(1, 1), &PutMode::Upsert).await.unwrap();
            replica.memory.put(&path(name), &sealed(2, 2), &PutMode::Upsert).await.unwrap();
        }
    }
    let mut named = ["one", "two", "three"].into_iter().zip(&replicas).map(|(name, replica)| {
        let backend: Arc<dyn SecretBackend> = Arc::clone(replica) as _;
        Replica::new(name, backend, verify())
    });
    let primary = named.next().unwrap();
    let journal = Arc::new(Volatile::default());
    let failover = FailoverBackend::over(primary, named.collect(), journal, FailoverConfig::default());
    (replicas, failover.with_clock(virtual_clock()))
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
async fn by_policy_the_next_replica_is_asked_after_an_absence_or_a_refusal() {
    let (replicas, mut backend) = three().await;
    replicas[1].memory.put(&path("only"), &sealed(2, 2), &PutMode::Create).await.unwrap();
    assert_eq!(by(&backend, "only").await.unwrap_err().kind(), ErrorKind::NotFound);
    backend.config.next_on.not_found = true;
    assert_eq!(by(&backend, "only").await.unwrap(), ("two".to_owned(), true));
    assert_eq!(by(&backend, "none").await.unwrap_err().kind(), ErrorKind::NotFound, "nobody has it");
    for kind in [ErrorKind::PermissionDenied, ErrorKind::Unauthenticated] {
        replicas[0].is(Mood::Fails(kind));
        assert_eq!(by(&backend, "a").await.unwrap_err().kind(), kind);
    }
    (backend.config.next_on.permission_denied, backend.config.next_on.unauthenticated) = (true, true);
    for kind in [ErrorKind::PermissionDenied, ErrorKind::Unauthenticated] {
        replicas[0].is(Mood::Fails(kind));
        assert_eq!(by(&backend, "a").await.unwrap().0, "two");
    }
    // An outage is no absence.
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    assert_eq!(by(&backend, "none").await.unwrap_err().kind(), ErrorKind::Unavailable);
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
    let wrong = backend.list(None, Some(&PageToken::new("0.9.x"))).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_of_a_replica_is_remembered_by_the_next_process() {
    let (replicas, backend) = three().await;
    replicas[0].is(Mood::Hangs);
    let began = Instant::now();
    for _ in 0..3 {
        by(&backend, "a").await.unwrap();
    }
    assert_eq!(began.elapsed().as_millis(), 900, "each waited for the hedge");
    let mut named = ["one", "two", "three"].into_iter().zip(&replicas).map(|(name, replica)| {
        let backend: Arc<dyn SecretBackend> = Arc::clone(replica) as _;
        Replica::new(name, backend, verify())
    });
    let journal = Arc::clone(backend.journal.as_ref().unwrap());
    let config = FailoverConfig::default();
    let next = FailoverBackend::over(named.next().unwrap(), named.collect(), journal, config);
    let next = next.with_clock(move || backend.now());
    let began = Instant::now();
    assert_eq!(by(&next, "a").await.unwrap(), ("two".to_owned(), true));
    assert_eq!(began.elapsed().as_millis(), 0);
    replicas[0].is(Mood::Well);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(by(&next, "a").await.unwrap(), ("one".to_owned(), false), "tried again, and well");
}

#[tokio::test(start_paused = true)]
async fn who_requires_the_primary_gets_no_other_answer() {
    let (replicas, mut backend) = three().await;
    backend.config.require_primary = true;
    assert_eq!(by(&backend, "a").await.unwrap().0, "one");
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    assert_eq!(by(&backend, "a").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(replicas[1].asked() + replicas[2].asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_as_long_as_its_replica_was_in_step_lately_enough() {
    let (replicas, mut backend) = three().await;
    replicas[0].is(Mood::Fails(ErrorKind::Unavailable));
    backend.config.max_staleness = Some(Duration::from_secs(60));
    assert_eq!(by(&backend, "a").await.unwrap_err().kind(), ErrorKind::Unavailable, "never compared");
    let memory = crate::journal::Memory { in_step: Some(backend.now()), ..backend.memory("three") };
    backend.remember("three", memory).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    let served = backend.get(&path("a"), None).await.unwrap().served.unwrap();
    assert_eq!((served.by.as_str(), served.age), ("three", Some(Duration::from_secs(60))));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(by(&backend, "a").await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn reads_are_spread_by_their_shares_and_an_intended_answer_is_not_degraded() {
    let (replicas, _) = three().await;
    let mut shares =
        [1, 3, 0].into_iter().zip(["one", "two", "three"]).zip(&replicas).map(|((share, name), replica)| {
            let backend: Arc<dyn SecretBackend> = Arc::clone(replica) as _;
            Replica::new(name, backend, verify()).with_weight(share)
        });
    let journal = Arc::new(Volatile::default());
    let config = FailoverConfig::default();
    let draws = AtomicU64::new(0);
    let backend = FailoverBackend::over(shares.next().unwrap(), shares.collect(), journal, config)
        .with_clock(virtual_clock())
        .with_draw(move |limit| draws.fetch_add(1, Ordering::SeqCst) % limit);
    for _ in 0..8 {
        assert!(!by(&backend, "a").await.unwrap().1);
    }
    assert_eq!(replicas.each_ref().map(|replica| replica.asked()), [2, 6, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_route_has_replicas_of_its_own_and_a_listing_has_all_of_them() {
    let (replicas, backend) = three().await;
    let own: Arc<Moody> = Arc::default();
    for name in ["far/a", "far/b"] {
        own.memory.put(&path(name), &sealed(2, 2), &PutMode::Create).await.unwrap();
    }
    // What another has at such a path is none of this route's.
    replicas[0].memory.put(&path("far/stray"), &sealed(2, 2), &PutMode::Create).await.unwrap();
    let far = Replica::new("far", Arc::clone(&own) as Arc<dyn SecretBackend>, verify());
    let again = Replica::new("two", Arc::clone(&replicas[1]) as Arc<dyn SecretBackend>, verify());
    let backend = backend.with_route(path("far"), far, vec![again]);
    assert_eq!(backend.replicas().len(), 4);
    assert_eq!(by(&backend, "far/a").await.unwrap().0, "far");
    assert_eq!(by(&backend, "a").await.unwrap().0, "one");
    assert_eq!(by(&backend, "far/stray").await.unwrap_err().kind(), ErrorKind::NotFound);
    let batch = backend.get_many(&["far/b", "b", "far/stray"].map(path)).await;
    let by_whom: Vec<_> =
        batch.into_iter().map(|answer| answer.ok().map(|secret| secret.served.unwrap().by)).collect();
    assert_eq!(by_whom, [Some("far".to_owned()), Some("one".to_owned()), None]);
    let names = async |prefix: Option<&SecretPath>| {
        let mut names: Vec<_> =
            backend.list_all(prefix).await.unwrap().into_iter().map(|item| item.path.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(names(None).await, ["a", "b", "c", "far/a", "far/b"]);
    assert_eq!(names(Some(&path("far"))).await, ["far/a", "far/b"]);
    assert_eq!(names(Some(&path("a"))).await, ["a"]);
    backend.put(&path("far/new"), &sealed(1, 1), &PutMode::Create).await.unwrap();
    assert_eq!(backend.drain().await.unwrap().left, 0);
    assert!(own.memory.get(&path("far/new"), None).await.is_ok());
    assert!(replicas[1].memory.get(&path("far/new"), None).await.is_ok());
    assert!(replicas[0].memory.get(&path("far/new"), None).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn health_tells_of_each_replica_and_what_waits_for_it() {
    let (replicas, backend) = three().await;
    replicas[1].is(Mood::Fails(ErrorKind::Unavailable));
    replicas[2].is(Mood::Hangs);
    backend.put(&path("new"), &sealed(1, 1), &PutMode::Create).await.unwrap();
    let began = Instant::now();
    let health = backend.health().await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(5), "however many hang");
    let told: Vec<_> = health.iter().map(|one| (one.name.as_str(), one.failure, one.waiting)).collect();
    assert_eq!(
        told,
        [("one", None, 0), ("two", Some(ErrorKind::Unavailable), 1), ("three", Some(ErrorKind::TimedOut), 1)]
    );
    assert!(health[0].answered.is_some() && health[1].answered.is_none());
}
