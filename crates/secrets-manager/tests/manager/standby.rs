//! A safe over two backends, one of which goes away.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secrets_backend::{
    Capabilities, Error, ErrorKind, Level, MemoryBackend, NewSecret, Operation, Page, PageToken, PutMode,
    Result, Secret, SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait,
};
use secrets_manager::{
    ApplyConfig, JoinOptions, ListScope, Options, PromoteConfig, Route, Safe, Scope, Sealing, Standby, find,
};

use crate::harness::{Home, kind, path, set, value};

/// Memory that can be switched off.
#[derive(Debug)]
struct Switch {
    name: &'static str,
    memory: MemoryBackend,
    is_off: AtomicBool,
    /// Whether a write never comes to an end.
    hangs: AtomicBool,
}

impl Switch {
    fn new(name: &'static str) -> Arc<Self> {
        let (is_off, hangs) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { name, memory: MemoryBackend::new(), is_off, hangs })
    }

    fn turn(&self, on: bool) {
        self.is_off.store(!on, Ordering::SeqCst);
    }

    fn on(&self, operation: Operation) -> Result<&MemoryBackend> {
        if self.is_off.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, operation, self.name));
        }
        Ok(&self.memory)
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[async_trait]
impl SecretBackend for Switch {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.on(Operation::Check)?.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.on(Operation::Get)?.get(path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        match self.on(Operation::Get) {
            Ok(memory) => memory.get_many(paths).await,
            Err(_) => paths.iter().map(|_| self.on(Operation::Get).map(|_| unreachable!())).collect(),
        }
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.on(Operation::Put)?.put(path, secret, mode).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.on(Operation::Delete)?.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.on(Operation::Undelete)?.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.on(Operation::Purge)?.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.on(Operation::Versions)?.versions(path).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.on(Operation::List)?.list(prefix, page).await
    }
}

fn options(first: &Arc<Switch>, second: &Arc<Switch>) -> Options {
    let mut options = Options::new(Arc::clone(first) as Arc<dyn SecretBackend>);
    options.standbys = vec![Standby::new(Arc::clone(second) as Arc<dyn SecretBackend>)];
    options.failover.breaker.open_for = PAUSE;
    options
}

async fn open(home: &Home, first: &Arc<Switch>, second: &Arc<Switch>) -> Safe {
    Safe::open(&home.places, options(first, second), home.key_file()).await.unwrap()
}

/// A second installation of the safe that a backend has.
async fn joined(home: &Home, at: &Arc<Switch>) -> Home {
    let other = Home::empty();
    let found =
        find(Arc::clone(at) as Arc<dyn SecretBackend>, Duration::from_secs(5)).await.unwrap().unwrap();
    let unlocked = found.unlock(home.key_file()).await.unwrap();
    let mut options = JoinOptions::default();
    options.key_file = Some(other.places.key_file.clone());
    unlocked.join(&other.places, options).await.unwrap();
    other
}

/// As long as a breaker leaves a backend alone.
async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

const PAUSE: Duration = Duration::from_millis(500);

async fn plan(safe: &Safe) -> secrets_manager::Plan {
    safe.sync_plan(&Scope::default(), &|_, _| {}).await.unwrap()
}

/// The bytes that a backend has of a secret.
async fn bytes(of: &Switch, at: &str) -> Vec<u8> {
    of.memory.get(&path(at), None).await.unwrap().value.expose().to_vec()
}

#[tokio::test]
async fn the_second_backend_has_the_same_bytes_and_answers_for_the_first() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let safe = open(&home, &one, &two).await;
    set(&safe, "a", "1").await;
    set(&safe, "a", "2").await;
    assert_eq!(safe.drain().await.unwrap().left, 0);
    assert_eq!(bytes(&one, "a").await, bytes(&two, "a").await);
    one.turn(false);
    for safe in [safe, open(&home, &one, &two).await] {
        assert_eq!(value(&safe, "a").await, "2");
        let old = safe.get(&path("a"), Some(&VersionId::from_number(1))).await.unwrap();
        assert_eq!(old.value.expose(), b"1");
        assert_eq!(safe.list(None, ListScope::Live).await.unwrap().len(), 1);
        assert_eq!(kind(safe.get(&path("none"), None).await), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_write_while_the_first_backend_is_down_outlives_the_process_and_comes_to_both() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let safe = open(&home, &one, &two).await;
    set(&safe, "a", "1").await;
    safe.drain().await.unwrap();
    one.turn(false);
    let written = safe.put(&path("a"), &NewSecret::new("2"), &PutMode::Upsert).await.unwrap();
    assert_eq!((written.level, written.version.unwrap().number()), (Level::Local, Some(2)));
    safe.put(&path("b"), &NewSecret::new("new"), &PutMode::Create).await.unwrap();
    safe.delete(&path("a")).await.unwrap();
    drop(safe);
    let safe = open(&home, &one, &two).await;
    assert_eq!(kind(safe.get(&path("a"), None).await), ErrorKind::NotFound, "it was deleted");
    assert_eq!(value(&safe, "b").await, "new");
    assert_eq!(safe.drain().await.unwrap().left, 3);
    one.turn(true);
    pause().await;
    let drained = safe.drain().await.unwrap();
    assert_eq!((drained.left, drained.diverged.len()), (0, 0), "{drained:?}");
    for at in ["a", "b"] {
        assert_eq!(bytes(&one, at).await, bytes(&two, at).await);
    }
    assert_eq!(value(&safe, "b").await, "new");
    assert_eq!(kind(safe.get(&path("a"), None).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn plain_values_have_one_backend() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let mut options = Options::new(one as Arc<dyn SecretBackend>);
    options.standbys = vec![Standby::new(two as Arc<dyn SecretBackend>)];
    options.sealing = Sealing::Plain;
    let refused = Safe::open(&home.places, options, home.key_file()).await.unwrap_err();
    assert!(matches!(refused, secrets_manager::Error::InvalidInput(_)), "{refused}");
}

#[tokio::test]
async fn two_installations_that_wrote_one_version_both_see_the_conflict_until_one_decides() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let ours = open(&home, &one, &two).await;
    set(&ours, "a", "first").await;
    ours.drain().await.unwrap();
    let other = joined(&home, &one).await;
    let theirs = open(&other, &one, &two).await;
    assert_eq!(value(&theirs, "a").await, "first");
    // We do not reach the primary; they do.
    one.turn(false);
    assert_eq!(set(&ours, "a", "ours").await, 2);
    one.turn(true);
    assert_eq!(set(&theirs, "a", "theirs").await, 2);
    theirs.drain().await.unwrap();
    assert_eq!(value(&ours, "a").await, "ours", "what we were told is written");
    let drained = ours.drain().await.unwrap();
    assert_eq!((drained.left, drained.diverged), (1, [path("a")].into()));
    for safe in [&ours, &open(&home, &one, &two).await] {
        let secret = safe.get(&path("a"), None).await.unwrap();
        assert_eq!((secret.value.expose(), secret.served.unwrap().conflict), (&b"theirs"[..], true));
    }
    let contenders = ours.contenders(&path("a")).await.unwrap();
    let holders: Vec<_> = contenders.iter().map(|one| one.holders.join(" ")).collect();
    assert_eq!(holders, ["one two", "journal"]);
    let written = ours.resolve(&path("a"), "journal").await.unwrap();
    assert_eq!(written.version.unwrap().number(), Some(3));
    for safe in [&ours, &theirs] {
        let secret = safe.get(&path("a"), None).await.unwrap();
        assert_eq!((secret.value.expose(), secret.served.unwrap().conflict), (&b"ours"[..], false));
        assert!(plan(safe).await.is_empty());
    }
    assert_eq!(kind(ours.resolve(&path("a"), "nobody").await), ErrorKind::NotFound);
    assert_eq!(home.verified(&ours).fault, None);
}

#[tokio::test]
async fn a_promoted_backend_is_the_primary_of_every_installation_and_the_old_one_a_replica_when_it_returns() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let ours = open(&home, &one, &two).await;
    set(&ours, "a", "1").await;
    ours.drain().await.unwrap();
    let other = joined(&home, &two).await;
    one.turn(false);
    set(&ours, "a", "waits").await;
    assert_eq!(ours.promote("two", &PromoteConfig::default()).await.unwrap().term, 2);
    assert_eq!(ours.drain().await.unwrap().behind, ["one".to_owned()].into());
    let written = ours.put(&path("b"), &NewSecret::new("new"), &PutMode::Create).await.unwrap();
    assert_eq!((written.level, written.stamp.unwrap().term), (Level::Primary, Some(2)));
    // Another installation, with the old configuration, learns of it.
    let theirs = open(&other, &one, &two).await;
    theirs.sync_plan(&Scope::default(), &|_, _| {}).await.unwrap_err();
    assert_eq!(set(&theirs, "a", "theirs").await, 3);
    assert_eq!(two.memory.get(&path("a"), None).await.unwrap().stamp.unwrap().term, Some(2));
    one.turn(true);
    pause().await;
    for safe in [&ours, &theirs, &open(&home, &one, &two).await] {
        assert_eq!(safe.drain().await.unwrap().left, 0);
        assert_eq!(value(safe, "a").await, "theirs");
    }
    assert!(plan(&ours).await.is_empty());
    assert_eq!(bytes(&one, "a").await, bytes(&two, "a").await);
    let health = ours.health().await.unwrap();
    let roles: Vec<_> = health.iter().map(|one| (one.name.as_str(), one.role)).collect();
    assert_eq!(roles, [("one", secrets_manager::Role::Failover), ("two", secrets_manager::Role::Primary)]);
    let refused = ours.promote("two", &PromoteConfig::default()).await.unwrap_err();
    assert!(refused.to_string().contains("is the primary"), "{refused}");
    // A configuration that lacks the primary is not used.
    drop(ours);
    let alone = Options::new(Arc::clone(&one) as Arc<dyn SecretBackend>);
    let refused = Safe::open(&home.places, alone, home.key_file()).await.unwrap_err();
    assert!(refused.to_string().contains("two"), "{refused}");
}

#[tokio::test]
async fn a_backend_that_missed_much_is_brought_up_to_date_by_a_sync_that_reads_no_value_to_find_out() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let alone = home.share(&(Arc::clone(&one) as Arc<dyn SecretBackend>)).await.unwrap();
    for version in 1..=4 {
        set(&alone, "a", &version.to_string()).await;
    }
    set(&alone, "b", "1").await;
    alone.delete(&path("b")).await.unwrap();
    let both = open(&home, &one, &two).await;
    let before = plan(&both).await;
    assert_eq!((before.steps.len(), before.is_empty()), (2, false));
    let mut told = 0;
    both.sync_apply(&before, &ApplyConfig::default(), &mut |_, _| told += 1).await.unwrap();
    assert_eq!(told, 2);
    let after = plan(&both).await;
    assert!(after.is_empty() && after.equal == 2, "{after:?}");
    one.turn(false);
    assert_eq!(value(&both, "a").await, "4");
    assert_eq!(kind(both.get(&path("b"), None).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_purge_reaches_a_backend_that_was_away_and_nobody_counts_anew() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let safe = open(&home, &one, &two).await;
    set(&safe, "a", "1").await;
    set(&safe, "a", "2").await;
    safe.drain().await.unwrap();
    two.turn(false);
    safe.purge(&path("a")).await.unwrap();
    assert_eq!(safe.drain().await.unwrap().left, 1);
    two.turn(true);
    assert_eq!(safe.drain().await.unwrap().left, 0);
    for backend in [&one, &two] {
        assert_eq!(backend.memory.versions(&path("a")).await.unwrap().len(), 1);
    }
    assert_eq!(kind(safe.undelete(&path("a")).await), ErrorKind::NotFound);
    assert_eq!(set(&safe, "a", "again").await, 4);
}

#[tokio::test]
async fn bulk_writes_and_deletions_come_to_all_backends_with_an_answer_for_each_path() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let safe = open(&home, &one, &two).await;
    let paths: Vec<_> = (0..20).map(|n| path(&format!("bulk/{n}"))).collect();
    let secrets: Vec<_> = paths.iter().map(|path| (path.clone(), NewSecret::new("x"))).collect();
    let written = safe.put_many(&secrets, &PutMode::Create).await.unwrap();
    assert!(written.iter().all(|one| one.as_ref().unwrap().level == Level::Primary));
    assert_eq!(safe.drain().await.unwrap().left, 0);
    one.turn(false);
    let deleted = safe.delete_many(&paths).await.unwrap();
    assert!(deleted.iter().all(|one| one.as_ref().unwrap().level == Level::Local));
    assert!(safe.list(None, ListScope::Live).await.unwrap().is_empty());
    one.turn(true);
    pause().await;
    assert_eq!(safe.drain().await.unwrap().left, 0);
    assert!(plan(&safe).await.is_empty());
    assert_eq!(home.verified(&safe).fault, None);
}

#[tokio::test]
async fn the_secrets_of_a_route_live_on_its_backends_alone() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let far = Switch::new("far");
    let mut options = options(&one, &two);
    let primary = Standby::new(Arc::clone(&far) as Arc<dyn SecretBackend>);
    options.routes = vec![Route::new(path("far"), primary, Vec::new())];
    let safe = Safe::open(&home.places, options, home.key_file()).await.unwrap();
    set(&safe, "near", "1").await;
    set(&safe, "far/away", "2").await;
    assert_eq!(safe.drain().await.unwrap().left, 0);
    assert_eq!(safe.list(None, ListScope::Live).await.unwrap().len(), 2);
    assert!(far.memory.get(&path("far/away"), None).await.is_ok());
    assert!(one.memory.get(&path("far/away"), None).await.is_err());
    assert!(far.memory.get(&path("near"), None).await.is_err());
    assert!(plan(&safe).await.is_empty());
    one.turn(false);
    two.turn(false);
    assert_eq!(value(&safe, "far/away").await, "2");
}

#[tokio::test]
async fn what_was_learned_of_a_backend_that_is_down_is_known_to_the_next_process() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    set(&open(&home, &one, &two).await, "a", "1").await;
    open(&home, &one, &two).await.drain().await.unwrap();
    one.turn(false);
    for _ in 0..3 {
        assert_eq!(value(&open(&home, &one, &two).await, "a").await, "1");
    }
    // It is left alone: that it is back is found out later.
    one.turn(true);
    let served = async |safe: Safe| safe.get(&path("a"), None).await.unwrap().served.unwrap();
    let stepped_in = served(open(&home, &one, &two).await).await;
    assert_eq!((stepped_in.by.as_str(), stepped_in.degraded), ("two", true));
    pause().await;
    assert_eq!(served(open(&home, &one, &two).await).await.by, "one");
}

#[tokio::test]
async fn what_another_process_left_is_drained_by_one_that_was_open_all_the_while() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let first = open(&home, &one, &two).await;
    set(&first, "a", "1").await;
    first.drain().await.unwrap();
    assert_eq!(value(&first, "a").await, "1");
    one.turn(false);
    set(&open(&home, &one, &two).await, "a", "2").await;
    assert_eq!(value(&first, "a").await, "2", "it waits in the state of both");
    one.turn(true);
    pause().await;
    assert_eq!(first.drain().await.unwrap().left, 0);
    assert_eq!(bytes(&one, "a").await, bytes(&two, "a").await);
}

#[tokio::test]
async fn what_is_brought_back_while_the_first_backend_is_down_is_the_last_value_and_no_older_one() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let safe = open(&home, &one, &two).await;
    set(&safe, "a", "old").await;
    safe.drain().await.unwrap();
    one.turn(false);
    set(&safe, "a", "new").await;
    safe.delete(&path("a")).await.unwrap();
    assert_eq!(safe.undelete(&path("a")).await.unwrap().version.unwrap().number(), Some(4));
    assert_eq!(value(&safe, "a").await, "new");
    set(&safe, "fresh", "1").await;
    assert_eq!(safe.history(&path("fresh")).await.unwrap().len(), 1, "no backend has any of it yet");
    let history = safe.history(&path("a")).await.unwrap();
    assert_eq!(history.iter().map(|meta| meta.id.number().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_write_goes_on_from_what_the_primary_has_where_a_replica_that_is_read_first_is_behind() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let mut reads_of_two = options(&one, &two);
    reads_of_two.standbys[0].weight = 1;
    let ours = Safe::open(&home.places, reads_of_two, home.key_file()).await.unwrap();
    set(&ours, "a", "1").await;
    set(&ours, "b", "1").await;
    ours.drain().await.unwrap();
    let other = joined(&home, &one).await;
    let theirs = open(&other, &one, &two).await;
    two.turn(false);
    set(&theirs, "a", "2").await;
    set(&theirs, "b", "2").await;
    two.turn(true);
    assert_eq!(set(&ours, "a", "3").await, 3);
    ours.delete(&path("b")).await.unwrap();
    assert_eq!(kind(ours.get(&path("b"), None).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_waits_under_a_key_that_another_process_made_hides_nothing_from_one_that_was_open() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let first = open(&home, &one, &two).await;
    set(&first, "a", "1").await;
    first.drain().await.unwrap();
    let second = open(&home, &one, &two).await;
    second.rotate_epoch(home.key_file()).await.unwrap();
    two.turn(false);
    set(&second, "b", "2").await;
    assert_eq!(value(&first, "a").await, "1");
    assert_eq!(set(&first, "a", "3").await, 2);
    two.turn(true);
    pause().await;
    assert_eq!(first.drain().await.unwrap().left, 0);
}

#[tokio::test]
async fn each_route_keeps_the_primary_that_was_promoted_for_it_and_there_is_a_way_back() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let (far, spare) = (Switch::new("far"), Switch::new("spare"));
    let routed = || {
        let mut options = options(&one, &two);
        let standby = |of: &Arc<Switch>| Standby::new(Arc::clone(of) as Arc<dyn SecretBackend>);
        options.routes = vec![Route::new(path("far"), standby(&far), vec![standby(&spare), standby(&one)])];
        options
    };
    let open = async || Safe::open(&home.places, routed(), home.key_file()).await.unwrap();
    let safe = open().await;
    set(&safe, "near", "1").await;
    set(&safe, "far/away", "1").await;
    safe.drain().await.unwrap();
    let promote = async |name: &str| {
        open().await.promote(name, &PromoteConfig::default()).await.unwrap();
        let safe = open().await;
        set(&safe, "near", name).await;
        set(&safe, "far/away", name).await;
        [&one, &two, &far, &spare].map(|of| async move {
            let ahead = async |at: &str| of.memory.versions(&path(at)).await.map_or(0, |all| all.len());
            (ahead("near").await, ahead("far/away").await)
        })
    };
    let mut ahead = Vec::new();
    for name in ["two", "spare", "one", "far"] {
        let counts = futures_util::future::join_all(promote(name).await).await;
        let newest = |of: fn(&(usize, usize)) -> usize| {
            let most = counts.iter().map(of).max().unwrap();
            let leaders = ["one", "two", "far", "spare"].into_iter().zip(&counts);
            leaders.filter(|(_, count)| of(count) == most).map(|(name, _)| name).collect::<Vec<_>>()
        };
        ahead.push((newest(|count| count.0).join(" "), newest(|count| count.1).join(" ")));
        assert_eq!(open().await.drain().await.unwrap().left, 0);
    }
    // The primary of `one` and `two`, and that of `far`, `spare` and `one`: it alone has what was written last.
    let expected = [("two", "far"), ("two", "spare"), ("one", "one"), ("one", "far")];
    assert_eq!(ahead, expected.map(|(near, far)| (near.to_owned(), far.to_owned())));
}

#[tokio::test]
async fn a_backend_that_was_away_during_a_promotion_is_told_and_tells_others() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let ours = open(&home, &one, &two).await;
    set(&ours, "a", "1").await;
    ours.drain().await.unwrap();
    let other = joined(&home, &two).await;
    one.turn(false);
    let promoted = ours.promote("two", &PromoteConfig::default()).await.unwrap();
    assert_eq!(promoted.untold, ["one".to_owned()].into());
    one.turn(true);
    pause().await;
    let plan = plan(&ours).await;
    ours.sync_apply(&plan, &ApplyConfig::default(), &mut |_, _| {}).await.unwrap();
    // Who sees the old primary alone learns of it there.
    two.turn(false);
    let theirs = open(&other, &one, &two).await;
    theirs.sync_plan(&Scope::default(), &|_, _| {}).await.unwrap_err();
    assert_eq!(theirs.primary().as_deref(), Some("two"));
}

#[tokio::test]
async fn a_new_installation_does_not_believe_a_primary_that_is_behind_another() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let ours = open(&home, &one, &two).await;
    set(&ours, "a", "1").await;
    ours.drain().await.unwrap();
    let old = one.memory.get(&path("a"), None).await.unwrap();
    set(&ours, "a", "2").await;
    ours.drain().await.unwrap();
    // The primary is put back to an older state.
    one.memory.purge(&path("a")).await.unwrap();
    let old = NewSecret::new(old.value).with_stamp(old.stamp.unwrap());
    one.memory.put(&path("a"), &old, &PutMode::Create).await.unwrap();
    let other = joined(&home, &two).await;
    let theirs = open(&other, &one, &two).await;
    assert_eq!(theirs.learn_newest().await.unwrap(), 2);
    assert_eq!(value(&theirs, "a").await, "2");
    one.turn(false);
    let alone = joined(&home, &two).await;
    assert_eq!(open(&alone, &one, &two).await.learn_newest().await.unwrap(), 1, "nothing to compare with");
}

#[tokio::test]
async fn a_bulk_write_that_was_killed_gets_its_outcome_from_the_next_write() {
    let (home, one, two) = (Home::new().await, Switch::new("one"), Switch::new("two"));
    let safe = open(&home, &one, &two).await;
    set(&safe, "a", "1").await;
    one.hangs.store(true, Ordering::SeqCst);
    let secrets = ["a", "b"].map(|at| (path(at), NewSecret::new("2")));
    let put = safe.put_many(&secrets, &PutMode::Upsert);
    assert!(tokio::time::timeout(Duration::from_millis(200), put).await.is_err(), "dropped on its way");
    one.hangs.store(false, Ordering::SeqCst);
    assert_eq!(home.verified(&safe).open_intents.len(), 1);
    pause().await;
    for at in ["a", "b"] {
        set(&safe, at, "3").await;
    }
    assert_eq!(home.verified(&safe).open_intents, []);
}
