//! What a plan finds, and what carrying it out leaves alone.

#![allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]

use std::sync::Arc;

use secrets_backend::{
    ContentId, MemoryBackend, MemoryConfig, NewSecret, PutMode, Secret, SecretBackend, StampKind, VersionId,
};

use super::*;
use crate::failover::FailoverConfig;
use crate::journal::Journal;
use crate::journal::volatile::Volatile;
use crate::replica::{Verified, Verify};

fn path(name: &str) -> SecretPath {
    name.parse().unwrap()
}

fn sealed(version: u64, content: u8, parent: Option<u8>) -> NewSecret {
    let parent = parent.map(|parent| ContentId::new([parent; 32]));
    let stamp = Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([content; 32]), parent);
    NewSecret::new(vec![content]).with_stamp(stamp)
}

/// Authentic is what says the same in value and stamp.
fn judged(_: &SecretPath, _: Option<&VersionId>, answer: Option<&Secret>) -> Result<Option<Verified>> {
    let Some(secret) = answer else { return Ok(None) };
    match &secret.stamp {
        Some(stamp) if stamp.content_id.as_bytes()[0] == secret.value.expose()[0] => {
            Ok(Some(Verified::good(stamp.clone())))
        }
        _ => Err(Error::new(ErrorKind::Tampered, Operation::Get, "verify")),
    }
}

struct Scene {
    memories: Vec<Arc<MemoryBackend>>,
    journal: Arc<Volatile>,
    backend: FailoverBackend,
}

impl Scene {
    fn new() -> Self {
        Self::over([(); 3].map(|()| MemoryBackend::new()))
    }

    fn over(memories: [MemoryBackend; 3]) -> Self {
        let verify: Arc<Verify> = Arc::new(judged);
        let memories: Vec<_> = memories.into_iter().map(Arc::new).collect();
        let mut replicas = ["one", "two", "three"].into_iter().zip(&memories).map(|(name, memory)| {
            let backend: Arc<dyn SecretBackend> = Arc::clone(memory) as _;
            Replica::new(name, backend, Arc::clone(&verify))
        });
        let journal = Arc::new(Volatile::default());
        let (primary, kept) = (replicas.next().unwrap(), Arc::clone(&journal));
        let backend = FailoverBackend::over(primary, replicas.collect(), kept, FailoverConfig::default());
        Self { memories, journal, backend }
    }

    /// Puts versions, each the child of the one before it, whose content is their number.
    async fn put(&self, at: usize, name: &str, versions: std::ops::RangeInclusive<u64>) {
        for version in versions {
            let content = u8::try_from(version).unwrap();
            let secret = sealed(version, content, content.checked_sub(1).filter(|&parent| parent > 0));
            self.write(at, name, &secret).await;
        }
    }

    async fn write(&self, at: usize, name: &str, secret: &NewSecret) {
        self.memories[at].put(&path(name), secret, &PutMode::Upsert).await.unwrap();
    }

    async fn plan(&self) -> Plan {
        self.plan_of(&Scope::default()).await.unwrap()
    }

    async fn plan_of(&self, scope: &Scope) -> Result<Plan> {
        plan(&self.backend, scope, &|_, _| {}).await
    }

    async fn apply(&self, plan: &Plan) -> Vec<String> {
        self.apply_as(plan, &ApplyConfig::default()).await
    }

    async fn apply_as(&self, plan: &Plan, config: &ApplyConfig) -> Vec<String> {
        let mut told = Vec::new();
        apply(&self.backend, plan, config, &mut |step, applied| {
            told.push(format!("{} {} {applied:?}", step.path, step.to));
        })
        .await
        .unwrap();
        told.sort();
        told
    }

    async fn held(&self, at: usize, name: &str) -> u8 {
        self.memories[at].get(&path(name), None).await.unwrap().value.expose()[0]
    }
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{:?} {} {}→{}", step.kind, step.path, step.from, step.to)).collect()
}

#[tokio::test]
async fn what_is_one_version_behind_or_missing_is_brought_forward_and_then_there_is_nothing_to_do() {
    let scene = Scene::new();
    scene.put(0, "a", 1..=3).await;
    scene.put(1, "a", 1..=2).await;
    scene.put(2, "b", 1..=1).await;
    let plan = scene.plan().await;
    let expected = ["Forward a one→two", "Create a one→three", "Create b three→one", "Create b three→two"];
    assert_eq!(steps(&plan), expected);
    let in_step = |name: &str| scene.journal.memory(name).in_step;
    assert_eq!(in_step("two"), None);
    assert_eq!(scene.apply(&plan).await, ["a three Done", "a two Done", "b one Done", "b two Done"]);
    assert!(in_step("two").is_some());
    let after = scene.plan().await;
    assert!(after.is_empty() && after.equal == 2, "{after:?}");
    for at in 0..3 {
        assert_eq!(scene.held(at, "a").await, 3);
    }
}

#[tokio::test]
async fn a_replica_that_missed_several_versions_is_brought_forward_once_the_history_shows_that_it_may_be() {
    let scene = Scene::new();
    scene.put(0, "a", 1..=5).await;
    scene.put(1, "a", 1..=2).await;
    scene.put(2, "a", 1..=5).await;
    let plan = scene.plan().await;
    assert_eq!(steps(&plan), ["Prove a one→two"]);
    assert_eq!(scene.apply(&plan).await, ["a two Done"]);
    assert!(scene.plan().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_shown_to_be_an_ancestor_is_left_alone_unless_somebody_accepts_it() {
    let scene = Scene::new();
    for at in [0, 2] {
        scene.write(at, "a", &sealed(5, 5, None)).await;
    }
    scene.put(1, "a", 1..=2).await;
    let plan = scene.plan().await;
    assert_eq!(scene.apply(&plan).await, ["a two Unproven"]);
    assert_eq!(scene.held(1, "a").await, 2);
    let accept = ApplyConfig { accept_unproven: true, ..ApplyConfig::default() };
    assert_eq!(scene.apply_as(&plan, &accept).await, ["a two Done"]);
    assert_eq!(scene.held(1, "a").await, 5);
}

#[tokio::test]
async fn who_accepts_a_version_writes_over_no_rivals_that_were_not_shown() {
    let mut config = MemoryConfig::default();
    (config.capabilities.atomic_create, config.capabilities.atomic_replace) = (false, false);
    let unconditional = MemoryBackend::with_config(config);
    let scene = Scene::over([MemoryBackend::new(), unconditional, MemoryBackend::new()]);
    for at in [0, 2] {
        scene.write(at, "a", &sealed(5, 5, None)).await;
    }
    scene.write(1, "a", &sealed(2, 9, None)).await;
    scene.write(1, "a", &sealed(2, 2, None)).await;
    let accept = ApplyConfig { accept_unproven: true, ..ApplyConfig::default() };
    assert_eq!(scene.apply_as(&scene.plan().await, &accept).await, ["a two Diverged"]);
    let rivals = scene.backend.rivals(&path("a")).await.unwrap();
    assert_eq!(rivals.len(), 3, "each is shown to who decides");
}

#[tokio::test]
async fn rivals_are_told_and_both_kept() {
    let scene = Scene::new();
    for at in 0..3 {
        scene.put(at, "a", 1..=2).await;
    }
    scene.write(1, "a", &sealed(2, 9, Some(1))).await;
    let plan = scene.plan().await;
    assert!(plan.steps.is_empty() && plan.diverged == [path("a")].into() && !plan.is_empty());
    let flagged = scene.backend.get(&path("a"), None).await.unwrap();
    assert!(flagged.served.unwrap().conflict, "each read says so");
    let rivals = scene.backend.rivals(&path("a")).await.unwrap();
    let holders: Vec<_> = rivals.iter().map(|rival| rival.holders.join(" ")).collect();
    assert_eq!(holders, ["one three", "two"]);
    // Somebody takes the second, as a new version.
    scene.backend.settle(&path("a"), &sealed(3, 9, Some(2))).await.unwrap();
    assert!(scene.plan().await.is_empty());
    let settled = scene.backend.get(&path("a"), None).await.unwrap();
    assert!(!settled.served.unwrap().conflict);
    assert_eq!(settled.version.number(), Some(3));
}

#[tokio::test]
async fn a_branch_of_several_versions_is_no_ancestor() {
    let scene = Scene::new();
    scene.put(0, "a", 1..=5).await;
    scene.put(1, "a", 1..=2).await;
    scene.write(1, "a", &sealed(3, 99, Some(2))).await;
    scene.put(2, "a", 1..=5).await;
    let plan = scene.plan().await;
    assert_eq!(scene.apply(&plan).await, ["a two Diverged"]);
    assert_eq!(scene.held(1, "a").await, 99);
    assert!(scene.journal.is_flagged(&path("a")));
}

#[tokio::test]
async fn a_rival_that_comes_between_plan_and_apply_is_not_written_over() {
    let scene = Scene::new();
    scene.put(0, "a", 1..=2).await;
    scene.put(1, "a", 1..=1).await;
    scene.put(2, "a", 1..=2).await;
    let plan = scene.plan().await;
    scene.write(1, "a", &sealed(2, 9, Some(1))).await;
    assert_eq!(scene.apply(&plan).await, ["a two Diverged"]);
    assert_eq!(scene.held(1, "a").await, 9);
}

#[tokio::test]
async fn what_is_not_ours_is_reported_and_left_alone() {
    let scene = Scene::new();
    scene.memories[1].put(&path("theirs"), &NewSecret::new("x"), &PutMode::Create).await.unwrap();
    let plan = scene.plan().await;
    assert_eq!(plan.foreign["two"], [path("theirs")].into());
    assert!(plan.is_empty());
}

#[tokio::test]
async fn a_copy_that_fails_authentication_is_found_where_each_is_opened_and_repaired_from_a_good_one() {
    let scene = Scene::new();
    for at in 0..3 {
        scene.put(at, "a", 1..=1).await;
    }
    let mut lie = sealed(1, 1, None);
    lie.value = vec![9].into();
    scene.write(0, "a", &lie).await;
    assert!(scene.plan().await.is_empty(), "the claim is as it was");
    let verify = Scope { verify: true, ..Scope::default() };
    let plan = scene.plan_of(&verify).await.unwrap();
    assert_eq!(steps(&plan), ["Repair a two→one"]);
    assert_eq!(scene.apply(&plan).await, ["a one Done"]);
    assert_eq!(scene.held(0, "a").await, 1);
    assert!(scene.plan_of(&verify).await.unwrap().is_empty());
    for at in 0..3 {
        scene.write(at, "a", &lie).await;
    }
    let plan = scene.plan_of(&verify).await.unwrap();
    assert_eq!((plan.steps.len(), plan.damaged.len(), plan.is_empty()), (0, 3, false));
}

#[tokio::test]
async fn a_direction_brings_nothing_the_other_way() {
    let scene = Scene::new();
    scene.put(0, "mine", 1..=1).await;
    scene.put(1, "theirs", 1..=1).await;
    let towards = |direction| Scope { direction, ..Scope::default() };
    let push = scene.plan_of(&towards(Direction::Push)).await.unwrap();
    assert_eq!(steps(&push), ["Create mine one→two", "Create mine one→three"]);
    assert_eq!(push.newer_elsewhere, [path("theirs")].into());
    let pull = scene.plan_of(&towards(Direction::Pull)).await.unwrap();
    assert_eq!(steps(&pull), ["Create theirs two→one"]);
    let only = Scope { prefix: Some(path("mine")), ..Scope::default() };
    assert_eq!(scene.plan_of(&only).await.unwrap().steps.len(), 2);
}

#[tokio::test]
async fn what_the_primary_never_had_is_deleted_only_where_that_was_asked_for_and_the_primary_has_something() {
    let scene = Scene::new();
    scene.put(1, "extra", 1..=1).await;
    scene.put(2, "extra", 1..=1).await;
    let extra = Scope { direction: Direction::Push, delete_extra: true, ..Scope::default() };
    let both = Scope { direction: Direction::Both, ..extra.clone() };
    assert_eq!(scene.plan_of(&both).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(scene.plan_of(&extra).await.unwrap_err().kind(), ErrorKind::InvalidInput, "an empty primary");
    scene.put(0, "kept", 1..=1).await;
    let plan = scene.plan_of(&extra).await.unwrap();
    let deletions: Vec<_> = steps(&plan).into_iter().filter(|step| step.starts_with("Delete")).collect();
    assert_eq!(deletions, ["Delete extra one→two", "Delete extra one→three"]);
    // The primary gets it meanwhile.
    scene.put(0, "extra", 1..=1).await;
    let told = scene.apply(&plan).await;
    assert_eq!(told, ["extra three Diverged", "extra two Diverged", "kept three Done", "kept two Done"]);
    assert_eq!(scene.held(1, "extra").await, 1);
    scene.memories[0].purge(&path("extra")).await.unwrap();
    let plan = scene.plan_of(&extra).await.unwrap();
    scene.apply(&plan).await;
    assert!(scene.memories[1].get(&path("extra"), None).await.is_err());
    assert!(scene.plan_of(&extra).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_replica_that_cannot_be_listed_is_not_taken_for_an_empty_one() {
    let scene = Scene::new();
    scene.put(0, "a", 1..=1).await;
    scene.journal.fails.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(scene.plan_of(&Scope::default()).await.is_err(), "nor is a journal that cannot be read");
}

#[tokio::test]
async fn the_mark_of_a_conflict_goes_where_all_have_one_version_and_nothing_waits() {
    let scene = Scene::new();
    for at in 0..3 {
        scene.put(at, "a", 1..=3).await;
        scene.put(at, "b", 1..=3).await;
    }
    for name in ["a", "b"] {
        scene.journal.flag(&path(name), true).await.unwrap();
    }
    // Somebody decided elsewhere about one; of the other, this machine has a version that nobody else does.
    let ours = sealed(3, 9, Some(2));
    let ids = scene.journal.add(&[crate::journal::NewRow::new(&path("b"), &ours, &["two"])]).await.unwrap();
    scene.journal.acknowledge(&ids).await.unwrap();
    scene.plan().await;
    assert_eq!(["a", "b"].map(|name| scene.journal.is_flagged(&path(name))), [false, true]);
}

#[tokio::test]
async fn the_mark_of_a_conflict_stays_where_a_listing_lies_or_one_is_not_asked() {
    let scene = Scene::new();
    for at in 0..3 {
        scene.put(at, "a", 1..=3).await;
    }
    scene.journal.flag(&path("a"), true).await.unwrap();
    let scope = Scope { replicas: ["one", "two"].map(str::to_owned).into(), ..Scope::default() };
    // A value that is not the one that the stamp names.
    let (lie, stamp) = (NewSecret::new(vec![8]), sealed(3, 3, Some(2)).stamp.unwrap());
    scene.memories[2].put(&path("a"), &lie.with_stamp(stamp), &PutMode::Upsert).await.unwrap();
    scene.plan_of(&scope).await.unwrap();
    scene.plan().await;
    assert!(scene.journal.is_flagged(&path("a")));
}
