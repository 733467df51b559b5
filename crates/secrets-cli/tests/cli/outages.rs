//! One safe over OpenBao, AWS Secrets Manager, Azure Key Vault and this machine, while each in turn is killed, hangs and
//! throttles.

#![allow(
    clippy::disallowed_methods,
    reason = "a test with a runtime of its own, and a number of rounds from outside"
)]

#[path = "outages/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use secrets_backend::{Error, ErrorKind, NewSecret, PutMode, Result, Secret, SecretPath};
use secrets_manager::{ApplyConfig, ListScope, Safe, Scope};

use world::{BACKENDS, OPEN_FOR, OUTAGES, World};

/// What one caller knows of a secret: each of these may be there. More than one, where a write failed without saying
/// whether it took effect; none is a deletion, or a path that was never written.
type Known = BTreeMap<SecretPath, Vec<Option<String>>>;

/// Numbers that look like chance, and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

fn value(answer: std::result::Result<Secret, Error>) -> Result<Option<String>> {
    match answer {
        Ok(secret) => Ok(Some(secret.value.expose_str().unwrap().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The failures that an outage may cause; a wrong answer is none of them.
fn is_outage(kind: ErrorKind) -> bool {
    use ErrorKind::{RateLimited, Stale, TimedOut, Unavailable};
    matches!(kind, Unavailable | TimedOut | RateLimited | Stale)
}

fn backend_error(error: secrets_manager::Error) -> Error {
    match error {
        secrets_manager::Error::Backend(error) => error,
        other => panic!("{other}"),
    }
}

/// One operation, checked against what is known. Whether it was done.
async fn operate(safe: &Safe, known: &mut Known, dice: &mut Dice, number: usize) -> bool {
    let path: SecretPath = format!("of/{}", dice.roll(8)).parse().unwrap();
    let there = known.entry(path.clone()).or_insert_with(|| vec![None]).clone();
    let read = |answer: std::result::Result<Secret, Error>| match value(answer) {
        Ok(found) => {
            assert!(there.contains(&found), "operation {number}: {path} is {found:?}, known is {there:?}");
            true
        }
        Err(error) => {
            assert!(is_outage(error.kind()), "operation {number}: {error}");
            false
        }
    };
    let roll = dice.roll(10);
    let (written, new) = match roll {
        0..=3 => {
            let new = format!("value {number}");
            let written = safe.put(&path, &NewSecret::new(new.as_str()), &PutMode::Upsert).await;
            (written, Some(new))
        }
        4 => (safe.delete(&path).await, None),
        5 => {
            let listed = safe.list(None, ListScope::Live).await;
            return listed.map_err(backend_error).map_or_else(|error| !is_outage(error.kind()), |_| true);
        }
        6 => {
            let mut answers = safe.get_many(std::slice::from_ref(&path)).await.unwrap();
            return read(answers.remove(0));
        }
        _ => return read(safe.get(&path, None).await.map_err(backend_error)),
    };
    match written.map_err(backend_error) {
        Ok(_) => drop(known.insert(path, vec![new])),
        // There was nothing to delete.
        Err(error) if error.kind() == ErrorKind::NotFound && roll == 4 => {
            assert!(there.contains(&None), "operation {number}: {path} is lost");
        }
        Err(error) => {
            assert!(is_outage(error.kind()), "operation {number}: {error}");
            known.get_mut(&path).unwrap().push(new);
            return false;
        }
    }
    true
}

#[tokio::test]
async fn nothing_is_lost_or_wrong_while_each_backend_in_turn_is_killed_hangs_and_throttles() {
    let Some(world) = World::new().await else { return };
    let rounds = std::env::var("SECRETS_TEST_ROUNDS").map_or(52, |rounds| rounds.parse().unwrap());
    let (mut known, mut dice, mut done) = (Known::new(), Dice(7), 0);
    let mut safe = world.open().await;
    // Each backend is the place of this safe before the first outage.
    operate(&safe, &mut known, &mut Dice(0), 0).await;
    safe.drain().await.unwrap();
    for number in 0..rounds {
        // In parts: well, then each outage of each backend.
        let part = number * (1 + BACKENDS * OUTAGES.len()) / rounds;
        let broken = (part > 0).then(|| ((part - 1) / 3, OUTAGES[(part - 1) % 3]));
        world.breaks(broken);
        done += usize::from(operate(&safe, &mut known, &mut dice, number).await);
        // As the command does after its output.
        let _ = tokio::time::timeout(Duration::from_millis(300), safe.drain()).await;
        if dice.roll(10) == 0 {
            drop(safe);
            safe = world.open().await;
        }
    }
    world.breaks(None);
    tokio::time::sleep(OPEN_FOR).await;
    let drained = safe.drain().await.unwrap();
    assert_eq!((drained.left, drained.diverged.len()), (0, 0), "{drained:?}");
    let mut scope = Scope::default();
    let before = safe.sync_plan(&scope, &|_, _| {}).await.unwrap();
    safe.sync_apply(&before, &ApplyConfig::default(), &mut |_, _| {}).await.unwrap();
    scope.verify = true;
    let plan = safe.sync_plan(&scope, &|_, _| {}).await.unwrap();
    assert!(plan.is_empty(), "{plan:?}");
    for at in 0..BACKENDS {
        let alone = world.open_over(at).await;
        for (path, there) in &known {
            let found = value(alone.get(path, None).await.map_err(backend_error)).unwrap();
            assert!(
                there.contains(&found),
                "{path} at {}: {found:?}, known is {there:?}",
                world.backends[at]
            );
        }
    }
    assert!(done * 10 >= rounds * 9, "{done} of {rounds} were done: the others step in");
    assert!(world.clouds.iter().all(|cloud| !cloud.relay.requests().is_empty()));
    println!(
        "FIGURE: {rounds} operations through twelve outages, {done} done, none lost, all replicas equal"
    );
}
