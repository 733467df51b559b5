//! What the stack costs beside the least that has to be done, and several backends beside one: ratios of one run.

#![allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]

mod staged;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use self::staged::Staged;
use crate::recorder::Version;
use crate::{
    ApplyConfig, InitOptions, Options, Place, Places, Safe, Scope, Standby, Unlock, init, test_rounds,
};
use futures_util::{StreamExt, stream};
use secrets_audit::Action;
use secrets_backend::{NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_backend_local::{LocalBackend, LocalConfig};

/// A whole proof has this many rounds at least; with fewer, a busy machine decides.
const ENOUGH: u64 = 1_000;

struct Home {
    _directory: tempfile::TempDir,
    places: Places,
}

impl Home {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let places = Places::new(root.join("config/key"), root.join("data"), root.join("state"));
        init(&places, InitOptions::with_key_file(&places)).await.unwrap();
        Self { _directory: directory, places }
    }

    async fn open(&self, backends: &[Arc<dyn SecretBackend>]) -> Safe {
        let mut options = Options::new(Arc::clone(&backends[0]));
        options.place = Place::Own;
        // Once open it stays so for as long as anybody measures.
        options.failover.breaker.open_for = Duration::from_secs(3_600);
        options.standbys = backends[1..].iter().map(|backend| own(Arc::clone(backend))).collect();
        let key = Unlock::KeyFile(self.places.key_file.clone());
        Safe::open(&self.places, options, key).await.unwrap()
    }
}

fn own(backend: Arc<dyn SecretBackend>) -> Standby {
    let mut standby = Standby::new(backend);
    standby.place = Place::Own;
    standby
}

fn path(number: usize) -> SecretPath {
    format!("of/{number}").parse().unwrap()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ratio(ours: Vec<Duration>, least: Vec<Duration>) -> (f64, Duration, Duration) {
    let (ours, least) = (median(ours), median(least));
    (ours.as_secs_f64() / least.as_secs_f64(), ours, least)
}

fn check(ratio: f64, most: f64, rounds: u64) {
    assert!(rounds < ENOUGH || ratio <= most, "{ratio:.2}, at most {most}");
}

/// One after the other: side by side they would measure each other.
#[tokio::test]
async fn the_stack_and_its_replicas_cost_little_beside_the_least_that_has_to_be_done() {
    a_healthy_local_read_costs_little_beside_a_sealed_read_and_one_audit_append().await;
    a_read_past_an_open_breaker_costs_little_beside_a_read_of_the_second_backend_alone().await;
    catching_up_a_thousand_costs_little_beside_a_bare_loop().await;
}

async fn a_healthy_local_read_costs_little_beside_a_sealed_read_and_one_audit_append() {
    let rounds = test_rounds(20);
    let home = Home::new().await;
    let store = Arc::new(LocalBackend::new(LocalConfig::new(home.places.store())).unwrap());
    let safe = home.open(&[Arc::clone(&store) as _]).await;
    let at = path(0);
    safe.put(&at, &NewSecret::new("value"), &PutMode::Create).await.unwrap();
    let recorder = safe.stack.recorder();
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let began = Instant::now();
        safe.get(&at, None).await.unwrap();
        ours.push(began.elapsed());
        let began = Instant::now();
        let sealed = store.get(&at, None).await.unwrap();
        let opened = recorder.tenant.open(&at, None, sealed.value.expose()).unwrap();
        let object = recorder.object(&at, Version::of(&opened.stamp));
        let call = recorder.call(Action::SecretRead).unwrap();
        recorder.read(call, std::slice::from_ref(&at), vec![object], None).await.unwrap();
        least.push(began.elapsed());
    }
    let (ratio, ours, least) = ratio(ours, least);
    println!(
        "FIGURE: a local read {} µs, a sealed read and one synced append {} µs: {ratio:.2} times",
        ours.as_micros(),
        least.as_micros()
    );
    check(ratio, 1.15, rounds);
}

async fn a_read_past_an_open_breaker_costs_little_beside_a_read_of_the_second_backend_alone() {
    let rounds = test_rounds(20);
    let home = Home::new().await;
    let store = Arc::new(LocalBackend::new(LocalConfig::new(home.places.store())).unwrap());
    let first = Staged::new("first", Duration::ZERO);
    let both = home.open(&[Arc::clone(&first) as _, Arc::clone(&store) as _]).await;
    let at = path(0);
    both.put(&at, &NewSecret::new("value"), &PutMode::Create).await.unwrap();
    both.drain().await.unwrap();
    first.is_gone.store(true, Ordering::SeqCst);
    let alone = home.open(&[store as _]).await;
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        both.get(&at, None).await.unwrap();
    }
    for _ in 0..rounds {
        first.calls();
        let began = Instant::now();
        let secret = both.get(&at, None).await.unwrap();
        ours.push(began.elapsed());
        assert_eq!((secret.served.unwrap().by, first.calls()), (alone.primary().unwrap(), [0; 3]));
        let began = Instant::now();
        alone.get(&at, None).await.unwrap();
        least.push(began.elapsed());
    }
    let (ratio, ours, least) = ratio(ours, least);
    println!(
        "FIGURE: a read past an open breaker {} µs, of the second backend alone {} µs: {ratio:.2} times",
        ours.as_micros(),
        least.as_micros()
    );
    check(ratio, 1.2, rounds);
}

#[tokio::test]
async fn comparing_ten_thousand_equal_secrets_reads_none() {
    let count = if test_rounds(20) >= ENOUGH { 10_000 } else { 1_000 };
    let home = Home::new().await;
    let staged = ["one", "two"].map(|name| Staged::new(name, Duration::ZERO));
    let safe = home.open(&staged.each_ref().map(|one| Arc::clone(one) as _)).await;
    let secrets: Vec<_> = (0..count).map(|number| (path(number), NewSecret::new("value"))).collect();
    safe.put_many(&secrets, &PutMode::Create).await.unwrap();
    assert_eq!(safe.drain().await.unwrap().left, 0);
    let _ = staged.each_ref().map(|one| one.calls());
    let plan = safe.sync_plan(&Scope::default(), &|_, _| {}).await.unwrap();
    assert!(plan.is_empty() && plan.equal == count);
    let made = staged.each_ref().map(|one| one.calls());
    for [reads, writes, listings] in made {
        assert_eq!((reads, writes), (0, 0), "of {count} secrets");
        assert!(listings > 0);
    }
    println!("FIGURE: comparing {count} equal secrets: reads, writes and pages {made:?} of two backends");
}

async fn catching_up_a_thousand_costs_little_beside_a_bare_loop() {
    let whole = test_rounds(20) >= ENOUGH;
    let (count, rounds) = if whole { (1_000, 5) } else { (50, 1) };
    let home = Home::new().await;
    let source: Arc<dyn SecretBackend> = Staged::new("source", LATENCY);
    let alone = home.open(std::slice::from_ref(&source)).await;
    let secrets: Vec<_> = (0..count).map(|number| (path(number), NewSecret::new("value"))).collect();
    alone.put_many(&secrets, &PutMode::Create).await.unwrap();
    let config = ApplyConfig::default();
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let both = home.open(&[Arc::clone(&source), Staged::new("target", LATENCY)]).await;
        let plan = both.sync_plan(&Scope::default(), &|_, _| {}).await.unwrap();
        assert_eq!(plan.steps.len(), count);
        let began = Instant::now();
        both.sync_apply(&plan, &config, &mut |_, _| {}).await.unwrap();
        ours.push(began.elapsed());
        let target = Staged::new("bare", LATENCY);
        let began = Instant::now();
        let copies: Vec<_> = (0..count).map(|number| copy(&*source, &*target, path(number))).collect();
        stream::iter(copies).buffer_unordered(config.at_once).collect::<Vec<()>>().await;
        least.push(began.elapsed());
    }
    let (ratio, ours, least) = ratio(ours, least);
    println!(
        "FIGURE: catching up {count} secrets {} ms, a bare loop at the same concurrency {} ms: {ratio:.2} times",
        ours.as_millis(),
        least.as_millis()
    );
    check(ratio, 1.3, if whole { ENOUGH } else { 0 });
}

async fn copy(from: &dyn SecretBackend, to: &dyn SecretBackend, path: SecretPath) {
    let secret = from.get(&path, None).await.unwrap();
    let mut new = NewSecret::new(secret.value);
    new.stamp = secret.stamp;
    to.put(&path, &new, &PutMode::Create).await.unwrap();
}

/// Of a backend somewhere else in a building.
const LATENCY: Duration = Duration::from_millis(5);
