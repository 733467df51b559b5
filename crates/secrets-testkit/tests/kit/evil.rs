//! What a backend that lies is believed: nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use secrets_backend::{
    ErrorKind, Level, MemoryBackend, NewSecret, PutMode, Result, SecretBackend, SecretPath, Written,
};
use secrets_manager::{Error, InitOptions, ListScope, Options, Places, Safe, Standby, Unlock, init};
use secrets_testkit::{EvilBackend, Lie};
use tempfile::TempDir;
use tracing::span;

/// What is asked for while the backend lies.
const READS: [(&str, Lie); 14] = [
    ("swapped object", Lie::Swapped),
    ("another environment's", Lie::Planted),
    ("another safe's", Lie::Planted),
    ("another epoch", Lie::OtherEpoch),
    ("version raised", Lie::Raised),
    ("version lowered", Lie::Lowered),
    ("old version relabelled", Lie::Relabelled),
    ("404 after acknowledgement", Lie::Missing),
    ("rolled back", Lie::RolledBack),
    ("bit flip", Lie::BitFlip),
    ("truncated", Lie::Truncated),
    ("extended", Lie::Extended),
    ("plain value", Lie::Plain),
    ("listed, not there", Lie::ForeignListed),
];
/// The others: of writes, and of listings.
const OTHERS: [&str; 2] = ["200 without storing", "looping listing"];

#[tokio::test]
async fn no_lie_of_a_backend_is_believed_and_each_raises_an_alarm() {
    let alarms = Alarms::default();
    let _heard = tracing::subscriber::set_default(alarms.clone());
    let stage = Stage::new(&alarms).await;
    let kinds = READS.len() + OTHERS.len();
    let rounds = std::env::var("SECRETS_TEST_ROUNDS").map_or(2 * kinds, |rounds| rounds.parse().unwrap());
    let each = rounds.div_ceil(kinds) as u64;
    for (name, lie) in READS {
        for seed in 0..each {
            stage.lies_to_a_reader(name, lie, seed).await;
        }
        println!("{each:>6}  {name}");
    }
    for seed in 0..each {
        stage.throws_a_write_away(seed).await;
        stage.loops(seed).await;
    }
    OTHERS.iter().for_each(|name| println!("{each:>6}  {name}"));
    println!(
        "FIGURE: {} lies of {kinds} kinds, {each} of each: none believed, each alarmed",
        each * kinds as u64
    );
}

#[tokio::test]
async fn a_listing_that_does_not_end_is_an_error() {
    let alarms = Alarms::default();
    let stage = Stage::new(&alarms).await;
    stage.evil.lie(Lie::Endless, 1);
    assert_eq!(kind(stage.alone.list(None, ListScope::Live).await), ErrorKind::Tampered);
}

/// Two safes of one installation: over the liar alone, and with a good backend beside it.
struct Stage {
    evil: Arc<EvilBackend>,
    alone: Safe,
    two: Safe,
    alarms: Alarms,
    /// What another environment of the safe, and another safe, have under the name.
    planted: [Vec<u8>; 2],
    _homes: [TempDir; 2],
}

impl Stage {
    async fn new(alarms: &Alarms) -> Self {
        let (home, places) = home().await;
        let (other_home, other_places) = home_of_another().await;
        let evil = Arc::new(EvilBackend::default());
        let good: Arc<dyn SecretBackend> = Arc::new(MemoryBackend::new());
        let mut options = Options::new(Arc::clone(&evil) as _);
        options.standbys = vec![Standby::new(good)];
        options.failover.ack = Level::All;
        let two = open(&places, options).await;
        set(&two, &secret(), "old").await.unwrap();
        set(&two, &path("app/other"), "other").await.unwrap();
        evil.remember(&[secret(), path("app/other")]).await.unwrap();
        assert_eq!(set(&two, &secret(), RIGHT).await.unwrap().level, Level::All);
        let alone = open(&places, Options::new(Arc::clone(&evil) as _)).await;
        let mut staging = Options::new(Arc::new(MemoryBackend::new()));
        staging.environment = "staging".to_owned();
        let planted = [sealed(&places, staging).await, foreign(&other_places).await];
        Self { evil, alone, two, alarms: alarms.clone(), planted, _homes: [home, other_home] }
    }

    /// The liar alone is an error, and beside a good one it is passed over, with an alarm.
    async fn lies_to_a_reader(&self, name: &str, lie: Lie, seed: u64) {
        self.evil.plant(self.planted[usize::from(name == "another safe's")].clone());
        self.evil.lie(lie, seed);
        if lie == Lie::ForeignListed {
            return self.lists_what_is_not_there(seed).await;
        }
        let refused = kind(self.alone.get(&secret(), None).await);
        assert!(matches!(refused, ErrorKind::Tampered | ErrorKind::Stale), "{name} {seed}: {refused:?}");
        let before = self.alarms.count();
        let answer = self.two.get(&secret(), None).await.unwrap();
        assert_eq!(answer.value.expose(), RIGHT.as_bytes(), "{name} {seed}");
        assert!(self.alarms.count() > before, "{name} {seed}: nobody was told");
        self.evil.behave();
    }

    /// A name in a listing is a claim: nothing can be had under it.
    async fn lists_what_is_not_there(&self, seed: u64) {
        let listed = self.alone.list(None, ListScope::Live).await.unwrap();
        for item in listed.iter().filter(|item| item.path.as_str().starts_with("foreign/")) {
            assert_eq!(kind(self.alone.get(&item.path, None).await), ErrorKind::NotFound, "{seed}");
            assert_eq!(kind(self.two.get(&item.path, None).await), ErrorKind::NotFound, "{seed}");
        }
        self.evil.behave();
    }

    /// A write that is thrown away is not told as written, and comes to both in the end.
    async fn throws_a_write_away(&self, seed: u64) {
        let (lost, value) = (path(&format!("lost/{seed}")), format!("value {seed}"));
        self.evil.lie(Lie::Unstored, seed);
        let before = self.alarms.count();
        let written = set(&self.two, &lost, &value).await.unwrap();
        assert_eq!(written.level, Level::Local);
        assert!(self.alarms.count() > before, "nobody was told");
        self.evil.behave();
        assert_eq!(self.two.get(&lost, None).await.unwrap().value.expose(), value.as_bytes());
        assert_eq!(self.two.drain().await.unwrap().left, 0);
        assert!(self.evil.bytes(&lost).await.is_ok());
    }

    async fn loops(&self, seed: u64) {
        self.evil.lie(Lie::Looping, seed);
        assert_eq!(kind(self.alone.list(None, ListScope::Live).await), ErrorKind::Tampered);
        self.evil.behave();
    }
}

const RIGHT: &str = "right";

fn secret() -> SecretPath {
    path("app/secret")
}

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

async fn home() -> (TempDir, Places) {
    // Many durable entries, none of which is about this disk.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let root = directory.path();
    let places = Places::new(root.join("config/key"), root.join("data"), root.join("state"));
    init(&places, InitOptions::with_key_file(&places)).await.unwrap();
    (directory, places)
}

async fn home_of_another() -> (TempDir, Places) {
    home().await
}

async fn open(places: &Places, options: Options) -> Safe {
    Safe::open(places, options, Unlock::KeyFile(places.key_file.clone())).await.unwrap()
}

async fn set(safe: &Safe, at: &SecretPath, value: &str) -> std::result::Result<Written, Error> {
    safe.put(at, &NewSecret::new(value), &PutMode::Upsert).await
}

/// The envelope of the same name elsewhere.
async fn sealed(places: &Places, mut options: Options) -> Vec<u8> {
    let elsewhere = Arc::new(MemoryBackend::new());
    options.backend = Arc::clone(&elsewhere) as _;
    set(&open(places, options).await, &secret(), "planted").await.unwrap();
    let stored: Result<_> = elsewhere.get(&secret(), None).await;
    stored.unwrap().value.expose().to_vec()
}

async fn foreign(places: &Places) -> Vec<u8> {
    sealed(places, Options::new(Arc::new(MemoryBackend::new()))).await
}

fn kind<T>(answer: std::result::Result<T, Error>) -> ErrorKind {
    match answer {
        Err(Error::Backend(error)) => error.kind(),
        Err(error) => panic!("another failure: {error}"),
        Ok(_) => panic!("a success"),
    }
}

/// Counts warnings.
#[derive(Clone, Debug, Default)]
struct Alarms(Arc<AtomicU64>);

impl Alarms {
    fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl tracing::Subscriber for Alarms {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, _event: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}
